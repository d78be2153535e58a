//! Tells other systems what has happened.

use std::time::Duration;

use async_trait::async_trait;

use super::Millis;
use crate::team::Webhook;

/// A notice on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted<'a> {
    /// The endpoint.
    pub to: &'a Webhook,
    /// The same at each attempt, and of no other notice.
    pub id: &'a str,
    /// The time of this attempt.
    pub at: Millis,
    /// JSON, the same at each attempt.
    pub body: &'a str,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The endpoint has it.
    Taken,
    /// It may have it or not; this is the reason. It is sent again, after this long at the earliest where the endpoint asked for a pause.
    Failed(String, Option<Duration>),
    /// The endpoint wants nothing any more.
    Gone,
}

/// Delivers notices to the endpoints of the team.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// One attempt, of [`Webhook::TIMEOUT`] at most.
    async fn post(&self, notice: &Posted<'_>) -> Delivered;
}

/// For a team without endpoints.
#[derive(Debug, Clone, Copy)]
pub struct NoWebhooks;

#[async_trait]
impl Webhooks for NoWebhooks {
    async fn post(&self, _: &Posted<'_>) -> Delivered {
        Delivered::Failed("there are no endpoints here".to_owned(), None)
    }
}
