//! Google's Gemini: `POST /v1beta/models/{model}:streamGenerateContent?alt=sse`, and `:generateContent` for a whole answer.

mod read;
mod refuse;
mod write;

use serde_json::{Map, Value, json};

use super::{Heading, Refusal, Wire, object, with};
use crate::error::ApiError;
use crate::parts::Identified;
use crate::reply::{Stop, Usage};

pub(super) static WIRE: Wire = Wire {
    media_type: "text/event-stream",
    interleaves: false,
    signs: true,
    read: read::parse,
    whole,
    writer: |heading, _| Box::new(write::Chunks::new(heading)),
    refusal,
};

fn reason(stop: &Stop) -> &str {
    match stop {
        Stop::End | Stop::Calls => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Filtered => "SAFETY",
        Stop::Other(word) => word,
    }
}

/// A whole answer, or a chunk of one.
fn document(heading: &Heading, parts: &[Value], stop: Option<&Stop>, usage: Usage) -> Value {
    let mut candidate = Map::new();
    if !parts.is_empty() || stop.is_none() {
        let content = json!({ "parts": parts, "role": "model" });
        candidate.insert("content".to_owned(), content);
    }
    if let Some(stop) = stop {
        candidate.insert("finishReason".to_owned(), reason(stop).into());
    }
    candidate.insert("index".to_owned(), 0.into());
    json!({
        "candidates": [candidate],
        "usageMetadata": counts(usage),
        "modelVersion": heading.model,
        "responseId": heading.id,
    })
}

/// Thoughts are not among the tokens of the candidates, cached tokens are among those of the prompt.
fn counts(usage: Usage) -> Value {
    let counts = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion - usage.thoughts,
        "totalTokenCount": usage.total(),
    });
    let rest = [
        ("thoughtsTokenCount", usage.thoughts),
        ("cachedContentTokenCount", usage.cached),
    ];
    let rest = rest.into_iter().filter(|(_, tokens)| *tokens > 0);
    rest.fold(counts, |counts, (name, tokens)| with(counts, name, tokens))
}

/// A call, with the seal on the thoughts that led to it at the first of several.
fn call(id: &str, name: &str, arguments: &str, seal: Option<String>) -> Value {
    let call = json!({ "id": id, "name": name, "args": object(arguments) });
    let part = json!({ "functionCall": call });
    match seal {
        Some(seal) => with(part, "thoughtSignature", seal),
        None => part,
    }
}

fn whole(heading: &Heading, answer: &Identified) -> Value {
    let reply = &answer.reply;
    let mut seal = answer.seal.clone();
    let mut parts = Vec::new();
    if !answer.shown.is_empty() {
        parts.push(json!({ "text": answer.shown, "thought": true }));
    }
    if !reply.text.is_empty() || reply.calls.is_empty() {
        let mut part = json!({ "text": reply.text });
        if let Some(seal) = seal.take_if(|_| reply.calls.is_empty()) {
            part = with(part, "thoughtSignature", seal);
        }
        parts.push(part);
    }
    let calls = reply.calls.iter().zip(&answer.call_ids);
    parts.extend(calls.map(|(called, id)| call(id, &called.name, &called.arguments, seal.take())));
    document(heading, &parts, Some(&reply.stop()), answer.usage)
}

fn refusal(error: &ApiError) -> Refusal {
    let status = match error.status() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 | 405 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let message = match error.param() {
        Some(param) => format!("* GenerateContentRequest.{param}: {}", error.message()),
        None => error.message(),
    };
    let error = json!({ "code": error.status(), "message": message, "status": status });
    Refusal::document(json!({ "error": error }))
}
