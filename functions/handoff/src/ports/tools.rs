//! What tools do, at whatever provider declared them: see [`Provider`](super::Provider).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::ConversationId;
use crate::team::{Arguments, Tool};

/// One call with checked arguments.
#[derive(Debug, Clone)]
pub struct ToolRequest {
    /// The tool of the team.
    pub tool: Arc<Tool>,
    /// Arguments that the tool's schema accepts.
    pub arguments: Arc<Arguments>,
    /// In whose name.
    pub conversation: ConversationId,
}

/// A lookup that did not work; the sentence is told to the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The same question gets the same answer.
    #[error("{0}")]
    Refused(String),
    /// Asking again may work: a cut connection, a service that is busy or has an error.
    #[error("{0}")]
    Unavailable(String),
}

/// How one try of an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has its effect; this is the result.
    Done(String),
    /// It has no effect and never will; this is the reason.
    Rejected(String),
    /// Something else is in its way. Final if this is the first attempt; otherwise that may be an earlier attempt under the same key.
    Conflict(String, Option<Duration>),
    /// Certainly no effect, and none to come of this try: nothing was sent. It may be tried again, at a service without
    /// idempotency keys too.
    NotSent(String),
    /// Certainly no effect, and none to come of this try: the service had no time for it. It may be tried again, after this
    /// long at the earliest where the service asked for it.
    Busy(String, Option<Duration>),
    /// Maybe; the same key may be tried again, after this long at the earliest where the service asked for it.
    Retry(String, Option<Duration>),
    /// Maybe, and it must not be tried again: the service has no idempotency keys. A person must look.
    Unknown(String),
}

/// What an action moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    /// This many US cents.
    Known(u64),
    /// The call has no price: for example a refund of an item that nobody bought.
    NoPrice,
    /// The price could not be read now; the reason.
    CannotTell(String),
}

/// Executes the tools of a provider, or of all.
#[async_trait]
pub trait Tools: Send + Sync {
    /// A lookup: no side effect, so it may be dropped or repeated at any time.
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError>;

    /// One try of an action. The same key never has a second effect.
    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome;

    /// What an action moves, for approval limits. Limits fail closed: only [`Price::Known`] can be under one.
    async fn price(&self, request: &ToolRequest) -> Price;
}
