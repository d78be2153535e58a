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

/// What stands before the choices of a usual event, and behind them.
const CHOICES: &str = ",\"choices\":[";
const USUAL_ENDS: [&str; 2] = ["],\"usage\":null}", "]}"];

/// An event of the usual shape, whose text is a third of it: some plain values, one choice, and no token counts. `None` for every
/// other one. Most of an event is the same in all of them, and this runs once for each token.
fn usual(data: &str) -> Option<Event> {
    let (head, choice) = data.split_once(CHOICES)?;
    let values = head.strip_prefix('{')?;
    // Without an inner object and an escape, these choices are the event's own.
    let is_plain = |plain, byte: &u8| plain & !matches!(byte, b'{' | b'[' | b'\\');
    if !values.as_bytes().iter().fold(true, is_plain)
        || values.contains("\"error\"")
        || values.contains("\"usage\"")
    {
        return None;
    }
    let mut choices = serde_json::Deserializer::from_str(choice).into_iter();
    let first = choices.next()?.ok()?;
    let end = choice.get(choices.byte_offset()..)?;
    USUAL_ENDS.contains(&end).then_some(Event {
        choices: Some(first),
        usage: None,
        error: None,
    })
}

/// The position is safe to log; the parser's own message may quote the answer.
fn parse(data: &str) -> Result<Event, ModelError> {
    if let Some(event) = usual(data) {
        return Ok(event);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &Event) -> Option<&str> {
        let delta = event.choices.as_ref()?.delta.as_ref()?;
        delta.content.as_deref()
    }

    #[test]
    fn a_usual_event_is_read_as_any_other() {
        for data in [
            r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":" a\"]}"},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"b"}}]}"#,
            r#"{"id":"c","choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        ] {
            let (short, long): (Event, Event) =
                (usual(data).unwrap(), serde_json::from_str(data).unwrap());
            assert_eq!(text(&short), text(&long), "{data}");
            assert_eq!(format!("{short:?}"), format!("{long:?}"));
        }
    }

    #[test]
    fn an_unusual_event_is_left_to_the_whole_parser() {
        for data in [
            r#"{"usage":{"prompt_tokens":1},"choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"error":"e","choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{}}],"error":{"message":"e"}}"#,
            r#"{"id":"c","choices":[{"delta":{}},{"delta":{}}]}"#,
            r#"{"id":"c","choices":[],"usage":null}"#,
            r#"{"id":"c","in":{"a":1,"choices":[{"delta":{}}]}"#,
            r#"{"id":"c\",\"choices\":[{\"delta\":{}}]","choices":[{"delta":{}}]}"#,
            r#"{"id":"c","choices":[{"delta":{"content":"cut"#,
        ] {
            assert!(usual(data).is_none(), "{data}");
        }
    }
}
