//! Events as bytes. A format is one file below; the format is chosen by `Accept`.

use baton_handoff::event::{Event, Position};
use baton_handoff::ids::ConversationId;
use bytes::BytesMut;
use http::{HeaderMap, header};

use super::{ndjson, sse};
use crate::edge::accept::wanted;

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
    /// By the most wanted media type of `Accept` that we have; NDJSON when there is none.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let wanted = wanted(headers, &header::ACCEPT);
        let known = wanted.iter().find_map(|range| match range.as_str() {
            "text/event-stream" => Some(Self::Sse),
            "text/plain" => Some(Self::Ndjson { plain: true }),
            "application/x-ndjson" | "application/json" | "application/*" | "*/*" => {
                Some(Self::Ndjson { plain: false })
            }
            _ => None,
        });
        known.unwrap_or(Self::Ndjson { plain: false })
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
