//! Decodes the events of Chat Completions, in the dialects of its services.

use baton_handoff::ports::{ModelError, ModelErrorKind};
use serde_json::{Map, Value};

use super::calls::Calls;
use super::fields::{self, CallPart};
use super::opaque::Kept;
use super::{fault, reason, usual};
use crate::answer::Answer;
use crate::fault::Fault;
use crate::thoughts::Thoughts;
use crate::wire::{Decoder, Frame, read_json};

/// One response.
#[derive(Debug, Default)]
pub(super) struct ChatDecoder {
    /// The first event is read as a whole: it has the id.
    has_begun: bool,
    calls: Calls,
    thoughts: Thoughts,
    kept: Kept,
}

impl Decoder for ChatDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let (name, data) = match frame {
            Frame::Event { name, data } => (name, data.trim()),
            Frame::Bytes(_) => return Ok(()),
        };
        if name == Some("error") {
            return Err(fault::read(data.as_bytes()).reported());
        }
        if data == "[DONE]" {
            self.end(answer)?;
            return answer.complete();
        }
        if data.is_empty() {
            return Ok(());
        }
        if std::mem::replace(&mut self.has_begun, true)
            && let Some(text) = usual::text(data)
        {
            return answer.text(self.thoughts.pass(text));
        }
        self.on_value(parse(data)?, answer)
    }

    fn document(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ModelError> {
        let text = String::from_utf8_lossy(body);
        let document = parse(text.trim())?;
        if document.get("choices").is_none() {
            let fault = Fault::of_document(&document);
            return Err(fault.map_or_else(|| not_a_chunk("no choices"), |fault| fault.reported()));
        }
        self.on_value(document, answer)?;
        self.end(answer)?;
        answer.complete()
    }

    fn end(&mut self, answer: &mut Answer) -> Result<(), ModelError> {
        answer.text(self.thoughts.end())?;
        if answer.is_finished() {
            self.calls.settle();
            self.kept.end(&self.calls, answer);
            self.calls.end(answer)?;
        }
        Ok(())
    }
}

impl ChatDecoder {
    fn on_value(&mut self, mut event: Value, answer: &mut Answer) -> Result<(), ModelError> {
        if let Some(fault) = Fault::of_document(&event) {
            return Err(fault.reported());
        }
        let Value::Object(event) = &mut event else {
            return Err(not_a_chunk("no object"));
        };
        if let Some(id) = event.get("id").and_then(Value::as_str) {
            answer.id(id);
        }
        let counts = event.get("usage").filter(|usage| usage.is_object());
        let counts = counts.or_else(|| event.get("x_groq")?.get("usage"));
        if let Some(usage) = counts.and_then(fields::usage) {
            // Some count with every event: the last count is the one.
            answer.usage(usage);
        }
        match event.remove("choices") {
            // We never request a second choice.
            Some(Value::Array(choices)) => match choices.into_iter().next() {
                Some(Value::Object(choice)) => self.on_choice(choice, answer),
                Some(_) | None => Ok(()),
            },
            // Azure's first event and the one that brings the usage.
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(not_a_chunk("choices that are no list")),
        }
    }

    fn on_choice(
        &mut self,
        mut choice: Map<String, Value>,
        answer: &mut Answer,
    ) -> Result<(), ModelError> {
        if let Some(fault) = Fault::of_document(&Value::Object(error_of(&mut choice))) {
            return Err(fault.reported());
        }
        for name in ["delta", "message"] {
            if let Some(Value::Object(delta)) = choice.remove(name) {
                self.on_delta(delta, answer)?;
            }
        }
        let native = choice.get("native_finish_reason").and_then(Value::as_str);
        if native.is_some_and(reason::is_slip) {
            return Err(reason::slip());
        }
        match reason::finish(choice.get("finish_reason"))? {
            Some(reason) => answer.finish(reason),
            None => Ok(()),
        }
    }

    fn on_delta(
        &mut self,
        mut delta: Map<String, Value>,
        answer: &mut Answer,
    ) -> Result<(), ModelError> {
        if let Some(content) = delta.get("content") {
            let texts = fields::texts(content).ok_or_else(|| not_a_chunk("content of no kind"))?;
            for text in texts {
                answer.text(self.thoughts.pass(text.to_owned()))?;
            }
        }
        // A refusal of the model is an answer to the customer.
        if let Some(Value::String(refusal)) = delta.remove("refusal") {
            answer.text(refusal)?;
        }
        self.kept.take(&mut delta, answer.opaque_bound());
        let parts = match delta.remove("tool_calls") {
            Some(Value::Array(calls)) => calls,
            Some(call @ Value::Object(_)) => vec![call],
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                Vec::new()
            }
        };
        let old = delta.remove("function_call");
        let parts = parts.into_iter().filter_map(CallPart::from_value);
        for part in parts.chain(old.and_then(CallPart::from_function)) {
            self.calls.take(part, answer)?;
        }
        Ok(())
    }
}

/// The error of a choice, as the document that it would be alone.
fn error_of(choice: &mut Map<String, Value>) -> Map<String, Value> {
    choice.remove_entry("error").into_iter().collect()
}

/// The position is safe to log; the parser's own message may quote the answer.
fn parse(data: &str) -> Result<Value, ModelError> {
    read_json(data).map_err(|error| {
        let detail = format!("{:?} error at byte {}", error.classify(), error.column());
        not_a_chunk(&detail)
    })
}

fn not_a_chunk(detail: &str) -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        format!("an event is not a chat completion chunk: {detail}"),
    )
}
