//! The order of an answer's parts: text, calls, and what its service wants back among them or at them.
//! Knows the shape of the opaque text; not the words of any service.
//!
//! The opaque text is a JSON array. A number is so many bytes of text, `null` is the next call, and an object is the service's
//! own. Text and calls stand in the step already and are not kept twice.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::sendable::SentCall;

/// The order of an answer while it is read.
#[derive(Debug, Default)]
pub(crate) struct Order {
    json: String,
    /// Bytes of text that are not written down yet.
    text: usize,
    has_own: bool,
}

impl Order {
    /// More text of the same part.
    pub(crate) fn text(&mut self, bytes: usize) {
        self.text += bytes;
    }

    /// The next text is another part.
    pub(crate) fn cut(&mut self) {
        let bytes = std::mem::take(&mut self.text);
        if bytes > 0 {
            self.push(&bytes);
        }
    }

    /// A part of so much text, which may be none.
    pub(crate) fn whole_text(&mut self, bytes: usize) {
        self.cut();
        self.push(&bytes);
    }

    /// A call.
    pub(crate) fn call(&mut self) {
        self.cut();
        self.push(&());
    }

    /// Something of the service's own: a part, or a mark at the part before it.
    pub(crate) fn own(&mut self, value: &impl Serialize) {
        self.cut();
        self.push(value);
        self.has_own = true;
    }

    /// The bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.json.len()
    }

    /// The opaque text; none if the service wants nothing back.
    pub(crate) fn opaque(mut self) -> Option<String> {
        self.cut();
        self.json.push(']');
        self.has_own.then_some(self.json)
    }

    fn push(&mut self, value: &impl Serialize) {
        self.json.push(if self.json.is_empty() { '[' } else { ',' });
        // A value of the service's own was read from JSON and can be written as JSON.
        self.json
            .push_str(&serde_json::to_string(value).unwrap_or_else(|_| "0".to_owned()));
    }
}

/// A part of an answer that is sent back.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// Text; may be empty or blank.
    Text(&'a str),
    /// A call.
    Call(&'a SentCall<'a>),
    /// The service's own.
    Own(&'a RawValue),
}

/// The parts of an answer in their order: without an opaque text first the text, then the calls.
pub(crate) fn parts<'a>(
    text: &'a str,
    calls: &'a [SentCall<'a>],
    opaque: Option<&'a str>,
) -> Vec<Part<'a>> {
    let pieces: Vec<&RawValue> = opaque
        .and_then(|opaque| serde_json::from_str(opaque).ok())
        .unwrap_or_default();
    let (mut rest, mut calls) = (text, calls.iter());
    let mut parts = Vec::with_capacity(pieces.len() + calls.len() + 1);
    for piece in pieces {
        match (piece.get(), piece.get().parse()) {
            ("null", _) => parts.extend(calls.next().map(Part::Call)),
            // A text that changed since is shorter, or has another character at this place.
            (_, Ok(bytes)) => {
                let (head, tail) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
                rest = tail;
                parts.push(Part::Text(head));
            }
            (json, Err(_)) if json.starts_with('{') => parts.push(Part::Own(piece)),
            (_, Err(_)) => {}
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts.extend(calls.map(Part::Call));
    parts
}
