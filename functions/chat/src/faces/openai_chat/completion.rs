//! A whole turn as one completion.

use axum::Json;
use axum::response::{IntoResponse, Response};
use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::ports::Usage;
use http::StatusCode;
use serde_json::{Value, json};

use super::chunks::{Chunks, MEDIA_TYPE, finish_reason};
use super::extension::extension;
use super::request::Completion;
use crate::faces::door::Answer;
use crate::faces::error_body;
use crate::faces::whole::WholeTurn;
use crate::routes::answers::{stream_response, uncached};
use crate::stream::Encoder as _;

/// The completion's id: conversation and turn, which the answer names in its headers too.
pub(super) fn id(answer: &Answer) -> String {
    format!("chatcmpl-{}.{}", answer.conversation().id(), answer.turn())
}

pub(super) fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}

/// A turn that is over.
pub(super) fn whole(completion: &Completion, answer: &Answer, turn: &WholeTurn) -> Response {
    let mut calls = Vec::new();
    let mut told = Vec::new();
    for event in &turn.events {
        told.extend(extension(&event.kind));
        if let EventKind::ClientCalled(called) = &event.kind {
            calls.push(json!({
                "id": called.call,
                "type": "function",
                "function": { "name": called.name, "arguments": called.arguments },
            }));
        }
    }
    let reason = finish_reason(calls.len());
    let mut message = json!({ "role": "assistant", "content": turn.text(), "refusal": null });
    if let (Some(message), false) = (message.as_object_mut(), calls.is_empty()) {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    let mut body = body(completion, &id(answer), &message, reason, &turn.usage());
    if let Some(body) = body.as_object_mut() {
        body.insert("baton".to_owned(), told.into());
    }
    uncached(Json(body))
}

fn body(completion: &Completion, id: &str, message: &Value, reason: &str, used: &Usage) -> Value {
    json!({
        "id": id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason }],
        "usage": usage(used),
    })
}

/// A turn that has failed. An automatic repeat would find the same turn, so official clients are told to send none.
pub(super) fn failed(code: FailureCode) -> Response {
    let error = error_body(code.sentence(), "server_error", Some(code.as_str()));
    let headers = [("x-should-retry", "false")];
    uncached((StatusCode::INTERNAL_SERVER_ERROR, headers, Json(error))).into_response()
}

/// A title, which no turn has made.
pub(super) fn titled(completion: &Completion, title: &str) -> Response {
    use baton_handoff::event::Event;
    use baton_handoff::event::Position;

    const ID: &str = "chatcmpl-title";
    if !completion.stream {
        let message = json!({ "role": "assistant", "content": title, "refusal": null });
        return uncached(Json(body(
            completion,
            ID,
            &message,
            "stop",
            &Usage::default(),
        )));
    }
    let mut chunks = Chunks::of(completion, ID);
    let mut out = bytes::BytesMut::new();
    for kind in [
        EventKind::TextDelta(title.to_owned()),
        EventKind::TurnCompleted,
    ] {
        let position = Position {
            turn: 0,
            step: 0,
            fence: 0,
            offset: 0,
        };
        let agent = "".into();
        chunks.event(
            &mut out,
            &Event {
                position,
                agent,
                kind,
            },
        );
    }
    stream_response(out.freeze().into(), MEDIA_TYPE)
}
