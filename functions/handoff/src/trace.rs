//! The place of a call in a trace, as W3C Trace Context has it (<https://www.w3.org/TR/trace-context/>). Ids are hashes of our own
//! ids, so a repeated attempt has the same ones, and nothing has to be stored.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ids::{ActionId, ConversationId, TurnNumber, hex};

/// The trace of a turn: all of its calls are in it, also those of later attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace of this turn.
    pub fn of(conversation: &ConversationId, turn: TurnNumber) -> Self {
        Self(hashed(&[
            b"trace",
            conversation.as_str().as_bytes(),
            &turn.to_be_bytes(),
        ]))
    }
}

/// A call in its trace. Displays as the value of the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    trace: TraceId,
    id: [u8; 8],
}

impl Span {
    /// All attempts of this action.
    pub fn of_action(action: &ActionId) -> Self {
        let trace = TraceId::of(&action.conversation, action.turn);
        let id = hashed(&[b"action", &trace.0, action.hash().as_bytes()]);
        Self { trace, id }
    }

    /// A lookup of a turn: the model's call after this many steps.
    pub fn of_lookup(trace: TraceId, steps: usize, call: &str) -> Self {
        let id = hashed(&[b"lookup", &trace.0, &steps.to_be_bytes(), call.as_bytes()]);
        Self { trace, id }
    }
}

impl fmt::Display for Span {
    /// Version 00; the flag says that the trace is worth recording.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", hex(&self.trace.0), hex(&self.id))
    }
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
        let first = Span::of_action(&action("a")).to_string();
        assert_eq!(first, Span::of_action(&action("a")).to_string());
        let other = Span::of_action(&action("b")).to_string();
        let lookup = Span::of_lookup(TraceId::of(&conversation, 2), 0, "call_0").to_string();
        let next = Span::of_lookup(TraceId::of(&conversation, 2), 1, "call_0").to_string();
        let elsewhere = Span::of_lookup(TraceId::of(&conversation, 3), 0, "call_0").to_string();
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
}
