//! The answer as Responses stream it: named, numbered events, and one item after the other.

use serde_json::{Value, json};

use super::{call, document, ended, message, reasoning, text};
use crate::formats::{Heading, Writer, event, with};
use crate::parts::Part;
use crate::reply::Usage;

pub(super) struct Events {
    heading: Heading,
    sequence: usize,
    /// The items that are whole.
    output: Vec<Value>,
    open: Option<Open>,
}

/// The item that is being written, with what there is of it.
enum Open {
    Reasoning {
        shown: String,
    },
    Message {
        said: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

impl Events {
    pub(super) fn new(heading: Heading) -> Self {
        Self {
            heading,
            sequence: 0,
            output: Vec::new(),
            open: None,
        }
    }

    fn event(&mut self, kind: &str, document: Value, out: &mut Vec<u8>) {
        let document = with(document, "type", kind);
        let document = with(document, "sequence_number", self.sequence);
        self.sequence += 1;
        event(&document, out);
    }

    /// An event of the open item.
    fn of_item(&mut self, kind: &str, document: Value, out: &mut Vec<u8>) {
        let document = with(document, "output_index", self.output.len());
        let document = with(document, "item_id", self.id());
        self.event(kind, document, out);
    }

    fn id(&self) -> String {
        let prefix = match &self.open {
            Some(Open::Reasoning { .. }) => "rs",
            Some(Open::Call { .. }) => "fc",
            Some(Open::Message { .. }) | None => "msg",
        };
        format!("{prefix}_{}{:02}", self.heading.id, self.output.len())
    }

    fn begin(&mut self, open: Open, out: &mut Vec<u8>) {
        self.close(None, out);
        self.open = Some(open);
        let id = self.id();
        let item = match &self.open {
            Some(Open::Reasoning { .. }) => json!({ "id": id, "type": "reasoning", "summary": [] }),
            Some(Open::Call {
                id: call_id, name, ..
            }) => call(&id, "in_progress", call_id, name, ""),
            Some(Open::Message { .. }) | None => message(&id, "in_progress", &[]),
        };
        let added = json!({ "output_index": self.output.len(), "item": item });
        self.event("response.output_item.added", added, out);
    }

    /// Ends the open item; that of thoughts with their seal.
    fn close(&mut self, seal: Option<&str>, out: &mut Vec<u8>) {
        let id = self.id();
        let Some(open) = &self.open else { return };
        let item = match open {
            Open::Reasoning { shown } => {
                let shown = shown.clone();
                if !shown.is_empty() {
                    let part = json!({ "type": "summary_text", "text": shown });
                    let done = json!({ "summary_index": 0, "text": shown });
                    self.of_item("response.reasoning_summary_text.done", done, out);
                    let done = json!({ "summary_index": 0, "part": part });
                    self.of_item("response.reasoning_summary_part.done", done, out);
                }
                reasoning(&id, &shown, seal.unwrap_or_default())
            }
            Open::Message { said } => {
                let part = text(said);
                let done = json!({ "content_index": 0, "text": said, "logprobs": [] });
                self.of_item("response.output_text.done", done, out);
                let done = json!({ "content_index": 0, "part": part });
                self.of_item("response.content_part.done", done, out);
                message(&id, "completed", &[part])
            }
            Open::Call {
                id: call_id,
                name,
                arguments,
            } => {
                let item = call(&id, "completed", call_id, name, arguments);
                let done = json!({ "arguments": arguments, "name": name });
                self.of_item("response.function_call_arguments.done", done, out);
                item
            }
        };
        let done = json!({ "output_index": self.output.len(), "item": item });
        self.event("response.output_item.done", done, out);
        self.output.push(item);
        self.open = None;
    }

    fn response(&mut self, kind: &str, response: &Value, out: &mut Vec<u8>) {
        self.event(kind, json!({ "response": response }), out);
    }
}

impl Writer for Events {
    fn write(&mut self, part: &Part, out: &mut Vec<u8>) {
        match part {
            Part::Begin { .. } => {
                for kind in ["response.created", "response.in_progress"] {
                    let response = document(&self.heading, "in_progress", &[], None);
                    self.response(kind, &response, out);
                }
            }
            Part::Thought(word) => {
                if !matches!(self.open, Some(Open::Reasoning { .. })) {
                    let shown = String::new();
                    self.begin(Open::Reasoning { shown }, out);
                    let part = json!({ "type": "summary_text", "text": "" });
                    let added = json!({ "summary_index": 0, "part": part });
                    self.of_item("response.reasoning_summary_part.added", added, out);
                }
                if let Some(Open::Reasoning { shown }) = &mut self.open {
                    shown.push_str(word);
                }
                let delta = json!({ "summary_index": 0, "delta": word });
                self.of_item("response.reasoning_summary_text.delta", delta, out);
            }
            Part::Sealed(seal) => {
                if !matches!(self.open, Some(Open::Reasoning { .. })) {
                    let shown = String::new();
                    self.begin(Open::Reasoning { shown }, out);
                }
                self.close(Some(seal), out);
            }
            Part::Word(word) => {
                if !matches!(self.open, Some(Open::Message { .. })) {
                    let said = String::new();
                    self.begin(Open::Message { said }, out);
                    let added = json!({ "content_index": 0, "part": text("") });
                    self.of_item("response.content_part.added", added, out);
                }
                if let Some(Open::Message { said }) = &mut self.open {
                    said.push_str(word);
                }
                let delta = json!({ "content_index": 0, "delta": word, "logprobs": [] });
                self.of_item("response.output_text.delta", delta, out);
            }
            Part::Call { id, name, .. } => {
                let (id, name, arguments) = (id.clone(), name.clone(), String::new());
                self.begin(
                    Open::Call {
                        id,
                        name,
                        arguments,
                    },
                    out,
                );
            }
            Part::Arguments { fragment, .. } => {
                if let Some(Open::Call { arguments, .. }) = &mut self.open {
                    arguments.push_str(fragment);
                }
                let delta = json!({ "delta": fragment });
                self.of_item("response.function_call_arguments.delta", delta, out);
            }
            Part::CallEnds { .. } => self.close(None, out),
            Part::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Part::Fails(error) => {
                let code = match error.status() {
                    429 => "rate_limit_exceeded",
                    _ => "server_error",
                };
                let message = error.message();
                let failure = json!({ "code": code, "message": message, "param": null });
                self.event("error", failure, out);
                let response = document(&self.heading, "failed", &self.output, None);
                let error = json!({ "code": code, "message": message });
                let response = with(response, "error", error);
                self.response("response.failed", &response, out);
            }
            Part::Finish(stop, usage) => self.finish(stop, *usage, out),
            Part::Done => {}
        }
    }
}

impl Events {
    fn finish(&mut self, stop: &crate::reply::Stop, usage: Usage, out: &mut Vec<u8>) {
        self.close(None, out);
        let response = ended(&self.heading, stop, &self.output, usage);
        let kind = match response.get("status").and_then(Value::as_str) {
            Some("incomplete") => "response.incomplete",
            Some(_) | None => "response.completed",
        };
        self.response(kind, &response, out);
    }
}
