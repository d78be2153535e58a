//! What is kept of a chat's messages: the last of the user, or the results of calls in the assistant's last message.

use std::fmt;

use baton_handoff::ClientResult;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::edge::error::ApiError;

#[derive(Default)]
pub(super) struct Messages {
    last: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    role: String,
    #[serde(default)]
    parts: Parts,
}

/// A message that is said.
pub(super) struct Said {
    pub(super) id: Option<String>,
    pub(super) text: String,
}

impl Messages {
    /// The results in the assistant's message, if it ends the request.
    pub(super) fn results(&self) -> Vec<ClientResult> {
        let answered = self.last.iter().filter(|last| last.role == "assistant");
        answered
            .flat_map(|last| last.parts.results.clone())
            .collect()
    }

    /// The assistant's message that the results are of.
    pub(super) fn goes_on(&self) -> Option<&str> {
        let last = self.last.as_ref();
        let last = last.filter(|last| last.role == "assistant" && !last.parts.results.is_empty());
        last.and_then(|last| last.id.as_deref())
    }

    /// What is said: the last message, or nothing beside results.
    pub(super) fn newest(self) -> Result<Said, ApiError> {
        let has_results = !self.results().is_empty();
        let last = self
            .last
            .ok_or_else(|| ApiError::bad_request("messages is empty"))?;
        if has_results {
            return Ok(Said {
                // The message has an id, and the results of another round have the same one.
                id: None,
                text: String::new(),
            });
        }
        if last.role != "user" {
            return Err(ApiError::bad_request(
                "the last message must be the user's, or the assistant's with the results of its calls",
            ));
        }
        match last.parts.other {
            None => Ok(Said {
                id: last.id,
                text: last.parts.text,
            }),
            Some(kind) => Err(ApiError::bad_request(format!(
                "messages are text: a part of the type {kind} is not supported"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages, A::Error> {
                let mut messages = Messages::default();
                while let Some(message) = seq.next_element()? {
                    messages.last = Some(message);
                }
                Ok(messages)
            }
        }
        deserializer.deserialize_seq(Reading)
    }
}

/// What counts of the parts of a message.
#[derive(Default)]
struct Parts {
    text: String,
    /// The type of a file among them.
    other: Option<String>,
    /// Of the message's last step.
    results: Vec<ClientResult>,
}

impl Parts {
    fn add(&mut self, part: Part) {
        let kind = part.kind.as_str();
        if kind == "text" {
            self.text.push_str(&part.text);
        } else if kind == "step-start" {
            self.results.clear();
        } else if kind.starts_with("tool-") || kind == "dynamic-tool" {
            self.results.extend(part.result());
        } else if kind == "file" {
            self.other = Some(part.kind);
        }
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Parts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of parts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parts, A::Error> {
                let mut parts = Parts::default();
                while let Some(part) = seq.next_element()? {
                    parts.add(part);
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_seq(Reading)
    }
}

/// A part of a message. Its other members, the data of a file among them, are not kept.
#[derive(Default)]
struct Part {
    kind: String,
    text: String,
    call: Option<String>,
    state: Option<String>,
    output: Option<Value>,
    error: Option<String>,
    by_server: bool,
}

impl Part {
    /// The result of a call that the page has executed.
    fn result(self) -> Option<ClientResult> {
        if self.by_server {
            return None;
        }
        let (result, failed) = match self.state.as_deref()? {
            "output-available" => (self.output.unwrap_or_default(), false),
            "output-error" => (self.error.unwrap_or_default().into(), true),
            _ => return None,
        };
        Some(ClientResult {
            call: self.call?,
            result: match result {
                Value::String(text) => text,
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_)) => other.to_string(),
            },
            failed,
        })
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
                let mut part = Part::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "type" => part.kind = map.next_value()?,
                        "text" => part.text = map.next_value()?,
                        "toolCallId" => part.call = map.next_value()?,
                        "state" => part.state = map.next_value()?,
                        "output" => part.output = map.next_value()?,
                        "errorText" => part.error = map.next_value()?,
                        "providerExecuted" => {
                            part.by_server = map.next_value::<Option<bool>>()? == Some(true);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(part)
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(all: Value) -> Messages {
        serde_json::from_value(all).unwrap()
    }

    fn user(id: &str, text: &str) -> Value {
        json!({ "id": id, "role": "user", "parts": [{ "type": "text", "text": text }] })
    }

    #[test]
    fn the_last_message_counts_with_its_id() {
        let said = messages(json!([user("m1", "Hello."), user("m2", "Refund.")]))
            .newest()
            .unwrap();
        assert_eq!(
            (said.id.as_deref(), said.text.as_str()),
            (Some("m2"), "Refund.")
        );
        assert!(messages(json!([])).newest().is_err());
        let file =
            json!([{ "id": "m", "role": "user", "parts": [{ "type": "file", "url": "data:…" }] }]);
        assert!(messages(file).newest().is_err());
    }

    #[test]
    fn results_are_those_of_the_pages_own_calls_in_the_last_step() {
        let tool = |call: &str, more: Value| {
            let mut part = json!({ "type": "tool-open", "toolCallId": call, "input": {}, "state": "output-available", "output": { "ok": true } });
            let more = more.as_object().unwrap().clone();
            part.as_object_mut().unwrap().extend(more);
            part
        };
        let answer = json!({ "id": "a1", "role": "assistant", "parts": [
            { "type": "step-start" },
            tool("old", json!({})),
            { "type": "step-start" },
            tool("ours", json!({ "providerExecuted": true })),
            tool("done", json!({})),
            tool("wrong", json!({ "state": "output-error", "errorText": "stuck" })),
            tool("open", json!({ "state": "input-available" })),
        ] });
        let read = messages(json!([user("m1", "Open it."), answer.clone()]));
        let results = read.results();
        let results: Vec<_> = results
            .iter()
            .map(|result| (result.call.as_str(), result.result.as_str(), result.failed))
            .collect();
        assert_eq!(
            results,
            [("done", r#"{"ok":true}"#, false), ("wrong", "stuck", true)]
        );
        assert_eq!(read.goes_on(), Some("a1"));
        assert_eq!(read.newest().unwrap().text, "");
        let later = messages(json!([
            user("m1", "Open it."),
            answer,
            user("m2", "And now?")
        ]));
        assert_eq!(later.results(), []);
        assert_eq!(later.newest().unwrap().text, "And now?");
    }
}
