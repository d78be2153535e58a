//! What a run left behind: the journal as an operator reads it, effects, and the back office.
//! Knows how to read it; never what is expected.

use baton_handoff::history::{Item, Role};
use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::Usage;
use serde_json::Value;

use super::pattern::Before;
use super::tools::EffectSeen;

/// The most bytes of one value in a line for people.
const LINE: usize = 400;

/// All that a run left behind.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The export of the conversation, oldest first.
    pub(super) items: Vec<Item>,
    /// The end of each step of the script.
    pub(super) ends: Vec<End>,
    pub(super) effects: Vec<EffectSeen>,
    /// Calls that nothing could answer.
    pub(super) unanswered: Vec<String>,
    /// What was ordered and refunded, as the back office has it.
    pub(super) orders: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    /// What could not be done as the script says.
    pub(super) not_done: Vec<(usize, String)>,
}

/// How the conversation stood after a step of the script.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// The last turn so far.
    pub(super) upto: TurnNumber,
    pub(super) agent: String,
    /// The tools whose actions wait for a yes.
    pub(super) waiting: Vec<String>,
    /// The answer to a card that the step began with.
    pub(super) answered: Option<bool>,
}

/// One call of a model.
#[derive(Debug, Clone)]
pub(super) struct CallSeen<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Value,
    pub(super) outcome: &'static str,
    pub(super) result: &'a str,
}

/// One thing, in the order in which it happened.
#[derive(Debug, Clone)]
pub(super) enum Fact<'a> {
    /// The customer wrote.
    Customer(&'a str),
    /// The customer answered a card.
    Answered(bool),
    /// An agent wrote.
    Agent(&'a str),
    Call(CallSeen<'a>),
    HandOff {
        from: &'a str,
        to: &'a str,
    },
    Action {
        name: &'a str,
        state: &'static str,
        result: &'a str,
    },
    /// A turn did not end well.
    Failed(String),
}

impl Evidence {
    /// The facts of a step of the script, or of the whole conversation.
    pub(super) fn facts(&self, step: Option<usize>) -> Vec<Fact<'_>> {
        let steps = self.ends.iter().enumerate();
        let mut first = 0;
        let mut facts = Vec::new();
        for (number, end) in steps {
            if step.is_none_or(|step| step == number) {
                facts.extend(end.answered.map(Fact::Answered));
                let items = self.items.iter();
                let items = items.filter(|item| (first + 1..=end.upto).contains(&turn_of(item)));
                facts.extend(items.filter_map(fact));
            }
            first = end.upto;
        }
        facts
    }

    /// The facts of the steps before this one.
    pub(super) fn facts_before(&self, step: usize) -> Vec<Fact<'_>> {
        (0..step).flat_map(|step| self.facts(Some(step))).collect()
    }

    /// The agents' words in a step, or in the whole conversation.
    pub(super) fn words(&self, step: Option<usize>) -> String {
        let facts = self.facts(step);
        let words = facts.iter().filter_map(|fact| match fact {
            Fact::Agent(text) => Some(*text),
            Fact::Customer(_)
            | Fact::Answered(_)
            | Fact::Call(_)
            | Fact::HandOff { .. }
            | Fact::Action { .. }
            | Fact::Failed(_) => None,
        });
        words.collect::<Vec<_>>().join("\n")
    }

    /// What was said and found in these facts.
    pub(super) fn before(facts: &[Fact<'_>]) -> Before {
        let mut before = Before::default();
        for fact in facts {
            let (text, more) = match fact {
                Fact::Customer(text) => (&mut before.customer, *text),
                Fact::Agent(text) => (&mut before.agents, *text),
                Fact::Call(call) => {
                    let result = (call.name.to_owned(), call.result.to_owned());
                    before.results.push(result);
                    continue;
                }
                Fact::Action { name, result, .. } => {
                    before
                        .results
                        .push(((*name).to_owned(), (*result).to_owned()));
                    continue;
                }
                Fact::Answered(_) | Fact::HandOff { .. } | Fact::Failed(_) => continue,
            };
            text.push_str(more);
            text.push('\n');
        }
        before
    }

    /// A step, or the whole conversation, in lines for people and for a judge.
    pub(super) fn lines(&self, step: Option<usize>) -> Vec<String> {
        self.facts(step).iter().map(line).collect()
    }

    /// Tokens of all turns.
    pub(super) fn usage(&self) -> Usage {
        let mut all = Usage::default();
        for item in &self.items {
            if let Item::Turn { usage, .. } = item {
                all += *usage;
            }
        }
        all
    }
}

/// The turn of an item.
pub(super) fn turn_of(item: &Item) -> TurnNumber {
    match item {
        Item::Message { turn, .. }
        | Item::ToolCall { turn, .. }
        | Item::HandOff { turn, .. }
        | Item::Action { turn, .. }
        | Item::Turn { turn, .. } => *turn,
    }
}

fn fact(item: &Item) -> Option<Fact<'_>> {
    Some(match item {
        Item::Message {
            role: Role::Customer,
            text,
            ..
        } => Fact::Customer(text),
        Item::Message {
            role: Role::Agent,
            text,
            ..
        } if text.trim().is_empty() => return None,
        Item::Message { text, .. } => Fact::Agent(text),
        Item::ToolCall {
            name,
            arguments,
            outcome,
            result,
            ..
        } => Fact::Call(CallSeen {
            name,
            arguments: read(arguments.as_deref().unwrap_or_default()),
            outcome: outcome.map_or("none", |outcome| outcome.as_str()),
            result: result.as_deref().unwrap_or_default(),
        }),
        Item::HandOff { from, to, .. } => Fact::HandOff { from, to },
        Item::Action {
            name,
            state,
            result,
            ..
        } => Fact::Action {
            name,
            state: state.as_str(),
            result: result.as_deref().unwrap_or_default(),
        },
        Item::Turn {
            status: "committed",
            ..
        } => return None,
        Item::Turn {
            status,
            code,
            message,
            ..
        } => {
            let code = code.map_or_else(String::new, |code| format!(" ({})", code.as_str()));
            let message = message.map_or_else(String::new, |message| format!(": {message}"));
            Fact::Failed(format!("the turn is {status}{code}{message}"))
        }
    })
}

/// Arguments as a model wrote them. What is no JSON is a text.
fn read(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments))
}

fn line(fact: &Fact<'_>) -> String {
    match fact {
        Fact::Customer(text) => format!("customer: {text}"),
        Fact::Answered(true) => "customer confirms the card".to_owned(),
        Fact::Answered(false) => "customer declines the card".to_owned(),
        Fact::Agent(text) => format!("agent: {text}"),
        Fact::Call(call) => format!("call: {} {} → {}", call.name, call.arguments, call.outcome),
        Fact::HandOff { from, to } => format!("hand-off: {from} → {to}"),
        Fact::Action {
            name,
            state,
            result,
        } => format!("action: {name} is {state}: {}", short(result)),
        Fact::Failed(sentence) => format!("failure: {sentence}"),
    }
}

/// The beginning of a text, on one line.
pub(super) fn short(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.len() <= LINE {
        return text;
    }
    let (begin, _) = text.split_at(text.floor_char_boundary(LINE));
    format!("{begin}…")
}
