//! A step of the journal: one whole model response, and the results in the request for it.

use serde::{Deserialize, Serialize};

use super::action::ActionState;
use super::stored::encode;
use crate::ids::ActionId;
use crate::ports::{Record, ToolCall, Usage};

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
}

impl StepRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}
