//! Decodes the events of Chat Completions, in the dialects of its services.

use baton_handoff::ports::{FinishReason, ModelError, ModelErrorKind};

use super::calls::Calls;
use super::fault;
use super::wire::{Delta, Event, Reason};
use crate::answer::Answer;
use crate::fault::Fault;
use crate::wire::{Decoder, Frame};

/// One response.
#[derive(Debug, Default)]
pub(super) struct ChatDecoder {
    calls: Calls,
}

impl Decoder for ChatDecoder {
    fn frame(&mut self, frame: Frame<'_>, answer: &mut Answer) -> Result<(), ModelError> {
        let (name, data) = match frame {
            Frame::Event { name, data } => (name, data.trim()),
            Frame::Bytes(_) => return Ok(()),
        };
        if name == Some("error") {
            return Err(reported(&fault::read(data.as_bytes())));
        }
        if data == "[DONE]" {
            return answer.complete();
        }
        if data.is_empty() {
            return Ok(());
        }
        let event = parse(data)?;
        if answer.is_finished() {
            on_afterwards(&event, answer);
            return Ok(());
        }
        self.on_answer(event, answer)
    }
}

impl ChatDecoder {
    fn on_answer(&mut self, event: Event, answer: &mut Answer) -> Result<(), ModelError> {
        if let Some(fault) = event.error {
            return Err(reported(&fault));
        }
        if let Some(usage) = event.usage {
            // Some count with every event: the last count is the one.
            answer.usage(usage.into());
        }
        let Some(choice) = event.choices else {
            return Ok(());
        };
        if let Some(delta) = choice.delta {
            self.on_delta(delta, answer)?;
        }
        match choice.finish_reason {
            None | Some(Reason::Unfinished) => Ok(()),
            Some(Reason::Stop) => answer.finish(FinishReason::Stop),
            Some(Reason::Length) => answer.finish(FinishReason::Length),
            Some(Reason::ContentFilter) => answer.finish(FinishReason::ContentFilter),
        }
    }

    fn on_delta(&mut self, delta: Delta, answer: &mut Answer) -> Result<(), ModelError> {
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            answer.text(text)?;
        }
        for part in delta.tool_calls.into_iter().flatten() {
            self.calls.take(part, answer)?;
        }
        Ok(())
    }
}

/// After the finish reason only the token counts matter.
fn on_afterwards(event: &Event, answer: &mut Answer) {
    let Some(usage) = event.usage else { return };
    answer.usage(usage.into());
    // The event with the counts alone is the last one.
    if event.choices.is_none() {
        answer.usage_is_final();
    }
}

/// The position is safe to log; the parser's own message may quote the answer.
fn parse(data: &str) -> Result<Event, ModelError> {
    serde_json::from_str(data).map_err(|error| {
        let detail = format!(
            "an event is not a chat completion chunk: {:?} error at byte {}",
            error.classify(),
            error.column()
        );
        ModelError::new(ModelErrorKind::BadStream, detail)
    })
}

fn reported(fault: &Fault) -> ModelError {
    ModelError::new(
        ModelErrorKind::Reported,
        format!("the service reported an error: {fault}"),
    )
}
