//! Amazon Bedrock's Converse: `POST /model/{id}/converse-stream`, and `/converse` for a whole answer.
//!
//! Its streams are frames of `application/vnd.amazon.eventstream`. They are written here by hand, not by the SDK's crate: what
//! reads them in Baton is then checked against something else.

mod frame;
mod read;
mod refuse;
mod whole;
mod write;

use serde_json::{Value, json};

use super::{Refusal, Wire};
use crate::error::ApiError;
use crate::reply::{Stop, Usage};

pub(super) static WIRE: Wire = Wire {
    media_type: "application/vnd.amazon.eventstream",
    interleaves: false,
    signs: true,
    read: read::parse,
    whole: |_, answer| whole::document(answer),
    writer: |_, _| Box::new(write::Frames::default()),
    refusal,
};

fn reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "end_turn",
        Stop::Calls => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Filtered => "content_filtered",
        Stop::Other(word) => word,
    }
}

/// Cached tokens are not among the `inputTokens`.
fn counts(usage: Usage) -> Value {
    json!({
        "inputTokens": usage.prompt - usage.cached - usage.written,
        "outputTokens": usage.completion,
        "totalTokens": usage.total(),
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": usage.written,
    })
}

fn refusal(error: &ApiError) -> Refusal {
    let message = match error.param() {
        Some(param) => format!("{} ({param})", error.message()),
        None => error.message(),
    };
    Refusal {
        header: Some(("x-amzn-errortype", exception(error.status()))),
        document: json!({ "message": message }),
    }
}

fn exception(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}
