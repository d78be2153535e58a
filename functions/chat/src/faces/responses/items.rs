//! Items of answers, as JSON.

use baton_handoff::event::{ClientCalled, ConfirmationAsked};
use serde_json::{Value, json};

/// The label of the server whose tools are ours.
pub(super) const SERVER: &str = "baton";

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// It broke off, or was taken back.
    Incomplete,
    Failed,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// The one part of a message.
pub(super) fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// A message of an agent; without text it has just begun.
pub(super) fn message(id: &str, text: Option<&str>, status: Status) -> Value {
    let content: Vec<_> = text.map(part).into_iter().collect();
    json!({
        "id": id,
        "type": "message",
        "status": status.as_str(),
        "role": "assistant",
        "content": content,
    })
}

/// A message of the customer.
pub(super) fn users_message(id: &str, text: &str) -> Value {
    json!({
        "id": id,
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{ "type": "input_text", "text": text }],
    })
}

/// A call of one of our tools, or a hand-off. Only what customers see of it: clients must not execute it, so it is no function call.
#[derive(Debug, Clone)]
pub(super) struct ServerCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl ServerCall {
    pub(super) fn item(&self, status: Status, output: Option<&str>) -> Value {
        let error = (status == Status::Failed).then(|| {
            let text = output.unwrap_or("the call failed");
            json!({ "type": "mcp_tool_execution_error", "content": [{ "type": "text", "text": text }] })
        });
        json!({
            "id": self.id,
            "type": "mcp_call",
            "status": status.as_str(),
            "server_label": SERVER,
            "name": self.name,
            "arguments": self.arguments,
            "output": output.filter(|_| status == Status::Completed),
            "error": error,
            "approval_request_id": null,
        })
    }
}

/// A call that the client executes.
pub(super) fn client_call(id: &str, called: &ClientCalled, status: Status) -> Value {
    let arguments = match status {
        Status::InProgress => "",
        Status::Completed | Status::Incomplete | Status::Failed => &called.arguments,
    };
    json!({
        "id": id,
        "type": "function_call",
        "status": status.as_str(),
        "call_id": called.call,
        "name": called.name,
        "arguments": arguments,
    })
}

/// The customer's card of an action.
pub(super) fn approval_request(id: &str, asked: &ConfirmationAsked) -> Value {
    json!({
        "id": id,
        "type": "mcp_approval_request",
        "server_label": SERVER,
        "name": asked.name,
        "arguments": asked.shown,
    })
}
