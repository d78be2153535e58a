//! The stream formats. A new one is a file beside this one and a line in the table below.

use http::{HeaderMap, header};

use super::encoder::Format;
use super::whole::Whole;
use super::{ndjson, sse};
use crate::edge::accept::wanted;

/// Every format. The first one is the default.
static FORMATS: [&Format; 3] = [DEFAULT, &ndjson::PLAIN, &sse::FORMAT];

const DEFAULT: &Format = &ndjson::FORMAT;

/// The same for clients that take nothing back.
static WHOLE: [&Format; 3] = [&WHOLE_LINES, &ndjson::PLAIN, &WHOLE_EVENTS];

static WHOLE_LINES: Format = Format {
    accepted_by: ndjson::FORMAT.accepted_by,
    media_type: ndjson::FORMAT.media_type,
    encoder: |id| Whole::of((ndjson::FORMAT.encoder)(id)),
};

static WHOLE_EVENTS: Format = Format {
    accepted_by: sse::FORMAT.accepted_by,
    media_type: sse::FORMAT.media_type,
    encoder: |id| Whole::of((sse::FORMAT.encoder)(id)),
};

/// What a client says of itself.
pub(crate) const CLIENT: &str = "x-baton-client";

/// The format for a request. A client that says `plain` gets each response whole, once it is recorded.
pub(crate) fn negotiate(headers: &HeaderMap) -> &'static Format {
    let is_plain = is_plain(headers);
    let formats = if is_plain { WHOLE } else { FORMATS };
    choose(&formats, headers).unwrap_or(if is_plain { &WHOLE_LINES } else { DEFAULT })
}

/// The typed events for a request: a whole conversation has a stream in no other format.
pub(crate) fn typed(headers: &HeaderMap) -> &'static Format {
    if is_plain(headers) {
        &WHOLE_EVENTS
    } else {
        &sse::FORMAT
    }
}

/// Whether the client says that it takes nothing back.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let client = headers.get(CLIENT);
    client.is_some_and(|client| client.as_bytes().eq_ignore_ascii_case(b"plain"))
}

/// The format that `Accept` wants most of these.
pub fn choose(formats: &[&'static Format], headers: &HeaderMap) -> Option<&'static Format> {
    wanted(headers, &header::ACCEPT).iter().find_map(|range| {
        let mut formats = formats.iter().copied();
        formats.find(|format| format.accepted_by.contains(&range.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use baton_handoff::event::{Event, EventKind};
    use baton_handoff::ids::ConversationId;
    use bytes::BytesMut;

    use super::*;

    /// What a client with these headers is written of a text before and after its step is recorded.
    fn written(accept: &'static str, client: Option<&'static str>) -> [bool; 2] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
        if let Some(client) = client {
            headers.insert(CLIENT, http::HeaderValue::from_static(client));
        }
        let mut encoder = (negotiate(&headers).encoder)(&ConversationId::parse("c").unwrap());
        let mut out = BytesMut::new();
        [
            EventKind::TextDelta("Hello".to_owned()),
            EventKind::TurnCompleted,
        ]
        .map(|kind| {
            let event = Event {
                position: "1.1.1.5".parse().unwrap(),
                agent: "".into(),
                kind,
            };
            encoder.event(&mut out, &event);
            out.windows(5).any(|bytes| bytes == b"Hello")
        })
    }

    #[test]
    fn a_plain_client_gets_each_response_whole_in_every_format() {
        let formats = ["application/x-ndjson", "text/event-stream", "text/plain"];
        for accept in formats {
            assert_eq!(written(accept, Some("Plain")), [false, true], "{accept}");
        }
        assert_eq!(
            formats.map(|accept| written(accept, None)[0]),
            [true, true, false]
        );
    }
}
