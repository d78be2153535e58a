//! What a run left behind: the journal as an operator reads it, effects, and the back office.
//! Knows how to read it; never what is expected.

use baton_handoff::history::{Item, Role};
use baton_handoff::ids::{ActionId, TurnNumber};
use baton_handoff::ports::Usage;
use baton_handoff::record::ActionState;
use serde_json::Value;

use super::pattern::Before;
use super::tools::EffectSeen;

/// The most bytes of one value in a line for people.
const LINE: usize = 400;

/// The most bytes of one result in a transcript: what a judge needs to see that an agent made nothing up.
const RESULT: usize = 4 * 1024;

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
    pub(super) answered: Option<CardAnswered>,
    /// The actions whose state is another one than before the step.
    pub(super) changed: Vec<ActionSeen>,
}

/// A card that the customer answered.
#[derive(Debug, Clone)]
pub(super) struct CardAnswered {
    pub(super) yes: bool,
    pub(super) tool: String,
    /// What the card asks.
    pub(super) title: String,
}

/// An action as it was after a step: the journal has only its present state.
#[derive(Debug, Clone)]
pub(super) struct ActionSeen {
    id: ActionId,
    turn: TurnNumber,
    pub(super) name: String,
    /// As the model wrote them.
    pub(super) arguments: Value,
    pub(super) state: ActionState,
    pub(super) result: String,
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
    Answered(&'a CardAnswered),
    /// An agent wrote.
    Agent(&'a str),
    Call(CallSeen<'a>),
    HandOff {
        from: &'a str,
        to: &'a str,
    },
    /// An action has another state than before.
    Action(&'a ActionSeen),
    /// A turn did not end well.
    Failed(String),
}

impl Evidence {
    /// Notes how the conversation stands after a step: the whole export, the agent, and the card that was answered.
    pub(super) fn end_step(
        &mut self,
        items: Vec<Item>,
        agent: String,
        answered: Option<CardAnswered>,
    ) {
        let actions = actions(&items);
        let waits = |action: &&ActionSeen| action.state == ActionState::Proposed;
        let waiting = actions.iter().filter(waits);
        let waiting = waiting.map(|action| action.name.clone()).collect();
        let is_new = |action: &ActionSeen| {
            let before = self.ends.iter().rev().flat_map(|end| &end.changed);
            let mut before = before.filter(|before| before.id == action.id);
            before
                .next()
                .is_none_or(|before| before.state != action.state)
        };
        let changed = actions.into_iter().filter(is_new).collect();
        self.ends.push(End {
            upto: items.last().map_or(0, turn_of),
            agent,
            waiting,
            answered,
            changed,
        });
        self.items = items;
    }

    /// The facts of a step of the script, or of the whole conversation.
    pub(super) fn facts(&self, step: Option<usize>) -> Vec<Fact<'_>> {
        let steps = self.ends.iter().enumerate();
        let mut first = 0;
        let mut facts = Vec::new();
        for (number, end) in steps {
            if step.is_none_or(|step| step == number) {
                facts.extend(facts_of(&self.items, end, first));
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
            | Fact::Action(_)
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
                // What failed found nothing: its sentence may name what the model made up.
                Fact::Call(call) => {
                    if call.outcome == "ok" {
                        before.found(call.name, call.result);
                    }
                    continue;
                }
                Fact::Action(action) => {
                    if action.state == ActionState::Done {
                        before.found(&action.name, &action.result);
                    }
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

/// The facts of one step, whose turns come after `first`.
fn facts_of<'a>(items: &'a [Item], end: &'a End, first: TurnNumber) -> Vec<Fact<'a>> {
    let mut facts: Vec<_> = end.answered.iter().map(Fact::Answered).collect();
    for item in items {
        if !(first + 1..=end.upto).contains(&turn_of(item)) {
            continue;
        }
        if let Item::Action { action, .. } = item {
            let mut changed = end.changed.iter();
            facts.extend(changed.find(|it| it.id == *action).map(Fact::Action));
        } else {
            facts.extend(fact(item));
        }
    }
    // Behind the customer's words or answer, and before what agents say about them.
    let at = usize::from(matches!(
        facts.first(),
        Some(Fact::Answered(_) | Fact::Customer(_))
    ));
    let earlier = end.changed.iter().filter(|action| action.turn <= first);
    facts.splice(at..at, earlier.map(Fact::Action));
    facts
}

/// The actions of an export.
fn actions(items: &[Item]) -> Vec<ActionSeen> {
    let arguments_of = |of: Option<&String>, in_turn: TurnNumber| {
        let calls = items.iter();
        let mut calls = calls.filter_map(|item| match item {
            Item::ToolCall {
                turn,
                call,
                arguments,
                ..
            } if *turn == in_turn => Some((call, arguments)),
            Item::ToolCall { .. }
            | Item::Message { .. }
            | Item::HandOff { .. }
            | Item::Action { .. }
            | Item::Turn { .. } => None,
        });
        let (_, arguments) = calls.find(|(call, _)| Some(*call) == of)?;
        arguments.as_deref()
    };
    let actions = items.iter().filter_map(|item| match item {
        Item::Action {
            turn,
            action,
            call,
            name,
            arguments,
            state,
            result,
            ..
        } => Some(ActionSeen {
            id: action.clone(),
            turn: *turn,
            name: name.clone(),
            arguments: read(
                arguments_of(call.as_ref(), *turn)
                    .or(arguments.as_deref())
                    .unwrap_or_default(),
            ),
            state: *state,
            result: result.clone().unwrap_or_default(),
        }),
        Item::Message { .. } | Item::ToolCall { .. } | Item::HandOff { .. } | Item::Turn { .. } => {
            None
        }
    });
    actions.collect()
}

/// The turn of an item.
fn turn_of(item: &Item) -> TurnNumber {
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
        Item::Turn {
            status: "committed",
            ..
        }
        // Those stand where their state changed.
        | Item::Action { .. } => return None,
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
        Fact::Answered(CardAnswered { yes, tool, title }) => {
            let verb = if *yes { "confirms" } else { "declines" };
            format!("customer {verb} the card of {tool}: {title}")
        }
        Fact::Agent(text) => format!("agent: {text}"),
        Fact::Call(call) => format!(
            "call: {} {} → {}{}",
            call.name,
            call.arguments,
            call.outcome,
            behind(call.result)
        ),
        Fact::HandOff { from, to } => format!("hand-off: {from} → {to}"),
        Fact::Action(action) => format!(
            "action: {} is {}{}",
            action.name,
            action.state.as_str(),
            behind(&action.result)
        ),
        Fact::Failed(sentence) => format!("failure: {sentence}"),
    }
}

/// A result behind what it is of.
fn behind(result: &str) -> String {
    if result.is_empty() {
        return String::new();
    }
    format!(": {}", begin(result, RESULT))
}

/// The beginning of a text, on one line.
pub(super) fn short(text: &str) -> String {
    begin(text, LINE)
}

fn begin(text: &str, most: usize) -> String {
    cut(&text.replace(['\n', '\r'], " "), most)
}

/// The beginning of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let (begin, _) = text.split_at(text.floor_char_boundary(most));
    format!("{begin}…")
}
