//! Decodes the frames of Converse: `application/vnd.amazon.eventstream`, each with an event as JSON.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::fault::Fault;
use crate::order::Order;
use crate::wire::{Decoder, Frame, read_json};

/// Length, headers' length, and the checksum of both; at the end the checksum of all.
const SMALLEST: usize = 16;
/// More than AWS allows of headers and payload. What looks longer is no frame, and would be waited for in vain.
const LARGEST: usize = 32 * 1024 * 1024;

/// The length of the first frame, if it is whole.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    // A frame that cannot be one is handed on at once, and refused by its decoder.
    if !(SMALLEST..=LARGEST).contains(&length) {
        return Some(bytes.len());
    }
    (bytes.len() >= length).then_some(length)
}

/// The codes of a refusal: the name of the exception and the body.
pub(super) fn fault(exception: &str, body: &[u8]) -> Fault {
    let mut document: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    if !exception.is_empty() {
        document.insert("code".to_owned(), exception.into());
    }
    Fault::from_value(&Value::Object(document))
}

/// One response.
#[derive(Debug, Default)]
pub(super) struct ConverseDecoder {
    /// The calls that have begun, by the index of their block; the position is theirs among the calls.
    calls: Vec<u32>,
    /// The thought that is being read.
    thought: Thought,
    order: Order,
}

#[derive(Debug, Default)]
struct Thought {
    text: String,
    signature: String,
    redacted: String,
}

impl Decoder for ConverseDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let Frame::Bytes(bytes) = frame else {
            return Ok(());
        };
        let message = read_message_from(bytes).map_err(|_| {
            ModelError::new(ModelErrorKind::BadStream, "a frame is not one of AWS's")
        })?;
        let payload = std::str::from_utf8(message.payload()).map_err(|_| unread())?;
        match header(&message, ":message-type").unwrap_or("event") {
            "event" => {
                let event = header(&message, ":event-type").unwrap_or_default();
                self.event(event, payload, answer)
            }
            "exception" => {
                let exception = header(&message, ":exception-type").unwrap_or_default();
                Err(fault(exception, payload.as_bytes()).reported())
            }
            "error" => {
                let code = header(&message, ":error-code").unwrap_or_default();
                let text = header(&message, ":error-message").unwrap_or_default();
                Err(fault(code, json!({ "message": text }).to_string().as_bytes()).reported())
            }
            _ => Ok(()),
        }
    }
}

impl ConverseDecoder {
    fn event(&mut self, event: &str, payload: &str, answer: &mut Answer) -> Result<(), ModelError> {
        match event {
            "contentBlockStart" => {
                let Start { index, start } = read(payload)?;
                let Some(call) = start.and_then(|start| start.tool_use) else {
                    return Ok(());
                };
                answer.open_call(call.tool_use_id, call.name, String::new())?;
                self.order.call();
                self.calls.push(index);
                Ok(())
            }
            "contentBlockDelta" => {
                let More { index, delta } = read(payload)?;
                self.more(index, delta.unwrap_or_default(), answer)
            }
            "contentBlockStop" => {
                self.end_block();
                Ok(())
            }
            "messageStop" => {
                let End { stop_reason } = read(payload)?;
                self.stop(&stop_reason, answer)
            }
            // The last one.
            "metadata" => {
                let Metadata { usage } = read(payload)?;
                if let Some(usage) = usage {
                    answer.usage(usage.into());
                }
                if answer.is_finished() {
                    answer.complete()
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn more(&mut self, index: u32, delta: Delta, answer: &mut Answer) -> Result<(), ModelError> {
        if let Some(text) = delta.text {
            self.order.text(text.len());
            answer.text(text)?;
        }
        if let Some(call) = delta.tool_use {
            let position = self.calls.iter().rposition(|block| *block == index);
            answer.arguments(position.unwrap_or(usize::MAX), call.input)?;
        }
        let so_far = self.order.len() + self.thought.text.len() + self.thought.redacted.len();
        if let Some(thought) = delta.reasoning_content {
            // What cannot be kept is not collected either.
            if so_far <= answer.opaque_bound() {
                let (text, redacted) = (thought.text, thought.redacted_content);
                self.thought.text.push_str(&text.unwrap_or_default());
                self.thought
                    .redacted
                    .push_str(&redacted.unwrap_or_default());
            }
            let signature = thought.signature.unwrap_or_default();
            self.thought.signature.push_str(&signature);
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.order.cut();
        let Thought {
            text,
            signature,
            redacted,
        } = std::mem::take(&mut self.thought);
        // A model that does not sign its thoughts does not want them back.
        let reasoning_content = if !redacted.is_empty() {
            Kept::RedactedContent(redacted)
        } else if !signature.is_empty() {
            Kept::ReasoningText { text, signature }
        } else {
            return;
        };
        self.order.own(&Own { reasoning_content });
    }

    fn stop(&mut self, reason: &str, answer: &mut Answer) -> Result<(), ModelError> {
        let finish = match reason {
            "end_turn" | "tool_use" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" => FinishReason::Length,
            "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
            "malformed_model_output" | "malformed_tool_use" => {
                let detail = "the model wrote a call that its service cannot read";
                return Err(ModelError::new(ModelErrorKind::Slip, detail));
            }
            "model_context_window_exceeded" => {
                let detail = "the answer filled the model's context window";
                return Err(ModelError::new(ModelErrorKind::TooLong, detail));
            }
            _ => {
                let detail = "the model stopped for a reason that is not known";
                return Err(ModelError::new(ModelErrorKind::Reported, detail));
            }
        };
        if let Some(opaque) = std::mem::take(&mut self.order).opaque() {
            answer.opaque(opaque);
        }
        answer.finish(finish)
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut headers = message.headers().iter();
    let header = headers.find(|header| header.name().as_str() == name)?;
    Some(header.value().as_string().ok()?.as_str())
}

fn read<T: DeserializeOwned>(payload: &str) -> Result<T, ModelError> {
    read_json(payload).map_err(|_| unread())
}

fn unread() -> ModelError {
    ModelError::new(
        ModelErrorKind::BadStream,
        "an event is not one of a conversation",
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    reasoning_content: Kept,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Kept {
    ReasoningText { text: String, signature: String },
    RedactedContent(String),
}

#[derive(Deserialize)]
struct Start {
    #[serde(rename = "contentBlockIndex", default)]
    index: u32,
    #[serde(default)]
    start: Option<StartOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartOf {
    #[serde(default)]
    tool_use: Option<CallStart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallStart {
    #[serde(default)]
    tool_use_id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct More {
    #[serde(rename = "contentBlockIndex", default)]
    index: u32,
    #[serde(default)]
    delta: Option<Delta>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_use: Option<CallMore>,
    #[serde(default)]
    reasoning_content: Option<ThoughtMore>,
}

#[derive(Deserialize)]
struct CallMore {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThoughtMore {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    /// Base64, as it is sent back.
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct End {
    #[serde(default)]
    stop_reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[expect(
    clippy::struct_field_names,
    reason = "the names that the service gives them"
)]
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_write_input_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    /// The service counts apart what was read from the cache and what was written into it.
    fn from(usage: WireUsage) -> Self {
        let cached = usage.cache_read_input_tokens.unwrap_or(0);
        let written = usage.cache_write_input_tokens.unwrap_or(0);
        let prompt = usage.input_tokens.saturating_add(cached);
        Self {
            prompt_tokens: prompt.saturating_add(written),
            completion_tokens: usage.output_tokens,
            cached_tokens: cached,
            cache_write_tokens: written,
        }
    }
}
