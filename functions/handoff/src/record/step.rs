//! A step of the journal: one whole model response, and the results that the model was told before it.

use serde::{Deserialize, Serialize};

use super::action::ActionState;
use super::stored::encode;
use crate::ids::ActionId;
use crate::ports::{Record, ToolCall, Usage};

/// How a tool call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It has a result.
    Ok,
    /// The model is told what is wrong.
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

/// A result as the model was told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResult {
    /// The model's id of the call.
    pub call: String,
    /// How it went.
    pub outcome: ToolOutcome,
    /// The text.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
    /// The end of the action behind it; none while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedAction>,
    /// The agent that took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_to: Option<String>,
}

/// The end of an action as the model was told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedAction {
    /// The action.
    pub action: ActionId,
    /// How it ended.
    pub state: ActionState,
}

/// A result that came after its call had been answered as pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateResult {
    /// The action.
    pub action: ActionId,
    /// Its tool.
    pub tool: String,
    /// How it ended.
    pub state: ActionState,
    /// What the model is told.
    pub result: String,
}

/// An action that a step accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedAction {
    /// The model's id of the call.
    pub call: String,
    /// The action; two calls of one step may mean the same one.
    pub action: ActionId,
    /// In which state it was accepted.
    pub state: ActionState,
}

/// `T#turn#S#step`: the journal, one whole model response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Who spoke.
    pub agent: String,
    /// Under which fence it was streamed.
    pub fence: u64,
    /// What was said.
    pub text: String,
    /// What was called.
    pub calls: Vec<ToolCall>,
    /// The actions that these calls stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<AcceptedAction>,
    /// The results of the step before, in the order in which they came.
    #[serde(rename = "told", default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CallResult>,
    /// Late results that the model was told before it said this.
    #[serde(rename = "late", default, skip_serializing_if = "Vec::is_empty")]
    pub late_results: Vec<LateResult>,
    /// The tokens of this response.
    pub usage: Usage,
}

impl StepRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}
