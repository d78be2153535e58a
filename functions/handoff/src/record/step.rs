//! A step of the journal: one whole model response, and the results in the request for it.

use serde::{Deserialize, Serialize};

use super::action::ActionState;
use super::client::ClientCall;
use super::stored::encode;
use crate::failure::FailureCode;
use crate::ids::ActionId;
use crate::ports::{Millis, Record, ToolCall, Usage};

/// The outcome of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It has a result.
    Ok,
    /// The call failed, and the model receives the error.
    Error,
    /// An action was accepted and has no result yet.
    Pending,
    /// Another agent is active now.
    HandedOff,
}

impl ToolOutcome {
    /// The outcome on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Pending => "pending",
            Self::HandedOff => "handed_off",
        }
    }
}

/// A result in the form that the model received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResult {
    /// The model's id of the call.
    pub call: String,
    /// Its outcome.
    pub outcome: ToolOutcome,
    /// The text.
    pub result: String,
    /// When it began. Milliseconds since 1970; 0 in records of before this was kept.
    #[serde(default, skip_serializing_if = "super::stored::is_zero_place")]
    pub at: Millis,
    /// Its duration.
    pub milliseconds: u64,
    /// The end of its action; none while that is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedAction>,
    /// The agent that took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_to: Option<String>,
}

/// The end of an action, as reported to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedAction {
    /// The action.
    pub action: ActionId,
    /// Its final state.
    pub state: ActionState,
}

/// A result that came after its call had been answered as pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateResult {
    /// The action.
    pub action: ActionId,
    /// Its tool.
    pub tool: String,
    /// Its final state.
    pub state: ActionState,
    /// The text for the model.
    pub result: String,
}

/// An action that a step accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedAction {
    /// The model's id of the call.
    pub call: String,
    /// The action; two calls of one step may stand for one action.
    pub action: ActionId,
    /// The state in which it was accepted.
    pub state: ActionState,
    /// Its customer was asked to confirm it.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub asks: bool,
}

/// Why a call of an action tool is no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAccepted {
    /// Too many actions of the conversation are pending.
    TooManyOpen,
    /// Its turn has as many actions as a turn may have.
    TooManyInTurn,
    /// A limit on money refuses it.
    OverLimit,
    /// Its arguments are too long for a customer to confirm.
    TooLongToShow,
    /// It repeats an earlier call, and of what stands between them something was not accepted.
    Repeats,
}

/// A call that was no action, where it is not for the number of pending ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCall {
    /// The model's id of the call.
    pub call: String,
    /// Why.
    pub why: NotAccepted,
}

/// How a response came about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The model: its name in the team file, or the name of the deployment's own model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The service's id of the response.
    #[serde(rename = "id", default, skip_serializing_if = "String::is_empty")]
    pub response: String,
    /// How often requests were sent for it, failed calls included; 0 means once.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub tries: u32,
    /// When the request was sent.
    #[serde(default)]
    pub at: Millis,
    /// Milliseconds from there to the first piece of the response.
    #[serde(rename = "first", default)]
    pub first_after: Millis,
    /// Milliseconds from there to its end.
    #[serde(rename = "end", default)]
    pub end_after: Millis,
    /// The request was too long for the model, and was made shorter.
    #[serde(
        rename = "short",
        default,
        skip_serializing_if = "super::stored::is_false"
    )]
    pub shortened: bool,
    /// The calls that failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCall>,
}

/// A model call that brought no response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCall {
    /// The model, as in [`Asked`].
    pub model: String,
    /// Why.
    pub why: FailureCode,
    /// The tokens that the service counted before it failed.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub usage: Usage,
    /// What they cost, in units of 10^-12 US dollars. Where a service does not count tokens, what was reserved for the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

/// Serde wants a reference here.
fn is_nothing(usage: &Usage) -> bool {
    *usage == Usage::default()
}

/// What a service wants back with its response. Never shown, never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// In the words of the service's wire format.
    pub text: String,
    /// The hash of what stood before the response in its request. None: it may stand behind anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl std::fmt::Debug for Opaque {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Opaque({} bytes)", self.text.len())
    }
}

/// `T#turn#S#step`: the journal, one whole model response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The agent.
    pub agent: String,
    /// The fence of its owner.
    pub fence: u64,
    /// The text.
    pub text: String,
    /// The calls.
    pub calls: Vec<ToolCall>,
    /// The actions of these calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<AcceptedAction>,
    /// The calls that a limit refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedCall>,
    /// The calls that the client executes: the turn ended with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<ClientCall>,
    /// The results of the previous step, in their order of completion.
    #[serde(rename = "told", default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CallResult>,
    /// Late results in the request for this response.
    #[serde(rename = "late", default, skip_serializing_if = "Vec::is_empty")]
    pub late_results: Vec<LateResult>,
    /// The tokens of this response.
    pub usage: Usage,
    /// What they cost, in units of 10^-12 US dollars; none where the price is not known. Where a service does not count tokens, what
    /// was reserved for the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// How it came about.
    #[serde(default)]
    pub asked: Asked,
    /// What the service wants back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Opaque>,
}

impl StepRecord {
    /// Whether the client executes this call.
    pub(crate) fn is_clients(&self, call: &ToolCall) -> bool {
        self.client.iter().any(|clients| clients.call == call.id)
    }

    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}
