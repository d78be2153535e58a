//! The answer as Gemini streams it: chunks that are whole documents, and calls that come in one piece.

use serde_json::json;

use super::{call, document, refusal};
use crate::formats::{Heading, Writer, data};
use crate::parts::Part;
use crate::reply::Usage;

pub(super) struct Chunks {
    heading: Heading,
    usage: Usage,
    /// Until a part has it.
    seal: Option<String>,
    /// Id, name and arguments of the call that is not whole yet.
    open: Option<(String, String, String)>,
}

impl Chunks {
    pub(super) fn new(heading: Heading) -> Self {
        Self {
            heading,
            usage: Usage::default(),
            seal: None,
            open: None,
        }
    }
}

impl Writer for Chunks {
    fn write(&mut self, part: &Part, out: &mut Vec<u8>) {
        let usage = Usage {
            completion: 0,
            thoughts: 0,
            ..self.usage
        };
        let (written, stop, usage) = match part {
            Part::Begin { usage, .. } => {
                self.usage = *usage;
                return;
            }
            Part::Thought(word) => (Some(json!({ "text": word, "thought": true })), None, usage),
            Part::Sealed(seal) => {
                self.seal = Some(seal.clone());
                return;
            }
            Part::Word(word) => (Some(json!({ "text": word })), None, usage),
            Part::Call { id, name, .. } => {
                self.open = Some((id.clone(), name.clone(), String::new()));
                return;
            }
            Part::Arguments { fragment, .. } => {
                if let Some((_, _, arguments)) = &mut self.open {
                    arguments.push_str(fragment);
                }
                return;
            }
            Part::CallEnds { .. } => {
                let (id, name, arguments) = self.open.take().unwrap_or_default();
                (
                    Some(call(&id, &name, &arguments, self.seal.take())),
                    None,
                    usage,
                )
            }
            Part::Raw(text) => return out.extend_from_slice(text.as_bytes()),
            Part::Fails(error) => return data(&refusal(error).document, out),
            Part::Finish(stop, usage) => {
                // Beside a text the seal comes behind it, at a part of its own.
                let seal = self.seal.take();
                let part = seal.map(|seal| json!({ "text": "", "thoughtSignature": seal }));
                (part, Some(stop), *usage)
            }
            Part::Done => return,
        };
        let parts = written.as_slice();
        data(&document(&self.heading, parts, stop, usage), out);
    }
}
