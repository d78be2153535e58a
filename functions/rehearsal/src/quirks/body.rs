//! An answer with a quirk, from the reply to the bytes.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Quirk, Tries, chat, refusals, reply};
use crate::checksum::crc32;
use crate::conversation::{Conversation, Delivery};
use crate::exchange::{heading, json};
use crate::formats::Format;
use crate::parts::{Identified, Part};
use crate::reply::{Reply, Stop};

/// Longer than a client waits for a first byte by default.
const SLOW: Duration = Duration::from_secs(33);
/// The most bytes of a stored block of gzip.
const STORED_MAX: usize = 0xffff;

/// Answers with the quirk. All bytes of a stream come at once.
pub(crate) fn respond(
    quirk: Quirk,
    format: Format,
    conversation: &Conversation,
    reply: Reply,
    tries: &Tries,
) -> Response {
    if let Some(refusal) = refusals::refusal(quirk, format, conversation, tries) {
        return refusal;
    }
    let wire = format.wire();
    let mut said = reply::altered(quirk, reply.permitted(conversation));
    let mut stop = None;
    match quirk {
        Quirk::EmptyAnswer if refusals::is_first(format, conversation, tries) => {
            said = Reply::default();
        }
        Quirk::Filtered if refusals::is_forbidden(conversation) => {
            said = Reply::default();
            stop = Some(Stop::Filtered);
        }
        Quirk::Slip
            if format != Format::Chat && refusals::is_first(format, conversation, tries) =>
        {
            said = Reply::default();
            let word = match format {
                Format::Gemini => "MALFORMED_FUNCTION_CALL",
                Format::Chat | Format::Responses | Format::Anthropic | Format::Bedrock => {
                    "malformed_tool_use"
                }
            };
            stop = Some(Stop::Other(word.to_owned()));
        }
        Quirk::OpaqueCalls => "They want it, so I call.".clone_into(&mut said.thoughts),
        _ => {}
    }
    let signs = wire.signs || quirk == Quirk::OpaqueCalls;
    let mut answer = Identified::new(conversation, said, signs);
    reply::identified(quirk, &mut answer);
    let heading = heading(conversation);
    if conversation.delivery == Delivery::Whole || quirk == Quirk::WholeDocument {
        return json(StatusCode::OK, &(wire.whole)(&heading, &answer));
    }
    let mut parts = answer.parts(wire.interleaves);
    for part in &mut parts {
        if let (Part::Finish(reason, _), Some(stop)) = (part, &stop) {
            reason.clone_from(stop);
        }
    }
    parts = reply::streamed(quirk, parts);
    parts = chat::streamed(quirk, &heading, &answer, parts);
    let mut writer = (wire.writer)(heading, conversation.delivery);
    let mut bytes = Vec::new();
    for part in &parts {
        writer.write(part, &mut bytes);
    }
    let headers = [(CONTENT_TYPE, wire.media_type)];
    let bytes = match quirk {
        Quirk::SplitCharacter => reply::halved(bytes),
        Quirk::AbruptEnd => bytes.trim_ascii_end().to_vec(),
        Quirk::Gzip => {
            return (headers, [(CONTENT_ENCODING, "gzip")], gzip(&bytes)).into_response();
        }
        _ => bytes,
    };
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(bytes))]);
    let body = match quirk {
        Quirk::Cut => {
            // Only a body that waits is sent so far.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            Body::from_stream(
                first
                    .map(|bytes| Ok(bytes.unwrap_or_default()))
                    .chain(broken),
            )
        }
        Quirk::Silence => Body::from_stream(first.chain(stream::pending())),
        Quirk::SlowStart => {
            let wait = stream::once(async {
                tokio::time::sleep(SLOW).await;
                Ok(Bytes::new())
            });
            Body::from_stream(wait.chain(first))
        }
        _ => Body::from_stream(first),
    };
    (headers, body).into_response()
}

/// The bytes in the form of gzip, uncompressed: RFC 1952, with the stored blocks of RFC 1951.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = bytes.chunks(STORED_MAX).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out
}
