//! What an endpoint of another system is still to be told, and whether it listens.

use serde::{Deserialize, Serialize};

use super::stored::encode;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Key, Millis, Record};
use crate::principal::Owner;

/// `H#endpoint#conversation`, `number`: a notice that was not delivered yet. The first one of its partition is delivered first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoticeRecord {
    /// The owner of the conversation.
    pub(crate) owner: Owner,
    /// The turn that it is about; an erasure of the turn removes it.
    pub(crate) turn: TurnNumber,
    /// JSON, as it is sent; empty where that is read when it is sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) body: String,
    /// When it was written. Milliseconds since 1970.
    pub(crate) created_at: Millis,
    /// When it is tried again, or looked at; none while another one is before it. Milliseconds since 1970.
    #[serde(rename = "look_at", default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_at: Option<Millis>,
    /// How often it was tried.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub(crate) attempts: u32,
    /// The worker that tries it now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) holder: String,
}

impl NoticeRecord {
    /// The record to write.
    pub(crate) fn record(&self) -> Record {
        Record {
            due_at: self.due_at,
            ..encode(self)
        }
    }
}

/// `H#endpoint`, `STATE`: an endpoint that did not take the last notice. There is none of one that did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// Since when nothing was taken. Milliseconds since 1970.
    pub failing_since: Millis,
    /// Why not, at the first attempt.
    pub reason: String,
    /// Since when nothing is tried. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Millis>,
}

impl EndpointState {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}

/// The lane of the endpoints that clients have brought: no endpoint of a team has a dot in its name. One lane a conversation, so that
/// its turns are told in order.
pub(crate) const CLIENTS: &str = ".client";

/// The partition of an endpoint's notices about a conversation.
pub(crate) fn notices_of(endpoint: &str, conversation: &ConversationId) -> String {
    format!("H#{endpoint}#{conversation}")
}

/// A notice.
pub(crate) fn notice(endpoint: &str, conversation: &ConversationId, number: u64) -> Key {
    Key::new(notices_of(endpoint, conversation), format!("{number:012}"))
}

/// The endpoint and the conversation of a partition of notices.
pub(crate) fn parse_notices(partition: &str) -> Option<(&str, ConversationId)> {
    let (endpoint, conversation) = partition.strip_prefix("H#")?.split_once('#')?;
    Some((endpoint, ConversationId::parse(conversation).ok()?))
}

/// The state of an endpoint.
pub(crate) fn endpoint(name: &str) -> Key {
    Key::new(format!("H#{name}"), "STATE")
}
