//! OpenAI's Responses: `POST /v1/responses`. Nothing is stored: a request brings its whole conversation.

mod items;
mod read;
mod write;

use serde_json::{Value, json};

use super::chat;
use super::{Heading, Wire, with};
use crate::parts::Identified;
use crate::reply::{Stop, Usage};

pub(super) static WIRE: Wire = Wire {
    media_type: "text/event-stream; charset=utf-8",
    interleaves: false,
    signs: true,
    read: |asked| read::parse(asked.body),
    whole,
    writer: |heading, _| Box::new(write::Events::new(heading)),
    refusal: chat::refusal,
};

/// A response with these items.
fn document(heading: &Heading, status: &str, output: &[Value], usage: Option<Usage>) -> Value {
    json!({
        "id": format!("resp_{}", heading.id),
        "object": "response",
        "created_at": heading.created,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": heading.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "store": false,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage.map(counts),
    })
}

/// The response at its end: complete, or not.
fn ended(heading: &Heading, stop: &Stop, output: &[Value], usage: Usage) -> Value {
    let reason = match stop {
        Stop::End | Stop::Calls => return document(heading, "completed", output, Some(usage)),
        Stop::Length => "max_output_tokens",
        Stop::Filtered => "content_filter",
        Stop::Other(word) => word,
    };
    let response = document(heading, "incomplete", output, Some(usage));
    with(response, "incomplete_details", json!({ "reason": reason }))
}

fn counts(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": { "cached_tokens": usage.cached, "cache_write_tokens": 0 },
        "output_tokens": usage.completion,
        "output_tokens_details": { "reasoning_tokens": usage.thoughts },
        "total_tokens": usage.total(),
    })
}

fn reasoning(id: &str, shown: &str, seal: &str) -> Value {
    let summary = json!({ "type": "summary_text", "text": shown });
    let summary: Vec<_> = (!shown.is_empty()).then_some(summary).into_iter().collect();
    json!({ "id": id, "type": "reasoning", "summary": summary, "encrypted_content": seal })
}

fn text(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}

fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

fn call(id: &str, status: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function_call", "status": status, "arguments": arguments, "call_id": call_id, "name": name })
}

fn whole(heading: &Heading, answer: &Identified) -> Value {
    let reply = &answer.reply;
    let mut output = Vec::new();
    let id = |prefix: &str, at: usize| format!("{prefix}_{}{at:02}", heading.id);
    if let Some(seal) = &answer.seal {
        output.push(reasoning(&id("rs", 0), &answer.shown, seal));
    }
    if !reply.text.is_empty() || reply.calls.is_empty() {
        let at = output.len();
        output.push(message(&id("msg", at), "completed", &[text(&reply.text)]));
    }
    for (called, call_id) in reply.calls.iter().zip(&answer.call_ids) {
        let id = id("fc", output.len());
        output.push(call(
            &id,
            "completed",
            call_id,
            &called.name,
            &called.arguments,
        ));
    }
    ended(heading, &reply.stop(), &output, answer.usage)
}
