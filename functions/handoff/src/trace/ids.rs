//! The ids of traces and spans, as W3C Trace Context has them (<https://www.w3.org/TR/trace-context/>). They are hashes of our own
//! ids, so a repeated attempt has the same ones, and nothing has to be stored.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{ActionId, ConversationId, TurnNumber, hex};

/// The trace of a turn: all of its calls are in it, also those of later attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// The trace of this turn.
    pub fn of(conversation: &ConversationId, turn: TurnNumber) -> Self {
        Self(hashed(&[
            b"trace",
            conversation.as_str().as_bytes(),
            &turn.to_be_bytes(),
        ]))
    }

    /// A span of it: what it is, and what tells it from others of its kind.
    pub(super) fn span(self, kind: &str, which: &[&[u8]]) -> SpanContext {
        let parts = [&[kind.as_bytes(), &self.0], which].concat();
        SpanContext {
            trace: self,
            span: SpanId(hashed(&parts)),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// A span and its trace. Displays as the value of the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SpanContext {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

impl SpanContext {
    /// All attempts of this action.
    pub fn of_action(action: &ActionId) -> Self {
        let trace = TraceId::of(&action.conversation, action.turn);
        trace.span("action", &[action.hash().as_bytes()])
    }

    /// A lookup of a turn: the model's call after this many steps.
    pub fn of_lookup(trace: TraceId, steps: usize, call: &str) -> Self {
        trace.span("lookup", &[&steps.to_be_bytes(), call.as_bytes()])
    }

    /// A turn as a whole.
    pub fn of_turn(conversation: &ConversationId, turn: TurnNumber) -> Self {
        TraceId::of(conversation, turn).span("turn", &[])
    }

    /// Reads the header `traceparent`. Of a version to come only the parts that this one has.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version: [u8; 1] = unhex(version)?;
        let _flags: [u8; 1] = unhex(flags)?;
        if version == [0xff] || version == [0] && parts.next().is_some() {
            return None;
        }
        let (trace, span) = (unhex(trace)?, unhex(span)?);
        // All zeros are no id.
        (trace != [0; 16] && span != [0; 8]).then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
        })
    }
}

impl fmt::Display for SpanContext {
    /// Version 00; the flag says that the trace is worth recording.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace, self.span)
    }
}

impl From<SpanContext> for String {
    fn from(context: SpanContext) -> Self {
        context.to_string()
    }
}

impl TryFrom<String> for SpanContext {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a traceparent")
    }
}

/// Bytes from lower case hexadecimal, which is the only one that the header allows.
fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if text.len() != 2 * BYTES || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The first bytes of a hash of these parts.
fn hashed<const BYTES: usize>(parts: &[&[u8]]) -> [u8; BYTES] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut first = [0; BYTES];
    first
        .iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_same_ids_at_every_attempt_and_no_others() {
        let conversation = ConversationId::parse("c").unwrap();
        let action = |identity| ActionId::new(conversation.clone(), 2, "book", identity, 0);
        let first = SpanContext::of_action(&action("a")).to_string();
        assert_eq!(first, SpanContext::of_action(&action("a")).to_string());
        let other = SpanContext::of_action(&action("b")).to_string();
        let trace = TraceId::of(&conversation, 2);
        let lookup = SpanContext::of_lookup(trace, 0, "call_0").to_string();
        let next = SpanContext::of_lookup(trace, 1, "call_0").to_string();
        let elsewhere = TraceId::of(&conversation, 3);
        let elsewhere = SpanContext::of_lookup(elsewhere, 0, "call_0").to_string();
        let all = [&first, &other, &lookup, &next, &elsewhere];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 55, "{one}");
            assert!(one.starts_with("00-") && one.ends_with("-01"), "{one}");
            assert!(!all[..at].contains(one), "{one}");
        }
        // One trace a turn.
        assert_eq!(first[..35], lookup[..35]);
        assert_ne!(first[..35], elsewhere[..35]);
    }

    #[test]
    fn a_callers_place_is_read_as_the_standard_has_it() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let read = SpanContext::parse(header).unwrap();
        assert_eq!(read.to_string()[..53], header[..53]);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes";
        assert_eq!(SpanContext::parse(later), Some(read));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(SpanContext::parse(bad), None, "{bad}");
        }
    }
}
