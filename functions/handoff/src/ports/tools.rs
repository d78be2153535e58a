//! Executes tools, through the provider that declared them: see [`Provider`](super::Provider).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::principal::{Owner, Subject};
use crate::speaker::Speaker;
use crate::team::{Arguments, Tool};
use crate::trace::{SpanContext, TraceId};

/// One call with checked arguments.
#[derive(Debug, Clone)]
pub struct ToolRequest {
    /// The tool of the team.
    pub tool: Arc<Tool>,
    /// Arguments that the tool's schema accepts.
    pub arguments: Arc<Arguments>,
    /// What else the tool may know.
    pub context: CallContext,
}

/// What a tool may know of a call besides its arguments. Filled by code: a model neither sees nor chooses it.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The owner of the conversation: a tool reaches nothing of another owner. Without an owner that is the conversation alone.
    pub owner: Owner,
    /// The conversation of the call.
    pub conversation: ConversationId,
    /// The turn of the call.
    pub turn: TurnNumber,
    /// The principal in whose name the turn runs.
    pub speaker: Speaker,
    /// The action that is tried.
    pub action: Option<ActionId>,
    /// The operator who approved the action.
    pub approved_by: Option<Subject>,
    /// The place of the call in the turn's trace.
    pub span: SpanContext,
}

impl CallContext {
    /// A turn of a conversation, in its owner's name.
    pub fn new(owner: Owner, conversation: ConversationId, turn: TurnNumber) -> Self {
        let trace = TraceId::of(&conversation, turn);
        Self {
            owner,
            conversation,
            turn,
            speaker: Speaker::default(),
            action: None,
            approved_by: None,
            span: SpanContext::of_lookup(trace, 0, ""),
        }
    }

    /// The verified customer.
    pub fn customer(&self) -> Option<&str> {
        self.speaker.verified(&self.owner)
    }
}

/// Ended actions of a conversation that was erased.
#[derive(Debug, Clone)]
pub struct Forgotten {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its owner.
    pub owner: Owner,
    /// Stands for the conversation wherever a record of it must stay.
    pub pseudonym: ConversationId,
    /// The idempotency keys of the actions.
    pub keys: Vec<String>,
}

/// A failed lookup; the model receives the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The same lookup will always fail this way.
    #[error("{0}")]
    Refused(String),
    /// Another attempt may succeed: a cut connection, a service that is busy or has an error.
    #[error("{0}")]
    Unavailable(String),
}

/// The outcome of one attempt of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect; this is the result.
    Done(String),
    /// The service has begun it, and reports its end by itself within this time: see [`Action::report`](crate::Action::report).
    Begun(Duration),
    /// It has no effect and never will; this is the reason.
    Rejected(String),
    /// Something else is in its way. Final if this is the first attempt; otherwise that may be an earlier attempt under the same key.
    Conflict(String, Option<Duration>),
    /// Certainly no effect, now or later: nothing was sent. It may be tried again, even at a service without idempotency keys.
    NotSent(String),
    /// Certainly no effect, now or later: the service was too busy. It may be tried again, after this long at the earliest where
    /// the service asked for a pause.
    Busy(String, Option<Duration>),
    /// Possibly an effect; the same key may be tried again, after this long at the earliest where the service asked for a pause.
    Retry(String, Option<Duration>),
    /// Possibly an effect, and it must not be tried again: the service has no idempotency keys. An operator must check.
    Unknown(String),
}

/// The amount that an action moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    /// This many US cents.
    Known(u64),
    /// The call has no price: for example a refund of an item without an order.
    NoPrice,
    /// The price could not be read now; this is the reason.
    CannotTell(String),
}

/// Executes the tools of one provider, or of all.
#[async_trait]
pub trait Tools: Send + Sync {
    /// A lookup: no side effect, so it may be dropped or repeated at any time.
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError>;

    /// One attempt of an action. The same key never has a second effect.
    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome;

    /// The amount that an action moves, for approval limits. Limits fail closed: only [`Price::Known`] can be under one.
    async fn price(&self, request: &ToolRequest) -> Price;

    /// Whether models may be told of this tool now. `false`: it is not what the team's operator agreed to any more, and calls of it
    /// are refused. Asked for every request to a model, so it waits for nothing.
    fn offers(&self, _: &Tool) -> bool {
        true
    }

    /// The names of the tools that are not offered, for operators.
    fn withdrawn(&self) -> Vec<String> {
        Vec::new()
    }

    /// Removes the words of these actions from records of Baton's own: arguments, results, reasons. Amounts stay, and each key keeps
    /// its one outcome. Called again until it succeeds, and then perhaps once more. Other services keep what they were sent.
    async fn forget(&self, _: &Forgotten) -> Result<(), ToolError> {
        Ok(())
    }
}
