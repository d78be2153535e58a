//! A message of a conversation, and a call in it. Knows nothing of the wire.

#[derive(Debug)]
pub(crate) enum Message {
    /// `system` or `developer`.
    System(String),
    User(String),
    Assistant {
        text: String,
        calls: Vec<Call>,
    },
    /// `tool`: the result of one call.
    Result {
        call_id: String,
        text: String,
    },
}

impl Message {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::System(text)
            | Self::User(text)
            | Self::Assistant { text, .. }
            | Self::Result { text, .. } => text,
        }
    }

    pub(crate) fn calls(&self) -> &[Call] {
        match self {
            Self::Assistant { calls, .. } => calls,
            Self::System(_) | Self::User(_) | Self::Result { .. } => &[],
        }
    }
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}
