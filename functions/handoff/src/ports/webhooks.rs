//! Tells other systems what has happened.

use std::time::Duration;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Millis;
use crate::team::Webhook;

/// The receiver of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// An endpoint of the team file.
    Endpoint(&'a Webhook),
    /// An endpoint that a client has brought for one turn.
    Client(&'a ClientEndpoint),
}

/// An endpoint that a client has brought for one turn: a push notification configuration of A2A.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEndpoint {
    /// The client's name for it.
    pub id: String,
    /// Where the notice is sent.
    pub url: String,
    /// A secret that comes with the notice and tells the receiver that it asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The credentials that the receiver wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

impl ClientEndpoint {
    /// Host and port, as the URL has them.
    pub(crate) fn host(&self) -> &str {
        let behind = self.url.split_once("://").map_or("", |(_, rest)| rest);
        behind.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

/// The parts of a header `Authorization`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// Such as `Bearer`.
    pub scheme: String,
    /// A secret. Without it the header is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// Shows the name only: the others may be secrets, and a URL may have one in its path.
impl fmt::Debug for ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientEndpoint");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}

/// Shows the scheme only.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Authentication");
        shown.field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A notice on its way to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted<'a> {
    /// The receiver.
    pub to: Destination<'a>,
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
    /// It takes others, and never this one; this is the reason. It is not sent again.
    Refused(String),
    /// The endpoint wants nothing any more.
    Gone,
}

/// Delivers notices to the endpoints of the team, and to those of clients where the settings allow some.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// One attempt, of [`Webhook::TIMEOUT`] at most.
    async fn post(&self, notice: &Posted<'_>) -> Delivered;

    /// Whether clients may bring endpoints.
    fn takes_clients(&self) -> bool {
        false
    }

    /// Whether this endpoint of a client may be told.
    ///
    /// # Errors
    /// Why not, as a sentence for the client.
    fn check_client(&self, _endpoint: &ClientEndpoint) -> Result<(), String> {
        Err("no endpoint of a client is told here".to_owned())
    }
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
