//! A customer's message, and the result of submitting it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::client::{Client, ClientResult};
use crate::bounds::OverBound;
use crate::drive::log::TurnLog;
use crate::ids::{MessageId, TurnNumber, hex};
use crate::ports::StoreError;
use crate::record::size::MESSAGE;

/// What to do when a turn of the conversation is still running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Wait for it.
    #[default]
    Queue,
    /// Refuse the message.
    Reject,
    /// Stop it, keep its text so far, and go on with this message. Waiting turns are stopped too.
    Interrupt,
}

/// A customer's message, or the results of the calls that wait for its client.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// The customer's message; empty only beside results of the client.
    pub message: String,
    /// The client's name for it.
    pub message_id: Option<MessageId>,
    /// What to do when a turn is still running.
    pub overlap: Overlap,
    /// The caller does not wait for the answer: a worker runs the turn.
    pub background: bool,
    /// Tools that the client executes, and results of their calls.
    pub client: Client,
}

impl Submission {
    /// A hash that distinguishes this message from another one under the same id.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new_with_prefix(self.message.as_bytes());
        for ClientResult {
            call,
            result,
            failed,
        } in &self.client.results
        {
            // With its length, so that no two lists of results have the same bytes.
            for part in [call, result] {
                hash.update([0]);
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            hash.update([u8::from(*failed)]);
        }
        hex(&hash.finalize())
    }
}

/// A recorded message. It will be answered even if this process ends.
#[derive(Debug)]
pub struct Accepted {
    /// Its turn.
    pub turn: TurnNumber,
    /// The log for its listeners. Silent for a background turn: follow that turn instead.
    pub log: Arc<TurnLog>,
}

/// Why a message was refused. Nothing of it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// For this principal there is no such conversation.
    #[error("no such conversation")]
    NotFound,
    /// A turn is running and the client did not want to wait.
    #[error("a turn of this conversation is still running")]
    Busy {
        /// The turn to follow.
        turn: TurnNumber,
    },
    /// It would be over a bound.
    #[error(transparent)]
    OverBound(#[from] OverBound),
    /// The message id was used for another message.
    #[error("this message id was used for another message")]
    MessageIdReused,
    /// The client's tools cannot be taken: a sentence.
    #[error("{0}")]
    ClientTools(String),
    /// One of these calls does not wait for a result: it was answered, or closed by a later message, or is too old or unknown.
    #[error(
        "these calls do not wait for a result: they were answered, closed by a later message, or are unknown or too old"
    )]
    NotWaiting,
    /// This process is ending.
    #[error("this server is shutting down")]
    Draining,
    /// It is longer than a record may hold.
    #[error("the message is too long: {0} bytes, and at most {MESSAGE} are taken")]
    TooLong(usize),
    /// The conversation cannot be read: it is damaged, or a newer version of this program wrote it. Sending the message again
    /// will not help.
    #[error("this conversation cannot be read by this server; please begin a new one")]
    Unreadable,
    /// Other writers won each race for the conversation. Sending the message again is safe with a message id.
    #[error("too many requests write to this conversation at once")]
    Contended,
    /// The store failed. Sending the message again is safe with a message id.
    #[error("the conversation could not be saved")]
    Unavailable,
}

pub(super) enum Stop {
    Refused(Refusal),
    Store(String),
    Unreadable(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(_) => Self::Unreadable(error.to_string()),
            StoreError::Unavailable(_) | StoreError::BadCursor => Self::Store(error.to_string()),
        }
    }
}
