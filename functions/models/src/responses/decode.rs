//! Decodes the events of a response. Their `type` says what they are, with or without the name of the event.

use std::collections::BTreeMap;

use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::items::{self, Item};
use crate::answer::Answer;
use crate::chat::fault;
use crate::fault::Fault;
use crate::sendable;
use crate::thoughts::Thoughts;
use crate::wire::{Decoder, Frame, read_json};

const TEXT_DELTA: &str = "response.output_text.delta";

/// One response.
#[derive(Debug, Default)]
pub(super) struct ResponsesDecoder {
    /// By their place in the output.
    output: BTreeMap<u64, Output>,
    thoughts: Thoughts,
}

/// An item of the output so far.
#[derive(Debug)]
enum Output {
    Text {
        bytes: usize,
        phase: Option<String>,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
    },
    Reasoning(Option<Item>),
}

/// The event of the hot path; everything else in it is skipped.
#[derive(Deserialize)]
struct TextDelta {
    #[serde(default)]
    output_index: u64,
    delta: String,
}

impl Decoder for ResponsesDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let (name, data) = match frame {
            Frame::Event { name, data } => (name.unwrap_or_default(), data.trim()),
            Frame::Bytes(_) => return Ok(()),
        };
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        if name == TEXT_DELTA
            && let Ok(delta) = serde_json::from_str::<TextDelta>(data)
        {
            return self.text(delta.output_index, delta.delta, answer);
        }
        let event: Value = read_json(data).map_err(|error| {
            let detail = format!("{:?} error at byte {}", error.classify(), error.column());
            unread(&detail)
        })?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(name);
        self.on_event(kind, &event, answer)
    }

    fn document(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ModelError> {
        let text = String::from_utf8_lossy(body);
        let document: Value =
            read_json(text.trim()).map_err(|_| unread("a document that is no JSON"))?;
        if !document.get("output").is_some_and(Value::is_array) {
            let fault = Fault::of_document(&document);
            return Err(fault.map_or_else(|| unread("no output"), |fault| fault.reported()));
        }
        self.on_end(&document, answer)
    }
}

impl ResponsesDecoder {
    fn on_event(
        &mut self,
        kind: &str,
        event: &Value,
        answer: &mut Answer,
    ) -> Result<(), ModelError> {
        let at = event
            .get("output_index")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let delta = event.get("delta").and_then(Value::as_str);
        match kind {
            "error" => Err(reported(event)),
            "response.failed" | "response.cancelled" => Err(event
                .get("response")
                .map_or_else(|| reported(event), reported)),
            "response.created" | "response.in_progress" => {
                on_begin(event.get("response"), answer);
                Ok(())
            }
            // A refusal of the model is an answer to the customer.
            TEXT_DELTA | "response.refusal.delta" => {
                self.text(at, delta.unwrap_or_default().to_owned(), answer)
            }
            "response.output_item.added" => self.on_item(at, event.get("item"), false, answer),
            "response.output_item.done" => self.on_item(at, event.get("item"), true, answer),
            "response.function_call_arguments.delta" => {
                self.arguments(at, delta.unwrap_or_default(), answer)
            }
            "response.completed" | "response.incomplete" => {
                let response = event.get("response").unwrap_or(&Value::Null);
                self.on_end(response, answer)
            }
            // Thoughts, annotations, progress, and what is invented later.
            _ => Ok(()),
        }
    }

    fn text(&mut self, at: u64, delta: String, answer: &mut Answer) -> Result<(), ModelError> {
        let text = self.thoughts.pass(delta);
        let more = text.len();
        let output = self.output.entry(at).or_insert(Output::Text {
            bytes: 0,
            phase: None,
        });
        if let Output::Text { bytes, .. } = output {
            *bytes += more;
        }
        answer.text(text)
    }

    fn arguments(&mut self, at: u64, delta: &str, answer: &Answer) -> Result<(), ModelError> {
        if let Some(Output::Call { arguments, .. }) = self.output.get_mut(&at) {
            answer.fits(arguments.len() + delta.len(), "arguments")?;
            arguments.push_str(delta);
        }
        Ok(())
    }

    /// An item begins or is whole. A whole one counts more than its parts, which some services do not send.
    fn on_item(
        &mut self,
        at: u64,
        item: Option<&Value>,
        is_whole: bool,
        answer: &mut Answer,
    ) -> Result<(), ModelError> {
        let Some(Value::Object(item)) = item else {
            return Ok(());
        };
        let field = |name: &str| item.get(name).and_then(Value::as_str);
        match field("type") {
            Some("message") => {
                let had = match self.output.get(&at) {
                    Some(Output::Text { bytes, .. }) => *bytes,
                    Some(Output::Call { .. } | Output::Reasoning(_)) | None => 0,
                };
                let missing = if is_whole && had == 0 {
                    content(item)
                } else {
                    String::new()
                };
                self.text(at, missing, answer)?;
                if let (Some(Output::Text { phase, .. }), Some(said)) =
                    (self.output.get_mut(&at), field("phase"))
                {
                    *phase = Some(said.to_owned());
                }
            }
            Some("function_call") => self.on_call(at, item, is_whole, answer)?,
            Some("reasoning") => {
                let reasoning = Item::reasoning(item).filter(|_| is_whole);
                self.output.insert(at, Output::Reasoning(reasoning));
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn on_call(
        &mut self,
        at: u64,
        item: &Map<String, Value>,
        is_whole: bool,
        answer: &Answer,
    ) -> Result<(), ModelError> {
        let field = |name: &str| item.get(name).and_then(Value::as_str);
        let whole = match item.get("arguments") {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        let came = match self.output.remove(&at) {
            Some(Output::Call { arguments, .. }) => arguments,
            Some(Output::Text { .. } | Output::Reasoning(_)) | None => {
                let is_call = |output: &&Output| matches!(output, Output::Call { .. });
                answer.room_for_call(self.output.values().filter(is_call).count())?;
                String::new()
            }
        };
        let arguments = if (is_whole && !whole.is_empty()) || came.is_empty() {
            whole
        } else {
            came
        };
        answer.fits(arguments.len(), "arguments")?;
        let id = field("call_id").or_else(|| field("id"));
        let call = Output::Call {
            id: id.unwrap_or_default().to_owned(),
            name: field("name").unwrap_or_default().to_owned(),
            arguments,
        };
        self.output.insert(at, call);
        Ok(())
    }

    /// The whole response. What its events did not bring is taken from it.
    fn on_end(&mut self, response: &Value, answer: &mut Answer) -> Result<(), ModelError> {
        on_begin(Some(response), answer);
        if let Some(usage) = response.get("usage").and_then(usage) {
            answer.usage(usage);
        }
        let reason = reason(response)?;
        let output = response.get("output").and_then(Value::as_array);
        for (at, item) in output.into_iter().flatten().enumerate() {
            let at = at as u64;
            if !self.output.contains_key(&at) {
                self.on_item(at, Some(item), true, answer)?;
            }
        }
        let rest = self.thoughts.end();
        if let Some(at) = self.last_text().filter(|_| !rest.is_empty()) {
            self.text(at, rest, answer)?;
        }
        let mut items = Vec::with_capacity(self.output.len());
        for output in std::mem::take(&mut self.output).into_values() {
            match output {
                Output::Text { bytes, phase } => items.push(Item::Text { bytes, phase }),
                Output::Reasoning(item) => items.extend(item),
                Output::Call {
                    id,
                    name,
                    arguments,
                } => {
                    items.push(Item::Call);
                    answer.open_call(id, name, sendable::received(arguments))?;
                }
            }
        }
        if let Some(opaque) = items::written(&items) {
            answer.opaque(opaque);
        }
        answer.finish(reason)?;
        answer.complete()
    }

    fn last_text(&self) -> Option<u64> {
        let mut texts = self.output.iter().rev();
        texts.find_map(|(at, output)| matches!(output, Output::Text { .. }).then_some(*at))
    }
}

fn on_begin(response: Option<&Value>, answer: &mut Answer) {
    let id = response.and_then(|response| response.get("id"));
    if let Some(id) = id.and_then(Value::as_str) {
        answer.id(id);
    }
}

/// The text of a whole message.
fn content(item: &Map<String, Value>) -> String {
    let parts = item.get("content").and_then(Value::as_array);
    let text = |part: &Value| {
        let text = part.get("text").or_else(|| part.get("refusal"))?;
        Some(text.as_str()?.to_owned())
    };
    parts.into_iter().flatten().filter_map(text).collect()
}

fn reason(response: &Value) -> Result<FinishReason, ModelError> {
    match response.get("status").and_then(Value::as_str) {
        Some("completed") | None => Ok(FinishReason::Stop),
        Some("incomplete") => {
            let why = response.pointer("/incomplete_details/reason");
            match why.and_then(Value::as_str) {
                Some("max_output_tokens" | "max_tokens" | "length") => Ok(FinishReason::Length),
                Some("content_filter") => Ok(FinishReason::ContentFilter),
                Some(_) | None => Err(unfinished()),
            }
        }
        Some("failed" | "cancelled") => Err(reported(response)),
        Some(_) => Err(unfinished()),
    }
}

fn unfinished() -> ModelError {
    ModelError::new(
        ModelErrorKind::Reported,
        "the response ended for a reason that means no whole answer",
    )
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    Some(Usage {
        prompt_tokens: count("/input_tokens")?,
        completion_tokens: count("/output_tokens").unwrap_or(0),
        cached_tokens: count("/input_tokens_details/cached_tokens").unwrap_or(0),
        cache_write_tokens: count("/input_tokens_details/cache_write_tokens").unwrap_or(0),
    })
}

/// The error of an event, wherever it stands in it.
fn reported(event: &Value) -> ModelError {
    let fault = match event.get("error") {
        Some(error) if !error.is_null() => Fault::from_value(error),
        Some(_) | None => fault::read(event.to_string().as_bytes()),
    };
    fault.reported()
}

fn unread(detail: &str) -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        format!("an event is not one of a response: {detail}"),
    )
}
