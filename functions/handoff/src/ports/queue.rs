//! Carries ids of accepted work to the workers. A hint, never the truth: the sweeper finds the work of lost messages.

use std::time::Duration;

use async_trait::async_trait;

/// Two lanes, each with its own workers, so that a turn of minutes never holds a refund up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Conversations that a worker must advance.
    Turns,
    /// Actions that a worker must execute.
    Actions,
}

impl Lane {
    /// The lane's name in stores and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turns => "turns",
            Self::Actions => "actions",
        }
    }
}

/// A message that was handed out and is hidden from others for the visibility time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id that was sent.
    pub body: String,
    /// Acks or defers this very delivery.
    pub receipt: String,
    /// The number of its deliveries, this one included.
    pub receives: u32,
}

/// The queue could not be reached or answered with an error; a later attempt may succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(pub String);

/// At-least-once delivery without order.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends an id. Messages of one `group` (the conversation's owner) must not crowd out messages of other groups.
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError>;

    /// Waits up to `wait` for up to `max` messages, and hides them for `visibility`. May return none.
    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Removes a message. Harmless for a message that is gone or was delivered again.
    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError>;

    /// Hides a message for `delay` from now on: longer while a worker has it, or shorter to have it delivered again soon.
    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError>;

    /// Whether the queue sets messages that were delivered too often aside for operators. Without that it delivers them for ever.
    fn has_dead_letters(&self) -> bool {
        false
    }
}
