//! Carries ids from who accepted work to who does it. A hint, never the truth: what it loses, the sweeper finds.

use std::time::Duration;

use async_trait::async_trait;

/// Two lanes, each with its own workers, so that a turn of minutes never holds a refund up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Conversations that a worker must drive on.
    Turns,
    /// Actions to execute.
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
    /// What acks or defers this very delivery.
    pub receipt: String,
    /// How often it was handed out, this time included.
    pub receives: u32,
}

/// The queue could not be reached or answered with an error; trying again later may work.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(pub String);

/// At-least-once delivery without order.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends an id. Messages of one `group` (the conversation's owner) must not crowd out those of others.
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError>;

    /// Waits up to `wait` for up to `max` messages, and hides them for `visibility`. May return none.
    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Forgets a message. Harmless for one that is gone or was handed out again.
    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError>;

    /// Hides a message for `delay` from now on: longer while it is worked on, or shorter to hand it out again soon.
    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError>;

    /// Whether it keeps a message for people that was handed out too often. Any other one hands it out for ever.
    fn has_dead_letters(&self) -> bool {
        false
    }
}
