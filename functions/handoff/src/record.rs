//! What is kept of a conversation, and under which keys. Knows JSON; not where it is stored.

mod action;
pub(crate) mod journal;
pub mod keys;
mod meta;
pub(crate) mod pages;
pub(crate) mod size;
mod step;
mod turn;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::TurnNumber;
use crate::ports::{Record, StoreError, Stored};

pub use action::{ActionRecord, ActionState};
pub use meta::{Meta, Running};
pub use step::{AcceptedAction, EndedAction, LateResult, StepRecord, Told, ToolOutcome};
pub use turn::{Origin, Partial, TurnRecord, TurnState};

/// The format of every record below and in these modules. Raise it with a change that an older Baton would misread.
const FORMAT: u16 = 1;

/// The list of an owner's conversations, newest first.
pub fn conversations_of(owner: &str) -> String {
    format!("conversations:{owner}")
}

/// The list of the actions in a state, newest first.
pub fn actions_in(state: ActionState) -> String {
    format!("actions:{}", state.as_str())
}

/// `M#message_id`: which turn took a client's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The turn.
    pub turn: TurnNumber,
    /// A hash of the message, to refuse another one under the same id.
    pub hash: String,
}

impl MessageRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Record {
    // These types hold strings, numbers and lists of them: nothing that serde_json can refuse.
    let body = serde_json::to_string(value).unwrap_or_default();
    Record {
        format: FORMAT,
        body,
        due_at: None,
        listed: None,
        expires_at: None,
    }
}

/// Reads a record of one of the types above.
pub fn decode<T: DeserializeOwned>(stored: &Stored) -> Result<T, StoreError> {
    if stored.record.format > FORMAT {
        return Err(StoreError::Damaged(format!(
            "the record {} {} has format {}, which is newer than this Baton's format {FORMAT}; use a newer Baton",
            stored.key.partition, stored.key.sort, stored.record.format
        )));
    }
    serde_json::from_str(&stored.record.body).map_err(|error| {
        StoreError::Damaged(format!(
            "the record {} {} cannot be read: {error}",
            stored.key.partition, stored.key.sort
        ))
    })
}
