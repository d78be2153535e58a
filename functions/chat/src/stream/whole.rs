//! Text for clients that cannot take anything back: a response is held until it is recorded. Knows events; never their form.

use baton_handoff::event::{Event, EventKind, Position};
use bytes::BytesMut;

use super::encoder::Encoder;

/// Writes the text of a step once something stands behind it: then the step is recorded, or the turn is over.
pub(crate) struct Whole {
    inner: Box<dyn Encoder>,
    held: Vec<Event>,
    /// The position of the last event that was written.
    last: Option<Position>,
}

impl Whole {
    pub(crate) fn of(inner: Box<dyn Encoder>) -> Box<dyn Encoder> {
        Box::new(Self {
            inner,
            held: Vec::new(),
            last: None,
        })
    }

    fn write(&mut self, out: &mut BytesMut, event: &Event) {
        self.last = Some(event.position);
        self.inner.event(out, event);
    }
}

impl Encoder for Whole {
    fn begin(&mut self, after: Position) {
        self.held.clear();
        self.last = Some(after);
    }

    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        match &event.kind {
            EventKind::TextDelta(_) => self.held.push(event.clone()),
            EventKind::Reset { .. } => {
                let was_shown = |last: Position| {
                    let (last, reset) = (last, event.position);
                    (last.turn, last.step) == (reset.turn, reset.step) && last.offset > 0
                };
                self.held.clear();
                if self.last.is_some_and(was_shown) {
                    self.write(out, event);
                }
            }
            EventKind::TurnContinues => {
                // The client comes back for what is held, and for what may replace it.
                self.held.clear();
                let position = self.last.unwrap_or(event.position);
                let event = Event {
                    position,
                    ..event.clone()
                };
                self.inner.event(out, &event);
            }
            EventKind::TurnStarted(_)
            | EventKind::ToolCalled(_)
            | EventKind::ToolFinished(_)
            | EventKind::ActionQueued(_)
            | EventKind::ConfirmationAsked(_)
            | EventKind::ClientCalled(_)
            | EventKind::ActionFinished(_)
            | EventKind::HandedOff(_)
            | EventKind::Usage(_)
            | EventKind::TurnCompleted
            | EventKind::TurnFailed(_)
            | EventKind::TurnStopped => {
                for held in std::mem::take(&mut self.held) {
                    self.write(out, &held);
                }
                self.write(out, event);
            }
        }
    }

    fn rest(&mut self, out: &mut BytesMut, end: &Event) {
        self.inner.rest(out, end);
    }

    fn heartbeat(&self) -> &'static [u8] {
        self.inner.heartbeat()
    }
}

#[cfg(test)]
mod tests {
    use baton_handoff::ids::ConversationId;

    use super::*;
    use crate::stream::ndjson;

    fn written(events: &[(&str, EventKind)]) -> Vec<String> {
        let mut encoder = (ndjson::PLAIN.encoder)(&ConversationId::parse("c").unwrap());
        encoder.begin("1.0.0.0".parse().unwrap());
        let mut out = BytesMut::new();
        for (position, kind) in events {
            let event = Event {
                position: position.parse().unwrap(),
                agent: "".into(),
                kind: kind.clone(),
            };
            encoder.event(&mut out, &event);
        }
        let lines = std::str::from_utf8(&out).unwrap().lines();
        lines.map(str::to_owned).collect()
    }

    fn text(text: &str) -> EventKind {
        EventKind::TextDelta(text.to_owned())
    }

    #[test]
    fn what_is_taken_back_was_never_written() {
        let lines = written(&[
            ("1.1.1.4", text("I am")),
            ("1.1.2.0", EventKind::Reset { step: 1 }),
            ("1.1.2.3", text("No,")),
            ("1.1.2.8", text(" I am")),
            ("1.1.2.9", EventKind::TurnCompleted),
        ]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[0].contains("No,") && lines[1].contains(" I am"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_stream_that_ends_before_its_turn_sends_the_client_back_to_what_was_held() {
        let lines = written(&[
            ("1.1.1.4", text("I am")),
            ("1.1.1.4", EventKind::TurnContinues),
        ]);
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert!(
            line.contains("running") && line.contains(r#""id":"1.0.0.0""#),
            "{line}"
        );
    }
}
