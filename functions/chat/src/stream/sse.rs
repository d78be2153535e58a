//! Typed events as server-sent events: `id: POSITION`, `event: NAME`, `data: {…}`.
//! Source: the HTML standard, section "Server-sent events".

use std::fmt::Write as _;

use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::ids::{ConversationId, MessageId};
use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::Value;

use super::encoder::{Encoder, Format};

/// Typed events.
pub(crate) static FORMAT: Format = Format {
    accepted_by: &["text/event-stream"],
    media_type: "text/event-stream",
    encoder: |conversation| Box::new(ServerSentEvents(conversation.clone())),
};

struct ServerSentEvents(ConversationId);

impl Encoder for ServerSentEvents {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        let (name, fields) = name_and_fields(&event.kind);
        write(out, &self.0, (event.position, &event.agent), name, fields);
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

/// All turns below the position's turn were erased. This event belongs to no turn and no journal: only the stream of a whole
/// conversation has it.
pub(super) fn conversation_deleted(
    out: &mut BytesMut,
    conversation: &ConversationId,
    position: Position,
) {
    write(
        out,
        conversation,
        (position, ""),
        "conversation_deleted",
        Fields::None {},
    );
}

/// What every event has.
#[derive(Serialize)]
struct Data<'a> {
    conversation: &'a str,
    turn: u32,
    step: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    agent: &'a str,
    #[serde(flatten)]
    fields: Fields<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    None {},
    Started {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<&'a str>,
    },
    Text {
        text: &'a str,
    },
    Called {
        call: &'a str,
        name: &'a str,
        arguments: Option<&'a str>,
    },
    Finished {
        call: &'a str,
        name: &'a str,
        outcome: &'a str,
        result: Option<&'a str>,
        milliseconds: u64,
    },
    Queued {
        action: String,
        call: &'a str,
        name: &'a str,
        state: &'a str,
    },
    Asked {
        action: String,
        name: &'a str,
        title: &'a str,
        fields: Value,
        arguments_hash: &'a str,
        expires_at: u64,
    },
    ClientCalled {
        call: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    Ended {
        action: String,
        name: &'a str,
        state: &'a str,
        result: Option<&'a str>,
    },
    HandedOff {
        from: &'a str,
        to: &'a str,
    },
    Usage {
        prompt_tokens: u64,
        completion_tokens: u64,
        total_tokens: u64,
    },
    Status {
        status: &'a str,
    },
    Failed {
        status: &'a str,
        code: &'a str,
        message: &'a str,
        retryable: bool,
    },
}

fn write(
    out: &mut BytesMut,
    conversation: &ConversationId,
    (position, agent): (Position, &str),
    name: &str,
    fields: Fields<'_>,
) {
    let data = Data {
        conversation: conversation.as_str(),
        turn: position.turn,
        step: position.step,
        agent,
        fields,
    };
    // Writing to a growing buffer cannot fail, and JSON has no line breaks that would end `data`.
    let _ = write!(out, "id: {position}\nevent: {name}\ndata: ");
    let _ = serde_json::to_writer(out.writer(), &data);
    out.put_slice(b"\n\n");
}

fn name_and_fields(kind: &EventKind) -> (&'static str, Fields<'_>) {
    match kind {
        EventKind::TurnStarted(event) => (
            "turn_started",
            Fields::Started {
                message: &event.message,
                message_id: event.message_id.as_ref().map(MessageId::as_str),
            },
        ),
        EventKind::TextDelta(text) => ("text_delta", Fields::Text { text }),
        EventKind::ToolCalled(event) => (
            "tool_called",
            Fields::Called {
                call: &event.call,
                name: &event.name,
                arguments: event.arguments.as_deref(),
            },
        ),
        EventKind::ToolFinished(event) => (
            "tool_finished",
            Fields::Finished {
                call: &event.call,
                name: &event.name,
                outcome: event.outcome.as_str(),
                result: event.result.as_deref(),
                milliseconds: event.milliseconds,
            },
        ),
        EventKind::ActionQueued(event) => (
            "action_queued",
            Fields::Queued {
                action: event.action.to_string(),
                call: &event.call,
                name: &event.name,
                state: event.state.as_str(),
            },
        ),
        EventKind::ConfirmationAsked(event) => (
            "confirmation_asked",
            Fields::Asked {
                action: event.action.to_string(),
                name: &event.name,
                title: &event.title,
                // JSON, written by us.
                fields: serde_json::from_str(&event.shown).unwrap_or_default(),
                arguments_hash: &event.arguments_hash,
                expires_at: event.expires_at,
            },
        ),
        EventKind::ClientCalled(event) => (
            "client_called",
            Fields::ClientCalled {
                call: &event.call,
                name: &event.name,
                arguments: &event.arguments,
            },
        ),
        EventKind::ActionFinished(event) => (
            "action_finished",
            Fields::Ended {
                action: event.action.to_string(),
                name: &event.name,
                state: event.state.as_str(),
                result: event.result.as_deref(),
            },
        ),
        EventKind::HandedOff(event) => (
            "handed_off",
            Fields::HandedOff {
                from: &event.from,
                to: &event.to,
            },
        ),
        EventKind::Usage(usage) => (
            "usage",
            Fields::Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
                total_tokens: usage.prompt_tokens + usage.completion_tokens,
            },
        ),
        // The reset step is the position's.
        EventKind::Reset { step: _ } => ("reset", Fields::None {}),
        EventKind::TurnCompleted => (
            "turn_completed",
            Fields::Status {
                status: "committed",
            },
        ),
        EventKind::TurnFailed(code) => (
            "turn_failed",
            Fields::Failed {
                status: "failed",
                code: code.as_str(),
                message: code.sentence(),
                retryable: code.retryable(),
            },
        ),
        EventKind::TurnStopped => ("turn_stopped", Fields::Status { status: "stopped" }),
        EventKind::TurnContinues => ("turn_continues", Fields::Status { status: "running" }),
    }
}
