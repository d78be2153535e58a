//! The whole answer as one Chat Completion.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Counts, FINGERPRINT};
use crate::formats::Heading;
use crate::parts::Identified;

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: [Choice<'a>; 1],
    usage: Counts,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: AssistantMessage<'a>,
    logprobs: Option<()>,
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

pub(super) fn document(heading: &Heading, answer: &Identified) -> Value {
    let reply = &answer.reply;
    let calls = reply.calls.iter().zip(&answer.call_ids);
    let tool_calls = calls.map(|(call, id)| ToolCall {
        id,
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
        reasoning_content: &answer.shown,
        refusal: None,
        tool_calls: tool_calls.collect(),
    };
    let stop = reply.stop();
    json!(Completion {
        id: &format!("chatcmpl-{}", heading.id),
        object: "chat.completion",
        created: heading.created,
        model: &heading.model,
        system_fingerprint: FINGERPRINT,
        choices: [Choice {
            index: 0,
            message,
            logprobs: None,
            finish_reason: super::reason(&stop),
        }],
        usage: answer.usage.into(),
    })
}
