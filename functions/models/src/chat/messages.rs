//! The messages of a request as this format writes them.

use std::collections::HashSet;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::opaque::{Opaque, THOUGHTS};
use crate::sendable::{Said, Sendable, SentCall, SentResult};

/// The list, with what the service wants back at its places.
pub(super) struct Messages<'a> {
    list: Sendable<'a>,
    /// For each message, parsed.
    opaque: Vec<Option<Opaque>>,
    /// Thoughts go back within the turn, which begins with the last message of the user.
    turn: usize,
}

/// What may be written besides the format's own fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extras {
    /// Fields that the service wants back.
    pub(super) opaque: bool,
    /// Plain thoughts among them.
    pub(super) thoughts: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(mut list: Sendable<'a>, extras: Extras) -> Self {
        let parse = |said: &Said<'_>| match said {
            Said::Assistant {
                opaque: Some(opaque),
                ..
            } if extras.opaque => serde_json::from_str::<Opaque>(opaque).ok(),
            Said::Assistant { .. } | Said::User(_) | Said::Results(_) => None,
        };
        let mut opaque: Vec<Option<Opaque>> = list.messages.iter().map(parse).collect();
        if !extras.thoughts {
            for opaque in opaque.iter_mut().flatten() {
                opaque.message.remove(THOUGHTS);
            }
        }
        restore_ids(&mut list.messages, &opaque);
        let is_user = |said: &Said<'_>| matches!(said, Said::User(_));
        let turn = list.messages.iter().rposition(is_user).unwrap_or(0);
        Self { list, opaque, turn }
    }
}

/// Gives calls and their results the ids that the service gave them, where it did not use one twice.
fn restore_ids(messages: &mut [Said<'_>], opaque: &[Option<Opaque>]) {
    if opaque.iter().all(Option::is_none) {
        return;
    }
    let calls = messages.iter().flat_map(Said::calls);
    let mut used: HashSet<String> = calls.map(|call| call.id.clone().into_owned()).collect();
    for (at, opaque) in opaque.iter().enumerate() {
        let Some(opaque) = opaque else { continue };
        for (position, fields) in opaque.calls.iter().enumerate() {
            let Some(own) = fields.get("id").and_then(Value::as_str) else {
                continue;
            };
            if used.insert(own.to_owned()) {
                restore(messages.get_mut(at..).unwrap_or_default(), position, own);
            }
        }
    }
}

fn restore(messages: &mut [Said<'_>], position: usize, own: &str) {
    let [Said::Assistant { calls, .. }, behind @ ..] = messages else {
        return;
    };
    let Some(call) = calls.get_mut(position) else {
        return;
    };
    if let Some(Said::Results(results)) = behind.first_mut() {
        for result in results.iter_mut().filter(|result| result.id == call.id) {
            result.id = own.to_owned().into();
        }
    }
    call.id = own.to_owned().into();
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if !self.list.instructions.is_empty() {
            list.serialize_element(&Plain {
                role: "system",
                content: &self.list.instructions,
            })?;
        }
        for (at, said) in self.list.messages.iter().enumerate() {
            match said {
                Said::User(content) => list.serialize_element(&Plain {
                    role: "user",
                    content,
                })?,
                Said::Assistant { text, calls, .. } => list.serialize_element(&Assistant {
                    text,
                    calls,
                    opaque: self.opaque.get(at).and_then(Option::as_ref),
                    is_of_turn: at > self.turn,
                })?,
                Said::Results(results) => {
                    for result in results {
                        list.serialize_element(&WireResult::from(result))?;
                    }
                }
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Plain<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct WireResult<'a> {
    role: &'static str,
    tool_call_id: &'a str,
    content: &'a str,
}

impl<'a> From<&'a SentResult<'_>> for WireResult<'a> {
    fn from(result: &'a SentResult<'_>) -> Self {
        Self {
            role: "tool",
            tool_call_id: &result.id,
            content: result.text,
        }
    }
}

struct Assistant<'a> {
    text: &'a str,
    calls: &'a [SentCall<'a>],
    opaque: Option<&'a Opaque>,
    is_of_turn: bool,
}

impl Serialize for Assistant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut message = serializer.serialize_map(None)?;
        message.serialize_entry("role", "assistant")?;
        // OpenAI's own shape for calls alone is null. A few services refuse it and want an empty text, which more services refuse.
        let text = (!self.text.is_empty()).then_some(self.text);
        message.serialize_entry("content", &text)?;
        if !self.calls.is_empty() {
            message.serialize_entry("tool_calls", &Calls(self))?;
        }
        for (field, value) in self.opaque.iter().flat_map(|opaque| &opaque.message) {
            if field != THOUGHTS || self.is_of_turn {
                message.serialize_entry(field, value)?;
            }
        }
        message.end()
    }
}

struct Calls<'a>(&'a Assistant<'a>);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = |at: usize| self.0.opaque.and_then(|opaque| opaque.calls.get(at));
        let calls = self.0.calls.iter().enumerate();
        serializer.collect_seq(calls.map(|(at, call)| Call {
            call,
            fields: fields(at),
        }))
    }
}

struct Call<'a> {
    call: &'a SentCall<'a>,
    fields: Option<&'a Map<String, Value>>,
}

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut call = serializer.serialize_map(None)?;
        call.serialize_entry("id", &self.call.id)?;
        call.serialize_entry("type", "function")?;
        call.serialize_entry(
            "function",
            &Function {
                name: &self.call.name,
                arguments: self.call.arguments,
            },
        )?;
        for (field, value) in self.fields.into_iter().flatten() {
            if field != "id" {
                call.serialize_entry(field, value)?;
            }
        }
        call.end()
    }
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}
