//! OpenAI's Chat Completions: `POST /v1/chat/completions`. Most services have this format or something near it.

mod pairs;
mod read;
mod whole;
mod write;

use serde::Serialize;
use serde_json::json;

use super::{Refusal, Wire};
use crate::conversation::{Delivery, Message};
use crate::error::ApiError;
use crate::reply::{Stop, Usage};

const FINGERPRINT: &str = "fp_rehearsal";

pub(super) static WIRE: Wire = Wire {
    media_type: "text/event-stream; charset=utf-8",
    interleaves: true,
    signs: false,
    read: |asked| read::parse(asked.body),
    whole: whole::document,
    writer: |heading, delivery| {
        Box::new(write::Chunks {
            heading,
            counts: delivery == Delivery::Streamed { usage: true },
        })
    },
    refusal,
};

/// The checked messages of a body, whatever else is in it.
pub(crate) fn messages(body: &[u8]) -> Result<Vec<Message>, ApiError> {
    read::parse_messages(body)
}

fn reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "stop",
        Stop::Calls => "tool_calls",
        Stop::Length => "length",
        Stop::Filtered => "content_filter",
        Stop::Other(word) => word,
    }
}

/// Token counts under this format's names.
#[derive(Serialize)]
struct Counts {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<Cached>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<Thoughts>,
}

#[derive(Serialize)]
struct Cached {
    cached_tokens: usize,
}

#[derive(Serialize)]
struct Thoughts {
    reasoning_tokens: usize,
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.total(),
            prompt_tokens_details: (usage.cached > 0).then_some(Cached {
                cached_tokens: usage.cached,
            }),
            completion_tokens_details: (usage.thoughts > 0).then_some(Thoughts {
                reasoning_tokens: usage.thoughts,
            }),
        }
    }
}

/// Also that of the Responses format.
pub(super) fn refusal(error: &ApiError) -> Refusal {
    Refusal::document(json!({ "error": {
        "message": error.message(),
        "type": match error.status() {
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        },
        "param": error.param(),
        "code": error.code(),
    }}))
}
