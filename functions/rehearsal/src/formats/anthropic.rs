//! Anthropic's Messages: `POST /v1/messages`.

mod read;
mod refuse;
mod whole;
mod write;

use serde_json::{Value, json};

use super::{Heading, Refusal, Wire};
use crate::error::ApiError;
use crate::reply::{Stop, Usage};

pub(super) static WIRE: Wire = Wire {
    media_type: "text/event-stream; charset=utf-8",
    interleaves: false,
    signs: true,
    read: read::parse,
    whole: whole::document,
    writer: |heading, _| Box::new(write::Events::new(heading)),
    refusal,
};

fn reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "end_turn",
        Stop::Calls => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Filtered => "refusal",
        Stop::Other(word) => word,
    }
}

/// A message without content, as a stream begins.
fn message(heading: &Heading, usage: Usage) -> Value {
    json!({
        "id": format!("msg_{}", heading.id),
        "type": "message",
        "role": "assistant",
        "model": heading.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": counts(usage),
    })
}

/// Cached tokens are not among the `input_tokens`.
fn counts(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
    })
}

fn refusal(error: &ApiError) -> Refusal {
    let kind = match error.status() {
        401 => "authentication_error",
        403 => "permission_error",
        404 | 405 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let message = match error.param() {
        Some(param) => format!("{param}: {}", error.message()),
        None => error.message(),
    };
    let error = json!({ "type": kind, "message": message });
    Refusal::document(json!({ "type": "error", "error": error }))
}
