//! Mistakes in a team file, each one sentence for the author of the file.

use std::fmt;
use std::ops::Range;

/// A mistake in a team file; displays as one sentence that starts with `FILE:LINE: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamError {
    file: String,
    line: usize,
    mistake: Mistake,
}

impl TeamError {
    /// The line of the mistake, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for TeamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}.", self.file, self.line, self.mistake)
    }
}

impl std::error::Error for TeamError {}

/// A mistake with the bytes of the text that contain it.
#[derive(Debug)]
pub struct Located {
    mistake: Mistake,
    at: Range<usize>,
}

impl Located {
    /// A mistake found by a provider. The sentence has no full stop and begins with the wrong part.
    pub fn new(sentence: impl Into<String>, at: Range<usize>) -> Self {
        Mistake::OfProvider(sentence.into()).at(at)
    }

    pub(super) fn in_file(self, file: &str, text: &str) -> TeamError {
        TeamError {
            file: file.to_owned(),
            line: line_of(self.at.start, text),
            mistake: self.mistake,
        }
    }
}

/// The line of a byte of a text, from 1.
pub(super) fn line_of(byte: usize, text: &str) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

impl From<toml::de::Error> for Located {
    fn from(error: toml::de::Error) -> Self {
        let lines: Vec<_> = error.message().lines().map(str::trim).collect();
        // The file's author knows keys and values, not our fields and variants.
        let words = lines
            .join(", ")
            .replace("unknown field", "unknown key")
            .replace("missing field", "missing key")
            .replace("unknown variant", "unknown value")
            .replace("expected i64", "expected a whole number")
            .replace("expected a map", "expected a table")
            .replace(
                "invalid type: map, expected a sequence",
                "expected a list; a section of a list has two brackets, as in [[agent]]",
            );
        Mistake::Toml(words).at(error.span().unwrap_or_default())
    }
}

/// A mistake. The sentence begins with the wrong part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("{0}")]
    Toml(String),
    #[error("{0}")]
    OfProvider(String),
    #[error("unknown key `{key}`, expected one of `{expected}`")]
    UnknownKey { key: String, expected: String },
    #[error("{what} must not be empty")]
    Empty { what: String },
    #[error(
        "{what} {name:?} has a name that model services refuse; use 1 to 64 letters, digits, _ and -"
    )]
    Name { what: &'static str, name: String },
    #[error("{key} is {found} and must be from {least} to {most}")]
    OutOfRange {
        key: &'static str,
        found: i64,
        least: i64,
        most: i64,
    },

    #[error("entry names {name:?}, and no agent has that name")]
    UnknownEntry { name: String },
    #[error("two agents have the name {name:?}")]
    AgentTwice { name: String },
    #[error("agent {name:?} cannot be reached from {entry:?} by any hand-off")]
    Unreachable { name: String, entry: String },
    #[error("agent {agent:?} names the tool {tool:?}, and no tool has that name")]
    UnknownTool { agent: String, tool: String },
    #[error("agent {agent:?} names {call:?} twice among its tools and hand-offs")]
    CallTwice { agent: String, call: String },
    #[error("agent {agent:?} has {found} tools and hand-offs, and model services take 128 at most")]
    TooManyCalls { agent: String, found: usize },
    #[error("agent {agent:?} hands off to {to:?}, and no agent has that name")]
    HandOffToNobody { agent: String, to: String },
    #[error("agent {agent:?} hands off to itself")]
    HandOffToItself { agent: String },
    #[error("hand-off {name:?} of agent {agent:?} has the name of a tool")]
    HandOffIsTool { agent: String, name: String },

    #[error("{key} is {found} US dollars and must be from {least} to {most}")]
    DollarsOutOfRange {
        key: &'static str,
        found: String,
        least: String,
        most: String,
    },
    #[error("two prices of the model {model:?} begin on the same day")]
    PriceTwice { model: String },
    #[error("from of a price must be a day, as in from = 2026-01-31")]
    PriceDay,
    #[error("a budget must limit tokens, usd or both")]
    BudgetEmpty,

    #[error("two tools have the name {name:?}")]
    ToolTwice { name: String },
    #[error("no agent uses the tool {name:?}")]
    Unused { name: String },
    #[error(
        "tool {name:?} has both parameters and schema; schema alone describes all of its arguments"
    )]
    ParametersAndSchema { name: String },
    #[error("the schema of tool {tool:?} must have type = \"object\"")]
    NotAnObjectSchema { tool: String },
    #[error("in the schema of tool {tool:?} {reason}")]
    Schema { tool: String, reason: String },
    #[error("the schema of tool {tool:?} holds {what}, which JSON does not have")]
    NotJson { tool: String, what: &'static str },
    #[error("`optional` of parameter {parameter:?} of tool {tool:?} must be true or false")]
    Optional { tool: String, parameter: String },
    #[error("identity of tool {tool:?} names {parameter:?}, which is not a parameter of it")]
    UnknownIdentity { tool: String, parameter: String },
    #[error("identity of tool {tool:?} names {parameter:?}, which a call may leave out")]
    OptionalIdentity { tool: String, parameter: String },
    #[error(
        "show of tool {tool:?} names {field:?}, which is not a JSON Pointer: ~ must be written as ~0"
    )]
    ShowPointer { tool: String, field: String },
    #[error(
        "show of tool {tool:?} names {field:?}, which is not a parameter of it; {meant:?} is one"
    )]
    ShowMisspelt {
        tool: String,
        field: String,
        meant: String,
    },
    #[error("tool {tool:?} is a lookup, and {key} is for actions only")]
    ForActionsOnly { tool: String, key: &'static str },
    #[error(
        "approval of tool {tool:?} needs amount = \"PARAMETER\", since {noun} is not asked what a call is worth"
    )]
    AmountMissing { tool: String, noun: &'static str },
    #[error("approval of tool {tool:?} must not name an amount, since {noun} knows it")]
    AmountKnown { tool: String, noun: &'static str },
    #[error(
        "approval of tool {tool:?} names the amount {parameter:?}, which is not a required parameter of type integer"
    )]
    AmountParameter { tool: String, parameter: String },

    #[error("tool {tool:?} is after {earlier:?}, and no tool has that name")]
    AfterUnknown { tool: String, earlier: String },
    #[error("tool {tool:?} is after itself, so it could never be called")]
    AfterItself { tool: String },
    #[error(
        "after of tool {tool:?} names {argument:?}, which is not a parameter that every call of {of:?} has"
    )]
    AfterArgument {
        tool: String,
        argument: String,
        of: String,
    },
    #[error(
        "after of tool {tool:?} names the result {pointer:?}, which is not a JSON Pointer such as /customer/id"
    )]
    AfterPointer { tool: String, pointer: String },

    #[error(
        "amount of tool {tool:?} names {parameter:?}, which is not a required parameter of type integer"
    )]
    NoAmount { tool: String, parameter: String },

    #[error("limit {name:?} has a name that is not 1 to 32 letters, digits, _ and -")]
    LimitName { name: String },
    #[error("two limits have the name {name:?}")]
    LimitTwice { name: String },
    #[error("this is one limit too many: a team has {most} at most")]
    TooManyLimits { most: usize },
    #[error(
        "limit {name:?} limits nothing; it needs tools, and action_usd, conversation_usd, customer_day_usd or tenant_day_usd"
    )]
    LimitEmpty { name: String },
    #[error("limit {limit:?} names the tool {tool:?}, and no tool has that name")]
    LimitTool { limit: String, tool: String },
    #[error(
        "limit {limit:?} names the tool {tool:?}, whose calls have no known amount; name the parameter with it by amount = \"PARAMETER\" in the tool"
    )]
    LimitAmount { limit: String, tool: String },
    #[error("tool {tool:?} is in the limits {first:?} and {second:?}; it can be in one")]
    LimitedTwice {
        first: String,
        second: String,
        tool: String,
    },

    #[error("tool {tool:?} needs confirm = {{ title = \"…\" }}, since its customer is asked")]
    ConfirmMissing { tool: String },
    #[error("tool {tool:?} has confirm, and its approval asks no customer")]
    ConfirmUnused { tool: String },
    #[error("the title of confirm of tool {tool:?} has a brace without the other one")]
    TitleBrackets { tool: String },
    #[error("confirm of tool {tool:?} names {name:?}, which no call of it is certain to have")]
    TitleName { tool: String, name: String },
    #[error(
        "confirm of tool {tool:?} has the word {word:?}, which is empty or both a yes and a no"
    )]
    ConfirmWord { tool: String, word: String },

    #[error("tool {tool:?} has no section that says where it runs")]
    NoProvider { tool: String },
    #[error("tool {tool:?} has [tool.{first}] and [tool.{second}]; it runs in one place")]
    TwoProviders {
        tool: String,
        first: &'static str,
        second: &'static str,
    },
}

impl Mistake {
    pub(super) fn at(self, at: Range<usize>) -> Located {
        Located { mistake: self, at }
    }
}
