//! Decodes the events of Messages.

use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind};
use serde::Serialize;

use super::fault;
use super::wire::{Block, BlockKind, Delta, Event, Kind, Whole, WireUsage, is_unused};
use crate::answer::Answer;
use crate::order::Order;
use crate::wire::{Decoder, Frame, read_json};

/// One response.
#[derive(Debug, Default)]
pub(super) struct MessagesDecoder {
    /// The blocks that have begun and not ended, by the service's index.
    open: Vec<(u32, Open)>,
    calls: usize,
    usage: WireUsage,
    order: Order,
}

/// A block that has begun.
#[derive(Debug)]
enum Open {
    Text,
    /// The call's position, and its arguments unless they come in parts.
    Call(usize, String),
    Thought(Thought),
    /// Nothing that Baton asks for.
    Other,
}

/// A thought, in the words in which it is sent back.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thought {
    Thinking { thinking: String, signature: String },
    RedactedThinking { data: String },
}

impl Decoder for MessagesDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let data = match frame {
            Frame::Event { data, .. } => data.trim(),
            Frame::Bytes(_) => return Ok(()),
        };
        if data.is_empty() {
            return Ok(());
        }
        let event: Event = match read_json(data) {
            Ok(event) => event,
            Err(_) if is_unused(data) => return Ok(()),
            Err(error) => return Err(unread(&error)),
        };
        let index = event.index.unwrap_or_default();
        match event.kind {
            Kind::MessageStart => {
                let Some(message) = event.message else {
                    return Ok(());
                };
                if let Some(id) = message.id {
                    answer.id(&id);
                }
                self.count(message.usage, answer);
                Ok(())
            }
            Kind::ContentBlockStart => match event.content_block {
                Some(block) => self.begin(index, block, answer),
                None => Ok(()),
            },
            Kind::ContentBlockDelta => self.more(index, event.delta, answer),
            Kind::ContentBlockStop => self.end_block(index, answer),
            Kind::MessageDelta => {
                self.count(event.usage, answer);
                match event.delta.and_then(|delta| delta.stop_reason) {
                    Some(reason) => self.stop(&reason, answer),
                    None => Ok(()),
                }
            }
            Kind::MessageStop => answer.complete(),
            Kind::Error => Err(fault::read(data.as_bytes()).reported()),
            Kind::Other => Ok(()),
        }
    }

    /// A message that was not streamed has whole blocks.
    fn document(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), ModelError> {
        let message: Whole =
            read_json(&String::from_utf8_lossy(body)).map_err(|error| unread(&error))?;
        answer.id(&message.id.unwrap_or_default());
        self.count(message.usage, answer);
        for block in message.content {
            self.begin(0, block, answer)?;
            self.end_block(0, answer)?;
        }
        self.stop(&message.stop_reason.unwrap_or_default(), answer)
    }
}

impl MessagesDecoder {
    fn begin(&mut self, index: u32, block: Block, answer: &mut Answer) -> Result<(), ModelError> {
        let open = match block.kind {
            BlockKind::Text => {
                let text = block.text.unwrap_or_default();
                self.order.text(text.len());
                answer.text(text)?;
                Open::Text
            }
            BlockKind::ToolUse => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                answer.open_call(id, name, String::new())?;
                self.order.call();
                self.calls += 1;
                // Usually an empty object, and the arguments come in parts.
                let whole = block.input.map(|input| input.get().to_owned());
                let whole = whole.filter(|input| input != "null");
                Open::Call(self.calls - 1, whole.unwrap_or_else(|| "{}".to_owned()))
            }
            BlockKind::Thinking => Open::Thought(Thought::Thinking {
                thinking: block.thinking.unwrap_or_default(),
                signature: block.signature.unwrap_or_default(),
            }),
            BlockKind::RedactedThinking => Open::Thought(Thought::RedactedThinking {
                data: block.data.unwrap_or_default(),
            }),
            BlockKind::Other => Open::Other,
        };
        self.open.retain(|(of, _)| *of != index);
        self.open.push((index, open));
        Ok(())
    }

    fn more(
        &mut self,
        index: u32,
        delta: Option<Delta>,
        answer: &mut Answer,
    ) -> Result<(), ModelError> {
        let delta = delta.unwrap_or_default();
        let open = self.open.iter_mut().find(|(of, _)| *of == index);
        match open.map(|(_, open)| open) {
            Some(Open::Text) => {
                let text = delta.text.unwrap_or_default();
                self.order.text(text.len());
                answer.text(text)
            }
            Some(Open::Call(position, whole)) => {
                let arguments = delta.partial_json.unwrap_or_default();
                if !arguments.is_empty() {
                    whole.clear();
                }
                answer.arguments(*position, arguments)
            }
            // What cannot be kept is not collected either.
            Some(Open::Thought(Thought::Thinking {
                thinking,
                signature,
            })) => {
                let so_far = self.order.len() + thinking.len();
                if so_far <= answer.opaque_bound() {
                    thinking.push_str(&delta.thinking.unwrap_or_default());
                }
                signature.push_str(&delta.signature.unwrap_or_default());
                Ok(())
            }
            Some(Open::Thought(Thought::RedactedThinking { .. }) | Open::Other) | None => Ok(()),
        }
    }

    fn end_block(&mut self, index: u32, answer: &mut Answer) -> Result<(), ModelError> {
        let Some(at) = self.open.iter().position(|(of, _)| *of == index) else {
            return Ok(());
        };
        match self.open.remove(at).1 {
            Open::Text => self.order.cut(),
            Open::Call(position, whole) => return answer.arguments(position, whole),
            // A service that does not sign its thoughts does not want them back.
            Open::Thought(Thought::Thinking { signature, .. }) if signature.is_empty() => {}
            Open::Thought(thought) => self.order.own(&thought),
            Open::Other => {}
        }
        Ok(())
    }

    fn count(&mut self, usage: Option<WireUsage>, answer: &mut Answer) {
        let Some(usage) = usage else { return };
        self.usage = usage.or(self.usage);
        answer.usage(self.usage.into());
    }

    fn stop(&mut self, reason: &str, answer: &mut Answer) -> Result<(), ModelError> {
        let reason = match reason {
            "end_turn" | "tool_use" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" => FinishReason::Length,
            "refusal" => FinishReason::ContentFilter,
            "model_context_window_exceeded" => {
                let detail = "the answer filled the model's context window";
                return Err(ModelError::new(ModelErrorKind::TooLong, detail));
            }
            // Only the service's own tools pause a turn, and none was asked for.
            "pause_turn" => {
                let detail = "the service paused before the model was done";
                return Err(ModelError::new(ModelErrorKind::Cut, detail));
            }
            _ => {
                let detail = "the model stopped for a reason that is not known";
                return Err(ModelError::new(ModelErrorKind::Reported, detail));
            }
        };
        if let Some(opaque) = std::mem::take(&mut self.order).opaque() {
            answer.opaque(opaque);
        }
        answer.finish(reason)
    }
}

/// The position is safe to log; the parser's own message may quote the answer.
fn unread(error: &serde_json::Error) -> ModelError {
    let detail = format!(
        "an event is not one of a message: {:?} error at byte {}",
        error.classify(),
        error.column()
    );
    ModelError::new(ModelErrorKind::BadStream, detail)
}
