//! Answers that are streams. Their examples are written by the encoders.

use std::sync::Arc;

use baton_handoff::event::{Event, EventKind, HandedOff, Position, ToolCalled};
use baton_handoff::ids::ConversationId;
use bytes::BytesMut;
use utoipa::ToResponse;
use utoipa::openapi::{Content, ObjectBuilder, RefOr, Response, ResponseBuilder, Type};

use super::headers::{header, header_ref};
use super::values;
use crate::stream::{Format, ndjson, sse};

const LINES: &str = "One JSON object a line, each a `Line`, flushed by itself. An empty line is a heartbeat: nothing was sent for \
                     10 s. The last line is of type `done`, also after one of type `error`; a stream without it was cut.";
const PLAIN: &str = "The same lines, where `Accept` asks for `text/plain`.";
const EVENTS: &str = "Server-sent events: `id` is the event's position, `event` is its name, `data` is JSON. What `data` holds \
                      for each name stands in `Events`. A comment line is a heartbeat: nothing was sent for 10 s. Exactly one of \
                      `turn_completed`, `turn_failed`, `turn_stopped` and `turn_continues` comes, at the end; a stream without it \
                      was cut.";

/// A turn's events.
pub(crate) enum TurnStream {}

impl<'r> ToResponse<'r> for TurnStream {
    fn response() -> (&'r str, RefOr<Response>) {
        let conversation = "The conversation, also when it was made by this request. Always sent.";
        let response = ResponseBuilder::new()
            .description(
                "The turn's events until it ends; those behind the position, where one was given.",
            )
            .header(
                "X-Conversation-Id",
                header::<values::ConversationRef>(conversation),
            )
            .header(
                "X-Turn",
                header::<values::TurnRef>("The turn that took the message. Always sent."),
            )
            .content("application/x-ndjson", content(LINES, &ndjson::FORMAT))
            .content("text/plain", content(PLAIN, &ndjson::PLAIN))
            .content("text/event-stream", content(EVENTS, &sse::FORMAT));
        ("TurnStream", unkept(response))
    }
}

/// A conversation's events.
pub(crate) enum ConversationStream {}

impl<'r> ToResponse<'r> for ConversationStream {
    fn response() -> (&'r str, RefOr<Response>) {
        let response = ResponseBuilder::new()
            .description("Server-sent events.")
            .content(
                "text/event-stream",
                content("As in the stream of a turn.", &sse::FORMAT),
            );
        ("ConversationStream", unkept(response))
    }
}

fn unkept(response: ResponseBuilder) -> RefOr<Response> {
    let mut response = response.build();
    for (name, reference) in [
        ("Cache-Control", "NoStore"),
        ("X-Accel-Buffering", "XAccelBuffering"),
    ] {
        let headers = &mut response.headers;
        headers.insert(name.to_owned(), header_ref(reference));
    }
    response.into()
}

fn content(description: &str, format: &Format) -> Content {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description));
    let mut content = Content::new(Some(text));
    content.example = Some(example(format).into());
    content
}

/// A turn with a hand-off, as a listener gets it.
fn example(format: &Format) -> String {
    let conversation = ConversationId::parse("c1").unwrap();
    let (triage, repairs) = ("TriageAgent", "IssuesAndRepairsAgent");
    let call = ToolCalled {
        call: "call_1".into(),
        name: "transfer_to_issues_and_repairs".into(),
        arguments: None,
    };
    let hand_off = HandedOff {
        from: triage.into(),
        to: repairs.into(),
    };
    let text = |text: &str| EventKind::TextDelta(text.to_owned());
    let events = [
        (triage, 1, 23, text("I will get a colleague.")),
        (triage, 1, 24, EventKind::ToolCalled(Box::new(call))),
        (triage, 1, 26, EventKind::HandedOff(Box::new(hand_off))),
        (repairs, 2, 14, text("What happened?")),
        (repairs, 2, 16, EventKind::TurnCompleted),
    ];
    let mut out = BytesMut::new();
    let mut encoder = (format.encoder)(&conversation);
    for (agent, step, offset, kind) in events {
        let position = Position {
            turn: 3,
            step,
            fence: 7,
            offset,
        };
        // In lines a heartbeat is an empty one, which a reader of the document would not see.
        if encoder.heartbeat() != b"\n" && kind == EventKind::TurnCompleted {
            out.extend_from_slice(encoder.heartbeat());
        }
        let agent = Arc::from(agent);
        let event = Event {
            position,
            agent,
            kind,
        };
        encoder.event(&mut out, &event);
    }
    String::from_utf8(out.to_vec()).unwrap()
}
