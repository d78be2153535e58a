//! A tool: what a model may call, with which arguments, and how the call is carried out.
//! Knows the declaration only; never how a provider carries a call out.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::canonical::canonical;
use super::provider::Runs;
use super::schema::{Problem, Schema};

/// Something that a model may call.
#[derive(Debug)]
pub struct Tool {
    /// The name that the model calls, unique in the team.
    pub name: String,
    /// What the model is told the tool does.
    pub description: String,
    /// Whether a call has a side effect.
    pub kind: ToolKind,
    /// The parameters that make a call *the same action* as another one; empty means all of them.
    pub identity: Vec<String>,
    /// How long one call may take.
    pub timeout: Duration,
    /// Where a call is carried out.
    pub runs: Runs,
    /// Whether a person has to agree first; lookups never need it.
    pub approval: Approval,
    /// Whether its actions wait for earlier ones of their conversation.
    pub order: ActionOrder,
    /// How long an action is tried, from its first try on.
    pub retry: Duration,
    /// Values for top-level parameters that the model left out.
    pub(super) defaults: Map<String, Value>,
    pub(super) schema: Schema,
}

/// Whether a call has a side effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    /// No side effect: runs inside the turn and may be repeated.
    Lookup,
    /// Has a side effect: recorded first, then carried out by a worker, once.
    Action,
}

impl ToolKind {
    /// The kind as a team file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Action => "action",
        }
    }
}

/// Whether actions of a tool wait for earlier ones of their conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionOrder {
    /// They are carried out in the order in which they were accepted or approved.
    #[default]
    Kept,
    /// They are carried out at any time, and nothing waits for them.
    Free,
}

/// Whether a person has to agree before an action is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has to.
    Never,
    /// Somebody has to agree to every call.
    Always,
    /// Somebody has to agree to calls worth more than a limit.
    Above {
        /// The highest amount, in US cents, that needs nobody.
        limit_cents: u64,
        /// Who says what a call is worth.
        amount: Amount,
    },
}

/// Who says what a call is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// The tool's provider is asked, for example what was paid for the item of a refund.
    Provider,
    /// A required parameter names it, in whole US dollars.
    Parameter(String),
}

impl Tool {
    /// Whether a turn has one action of an identity, whatever lies between two calls: where the file names the identity, or an
    /// amount that moves.
    pub(crate) fn is_once_a_turn(&self) -> bool {
        !self.identity.is_empty() || matches!(self.approval, Approval::Above { .. })
    }

    /// The JSON Schema of the arguments, always of type `object`.
    pub fn parameters(&self) -> &Value {
        self.schema.document()
    }

    /// Canonical JSON of what makes a call with these arguments the same action as another call of this tool: the parameters that
    /// the tool names as its identity, or all arguments where it names none.
    pub fn identity_of(&self, arguments: &Arguments) -> String {
        if self.identity.is_empty() {
            return arguments.canonical().to_owned();
        }
        let named = self.identity.iter().filter_map(|name| {
            let value = arguments.as_value().get(name)?;
            Some((name.clone(), value.clone()))
        });
        canonical(Value::Object(named.collect())).to_string()
    }

    /// Reads the argument text of a model and checks it against the schema.
    ///
    /// An empty text counts as `{}`, since some models send it for a tool without parameters. The first check compiles the schema,
    /// unless [`Team::compile_all`](super::Team::compile_all) did.
    ///
    /// # Errors
    /// A sentence for the model: what is wrong, and with which argument; or that the tool's own schema cannot be used.
    pub fn check(&self, arguments: &str) -> Result<Arguments, String> {
        self.read(arguments)
            .map_err(|complaint| format!("{} was not called: {complaint}.", self.name))
    }

    fn read(&self, text: &str) -> Result<Arguments, String> {
        self.compile().map_err(|problem| {
            // The owner of the team finds the reason in the log and at `/health`; a model can do nothing about it.
            tracing::error!(tool = self.name, reason = %problem, "the schema of a tool cannot be used");
            "its schema cannot be used, which is a mistake of this team and not of the call".to_owned()
        })?;
        let mut object = Arguments::read_object(text)?;
        for (name, value) in &self.defaults {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let arguments = Arguments::from_object(object);
        self.schema
            .check(arguments.as_value(), "the argument object")?;
        Ok(arguments)
    }

    /// Compiles the schema, once, and checks the defaults by it.
    pub(super) fn compile(&self) -> Result<(), &Problem> {
        self.schema.compile(&self.defaults)
    }
}
