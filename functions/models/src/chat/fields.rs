//! The fields of an event in every shape that is in use. What is not read here cannot fail an answer.

use baton_handoff::ports::Usage;
use serde_json::{Map, Value};

/// The pieces of text of a `content`: a text, parts, or one part. Thinking parts are no text. `None` for what no service means as
/// content.
pub(super) fn texts(content: &Value) -> Option<Vec<&str>> {
    match content {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(vec![text]),
        Value::Array(parts) => Some(parts.iter().filter_map(part).collect()),
        Value::Object(_) => Some(part(content).into_iter().collect()),
        Value::Bool(_) | Value::Number(_) => None,
    }
}

fn part(part: &Value) -> Option<&str> {
    if let Value::String(text) = part {
        return Some(text);
    }
    let field = |name: &str| part.get(name).and_then(Value::as_str);
    match field("type") {
        None | Some("text" | "output_text") => field("text"),
        Some("refusal") => field("refusal"),
        // Thoughts, citations, and what is invented later.
        Some(_) => None,
    }
}

/// A part of a call.
#[derive(Debug, Default)]
pub(super) struct CallPart {
    /// Some services send complete calls without one.
    pub(super) index: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: String,
    /// The service's own fields.
    pub(super) extra: Map<String, Value>,
}

/// The fields of a call that are read or written anew.
const OF_CALL: &[&str] = &["index", "id", "type", "function", "name", "arguments"];

impl CallPart {
    pub(super) fn from_value(call: Value) -> Option<Self> {
        let Value::Object(mut call) = call else {
            return None;
        };
        let mut function = match call.remove("function") {
            Some(Value::Object(function)) => function,
            Some(_) | None => Map::new(),
        };
        let mut of = |name: &str| function.remove(name).or_else(|| call.remove(name));
        let (name, arguments) = (of("name"), of("arguments"));
        let part = Self {
            index: call.get("index").and_then(number),
            id: call.get("id").and_then(word),
            name: name.as_ref().and_then(word),
            arguments: arguments.map(written).unwrap_or_default(),
            extra: Map::new(),
        };
        call.retain(|field, value| {
            !OF_CALL.contains(&field.as_str()) && crate::fault::is_told(value)
        });
        Some(Self {
            extra: call,
            ..part
        })
    }

    /// The call of the time before `tool_calls`.
    pub(super) fn from_function(function: Value) -> Option<Self> {
        let mut call = Map::new();
        call.insert("function".to_owned(), function);
        Self::from_value(Value::Object(call))
            .filter(|part| part.name.is_some() || !part.arguments.is_empty())
    }
}

/// Arguments as a text, whatever they came as.
fn written(arguments: Value) -> String {
    match arguments {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            arguments.to_string()
        }
    }
}

/// A text that is not empty, or a number as a text.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| rounded(number.as_f64()?)),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Some services count in floating point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and the number is in range"
)]
fn rounded(number: f64) -> Option<u64> {
    (0.0..1e15).contains(&number).then_some(number as u64)
}

/// The token counts, if there are any.
pub(super) fn usage(usage: &Value) -> Option<Usage> {
    let count = |path: &str| usage.pointer(path).and_then(number);
    let (prompt, completion) = (count("/prompt_tokens"), count("/completion_tokens"));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let first = |paths: &[&str]| paths.iter().find_map(|path| count(path)).unwrap_or(0);
    Some(Usage {
        prompt_tokens: prompt.unwrap_or(0),
        completion_tokens: completion.unwrap_or(0),
        cached_tokens: first(&[
            "/prompt_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cached_tokens",
            "/cache_read_input_tokens",
        ]),
        cache_write_tokens: first(&[
            "/prompt_tokens_details/cache_write_tokens",
            "/prompt_tokens_details/cache_creation_tokens",
            "/cache_creation_input_tokens",
        ]),
    })
}
