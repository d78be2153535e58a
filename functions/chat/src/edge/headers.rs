//! Response headers that several modules write or read.

use http::HeaderName;

/// The conversation of an answer.
pub(crate) const CONVERSATION: HeaderName = HeaderName::from_static("x-conversation-id");

/// The turn of an answer.
pub(crate) const TURN: HeaderName = HeaderName::from_static("x-turn");
