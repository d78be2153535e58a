//! The response as an object.

use baton_handoff::ports::Usage;
use serde_json::{Value, json};

use super::TEAM;
use super::ids::ResponseId;

/// What an object says of its request and turn.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) id: ResponseId,
    /// Seconds since 1970.
    pub(super) created_at: u64,
    /// As the request says it.
    pub(super) previous: Option<String>,
    pub(super) background: bool,
}

/// How a response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    InProgress,
    Completed,
    /// With the code and the sentence of its error.
    Failed(&'static str, &'static str),
    /// With the reason.
    Incomplete(&'static str),
    Cancelled,
}

impl State {
    fn status(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed(..) => "failed",
            Self::Incomplete(_) => "incomplete",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The object. `output`: its items, written as JSON.
pub(super) fn object<'a>(
    about: &About,
    state: State,
    output: impl Iterator<Item = &'a str>,
    usage: Option<Usage>,
) -> String {
    let error = match state {
        State::Failed(code, message) => json!({ "code": code, "message": message }),
        State::InProgress | State::Completed | State::Incomplete(_) | State::Cancelled => {
            Value::Null
        }
    };
    let incomplete = match state {
        State::Incomplete(reason) => json!({ "reason": reason }),
        State::InProgress | State::Completed | State::Failed(..) | State::Cancelled => Value::Null,
    };
    let object = json!({
        "id": about.id.to_string(),
        "object": "response",
        "created_at": about.created_at,
        "completed_at": null,
        "status": state.status(),
        "background": about.background,
        "error": error,
        "incomplete_details": incomplete,
        "instructions": null,
        "conversation": { "id": about.id.conversation },
        "previous_response_id": about.previous,
        "model": TEAM,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_logprobs": 0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "truncation": "disabled",
        "text": { "format": { "type": "text" } },
        "reasoning": { "effort": null, "summary": null },
        "service_tier": "default",
        "store": true,
        "metadata": {},
        "safety_identifier": null,
        "prompt_cache_key": null,
        "user": null,
        "usage": usage.map(used),
    });
    let object = object.to_string();
    let mut written = String::with_capacity(object.len() + 256);
    // The object stays open for its items.
    written.push_str(object.strip_suffix('}').unwrap_or(&object));
    written.push_str(",\"output\":[");
    for (place, item) in output.enumerate() {
        if place > 0 {
            written.push(',');
        }
        written.push_str(item);
    }
    written.push_str("]}");
    written
}

fn used(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.tokens(),
    })
}
