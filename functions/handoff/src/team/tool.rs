//! A tool: its name for the model, its arguments and its execution.
//! Knows the declaration only; never how a provider executes a call.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::after::After;
use super::arguments::Arguments;
use super::canonical::canonical;
use super::confirm::Confirm;
use super::picking::Picking;
use super::provider::Runs;
use super::schema::{Problem, Schema};
use super::show::Show;

/// A tool that a model may call.
#[derive(Debug)]
pub struct Tool {
    /// The name that the model calls, unique in the team.
    pub name: String,
    /// The description for the model.
    pub description: String,
    /// Whether a call has a side effect.
    pub kind: ToolKind,
    /// The parameters that make a call *the same action* as another one; empty means all of them.
    pub identity: Vec<String>,
    /// How long one call may take.
    pub timeout: Duration,
    /// Where a call runs.
    pub runs: Runs,
    /// Whether an operator must approve first; lookups never need that.
    pub approval: Approval,
    /// How the customer is asked to confirm first. None: the customer is not asked.
    pub confirm: Option<Confirm>,
    /// The source of a call's amount. None: it has none.
    pub amount: Option<Amount>,
    /// Whether its actions wait for earlier ones of their conversation.
    pub order: ActionOrder,
    /// How long an action is tried, from its first try on.
    pub retry: Duration,
    /// Whether only a verified customer may have it called.
    pub verified: bool,
    /// What must have happened before.
    pub after: Option<After>,
    /// How much of its calls customers see.
    pub show: Show,
    /// The fields of a result that are passed on; all where the file names none.
    pub result: Picking,
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
    /// Has a side effect: recorded first, then executed by a worker, once.
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
    /// They run in the order of their acceptance or approval.
    #[default]
    Kept,
    /// They run at any time, and no other action waits for them.
    Free,
}

/// Whether an operator must approve an action before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// No approval.
    Never,
    /// Approval of every call.
    Always,
    /// Approval of calls worth more than a limit.
    Above {
        /// The highest amount, in US cents, that needs no approval.
        limit_cents: u64,
        /// The source of a call's amount.
        amount: Amount,
    },
}

/// The source of a call's amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// The tool's provider, which knows for example the price paid for the item of a refund.
    Provider,
    /// A required parameter, in whole US dollars.
    Parameter(String),
}

impl Tool {
    /// Whether a turn has only one action of an identity, whatever lies between two calls. So where the file names the identity,
    /// or an amount that moves.
    pub(crate) fn is_once_a_turn(&self) -> bool {
        !self.identity.is_empty()
            || matches!(self.approval, Approval::Above { .. })
            || matches!(self.amount, Some(Amount::Parameter(_)))
    }

    /// Whether every checked call has this argument.
    pub(super) fn always_has(&self, argument: &str) -> bool {
        let required = self.parameters().get("required").and_then(Value::as_array);
        self.defaults.contains_key(argument)
            || required.is_some_and(|names| names.iter().any(|name| name == argument))
    }

    /// The JSON Schema of the arguments, always of type `object`.
    pub fn parameters(&self) -> &Value {
        self.schema.document()
    }

    /// Canonical JSON of the identity of a call with these arguments: the parameters that the tool names as its identity, or all
    /// arguments where it names none. Calls of a tool with equal identities are the same action.
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
    /// A sentence for the model: the mistake and its argument; or that the tool's own schema cannot be used.
    pub fn check(&self, arguments: &str) -> Result<Arguments, String> {
        self.read(arguments)
            .map_err(|complaint| format!("{} was not called: {complaint}.", self.name))
    }

    fn read(&self, text: &str) -> Result<Arguments, String> {
        self.compile().map_err(|problem| {
            // The owner of the team finds the reason in the log and at `/health`; the model cannot act on it.
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
