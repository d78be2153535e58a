//! The events of AG-UI 1.0 that Baton sends, as they stand on the wire. Source: the protocol's schema, `docs/spec/1.0`.

use baton_handoff::event::ConfirmationAsked;
use baton_handoff::moment;
use baton_handoff::ports::Usage;
use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use serde_json::{Value, json};

/// An event.
#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub(super) enum Wire<'a> {
    RunStarted {
        thread_id: &'a str,
        run_id: &'a str,
        protocol_version: &'a str,
    },
    StateSnapshot {
        snapshot: Value,
    },
    StateDelta {
        delta: Value,
    },
    StepStarted {
        step_name: &'a str,
    },
    StepFinished {
        step_name: &'a str,
    },
    TextMessageStart {
        message_id: &'a str,
        role: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    TextMessageContent {
        message_id: &'a str,
        delta: &'a str,
    },
    TextMessageEnd {
        message_id: &'a str,
    },
    ToolCallStart {
        tool_call_id: &'a str,
        tool_call_name: &'a str,
    },
    ToolCallArgs {
        tool_call_id: &'a str,
        delta: &'a str,
    },
    ToolCallEnd {
        tool_call_id: &'a str,
    },
    ToolCallResult {
        message_id: &'a str,
        tool_call_id: &'a str,
        content: &'a str,
        role: &'a str,
    },
    ActivitySnapshot {
        message_id: &'a str,
        activity_type: &'a str,
        content: Value,
        replace: bool,
    },
    Custom {
        name: &'a str,
        value: Value,
    },
    RunFinished {
        thread_id: &'a str,
        run_id: &'a str,
        outcome: Outcome,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        usage: Vec<Value>,
    },
    RunError {
        message: &'a str,
        code: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        usage: Vec<Value>,
    },
}

/// How a run ended that did not fail.
#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Outcome {
    Success {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pending_tool_call_ids: Vec<String>,
    },
    Interrupt {
        interrupts: Vec<Value>,
    },
    Cancelled,
}

/// Appends an event as a server-sent one.
pub(super) fn send(out: &mut BytesMut, event: &Wire<'_>) {
    out.put_slice(b"data: ");
    // Writing to a growing buffer cannot fail, and JSON has no line breaks that would end `data`.
    let _ = serde_json::to_writer((&mut *out).writer(), event);
    out.put_slice(b"\n\n");
}

/// Takes a message back: clients put an activity in the place of the message with this id, whatever it was.
pub(super) fn retracted(id: &str) -> Wire<'_> {
    Wire::ActivitySnapshot {
        message_id: id,
        activity_type: "retracted",
        content: json!({}),
        replace: true,
    }
}

/// The question to the customer.
pub(super) fn interrupt(asked: &ConfirmationAsked, id: &str) -> Value {
    // JSON, written by us.
    let fields: Value = serde_json::from_str(&asked.shown).unwrap_or_default();
    json!({
        "id": id,
        "reason": "confirmation",
        "message": asked.title,
        "responseSchema": {
            "type": "object",
            "properties": { "approved": { "type": "boolean" } },
            "required": ["approved"],
        },
        "expiresAt": moment::written(asked.expires_at),
        "metadata": { "action": asked.action, "tool": asked.name, "fields": fields },
    })
}

/// The tokens of the run, where any were counted. The parts stand only where there are some: a service that reports none of them
/// reports no zero.
pub(super) fn usage(usage: Option<Usage>) -> Vec<Value> {
    let Some(usage) = usage else {
        return Vec::new();
    };
    let mut counts = json!({
        "inputTokens": usage.prompt_tokens,
        "outputTokens": usage.completion_tokens,
        "totalTokens": usage.prompt_tokens + usage.completion_tokens,
    });
    let parts = [
        ("cachedInputTokens", usage.cached_tokens),
        ("cacheWriteInputTokens", usage.cache_write_tokens),
    ];
    if let Some(counts) = counts.as_object_mut() {
        for (name, tokens) in parts.into_iter().filter(|(_, tokens)| *tokens > 0) {
            counts.insert(name.to_owned(), tokens.into());
        }
    }
    vec![counts]
}
