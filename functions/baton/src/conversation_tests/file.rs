//! A file of conversation tests, `*.conversation.toml`: what a customer writes, and what is expected of the team.
//! Knows the form of the file; never how a conversation goes.

use std::path::Path;

use anyhow::Context;
use baton_handoff::team::Team;
use baton_handoff::{Claims, Subject, Tenant};
use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::check;
use super::entries::{Text, arguments, claims, list, list_if_any};
use super::mistake::Mistake;
use super::pattern::{Pattern, compile};
use super::words::Language;

/// The largest file: a larger one is another file by mistake.
const MOST_BYTES: u64 = 1024 * 1024;

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
    #[serde(default, rename = "stub", deserialize_with = "list")]
    pub(super) stubs: Vec<Stub>,
    #[serde(default, rename = "turn")]
    pub(super) turns: Vec<Spanned<Turn>>,
    /// Of the whole conversation.
    #[serde(default)]
    pub(super) expect: Expect,
    #[serde(default, rename = "order", deserialize_with = "list")]
    pub(super) orders: Vec<Order>,
    /// The effects; any other one fails the run.
    #[serde(default, rename = "effect", deserialize_with = "list")]
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
    pub(super) id: Option<Subject>,
    #[serde(default)]
    pub(super) tenant: Tenant,
    #[serde(default, deserialize_with = "claims")]
    pub(super) claims: Claims,
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
    #[serde(default, deserialize_with = "arguments")]
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
    pub(super) says: Option<Text>,
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
    #[serde(default, deserialize_with = "list")]
    pub(super) calls: Vec<CallExpected>,
    /// No other calls than these.
    #[serde(default)]
    pub(super) exactly: bool,
    /// Tools that are not called.
    #[serde(default, deserialize_with = "list")]
    pub(super) no_calls: Vec<Spanned<String>>,
    /// The agents that were handed to, in this order and no others.
    #[serde(default, deserialize_with = "list_if_any")]
    pub(super) hand_offs: Option<Vec<Spanned<String>>>,
    /// The most hand-offs.
    pub(super) most_hand_offs: Option<usize>,
    /// The tools whose actions wait for a yes at the end, and no others.
    #[serde(default, deserialize_with = "list_if_any")]
    pub(super) waiting: Option<Vec<Spanned<String>>>,
    /// Texts that the agents' words contain.
    #[serde(default, deserialize_with = "list")]
    pub(super) contains: Vec<Text>,
    /// Texts that they do not contain.
    #[serde(default, deserialize_with = "list")]
    pub(super) lacks: Vec<Text>,
    /// Regular expressions that find something in them.
    #[serde(default, deserialize_with = "list")]
    pub(super) matches: Vec<Expression>,
    /// Regular expressions that find nothing.
    #[serde(default, deserialize_with = "list")]
    pub(super) matches_not: Vec<Expression>,
    pub(super) language: Option<Language>,
    /// Regular expressions: whatever they find in the agents' words stands in a result of a tool or in the customer's words.
    #[serde(default, deserialize_with = "list")]
    pub(super) from_results: Vec<Expression>,
    /// The agents may say nothing.
    #[serde(default)]
    pub(super) silent: bool,
    /// Sentences that a model judges.
    #[serde(default, deserialize_with = "list")]
    pub(super) rubric: Vec<Text>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct CallExpected {
    pub(super) tool: Spanned<String>,
    #[serde(default, deserialize_with = "arguments")]
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
    #[serde(default, deserialize_with = "arguments")]
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
    #[serde(default, deserialize_with = "arguments")]
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
        if value.as_str() == Some("yes") {
            return Ok(Self::Yes);
        }
        let table = value.as_table().filter(|table| table.len() == 1);
        let regex = table.and_then(|table| table.get("regex"));
        let regex = regex.and_then(toml::Value::as_str);
        Ok(Self::Matches(compile(regex.ok_or(FORM)?)?))
    }
}

/// A regular expression.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Expression(pub(super) Regex);

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(regex: String) -> Result<Self, String> {
        if regex.is_empty() {
            return Err("an empty regular expression finds something in any text".to_owned());
        }
        compile(&regex).map(Self)
    }
}

/// Something that an action did.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Effect {
    pub(super) tool: Spanned<String>,
    #[serde(default, deserialize_with = "arguments")]
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
    #[serde(default, deserialize_with = "list_if_any")]
    pub(super) orders: Option<Vec<Spanned<Pattern>>>,
    #[serde(default, deserialize_with = "list_if_any")]
    pub(super) refunds: Option<Vec<Spanned<Pattern>>>,
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
    check::case(&case, team).map_err(|(at, sentence)| Mistake::at(file, text, at, sentence))?;
    Ok(case)
}
