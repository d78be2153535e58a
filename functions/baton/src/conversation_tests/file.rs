//! A file of conversation tests, `*.conversation.toml`: what a customer writes, and what is expected of the team.
//! Knows the form of the file and the names of a team; never how a conversation goes.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use baton_handoff::team::Team;
use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::mistake::{Mistake, suggestion};
use super::pattern::{Pattern, Source, compile};
use super::words::Language;

/// The largest file: a larger one is another file by mistake.
const MOST_BYTES: u64 = 1024 * 1024;

/// The most turns of a script, and the most messages of a simulated customer.
const MOST_TURNS: usize = 64;

/// The most entries of any list in a file.
const MOST_ENTRIES: usize = 256;

/// The most votes on a rubric.
const MOST_VOTES: u32 = 15;

/// One conversation and what is expected of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Case {
    /// Its name in reports; the file's name where it has none.
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) customer: Customer,
    pub(super) simulated: Option<Spanned<Simulated>>,
    #[serde(default)]
    pub(super) judge: Judge,
    #[serde(default, rename = "stub")]
    pub(super) stubs: Vec<Stub>,
    #[serde(default, rename = "turn")]
    pub(super) turns: Vec<Spanned<Turn>>,
    /// Of the whole conversation.
    #[serde(default)]
    pub(super) expect: Expect,
    #[serde(default, rename = "order")]
    pub(super) orders: Vec<Order>,
    /// The effects; any other one fails the run.
    #[serde(default, rename = "effect")]
    pub(super) effects: Vec<Effect>,
    /// Effects that the file does not name are no failure.
    #[serde(default)]
    pub(super) any_effects: bool,
    /// What the embedded back office has at the end.
    #[serde(default)]
    pub(super) office: Office,
}

/// Who writes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Customer {
    /// A verified customer; a visitor where there is none.
    pub(super) id: Option<String>,
    pub(super) tenant: Option<String>,
    #[serde(default)]
    pub(super) claims: toml::Table,
}

/// A model that writes as a customer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Simulated {
    pub(super) persona: String,
    pub(super) goal: String,
    /// The most messages.
    #[serde(default = "eight")]
    pub(super) turns: usize,
    pub(super) model: Option<Spanned<String>>,
}

fn eight() -> usize {
    8
}

/// The model that judges rubrics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Judge {
    pub(super) model: Option<Spanned<String>>,
    /// Odd.
    #[serde(default = "three")]
    pub(super) votes: Spanned<u32>,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            model: None,
            votes: three(),
        }
    }
}

fn three() -> Spanned<u32> {
    Spanned::new(0..0, 3)
}

/// Answers calls of a tool in the place of its service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Stub {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Pattern,
    /// How many calls it answers; all where there is no number.
    pub(super) times: Option<u32>,
    /// A text, or a value that becomes JSON.
    pub(super) result: Option<toml::Value>,
    /// The service refuses.
    pub(super) error: Option<String>,
    /// The service does not say whether it was done.
    pub(super) unknown: Option<String>,
}

/// One thing that happens, and what is expected until the next.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Turn {
    /// The customer's message.
    pub(super) says: Option<String>,
    /// The customer's answer to the open card.
    pub(super) confirm: Option<bool>,
    /// A colleague approves the waiting action of this tool.
    pub(super) approve: Option<Spanned<String>>,
    /// A colleague rejects it.
    pub(super) reject: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// What is expected of a turn, or of the whole conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Expect {
    /// The agent at the end.
    pub(super) agent: Option<Spanned<String>>,
    /// These calls, in this order; others may lie between.
    #[serde(default)]
    pub(super) calls: Vec<CallExpected>,
    /// No other calls than these.
    #[serde(default)]
    pub(super) exactly: bool,
    /// Tools that are not called.
    #[serde(default)]
    pub(super) no_calls: Vec<Spanned<String>>,
    /// The agents that were handed to, in this order and no others.
    pub(super) hand_offs: Option<Vec<Spanned<String>>>,
    /// The most hand-offs.
    pub(super) most_hand_offs: Option<usize>,
    /// The tools whose actions wait for a yes at the end, and no others.
    pub(super) waiting: Option<Vec<Spanned<String>>>,
    /// Texts that the agents' words contain.
    #[serde(default)]
    pub(super) contains: Vec<String>,
    /// Texts that they do not contain.
    #[serde(default)]
    pub(super) lacks: Vec<String>,
    /// Regular expressions that find something in them.
    #[serde(default)]
    pub(super) matches: Vec<Expression>,
    /// Regular expressions that find nothing.
    #[serde(default)]
    pub(super) matches_not: Vec<Expression>,
    pub(super) language: Option<Language>,
    /// Regular expressions: whatever they find in the agents' words stands in a result of a tool or in the customer's words.
    #[serde(default)]
    pub(super) from_results: Vec<Expression>,
    /// The agents may say nothing.
    #[serde(default)]
    pub(super) silent: bool,
    /// Sentences that a model judges.
    #[serde(default)]
    pub(super) rubric: Vec<String>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct CallExpected {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Pattern,
    pub(super) outcome: Option<OutcomeExpected>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeExpected {
    /// It has a result.
    Ok,
    /// It failed.
    Error,
    /// It is an action that had not ended.
    Pending,
}

impl OutcomeExpected {
    /// As the journal has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Pending => "pending",
        }
    }
}

/// Each such call comes after something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Order {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Pattern,
    pub(super) after: Spanned<After>,
}

/// What comes first: a customer's words, or a call that succeeded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct After {
    pub(super) customer: Option<CustomerSaid>,
    /// What agents said right before the customer's words.
    pub(super) to: Option<Expression>,
    pub(super) tool: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) arguments: Pattern,
}

/// Words of a customer.
#[derive(Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) enum CustomerSaid {
    /// A yes: a word of a few languages, or by a card.
    Yes,
    /// Words in which the regular expression finds something.
    Matches(Regex),
}

impl TryFrom<toml::Value> for CustomerSaid {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        const FORM: &str = "customer must be \"yes\" or { regex = \"…\" }";
        match value {
            toml::Value::String(text) if text == "yes" => Ok(Self::Yes),
            toml::Value::Table(table) => match (table.len(), table.get("regex")) {
                (1, Some(toml::Value::String(regex))) => Ok(Self::Matches(compile(regex)?)),
                _ => Err(FORM.to_owned()),
            },
            _ => Err(FORM.to_owned()),
        }
    }
}

/// A regular expression.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Expression(pub(super) Regex);

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(regex: String) -> Result<Self, String> {
        compile(&regex).map(Self)
    }
}

/// Something that an action did.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Effect {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Pattern,
    #[serde(default = "once")]
    pub(super) times: usize,
    /// It may as well not be.
    #[serde(default)]
    pub(super) optional: bool,
}

fn once() -> usize {
    1
}

/// Records of the embedded back office, each of a pattern, and no others.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Office {
    pub(super) orders: Option<Vec<Pattern>>,
    pub(super) refunds: Option<Vec<Pattern>>,
}

/// Reads a file, and checks its names by the team.
pub(super) fn read(path: &Path, team: &Team) -> anyhow::Result<Case> {
    let name = path.display().to_string();
    let size = std::fs::metadata(path).with_context(|| format!("{name} cannot be read"))?;
    anyhow::ensure!(
        size.len() <= MOST_BYTES,
        "{name} has {} bytes, and a file of conversation tests has {MOST_BYTES} at most",
        size.len()
    );
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    let mut case = parse(&name, &text, team)?;
    if case.name.trim().is_empty() {
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        stem.trim_end_matches(".toml")
            .trim_end_matches(".conversation")
            .clone_into(&mut case.name);
    }
    Ok(case)
}

fn parse(file: &str, text: &str, team: &Team) -> Result<Case, Mistake> {
    let case: Case = toml::from_str(text).map_err(|error| Mistake::of_toml(file, text, &error))?;
    let check = Check { team };
    check
        .case(&case)
        .map_err(|(at, sentence)| Mistake::at(file, text, at, sentence))?;
    Ok(case)
}

/// A place, and what is wrong there.
type Found = (Range<usize>, String);

struct Check<'a> {
    team: &'a Team,
}

impl Check<'_> {
    fn case(&self, case: &Case) -> Result<(), Found> {
        let whole = || 0..0;
        if case.simulated.is_some() == !case.turns.is_empty() {
            let sentence = "the file needs either [[turn]]s, one at least, or [simulated]";
            return Err((whole(), sentence.to_owned()));
        }
        if case.turns.len() > MOST_TURNS {
            return Err((whole(), format!("a script has {MOST_TURNS} turns at most")));
        }
        let lists = [case.stubs.len(), case.orders.len(), case.effects.len()];
        if lists.iter().any(|entries| *entries > MOST_ENTRIES) {
            return Err((
                whole(),
                format!("a list has {MOST_ENTRIES} entries at most"),
            ));
        }
        if let Some(simulated) = &case.simulated {
            let of = simulated.get_ref();
            if !(1..=MOST_TURNS).contains(&of.turns) {
                let sentence = format!("turns of [simulated] must be from 1 to {MOST_TURNS}");
                return Err((simulated.span(), sentence));
            }
            self.model(of.model.as_ref())?;
        }
        let votes = &case.judge.votes;
        if votes.get_ref() % 2 == 0 || *votes.get_ref() > MOST_VOTES {
            let sentence = format!("votes must be odd and {MOST_VOTES} at most");
            return Err((votes.span(), sentence));
        }
        self.model(case.judge.model.as_ref())?;
        for stub in &case.stubs {
            self.stub(stub)?;
        }
        for turn in &case.turns {
            self.turn(turn)?;
        }
        self.expect(&case.expect)?;
        for order in &case.orders {
            self.call(&order.tool, &order.arguments)?;
            let after = order.after.get_ref();
            if after.customer.is_some() == after.tool.is_some()
                || after.to.is_some() && after.customer.is_none()
            {
                let sentence = "after needs either customer (with or without to) or tool";
                return Err((order.after.span(), sentence.to_owned()));
            }
            let mut tool = after.tool.iter();
            tool.try_for_each(|tool| self.call(tool, &after.arguments))?;
        }
        let mut effects = case.effects.iter();
        effects.try_for_each(|effect| {
            self.action(&effect.tool)?;
            self.call(&effect.tool, &effect.arguments)
        })
    }

    /// A tool with a pattern of its arguments.
    fn call(&self, tool: &Spanned<String>, arguments: &Pattern) -> Result<(), Found> {
        self.tool(tool)?;
        for source in arguments.sources() {
            if let Source::Tool(name) = source {
                self.tool(&Spanned::new(tool.span(), name.clone()))?;
            }
        }
        Ok(())
    }

    fn stub(&self, stub: &Stub) -> Result<(), Found> {
        self.tool(&stub.tool)?;
        if !stub.arguments.sources().is_empty() {
            let sentence = "the arguments of a stub cannot have said_by and found_by: a stub knows its own call only";
            return Err((stub.tool.span(), sentence.to_owned()));
        }
        let answers = [
            stub.result.is_some(),
            stub.error.is_some(),
            stub.unknown.is_some(),
        ];
        if answers.iter().filter(|has| **has).count() != 1 {
            let sentence = "a stub needs one of result, error and unknown";
            return Err((stub.tool.span(), sentence.to_owned()));
        }
        if stub.unknown.is_some() {
            self.action(&stub.tool)?;
        }
        Ok(())
    }

    fn turn(&self, turn: &Spanned<Turn>) -> Result<(), Found> {
        let of = turn.get_ref();
        let happens = [
            of.says.is_some(),
            of.confirm.is_some(),
            of.approve.is_some(),
            of.reject.is_some(),
        ];
        if happens.iter().filter(|has| **has).count() != 1 {
            let sentence = "a turn needs one of says, confirm, approve and reject";
            return Err((turn.span(), sentence.to_owned()));
        }
        let mut decided = of.approve.iter().chain(&of.reject);
        decided.try_for_each(|tool| self.action(tool))?;
        self.expect(&of.expect)
    }

    fn expect(&self, expect: &Expect) -> Result<(), Found> {
        let mut agents = expect.agent.iter().chain(expect.hand_offs.iter().flatten());
        agents.try_for_each(|agent| self.agent(agent))?;
        let mut calls = expect.calls.iter();
        calls.try_for_each(|call| self.call(&call.tool, &call.arguments))?;
        expect
            .no_calls
            .iter()
            .try_for_each(|tool| self.tool(tool))?;
        let mut waiting = expect.waiting.iter().flatten();
        waiting.try_for_each(|tool| self.action(tool))
    }

    fn tool(&self, name: &Spanned<String>) -> Result<(), Found> {
        if self.team.tool(name.get_ref()).is_some() {
            return Ok(());
        }
        let names = self.team.tools().map(|tool| tool.name.as_str());
        Err(unknown("tool", name, names))
    }

    fn action(&self, name: &Spanned<String>) -> Result<(), Found> {
        use baton_handoff::team::ToolKind;
        self.tool(name)?;
        let tool = self.team.tool(name.get_ref());
        if tool.is_some_and(|tool| tool.kind == ToolKind::Action) {
            return Ok(());
        }
        let sentence = format!(
            "the tool {:?} is a lookup, and this is for actions",
            name.get_ref()
        );
        Err((name.span(), sentence))
    }

    fn agent(&self, name: &Spanned<String>) -> Result<(), Found> {
        if self.team.agent(name.get_ref()).is_some() {
            return Ok(());
        }
        let names = self.team.agents().map(|agent| agent.name.as_str());
        Err(unknown("agent", name, names))
    }

    fn model(&self, name: Option<&Spanned<String>>) -> Result<(), Found> {
        let mut models = self.team.models().iter().map(|model| model.name.as_str());
        match name {
            Some(name) if !models.any(|model| model == name.get_ref()) => {
                let names = self.team.models().iter().map(|model| model.name.as_str());
                Err(unknown("model", name, names))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn unknown<'a>(what: &str, name: &Spanned<String>, names: impl Iterator<Item = &'a str>) -> Found {
    let meant = suggestion(name.get_ref(), names).unwrap_or_default();
    let sentence = format!("the team has no {what} {:?}{meant}", name.get_ref());
    (name.span(), sentence)
}
