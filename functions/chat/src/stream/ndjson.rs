//! The original's lines: `{"content": {"type": …, "message": …}, "id": …}`. Types that its clients do not know they print as
//! text, so every line has a `message` that is fit to be shown, or empty.

use std::fmt::Write as _;

use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::failure::FailureCode;
use bytes::{BufMut, BytesMut};

pub(super) fn write(out: &mut BytesMut, event: &Event) {
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
            "",
            &format!(r#","step":{step}"#),
        ),
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

/// For a listener who has everything up to `after`: of a failed turn that may be the error, and not the end.
pub(super) fn write_behind(out: &mut BytesMut, event: &Event, after: Position) {
    let has_error = place_of_error(event.position) == after;
    if has_error && matches!(event.kind, EventKind::TurnFailed(_)) {
        done(out, event.position, "failed");
    } else {
        write(out, event);
    }
}

/// One place before its `done`: who was cut off between the two lines resumes there and hears the end.
fn place_of_error(end: Position) -> Position {
    Position {
        offset: end.offset.saturating_sub(1),
        ..end
    }
}

fn failed(out: &mut BytesMut, position: Position, code: FailureCode) {
    let more = format!(
        r#","code":"{}","retryable":{}"#,
        code.as_str(),
        code.retryable()
    );
    line(
        out,
        place_of_error(position),
        "error",
        code.sentence(),
        &more,
    );
    done(out, position, "failed");
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

/// `more` is JSON that goes into `content`, behind a comma.
fn line(out: &mut BytesMut, position: Position, kind: &str, message: &str, more: &str) {
    out.reserve(message.len() + more.len() + 96);
    out.put_slice(br#"{"content":{"type":""#);
    out.put_slice(kind.as_bytes());
    out.put_slice(br#"","message":"#);
    // Neither a string nor a growing buffer can fail to be written.
    let _ = serde_json::to_writer(out.writer(), message);
    out.put_slice(more.as_bytes());
    let _ = writeln!(out, r#"}},"id":"{position}"}}"#);
}
