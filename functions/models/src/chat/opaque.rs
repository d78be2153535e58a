//! What a service of this format wants back with its own message: signatures at calls and messages, thoughts of this turn, ids of a
//! form that other services refuse. One JSON text, made from a response and written back into the requests of the same model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::calls::Calls;
use crate::answer::Answer;
use crate::fault::is_told;
use crate::sendable;

/// Fields of a message that a service wants back in every request: Google's signatures, the thoughts of OpenRouter, LiteLLM and
/// Copilot, signed or encrypted.
const OF_MESSAGE: &[&str] = &[
    "extra_content",
    "reasoning_details",
    "thinking_blocks",
    "reasoning_opaque",
    "encrypted_content",
    "provider_specific_fields",
];
/// Of these, what may hold a signature over everything before it, as Claude's thoughts do. Google's signatures hold anywhere, and a
/// call of this turn without one is refused, also when another agent has taken over since.
const BOUND: &[&str] = &[
    "reasoning_details",
    "thinking_blocks",
    "reasoning_opaque",
    "encrypted_content",
    "provider_specific_fields",
];

/// Thoughts that are plain text: DeepSeek and Moonshot want them back within the turn, beside calls.
pub(super) const THOUGHTS: &str = "reasoning_content";
/// Texts within these fields that come in pieces.
const PIECES: &[&str] = &["text", "summary", "thinking", "data", "signature"];

/// The text, parsed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Opaque {
    /// The fields of each call, by position; `id` is the service's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) calls: Vec<Map<String, Value>>,
    /// The fields of the message.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) message: Map<String, Value>,
}

/// The fields of a response while it arrives.
#[derive(Debug, Default)]
pub(super) struct Kept {
    message: Map<String, Value>,
    bytes: usize,
}

impl Kept {
    /// Takes the fields out of a message or a part of one. Thoughts of any length cost no more memory than the bound.
    pub(super) fn take(&mut self, message: &mut Map<String, Value>, bound: usize) {
        for field in OF_MESSAGE {
            let Some(value) = message.remove(*field).filter(is_told) else {
                continue;
            };
            self.bytes += value.to_string().len();
            if self.bytes <= bound {
                merge(self.message.entry(*field).or_insert(Value::Null), value);
            } else {
                // Half of a signed field is worse than none.
                self.message.remove(*field);
            }
        }
        if let Some(Value::String(more)) = message.remove(THOUGHTS) {
            let kept = self.message.entry(THOUGHTS).or_insert_with(|| "".into());
            if let Value::String(kept) = kept
                && kept.len() + more.len() <= bound / 2
            {
                kept.push_str(&more);
            }
        }
    }

    /// Gives the answer what the service wants back.
    pub(super) fn end(&mut self, calls: &Calls, answer: &mut Answer) {
        let mut message = std::mem::take(&mut self.message);
        let thoughts = message.remove(THOUGHTS).filter(is_told);
        let of_calls: Vec<Map<String, Value>> = calls
            .iter()
            .map(|call| {
                let mut fields = call.extra.clone();
                if !call.id.is_empty() && !sendable::is_id(&call.id) {
                    fields.insert("id".to_owned(), call.id.as_str().into());
                }
                fields
            })
            .collect();
        let has_calls = !of_calls.is_empty();
        let mut opaque = Opaque {
            calls: of_calls,
            message,
        };
        if opaque.calls.iter().all(Map::is_empty) {
            opaque.calls.clear();
        }
        if let Some(thoughts) = thoughts.filter(|_| has_calls) {
            opaque.message.insert(THOUGHTS.to_owned(), thoughts);
        }
        if opaque.calls.is_empty() && opaque.message.is_empty() {
            return;
        }
        let mut give = |opaque: &Opaque| {
            let text = serde_json::to_string(opaque).unwrap_or_default();
            if opaque
                .message
                .keys()
                .any(|field| BOUND.contains(&field.as_str()))
            {
                answer.opaque(text)
            } else {
                answer.opaque_anywhere(text)
            }
        };
        if !give(&opaque) && opaque.message.remove(THOUGHTS).is_some() {
            give(&opaque);
        }
    }
}

/// A value and what came later of it: texts of the same part grow, lists get longer, everything else is replaced.
fn merge(kept: &mut Value, more: Value) {
    match (kept, more) {
        (Value::Array(list), Value::Array(more)) => {
            let mut more = more.into_iter();
            // Parts that come together are different ones.
            if let Some(next) = more.next() {
                match list.last_mut() {
                    Some(part) if is_same_part(part, &next) => merge(part, next),
                    Some(_) | None => list.push(next),
                }
            }
            list.extend(more);
        }
        (Value::Object(fields), Value::Object(more)) => {
            for (field, value) in more.into_iter().filter(|(_, value)| !value.is_null()) {
                match (fields.get_mut(&field), value) {
                    (Some(Value::String(text)), Value::String(more))
                        if PIECES.contains(&field.as_str()) =>
                    {
                        text.push_str(&more);
                    }
                    (Some(kept @ (Value::Object(_) | Value::Array(_))), value) => {
                        merge(kept, value);
                    }
                    (_, value) => {
                        fields.insert(field, value);
                    }
                }
            }
        }
        (kept, more) => *kept = more,
    }
}

/// Parts of one list are numbered, or follow each other until their signature.
fn is_same_part(last: &Value, part: &Value) -> bool {
    let same = |field: &str| last.get(field) == part.get(field);
    let is_numbered = last.get("index").is_some_and(|index| !index.is_null());
    let is_open = last.get("signature").is_none_or(|sign| !is_told(sign));
    same("type") && same("index") && same("id") && (is_numbered || is_open)
}
