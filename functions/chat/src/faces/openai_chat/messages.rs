//! What is kept of the messages of a request: the last of the user, the results of tools behind it, and, of those before, what fits
//! a message. So the memory that a request takes does not depend on its length.

use std::collections::VecDeque;
use std::fmt;

use baton_handoff::ClientResult;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::edge::error::ApiError;
use crate::faces::door::MAX_MESSAGE;

/// Before quoted messages.
const EARLIER: &str = "\n\nEarlier in this conversation, as the program in use repeats it:";

#[derive(Default)]
pub(super) struct Messages {
    users: usize,
    last: Option<Text>,
    /// Texts before the last of the user, oldest first.
    earlier: VecDeque<Quoted>,
    /// The size of these texts.
    size: usize,
    results: Vec<ClientResult>,
    ends_with_assistant: bool,
}

struct Quoted {
    by: &'static str,
    text: String,
}

/// Text of a message; its parts joined.
#[derive(Default)]
struct Text {
    text: String,
    /// The first part that is none.
    other: Option<String>,
}

#[derive(serde::Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Text,
    tool_call_id: Option<String>,
}

impl Messages {
    /// How many messages of the user there are.
    pub(super) fn users(&self) -> usize {
        self.users
    }

    /// The text of the last message of the user.
    pub(super) fn last_user(&self) -> &str {
        self.last.as_ref().map_or("", |last| &last.text)
    }

    /// The results of tools that end the request.
    pub(super) fn results(&self) -> Vec<ClientResult> {
        self.results.clone()
    }

    /// What is said: the last message, or nothing beside results.
    pub(super) fn newest(self) -> Result<String, ApiError> {
        if self.results.is_empty() {
            self.checked().map(|(last, _)| last)
        } else {
            Ok(String::new())
        }
    }

    /// The last message, and behind it what was said before, as much as fits.
    pub(super) fn with_history(self) -> Result<String, ApiError> {
        let (mut message, earlier) = self.checked()?;
        let lines = earlier.iter();
        let lines: Vec<_> = lines
            .map(|quoted| format!("\n> {}: {}", quoted.by, quoted.text.replace('\n', "\n> ")))
            .collect();
        let mut room = MAX_MESSAGE.saturating_sub(message.len() + EARLIER.len());
        let fitting = lines.iter().rev().take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        });
        let fitting = fitting.count();
        if fitting > 0 {
            message.push_str(EARLIER);
            message.extend(lines.into_iter().rev().take(fitting).rev());
        }
        Ok(message)
    }

    fn checked(self) -> Result<(String, VecDeque<Quoted>), ApiError> {
        if self.ends_with_assistant {
            return Err(ApiError::bad_request(
                "the last message must be the user's: an answer cannot be begun for the assistant",
            ));
        }
        let last = self
            .last
            .ok_or_else(|| ApiError::bad_request("messages has no message of the user"))?;
        match last.other {
            None => Ok((last.text, self.earlier)),
            Some(kind) => Err(ApiError::bad_request(format!(
                "messages are text: a part of the type {kind} is not supported"
            ))),
        }
    }

    fn add(&mut self, message: Message) {
        let Message {
            role,
            content,
            tool_call_id,
        } = message;
        if role != "tool" {
            self.results.clear();
        }
        self.ends_with_assistant = role == "assistant";
        match role.as_str() {
            "user" => {
                self.users += 1;
                if let Some(before) = self.last.replace(content) {
                    self.quote("Customer", before.text);
                }
            }
            "assistant" => {
                // What stands behind the last message of the user is kept in its place once there is another one.
                if let Some(last) = self.last.take() {
                    self.quote("Customer", last.text);
                }
                self.quote("Assistant", content.text);
            }
            "tool" => self.results.push(ClientResult {
                call: tool_call_id.unwrap_or_default(),
                result: content.text,
                failed: false,
            }),
            // Instructions are the team's.
            _ => {}
        }
    }

    fn quote(&mut self, by: &'static str, text: String) {
        if text.is_empty() {
            return;
        }
        self.size += text.len();
        self.earlier.push_back(Quoted { by, text });
        while self.size > MAX_MESSAGE {
            let Some(oldest) = self.earlier.pop_front() else {
                break;
            };
            self.size -= oldest.text.len();
        }
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading(Messages);

        impl<'de> Visitor<'de> for Reading {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Messages, A::Error> {
                while let Some(message) = seq.next_element()? {
                    self.0.add(message);
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(Reading(Messages::default()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

/// Reads part after part, so that an image among them is never kept.
impl<'de> Visitor<'de> for Text {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        let text = text.to_owned();
        Ok(Self { text, ..self })
    }

    fn visit_string<E>(self, text: String) -> Result<Self, E> {
        Ok(Self { text, ..self })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self, A::Error> {
        while let Some(Part { kind, text }) = seq.next_element()? {
            if kind == "text" {
                self.text.push_str(&text);
            } else {
                self.other.get_or_insert(kind);
            }
        }
        Ok(self)
    }
}

/// A part of a message; the text of a part that has one.
struct Part {
    kind: String,
    text: String,
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
                let mut part = Part {
                    kind: String::new(),
                    text: String::new(),
                };
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "type" => part.kind = map.next_value()?,
                        "text" => part.text = map.next_value()?,
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
    use serde_json::{Value, json};

    use super::*;

    fn messages(all: Value) -> Messages {
        serde_json::from_value(all).unwrap()
    }

    fn user(text: &str) -> Value {
        json!({ "role": "user", "content": text })
    }

    fn assistant(text: &str) -> Value {
        json!({ "role": "assistant", "content": text })
    }

    #[test]
    fn the_last_user_message_counts_and_its_number() {
        let read = messages(json!([
            { "role": "system", "content": "You sell anvils." },
            user("Hello."),
            assistant("Hello!"),
            { "role": "user", "content": [{ "type": "text", "text": "Re" }, { "type": "text", "text": "fund" }] },
            { "role": "developer", "content": "Be brief." },
        ]));
        assert_eq!(read.users(), 2);
        assert_eq!(read.newest().unwrap(), "Refund");
    }

    #[test]
    fn other_parts_are_refused_in_the_last_message_only() {
        let image = || json!({ "role": "user", "content": [{ "image_url": { "url": "data:…" }, "type": "image_url" }] });
        assert!(messages(json!([image()])).newest().is_err());
        let old = messages(json!([image(), assistant("Nice."), user("Thanks.")]));
        assert_eq!(old.newest().unwrap(), "Thanks.");
    }

    #[test]
    fn results_count_at_the_end_only() {
        let call =
            || json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1" }] });
        let result = || json!({ "role": "tool", "tool_call_id": "call_1", "content": "open" });
        let open = messages(json!([user("Open it."), call(), result()]));
        let results = open.results();
        assert_eq!(
            (results[0].call.as_str(), results[0].result.as_str()),
            ("call_1", "open")
        );
        assert_eq!(open.newest().unwrap(), "");
        let old = messages(json!([
            user("Open it."),
            call(),
            result(),
            user("And now?")
        ]));
        assert_eq!(old.results(), []);
        assert_eq!(old.newest().unwrap(), "And now?");
    }

    #[test]
    fn history_is_quoted_behind_the_message_as_far_as_it_fits() {
        let all = || {
            json!([
                user("I am\nWile."),
                assistant("Hello."),
                user("Where is it?")
            ])
        };
        assert_eq!(
            messages(all()).with_history().unwrap(),
            format!("Where is it?{EARLIER}\n> Customer: I am\n> Wile.\n> Assistant: Hello.")
        );
        let long = "x".repeat(MAX_MESSAGE / 2);
        let read = messages(json!([
            user(&long),
            assistant("One."),
            user(&long),
            assistant("Two."),
            user("Now?")
        ]));
        let message = read.with_history().unwrap();
        assert!(message.len() <= MAX_MESSAGE);
        assert!(
            message.contains("Two.") && message.contains("One."),
            "{}",
            message.len()
        );
        assert_eq!(
            messages(json!([user("Alone.")])).with_history().unwrap(),
            "Alone."
        );
    }

    #[test]
    fn an_answer_is_not_begun_for_the_assistant_and_needs_a_message() {
        assert!(
            messages(json!([user("Hello."), assistant("He")]))
                .newest()
                .is_err()
        );
        assert!(messages(json!([])).newest().is_err());
    }
}
