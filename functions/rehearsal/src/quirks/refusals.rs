//! Quirks that refuse a request which the format itself takes.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::{Quirk, Tries};
use crate::conversation::{Conversation, Message, without_thought};
use crate::error::ApiError;
use crate::exchange::{json, refuse};
use crate::formats::Format;
use crate::reply::{Reply, Usage};

/// The window of a small model.
const TOKENS_MAX: usize = 8_192;

/// The refusal, if the quirk has one for this try of this request.
pub(super) fn refusal(
    quirk: Quirk,
    format: Format,
    conversation: &Conversation,
    tries: &Tries,
) -> Option<Response> {
    let first =
        |tries_in_all: u32| tries.before(format, conversation) % tries_in_all < tries_in_all - 1;
    match quirk {
        Quirk::WaitAsked if first(3) => {
            let mut response = refuse(format, &ApiError::Scripted(429));
            let wait = HeaderValue::from_static("1.6");
            response.headers_mut().insert("retry-after", wait);
            Some(response)
        }
        Quirk::ErrorDocument if first(2) => {
            let mut response = refuse(format, &ApiError::Scripted(429));
            *response.status_mut() = StatusCode::OK;
            Some(response)
        }
        Quirk::ErrorList => {
            let document = (format.wire().refusal)(&ApiError::Scripted(400)).document;
            Some(json(StatusCode::BAD_REQUEST, &[document]))
        }
        Quirk::NoStreamOptions if conversation.delivery.counts() => {
            let detail = json!([{ "type": "extra_forbidden", "loc": ["body", "stream_options"],
                "msg": "Extra inputs are not permitted" }]);
            Some(json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({ "detail": detail }),
            ))
        }
        Quirk::Slip if format == Format::Chat && first(2) => Some(refuse(
            format,
            &coded(
                "tool_use_failed",
                "Failed to call a function. Please adjust your prompt.",
            ),
        )),
        Quirk::Filtered if is_forbidden(conversation) => match format {
            Format::Chat | Format::Responses => Some(refuse(
                format,
                &coded(
                    "content_filter",
                    "The response was filtered due to the prompt.",
                ),
            )),
            // These answer, with a reason that says so.
            Format::Anthropic | Format::Gemini | Format::Bedrock => None,
        },
        Quirk::TooLong => {
            let tokens = Usage::of(conversation, &Reply::default()).prompt;
            (tokens > TOKENS_MAX).then(|| refuse(format, &too_long(format, tokens)))
        }
        Quirk::OpaqueCalls => {
            let lost = without_thought(&conversation.messages)?;
            let message = format!("Function call {} is missing a thought_signature.", lost.id);
            Some(refuse(format, &ApiError::invalid("messages", message)))
        }
        Quirk::Strict => strict(conversation).map(|error| refuse(format, &error)),
        _ => None,
    }
}

/// Whether the first of two tries.
pub(super) fn is_first(format: Format, conversation: &Conversation, tries: &Tries) -> bool {
    tries.before(format, conversation).is_multiple_of(2)
}

pub(super) fn is_forbidden(conversation: &Conversation) -> bool {
    let mut messages = conversation.messages.iter();
    messages.any(|message| matches!(message, Message::User(text) if text.contains("forbidden")))
}

fn coded(code: &'static str, message: &str) -> ApiError {
    ApiError::Invalid {
        message: message.to_owned(),
        param: None,
        code: Some(code),
    }
}

fn too_long(format: Format, tokens: usize) -> ApiError {
    match format {
        Format::Chat | Format::Responses => coded(
            "context_length_exceeded",
            &format!(
                "This model's maximum context length is {TOKENS_MAX} tokens. Your messages have {tokens}."
            ),
        ),
        Format::Anthropic => ApiError::bad(format!(
            "prompt is too long: {tokens} tokens > {TOKENS_MAX} maximum"
        )),
        Format::Gemini => ApiError::bad(format!(
            "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({TOKENS_MAX})."
        )),
        Format::Bedrock => ApiError::bad("Input is too long for requested model."),
    }
}

/// What some services with the Chat format refuse, and OpenAI takes.
fn strict(conversation: &Conversation) -> Option<ApiError> {
    let refused =
        |at: usize, message: &str| Some(ApiError::invalid(format!("messages.[{at}]"), message));
    let mut before: Option<&Message> = None;
    let mut ids: Vec<&str> = Vec::new();
    for (at, message) in conversation.messages.iter().enumerate() {
        if !message.calls().is_empty() && conversation.tools.is_empty() {
            return refused(at, "Tools must be declared where the history has calls.");
        }
        let text = message.text();
        if text.trim().is_empty() && (!text.is_empty() || message.calls().is_empty()) {
            return refused(at, "A text must not be blank.");
        }
        for call in message.calls() {
            if ids.contains(&call.id.as_str()) {
                return refused(at, "The id of a call must be unique in the conversation.");
            }
            ids.push(&call.id);
            let arguments = serde_json::from_str::<serde_json::Value>(&call.arguments);
            if !arguments.is_ok_and(|arguments| arguments.is_object()) {
                return refused(at, "Arguments must be an object.");
            }
        }
        let fits = match (before, message) {
            (Some(Message::Result { .. } | Message::User(_)), Message::User(_))
            | (Some(Message::Assistant { .. }), Message::Assistant { .. }) => false,
            (_, _) => true,
        };
        if !fits {
            return refused(at, "Roles must alternate.");
        }
        before = Some(message);
    }
    None
}
