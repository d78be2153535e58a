//! Headers of answers that more than one room writes or reads.

use http::HeaderName;

/// The conversation that an answer is about.
pub(crate) const CONVERSATION: HeaderName = HeaderName::from_static("x-conversation-id");

/// The turn that an answer is about.
pub(crate) const TURN: HeaderName = HeaderName::from_static("x-turn");
