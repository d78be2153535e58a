//! Decodes the events of Gemini.

use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault;
use super::wire::{Event, FunctionCall, Part};
use crate::answer::Answer;
use crate::order::Order;
use crate::wire::{Decoder, Frame, read_json};

/// One response.
#[derive(Debug, Default)]
pub(super) struct GeminiDecoder {
    order: Order,
}

/// What is sent back: alone a mark at the part before it, with a thought a part of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    pub(super) thought_signature: String,
}

impl Decoder for GeminiDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let data = match frame {
            Frame::Event { data, .. } => data.trim(),
            Frame::Bytes(_) => return Ok(()),
        };
        // Some services that speak this format end as OpenAI does.
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let event = read_json(data).map_err(|error| unread(&error))?;
        self.event(event, answer)
    }

    /// A whole answer, or all events in one list: what comes when something on the way drops the query.
    fn document(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ModelError> {
        let body = String::from_utf8_lossy(body);
        let events = if body.trim_start().starts_with('[') {
            read_json(&body)
        } else {
            read_json(&body).map(|event| vec![event])
        };
        let events: Vec<Event> = events.map_err(|error| unread(&error))?;
        if events.iter().all(Event::says_nothing) {
            let detail = "the document is no response";
            return Err(ModelError::new(ModelErrorKind::BadStream, detail));
        }
        for event in events {
            self.event(event, answer)?;
        }
        self.end(answer)
    }

    /// Nothing but the end of the stream says that no part will come.
    fn end(&mut self, answer: &mut Answer) -> Result<(), ModelError> {
        if let Some(opaque) = std::mem::take(&mut self.order).opaque() {
            answer.opaque(opaque);
        }
        Ok(())
    }
}

impl GeminiDecoder {
    fn event(&mut self, event: Event, answer: &mut Answer) -> Result<(), ModelError> {
        if let Some(error) = event.error {
            return Err(fault::read(&document(&error)).reported());
        }
        if let Some(id) = event.response_id {
            answer.id(&id);
        }
        if let Some(usage) = event.usage_metadata {
            answer.usage(usage.into());
        }
        let blocked = event
            .prompt_feedback
            .and_then(|feedback| feedback.block_reason);
        if blocked.is_some_and(|reason| !reason.ends_with("UNSPECIFIED")) {
            let detail = "the service blocked the request";
            return Err(ModelError::new(ModelErrorKind::Filtered, detail));
        }
        // One answer is asked for.
        let Some(candidate) = event.candidates.into_iter().flatten().next() else {
            return Ok(());
        };
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.into_iter().flatten() {
            self.part(part, answer)?;
        }
        match candidate.finish_reason {
            Some(reason) => Self::stop(&reason, answer),
            None => Ok(()),
        }
    }

    fn part(&mut self, part: Part, answer: &mut Answer) -> Result<(), ModelError> {
        let signature = part.thought_signature.filter(|one| !one.is_empty());
        if let Some(call) = part.function_call {
            open(call, answer)?;
            self.order.call();
        } else if part.thought == Some(true) {
            if let Some(thought_signature) = signature {
                self.order.own(&Signed {
                    thought: Some(true),
                    text: part.text,
                    thought_signature,
                });
            }
            return Ok(());
        } else if let Some(text) = part.text {
            if signature.is_some() {
                self.order.whole_text(text.len());
            } else {
                self.order.text(text.len());
            }
            answer.text(text)?;
        } else {
            return Ok(());
        }
        if let Some(thought_signature) = signature {
            self.order.own(&Signed {
                thought: None,
                text: None,
                thought_signature,
            });
        }
        Ok(())
    }

    /// <https://ai.google.dev/api/generate-content#FinishReason>
    fn stop(reason: &str, answer: &mut Answer) -> Result<(), ModelError> {
        let finish = match reason {
            "" | "FINISH_REASON_UNSPECIFIED" => return Ok(()),
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "ESCALATION" | "MODEL_ARMOR" => FinishReason::ContentFilter,
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE" => {
                let detail = "the model wrote a call that its service cannot read";
                return Err(ModelError::new(ModelErrorKind::Slip, detail));
            }
            "MISSING_THOUGHT_SIGNATURE" => {
                let detail = "the service misses a thought's signature in the request";
                return Err(ModelError::new(ModelErrorKind::BadRequest, detail));
            }
            _ => {
                let detail = "the model stopped for a reason that is not known";
                return Err(ModelError::new(ModelErrorKind::Reported, detail));
            }
        };
        answer.finish(finish)
    }
}

/// An error as a body of its own.
fn document(error: &Value) -> Vec<u8> {
    json!({ "error": error }).to_string().into_bytes()
}

/// A call comes whole.
fn open(call: FunctionCall, answer: &mut Answer) -> Result<(), ModelError> {
    let arguments = call.args.map(|args| args.get().to_owned());
    let arguments = arguments.filter(|args| args != "null");
    answer.open_call(
        call.id.unwrap_or_default(),
        call.name.unwrap_or_default(),
        arguments.unwrap_or_else(|| "{}".to_owned()),
    )
}

/// The position is safe to log; the parser's own message may quote the answer.
fn unread(error: &serde_json::Error) -> ModelError {
    let detail = format!(
        "an event is not a part of a response: {:?} error at byte {}",
        error.classify(),
        error.column()
    );
    ModelError::new(ModelErrorKind::BadStream, detail)
}
