//! Events as bytes. A format is one file below; the format is chosen by `Accept`.

mod ndjson;
mod sse;

use baton_handoff::event::{Event, Position};
use baton_handoff::ids::ConversationId;
use bytes::BytesMut;
use http::{HeaderMap, header};

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object a line, the original's contract.
    Ndjson {
        /// Say `text/plain`, as the original did.
        plain: bool,
    },
    /// Typed events as server-sent events.
    Sse,
}

impl Format {
    /// By the first media type of `Accept` that we have; NDJSON when there is none.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let accepted = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for range in accepted.flat_map(|value| value.split(',')) {
            match range.split(';').next().unwrap_or_default().trim() {
                "text/event-stream" => return Self::Sse,
                "text/plain" => return Self::Ndjson { plain: true },
                "application/x-ndjson" | "application/json" | "*/*" => {
                    return Self::Ndjson { plain: false };
                }
                _ => {}
            }
        }
        Self::Ndjson { plain: false }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson { plain: false } => "application/x-ndjson",
            Self::Ndjson { plain: true } => "text/plain; charset=utf-8",
            Self::Sse => "text/event-stream",
        }
    }

    /// Appends an event; some events have no form in some formats.
    pub(crate) fn write(self, out: &mut BytesMut, conversation: &ConversationId, event: &Event) {
        match self {
            Self::Ndjson { .. } => ndjson::write(out, event),
            Self::Sse => sse::write(out, conversation, event),
        }
    }

    /// The same for a listener who has everything up to `after`, which may be a part of the event.
    pub(crate) fn write_behind(
        self,
        out: &mut BytesMut,
        conversation: &ConversationId,
        event: &Event,
        after: Position,
    ) {
        match self {
            Self::Ndjson { .. } => ndjson::write_behind(out, event, after),
            Self::Sse => sse::write(out, conversation, event),
        }
    }

    /// What keeps proxies and time-outs quiet while nothing happens.
    pub(crate) fn heartbeat(self) -> &'static [u8] {
        match self {
            Self::Ndjson { .. } => b"\n",
            Self::Sse => b": still here\n\n",
        }
    }
}
