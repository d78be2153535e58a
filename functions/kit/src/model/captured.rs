//! What was asked, and whether a service would have taken it.

use serde_json::Value;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: String,
    /// Which connection it came over, counted from 1.
    pub connection: usize,
}

impl Captured {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The messages of the request.
    pub fn messages(&self) -> Vec<Value> {
        self.json()
            .get("messages")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    /// Why a service would refuse the messages: every call has its one result right behind it, every result its call.
    pub(super) fn violation(&self) -> Option<String> {
        let mut open: Vec<String> = Vec::new();
        for (position, message) in self.messages().iter().enumerate() {
            let text = |name: &str| {
                message
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            if text("role") == "tool" {
                let id = text("tool_call_id");
                let Some(call) = open.iter().position(|open| open == id) else {
                    return Some(format!(
                        "message {position} is a result without its call {id:?}"
                    ));
                };
                open.swap_remove(call);
                continue;
            }
            if !open.is_empty() {
                return Some(format!(
                    "calls {open:?} have no result before message {position}"
                ));
            }
            let calls = message.get("tool_calls").and_then(Value::as_array);
            open = calls.into_iter().flatten().map(call_id).collect();
            let mut ids = open.clone();
            ids.sort();
            ids.dedup();
            if ids.len() != open.len() {
                return Some(format!(
                    "message {position} has two calls of one id: {open:?}"
                ));
            }
        }
        (!open.is_empty()).then(|| format!("calls {open:?} have no result"))
    }
}

fn call_id(call: &Value) -> String {
    call.get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
