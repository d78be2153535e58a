//! A turn, from its message to its end.

use serde::{Deserialize, Serialize};

use super::client::FromClient;
use super::step::{CallResult, FailedCall, StepRecord};
use super::stored::encode;
use super::summary::Window;
use crate::failure::FailureCode;
use crate::ids::{ActionId, MessageId, TurnNumber};
use crate::ports::{Millis, Record, Usage};
use crate::speaker::Speaker;
use crate::trace::SpanContext;

/// The state of a turn. Only META says whether it is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Waits or runs.
    Accepted,
    /// Completed.
    Committed,
    /// Failed.
    Failed,
    /// Stopped on request.
    Stopped,
}

impl TurnState {
    /// The state on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "running",
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How a turn began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The customer wrote.
    Customer,
    /// A result came after its turn had ended.
    LateResult,
    /// It regenerates another turn.
    Regenerated {
        /// The turn that this one replaces.
        of: TurnNumber,
    },
}

impl Origin {
    /// The origin on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::LateResult => "late_result",
            Self::Regenerated { .. } => "regenerated",
        }
    }
}

/// Streamed text of a response that never became whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// The agent.
    pub agent: String,
    /// The text.
    pub text: String,
}

/// The card that a customer's message answered, word for word as the team file lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredCard {
    /// The action.
    pub action: ActionId,
    /// Its tool.
    pub tool: String,
    /// Whether the customer confirmed it.
    pub yes: bool,
}

/// `T#turn`: a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Its state.
    pub state: TurnState,
    /// How it began.
    pub origin: Origin,
    /// The customer's message; empty for a turn that a late result or the client's results began.
    pub message: String,
    /// The client's id for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The principal in whose name it runs, where the conversation's owner does not say it all. A late result's turn has that of the
    /// action, a regenerated one that of the turn it replaces.
    #[serde(default, skip_serializing_if = "Speaker::is_owner")]
    pub speaker: Speaker,
    /// The card that the message answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnsweredCard>,
    /// It looks up and hands off, and accepts no action: its message came in a conversation of its own.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub lookups_only: bool,
    /// What its client brought: tools, and results.
    #[serde(default, skip_serializing_if = "FromClient::is_nothing")]
    pub client: FromClient,
    /// The span of the caller that sent the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<SpanContext>,
    /// A random number; lets the process that accepted the turn recognise its own unconfirmed commit.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub receipt: u32,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// The fence under which it ended.
    #[serde(default)]
    pub fence: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCode>,
    /// Tokens of all its responses.
    #[serde(default)]
    pub usage: Usage,
    /// What they cost, in units of 10^-12 US dollars; none where a price is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// The calls that failed behind its last step: they brought no response.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCall>,
    /// The results of the last step's calls, if the turn ended before a request reported them to the model.
    #[serde(rename = "told", default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CallResult>,
    /// The streamed text of a response that never became whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
    /// The size of a response's streamed text that could not be recorded: later events keep their positions.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub left_out: u32,
    /// The model's service refused it for what it says. It stands in no later request.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub refused: bool,
    /// What its requests have of earlier turns, where its team has a model for summaries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl TurnRecord {
    /// Adds what a step took, with the calls that failed before it.
    pub(crate) fn add(&mut self, step: &StepRecord) {
        self.take(step.usage, step.cost);
        self.add_failed(&step.asked.failed);
    }

    /// Adds what calls took that brought no response.
    pub(crate) fn add_failed(&mut self, calls: &[FailedCall]) {
        for call in calls {
            self.take(call.usage, call.cost);
        }
    }

    fn take(&mut self, usage: Usage, cost: Option<u64>) {
        self.usage += usage;
        if let Some(cost) = cost {
            self.cost = Some(self.cost.unwrap_or(0).saturating_add(cost));
        }
    }

    /// A turn that was just accepted and has not begun.
    pub(crate) fn accepted(origin: Origin, message: String, now: Millis) -> Self {
        Self {
            state: TurnState::Accepted,
            origin,
            message,
            message_id: None,
            speaker: Speaker::default(),
            answers: None,
            lookups_only: false,
            client: FromClient::default(),
            caller: None,
            receipt: 0,
            accepted_at: now,
            ended_at: None,
            fence: 0,
            failure: None,
            usage: Usage::default(),
            cost: None,
            failed: Vec::new(),
            results: Vec::new(),
            partial: None,
            left_out: 0,
            refused: false,
            window: None,
        }
    }

    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}
