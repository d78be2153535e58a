//! The original's lines: `{"content": {"type": …, "message": …}, "id": …}`. Its clients print unknown types as text, so every
//! line has a `message` that is fit to be shown, or empty.

use baton_handoff::event::{ClientCalled, ConfirmationAsked, Event, EventKind, Position};
use baton_handoff::failure::FailureCode;
use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::encoder::{Encoder, Format};
use super::whole::Whole;

/// One JSON object a line.
pub(crate) static FORMAT: Format = Format {
    accepted_by: &[
        "application/x-ndjson",
        "application/json",
        "application/*",
        "*/*",
    ],
    media_type: "application/x-ndjson",
    encoder: |_| Box::new(Lines),
};

/// The same under the media type of the original, for clients that take nothing back.
pub(crate) static PLAIN: Format = Format {
    accepted_by: &["text/plain"],
    media_type: "text/plain; charset=utf-8",
    encoder: |_| Whole::of(Box::new(Lines)),
};

/// Printed by clients that know nothing of `reset`, between what was said and what is said instead.
pub(crate) const ONCE_MORE: &str = "\nSorry, once more:\n";

struct Lines;

impl Encoder for Lines {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        write(out, event);
    }

    /// A failure is two lines, and the connection may break between them. The first line has the event's position. The second
    /// line's position is one higher, so a reconnecting listener at the event's position lacks the second line.
    fn rest(&mut self, out: &mut BytesMut, end: &Event) {
        if let EventKind::TurnFailed(_) = end.kind {
            done(out, behind(end.position), "failed");
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b"\n"
    }
}

fn write(out: &mut BytesMut, event: &Event) {
    match &event.kind {
        EventKind::TextDelta(text) => line(out, event.position, "string", text, ""),
        EventKind::ToolCalled(call) => {
            line(
                out,
                event.position,
                "function",
                &format!("Executing {}", call.name),
                "",
            );
        }
        EventKind::HandedOff(change) => {
            line(
                out,
                event.position,
                "function",
                &format!("You are now talking to {}", change.to),
                "",
            );
        }
        EventKind::Reset { step } => line(
            out,
            event.position,
            "reset",
            ONCE_MORE,
            &format!(r#","step":{step}"#),
        ),
        EventKind::ConfirmationAsked(asked) => confirm(out, event.position, asked),
        EventKind::ClientCalled(called) => client_call(out, event.position, called),
        EventKind::TurnCompleted => done(out, event.position, "committed"),
        EventKind::TurnFailed(code) => failed(out, event.position, *code),
        EventKind::TurnStopped => done(out, event.position, "stopped"),
        EventKind::TurnContinues => done(out, event.position, "running"),
        EventKind::TurnStarted(_)
        | EventKind::ToolFinished(_)
        | EventKind::ActionQueued(_)
        | EventKind::ActionFinished(_)
        | EventKind::Usage(_) => {}
    }
}

/// One position after the last event of the stream. No event of the turn has it.
fn behind(end: Position) -> Position {
    Position {
        offset: end.offset.saturating_add(1),
        ..end
    }
}

/// A whole sentence, which clients print that know nothing of cards.
fn confirm(out: &mut BytesMut, position: Position, asked: &ConfirmationAsked) {
    let more = format!(
        r#","action":"{}","arguments_hash":"{}","expires_at":{}"#,
        asked.action, asked.arguments_hash, asked.expires_at
    );
    let message = format!("{}\nPlease confirm.", asked.title);
    line(out, position, "confirm", &message, &more);
}

/// Nothing to print: only a client that brought the tool gets it.
fn client_call(out: &mut BytesMut, position: Position, called: &ClientCalled) {
    let text = |text: &str| Value::from(text).to_string();
    let more = format!(
        r#","call":{},"name":{},"arguments":{}"#,
        text(&called.call),
        text(&called.name),
        text(&called.arguments)
    );
    line(out, position, "client_call", "", &more);
}

fn failed(out: &mut BytesMut, position: Position, code: FailureCode) {
    let more = format!(
        r#","code":"{}","retryable":{}"#,
        code.as_str(),
        code.retryable()
    );
    line(out, position, "error", code.sentence(), &more);
    done(out, behind(position), "failed");
}

fn done(out: &mut BytesMut, position: Position, status: &str) {
    line(
        out,
        position,
        "done",
        "",
        &format!(r#","turn":{},"status":"{status}""#, position.turn),
    );
}

/// `more` is JSON that is appended to `content`, after a comma.
fn line(out: &mut BytesMut, position: Position, kind: &str, message: &str, more: &str) {
    out.reserve(message.len() + more.len() + 96);
    out.put_slice(br#"{"content":{"type":""#);
    out.put_slice(kind.as_bytes());
    out.put_slice(br#"","message":"#);
    // Writing to a string or a growing buffer cannot fail.
    let _ = serde_json::to_writer(out.writer(), message);
    out.put_slice(more.as_bytes());
    out.put_slice(br#"},"id":""#);
    id(out, position);
    out.put_slice(b"\"}\n");
}

/// As a position is displayed. The machinery of format strings, run for each word, costs more than the rest of its line.
fn id(out: &mut BytesMut, position: Position) {
    let Position {
        turn,
        step,
        fence,
        offset,
    } = position;
    let numbers = [turn.into(), step.into(), fence, offset.into()];
    for (index, number) in numbers.into_iter().enumerate() {
        if index > 0 {
            out.put_u8(b'.');
        }
        // Writing to a growing buffer cannot fail.
        let _ = serde_json::to_writer(out.writer(), &number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Event {
        Event {
            position: "1.2.3.4".parse().unwrap(),
            agent: "".into(),
            kind: EventKind::TurnFailed(FailureCode::StepLimit),
        }
    }

    #[test]
    fn a_listener_that_has_the_error_of_a_failed_turn_is_sent_the_other_line_and_nothing_twice() {
        let (mut whole, mut rest) = (BytesMut::new(), BytesMut::new());
        Lines.event(&mut whole, &failure());
        Lines.rest(&mut rest, &failure());
        let whole = std::str::from_utf8(&whole).unwrap();
        let (error, done) = whole.split_once('\n').unwrap();
        // Clients hold positions from earlier releases, such as these.
        assert!(error.ends_with(r#""id":"1.2.3.4"}"#), "{error}");
        assert!(done.ends_with("\"id\":\"1.2.3.5\"}\n"), "{done}");
        assert_eq!(rest, done);
    }

    #[test]
    fn the_id_of_a_line_is_the_position_as_it_is_displayed() {
        for position in [
            "0.0.0.0",
            "1.2.3.4",
            "4294967295.10.18446744073709551615.907",
        ] {
            let position: Position = position.parse().unwrap();
            let mut out = BytesMut::new();
            id(&mut out, position);
            assert_eq!(out, position.to_string());
        }
    }

    #[test]
    fn a_listener_that_has_any_other_end_lacks_nothing() {
        for kind in [EventKind::TurnCompleted, EventKind::TurnStopped] {
            let mut rest = BytesMut::new();
            Lines.rest(&mut rest, &Event { kind, ..failure() });
            assert!(rest.is_empty());
        }
    }
}
