//! A captured request, and a service's verdict on it.

use serde_json::{Value, json};

use crate::conversation::{Call, Conversation, Message};
use crate::error::ApiError;
use crate::formats::{self, Asked, Format, with};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: String,
    /// The number of its connection, from 1.
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

    /// The format in which it was written: what its path says, else Chat.
    pub fn format(&self) -> Format {
        Format::of(&self.target).unwrap_or(Format::Chat)
    }

    /// The messages of the request, in whichever format: as Chat Completions have them. Thoughts stand beside the `content` of
    /// an answer, as `thoughts` with `text` and `seal`.
    pub fn messages(&self) -> Vec<Value> {
        match self.read() {
            Ok(Some(conversation)) => conversation.messages.iter().map(message).collect(),
            // A Chat request as it is, and one that no service takes.
            Ok(None) | Err(_) => array(self.json().get("messages")),
        }
    }

    /// The names of the offered tools, in whichever format.
    pub fn offered(&self) -> Vec<String> {
        if let Ok(Some(conversation)) = self.read() {
            let tools = conversation.tools.into_iter();
            return tools.map(|tool| tool.name).collect();
        }
        let tools = array(self.json().get("tools")).into_iter();
        let name = |tool: Value| Some(tool.pointer("/function/name")?.as_str()?.to_owned());
        tools.filter_map(name).collect()
    }

    /// Why a service would refuse the request. Of a Chat request only the messages are looked at.
    pub(super) fn violation(&self) -> Option<String> {
        self.read().err().map(|error| error.to_string())
    }

    /// What a thought in the answer to it is bound to.
    pub(super) fn bound(&self) -> u64 {
        let read = self.read().ok().flatten();
        read.map_or(0, |conversation| conversation.bound())
    }

    /// Nothing for a Chat request, whose messages alone are checked.
    fn read(&self) -> Result<Option<Conversation>, ApiError> {
        let body = self.body.as_bytes();
        if self.format() == Format::Chat {
            return formats::chat_messages(body).map(|_| None);
        }
        let header = |name: &str| self.header(name).map(str::to_owned);
        let asked = Asked {
            target: &self.target,
            header: &header,
            body,
        };
        (self.format().wire().read)(&asked).map(Some)
    }
}

fn array(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn message(message: &Message) -> Value {
    let call = |call: &Call| {
        json!({ "id": call.id, "type": "function",
            "function": { "name": call.name, "arguments": call.arguments } })
    };
    match message {
        Message::System(text) => json!({ "role": "system", "content": text }),
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Result { call_id, text } => {
            json!({ "role": "tool", "tool_call_id": call_id, "content": text })
        }
        Message::Assistant {
            text,
            calls,
            thoughts,
        } => {
            let content = (!text.is_empty()).then_some(text);
            let message = json!({ "role": "assistant", "content": content });
            let calls: Vec<_> = calls.iter().map(call).collect();
            let thoughts = thoughts.iter();
            let thoughts =
                thoughts.map(|thought| json!({ "text": thought.text, "seal": thought.seal }));
            let thoughts: Vec<_> = thoughts.collect();
            let lists = [("tool_calls", calls), ("thoughts", thoughts)].into_iter();
            let lists = lists.filter(|(_, list)| !list.is_empty());
            lists.fold(message, |message, (name, list)| with(message, name, list))
        }
    }
}
