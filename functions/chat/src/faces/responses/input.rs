//! What is kept of the input of a request: what the client says last, be it the user's message, results of calls, or an answer to a
//! card. So the memory that a request takes does not depend on its length.

use std::fmt;

use baton_handoff::ClientResult;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use crate::edge::error::ApiError;

#[derive(Debug, Default)]
pub(super) struct Input {
    /// The text of the user's message.
    message: Option<String>,
    /// The first part of it that is no text.
    other: Option<String>,
    pub(super) results: Vec<ClientResult>,
    pub(super) approvals: Vec<Approval>,
}

/// The answer to a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Approval {
    pub(super) request: String,
    pub(super) approve: bool,
}

/// An item, or a message without a type. Others have further fields.
#[derive(serde::Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    #[serde(default)]
    content: Value,
    call_id: Option<String>,
    #[serde(default)]
    output: Value,
    approval_request_id: Option<String>,
    approve: Option<bool>,
}

impl Input {
    /// The user's message; empty if there is none beside results.
    pub(super) fn message(&self) -> Result<String, ApiError> {
        if let Some(kind) = &self.other {
            return Err(ApiError::bad_request(format!(
                "messages are text: a part of the type {kind} is not supported"
            )));
        }
        match &self.message {
            Some(message) => Ok(message.clone()),
            None if self.results.is_empty() => Err(ApiError::bad_request(
                "input has no message of the user behind the last answer",
            )),
            None => Ok(String::new()),
        }
    }

    /// Whether there is more than answers to cards.
    pub(super) fn says_something(&self) -> bool {
        self.message.is_some() || !self.results.is_empty()
    }

    fn add(&mut self, item: Item) {
        let kind = item.kind.as_deref().unwrap_or("message");
        match (kind, item.role.as_deref()) {
            ("message", Some("user")) => {
                let (text, other) = text(item.content);
                (self.message, self.other) = (Some(text), other);
            }
            // Instructions are the team's.
            ("message", Some("system" | "developer")) => {}
            ("function_call_output", _) => self.results.push(ClientResult {
                call: item.call_id.unwrap_or_default(),
                result: text(item.output).0,
                failed: false,
            }),
            ("mcp_approval_response", _) => self.approvals.push(Approval {
                request: item.approval_request_id.unwrap_or_default(),
                approve: item.approve == Some(true),
            }),
            // An item of an answer: what stands before it is history.
            _ => *self = Self::default(),
        }
    }
}

/// The texts of a content, joined, and the type of its first part that is none.
fn text(content: Value) -> (String, Option<String>) {
    match content {
        Value::String(text) => (text, None),
        Value::Array(parts) => {
            let (mut text, mut other) = (String::new(), None);
            for part in &parts {
                let kind = part["type"].as_str().unwrap_or_default();
                if let ("input_text" | "output_text" | "text", Some(said)) =
                    (kind, part["text"].as_str())
                {
                    text.push_str(said);
                } else {
                    other.get_or_insert(kind.to_owned());
                }
            }
            (text, other)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => (String::new(), None),
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

/// Reads item after item, of which the last counts.
impl<'de> Visitor<'de> for Input {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of items")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        Ok(Self {
            message: Some(text.to_owned()),
            ..self
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self, A::Error> {
        while let Some(item) = seq.next_element()? {
            self.add(item);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(input: Value) -> Input {
        serde_json::from_value(input).unwrap()
    }

    fn user(content: &Value) -> Value {
        json!({ "role": "user", "content": content })
    }

    fn answer() -> Value {
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Hello!" }] })
    }

    #[test]
    fn a_text_and_the_last_message_of_a_list_are_said() {
        let parts = json!([{ "type": "input_text", "text": "Re" }, { "type": "input_text", "text": "fund 🧨" }]);
        for (given, said) in [
            (json!("hello"), "hello"),
            (
                json!([user(&json!("One.")), answer(), user(&parts)]),
                "Refund 🧨",
            ),
            (
                json!([user(&json!("مرحبا")), { "role": "developer", "content": "Be brief." }]),
                "مرحبا",
            ),
        ] {
            assert_eq!(input(given).message().unwrap(), said);
        }
    }

    #[test]
    fn an_image_is_refused_in_what_is_said_and_not_in_history() {
        let image = user(&json!([{ "type": "input_image", "image_url": "data:…" }]));
        assert!(input(json!([image])).message().is_err());
        let old = input(json!([image, answer(), user(&json!("Thanks."))]));
        assert_eq!(old.message().unwrap(), "Thanks.");
    }

    #[test]
    fn only_results_behind_the_last_answer_count() {
        let call = |id: &str| json!({ "type": "function_call", "call_id": id, "name": "f", "arguments": "{}" });
        let result =
            |id: &str| json!({ "type": "function_call_output", "call_id": id, "output": id });
        let read = input(json!([
            user(&json!("Open them.")),
            call("1"),
            result("1"),
            call("2"),
            call("3"),
            result("2"),
            result("3")
        ]));
        let calls: Vec<_> = read
            .results
            .iter()
            .map(|result| (result.call.as_str(), result.result.as_str()))
            .collect();
        assert_eq!(calls, [("2", "2"), ("3", "3")]);
        assert_eq!(read.message().unwrap(), "");
    }

    #[test]
    fn an_answer_alone_is_no_message() {
        for empty in [json!([]), json!([user(&json!("hello")), answer()])] {
            assert!(input(empty).message().is_err());
        }
    }
}
