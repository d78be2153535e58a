//! The whole answer as one JSON object, and its common parts with the streamed one.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::error;
use crate::reply::{Reply, Usage};
use crate::request::ChatRequest;

pub(crate) const FINGERPRINT: &str = "fp_rehearsal";

/// Identifies an answer in every part of it.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// `chatcmpl-` and the hash of the conversation.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    hash: u64,
}

impl Heading {
    pub(crate) fn new(request: &ChatRequest, hash: u64) -> Self {
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            id: format!("chatcmpl-{hash:016x}"),
            created,
            model: request.model.clone(),
            hash,
        }
    }

    /// The id of a call. The messages before it are in the hash, so it is new in its conversation.
    pub(crate) fn call_id(&self, index: usize) -> String {
        format!("call_{:016x}{index:02}", self.hash)
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: [Choice<'a>; 1],
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: AssistantMessage<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: String,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The answer to a request that does not stream.
pub(crate) fn respond(heading: &Heading, reply: &Reply, usage: Usage) -> Response {
    let tool_calls = reply
        .calls
        .iter()
        .enumerate()
        .map(|(index, call)| ToolCall {
            id: heading.call_id(index),
            r#type: "function",
            function: Function {
                name: &call.name,
                arguments: &call.arguments,
            },
        });
    let message = AssistantMessage {
        role: "assistant",
        // The service sends null, not an empty string, beside calls.
        content: (reply.calls.is_empty() || !reply.text.is_empty()).then_some(reply.text.as_str()),
        refusal: None,
        tool_calls: tool_calls.collect(),
    };
    let completion = Completion {
        id: &heading.id,
        object: "chat.completion",
        created: heading.created,
        model: &heading.model,
        system_fingerprint: FINGERPRINT,
        choices: [Choice {
            index: 0,
            message,
            logprobs: None,
            finish_reason: reply.finish_reason(),
        }],
        usage,
    };
    error::json(StatusCode::OK, &completion)
}
