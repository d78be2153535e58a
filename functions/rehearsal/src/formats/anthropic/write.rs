//! The answer as Messages stream it: named events, and one block of content after the other.

use serde_json::{Value, json};

use super::{counts, message, reason, refusal};
use crate::formats::{Heading, Writer, event};
use crate::parts::Part;
use crate::reply::Usage;

pub(super) struct Events {
    heading: Heading,
    /// The type of the block that is open, which has the number `blocks - 1`.
    open: Option<&'static str>,
    blocks: usize,
}

impl Events {
    pub(super) fn new(heading: Heading) -> Self {
        Self {
            heading,
            open: None,
            blocks: 0,
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            let index = self.blocks - 1;
            event(
                &json!({ "type": "content_block_stop", "index": index }),
                out,
            );
        }
    }

    fn begin(&mut self, kind: &'static str, block: &Value, out: &mut Vec<u8>) {
        self.close(out);
        let index = self.blocks;
        let start =
            json!({ "type": "content_block_start", "index": index, "content_block": block });
        event(&start, out);
        self.open = Some(kind);
        self.blocks += 1;
    }

    /// A delta of the block of this type, which begins here if it is not open.
    fn delta(&mut self, kind: &'static str, delta: &Value, out: &mut Vec<u8>) {
        if self.open != Some(kind) {
            let block = match kind {
                "thinking" => json!({ "type": kind, "thinking": "", "signature": "" }),
                _ => json!({ "type": kind, "text": "" }),
            };
            self.begin(kind, &block, out);
        }
        let index = self.blocks - 1;
        let delta = json!({ "type": "content_block_delta", "index": index, "delta": delta });
        event(&delta, out);
    }
}

impl Writer for Events {
    fn write(&mut self, part: &Part, out: &mut Vec<u8>) {
        match part {
            // The service has counted one token when it begins.
            Part::Begin { usage, .. } => {
                let begun = Usage {
                    completion: 1,
                    ..*usage
                };
                let message = message(&self.heading, begun);
                event(&json!({ "type": "message_start", "message": message }), out);
                event(&json!({ "type": "ping" }), out);
            }
            Part::Thought(word) => {
                let delta = json!({ "type": "thinking_delta", "thinking": word });
                self.delta("thinking", &delta, out);
            }
            Part::Sealed(seal) => {
                let delta = json!({ "type": "signature_delta", "signature": seal });
                self.delta("thinking", &delta, out);
                self.close(out);
            }
            Part::Word(word) => {
                self.delta("text", &json!({ "type": "text_delta", "text": word }), out);
            }
            Part::Call { id, name, .. } => {
                let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                self.begin("tool_use", &block, out);
                // The service sends an empty fragment first.
                let delta = json!({ "type": "input_json_delta", "partial_json": "" });
                self.delta("tool_use", &delta, out);
            }
            Part::Arguments { fragment, .. } => {
                let delta = json!({ "type": "input_json_delta", "partial_json": fragment });
                self.delta("tool_use", &delta, out);
            }
            Part::CallEnds { .. } => self.close(out),
            Part::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Part::Fails(error) => event(&refusal(error).document, out),
            Part::Finish(stop, usage) => {
                self.close(out);
                let delta = json!({ "stop_reason": reason(stop), "stop_sequence": null });
                let usage = counts(*usage);
                let delta = json!({ "type": "message_delta", "delta": delta, "usage": usage });
                event(&delta, out);
            }
            Part::Done => event(&json!({ "type": "message_stop" }), out),
        }
    }
}
