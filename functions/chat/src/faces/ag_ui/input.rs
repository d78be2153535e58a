//! What Baton keeps of a `RunAgentInput`: thread, run, what is said, the tools of the client, answers to interrupts.

use std::fmt;

use baton_handoff::ids::{ConversationId, MessageId};
use baton_handoff::{ClientResult, ClientTool};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::names::{Held, turn_of};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    pub(super) thread_id: ConversationId,
    pub(super) run_id: String,
    pub(super) messages: Messages,
    pub(super) tools: Option<Vec<Tool>>,
    pub(super) resume: Option<Vec<Entry>>,
}

/// A tool of the client.
#[derive(Deserialize)]
pub(super) struct Tool {
    name: String,
    description: String,
    parameters: Option<Value>,
}

impl From<Tool> for ClientTool {
    fn from(tool: Tool) -> Self {
        let nothing = || json!({ "type": "object", "properties": {} });
        Self {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters.unwrap_or_else(nothing),
        }
    }
}

/// The answer to an interrupt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) interrupt_id: String,
    pub(super) status: Status,
    pub(super) payload: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Resolved,
    Cancelled,
}

/// What a run is to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The customer wrote.
    User {
        id: Option<MessageId>,
        /// The number of this message among the user's.
        users: usize,
        text: String,
    },
    /// The client has executed calls.
    Results {
        /// The number of messages of the user before.
        users: usize,
        results: Vec<ClientResult>,
    },
}

/// The last thing that was said, and the messages behind it. Nothing else of the history is kept.
#[derive(Default)]
pub(super) struct Messages {
    users: usize,
    cause: Option<Cause>,
    held: Held,
}

impl Messages {
    pub(super) fn take(self) -> (Option<Cause>, Held) {
        (self.cause, self.held)
    }

    fn add(&mut self, message: &Message) {
        match message.role {
            Role::User => {
                self.users += 1;
                self.held.clear();
                self.cause = Some(Cause::User {
                    id: MessageId::parse(&message.id).ok(),
                    users: self.users,
                    text: message.text(),
                });
            }
            Role::Tool => self.add_result(message),
            Role::Assistant => self.held.add(&message.id),
            Role::Other => {}
        }
    }

    fn add_result(&mut self, message: &Message) {
        let call = message.tool_call_id.clone().unwrap_or_default();
        // The result of a tool of ours.
        if turn_of(&call).is_some() {
            self.held.add(&message.id);
            return;
        }
        let result = ClientResult {
            call,
            failed: message.error.is_some(),
            result: match &message.error {
                Some(error) if message.content.is_none() => error.clone(),
                Some(_) | None => message.text(),
            },
        };
        match &mut self.cause {
            Some(Cause::Results { results, .. }) if !self.held.has_more() => results.push(result),
            Some(Cause::Results { .. } | Cause::User { .. }) | None => {
                self.held.clear();
                self.cause = Some(Cause::Results {
                    users: self.users,
                    results: vec![result],
                });
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    id: String,
    role: Role,
    content: Option<Content>,
    tool_call_id: Option<String>,
    error: Option<String>,
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            None | Some(Content::Other(_)) => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts = parts.iter().filter_map(|part| part.text.as_deref());
                texts.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Tool,
    Assistant,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    /// Content of activities, which are the client's own.
    Other(serde::de::IgnoredAny),
}

/// A part of a message. Pictures and the like have no text.
#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Last;

        impl<'de> Visitor<'de> for Last {
            type Value = Messages;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Messages, A::Error> {
                let mut messages = Messages::default();
                while let Some(message) = list.next_element()? {
                    messages.add(&message);
                }
                Ok(messages)
            }
        }

        deserializer.deserialize_seq(Last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(messages: Value) -> (Option<Cause>, Held) {
        serde_json::from_value::<Messages>(messages).unwrap().take()
    }

    fn calls(cause: Option<Cause>) -> Vec<String> {
        let Some(Cause::Results { results, .. }) = cause else {
            panic!("{cause:?}");
        };
        results.into_iter().map(|result| result.call).collect()
    }

    #[test]
    fn the_last_message_of_the_user_is_said() {
        let (cause, held) = read(json!([
            { "id": "a", "role": "user", "content": "one" },
            { "id": "baton-1-1-aa", "role": "assistant", "content": "two" },
            { "id": "s", "role": "system", "content": "obey" },
            { "id": "b", "role": "user", "content": [{ "type": "text", "text": "三" }, { "type": "image", "source": {} }] },
        ]));
        let said = Cause::User {
            id: MessageId::parse("b").ok(),
            users: 2,
            text: "三".to_owned(),
        };
        assert_eq!(cause, Some(said));
        assert!(!held.has_more());
    }

    #[test]
    fn messages_behind_it_are_of_an_earlier_stream() {
        let (cause, held) = read(json!([
            { "id": "a", "role": "user", "content": "one" },
            { "id": "baton-1-1-aa", "role": "assistant", "toolCalls": [] },
            { "id": "baton-1-2-aa", "role": "tool", "toolCallId": "baton-1-1-aa", "content": "found" },
            { "id": "x", "role": "activity", "activityType": "y", "content": {} },
        ]));
        assert!(matches!(cause, Some(Cause::User { .. })));
        assert_eq!(held.of(1).count(), 2);
    }

    #[test]
    fn results_of_the_client_are_those_behind_its_last_calls() {
        let (cause, held) = read(json!([
            { "id": "a", "role": "user", "content": "one" },
            { "id": "m", "role": "assistant", "toolCalls": [] },
            { "id": "r1", "role": "tool", "toolCallId": "call_1", "content": "one" },
            { "id": "n", "role": "assistant", "toolCalls": [] },
            { "id": "r2", "role": "tool", "toolCallId": "call_2", "content": "two" },
            { "id": "r3", "role": "tool", "toolCallId": "call_3", "error": "no", "content": "three" },
        ]));
        assert!(!held.has_more());
        assert_eq!(calls(cause), ["call_2", "call_3"]);
    }
}
