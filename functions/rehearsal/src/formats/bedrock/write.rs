//! The answer as Converse streams it: frames, and one block of content after the other.

use serde_json::{Value, json};

use super::{counts, exception, frame, reason};
use crate::formats::{Writer, with};
use crate::parts::Part;

#[derive(Default)]
pub(super) struct Frames {
    /// What is in the block that is open, which has the number `blocks - 1`.
    open: Option<&'static str>,
    blocks: usize,
}

impl Frames {
    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            let document = json!({ "contentBlockIndex": self.blocks - 1 });
            event("contentBlockStop", document, out);
        }
    }

    fn begin(&mut self, kind: &'static str, out: &mut Vec<u8>) -> usize {
        self.close(out);
        self.open = Some(kind);
        self.blocks += 1;
        self.blocks - 1
    }

    /// A delta of the block with this content. Only a call's block has an event at its beginning.
    fn delta(&mut self, kind: &'static str, delta: &Value, out: &mut Vec<u8>) {
        if self.open != Some(kind) {
            self.begin(kind, out);
        }
        let document = json!({ "contentBlockIndex": self.blocks - 1, "delta": { kind: delta } });
        event("contentBlockDelta", document, out);
    }
}

impl Writer for Frames {
    fn write(&mut self, part: &Part, out: &mut Vec<u8>) {
        match part {
            Part::Begin { .. } => event("messageStart", json!({ "role": "assistant" }), out),
            Part::Thought(word) => self.delta("reasoningContent", &json!({ "text": word }), out),
            Part::Sealed(seal) => {
                self.delta("reasoningContent", &json!({ "signature": seal }), out);
                self.close(out);
            }
            Part::Word(word) => self.delta("text", &json!(word), out),
            Part::Call { id, name, .. } => {
                let index = self.begin("toolUse", out);
                let start = json!({ "toolUse": { "toolUseId": id, "name": name } });
                let document = json!({ "contentBlockIndex": index, "start": start });
                event("contentBlockStart", document, out);
            }
            Part::Arguments { fragment, .. } => {
                self.delta("toolUse", &json!({ "input": fragment }), out);
            }
            Part::CallEnds { .. } => self.close(out),
            Part::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Part::Fails(error) => {
                let name = exception(error.status());
                // In a stream the names begin with a small letter.
                let (first, rest) = name.split_at(1);
                let name = first.to_lowercase() + rest;
                let document = json!({ "message": error.message() });
                frame::write("exception", &name, &document, out);
            }
            Part::Finish(stop, usage) => {
                self.close(out);
                event("messageStop", json!({ "stopReason": reason(stop) }), out);
                let metrics = json!({ "latencyMs": 1 });
                let document = json!({ "usage": counts(*usage), "metrics": metrics });
                event("metadata", document, out);
            }
            Part::Done => {}
        }
    }
}

/// Each event has a field of some letters, so that its length tells nothing of its content.
fn event(r#type: &str, document: Value, out: &mut Vec<u8>) {
    let document = with(document, "p", "abcdefgh");
    frame::write("event", r#type, &document, out);
}
