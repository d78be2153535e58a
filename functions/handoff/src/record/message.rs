//! The turn that accepted a message.

use serde::{Deserialize, Serialize};

use super::stored::encode;
use crate::ids::TurnNumber;
use crate::ports::Record;

/// `M#message_id`: the turn that accepted a client's message.
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
