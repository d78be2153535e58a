//! A failure as a service words it: its codes, wherever they stand, and what they mean for the request.
//!
//! Services quote the request in their messages: vLLM prints the offending input, OpenAI a part of the key. So a detail
//! holds codes and field names only, never the message. The message is read here for the few meanings that some services give in
//! words alone, and is neither shown nor kept longer than the fault.

mod meaning;

use std::fmt;
use std::time::Duration;

use baton_handoff::ports::{ModelError, ModelErrorKind};
use serde_json::Value;

/// How deep an error may be wrapped: a gateway's error has the one of its provider in it.
const DEPTH: usize = 6;
/// Bytes of a message that are read.
const WORDS: usize = 4 * 1024;

/// The error of a service, `{"message", "type", "code", "param"}` in any shape.
#[derive(Default)]
pub struct Fault {
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    /// Every code that was found, the inner ones too.
    codes: Vec<String>,
    /// The messages in lower case.
    words: String,
    is_final: bool,
    meant: Option<ModelErrorKind>,
    wait: Option<Duration>,
}

impl Fault {
    /// From the body of an error response: `{"error": {…}}` of models, alone or in a list, `{"error": "invalid_client"}` of OAuth,
    /// `{"detail": [{"loc": …}]}` of FastAPI, or the fields without anything around them.
    pub fn from_json(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::from_value(&value)
    }

    /// From a parsed body, or from the `error` in it.
    pub fn from_value(value: &Value) -> Self {
        let mut fault = Self::default();
        fault.read(value, DEPTH);
        fault
    }

    /// The error that this document is, if it is one: an answer has no `error`, and an error no answer.
    pub fn of_document(document: &Value) -> Option<Self> {
        let first = match document {
            Value::Array(list) => list.first()?,
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => other,
        };
        let is_error = first.get("error").is_some_and(is_told)
            || ["type", "object"]
                .iter()
                .any(|field| first.get(field).and_then(Value::as_str) == Some("error"));
        is_error.then(|| Self::from_value(document))
    }

    fn read(&mut self, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match value {
            Value::Object(fields) => {
                self.code("code", fields.get("code"));
                self.code("status", fields.get("status"));
                self.code("type", fields.get("type"));
                for field in ["reason", "__type", "error_code", "error_type"] {
                    self.code(field, fields.get(field));
                }
                self.param(fields.get("param"), fields.get("loc"));
                for field in ["message", "msg", "detail", "error", "raw"] {
                    match fields.get(field) {
                        Some(Value::String(text)) if field != "error" => self.text(text, depth),
                        Some(inner) => self.read(inner, depth),
                        None => {}
                    }
                }
                for field in ["innererror", "inner_error", "metadata", "details", "errors"] {
                    self.read(fields.get(field).unwrap_or(&Value::Null), depth);
                }
            }
            Value::Array(list) => {
                for inner in list.iter().take(8) {
                    self.read(inner, depth);
                }
            }
            Value::String(text) => {
                self.code("code", Some(value));
                self.text(text, depth);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn code(&mut self, field: &str, value: Option<&Value>) {
        let code = match value {
            Some(Value::String(text)) => code_like(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
        };
        let Some(code) = code else { return };
        // `{"type": "error", "error": {…}}` says nothing by its own type.
        if code == "error" {
            return;
        }
        if self.codes.len() < 16 {
            self.codes.push(code.to_ascii_lowercase());
        }
        if field == "type" {
            self.kind.get_or_insert(code);
        } else {
            self.code.get_or_insert(code);
        }
    }

    fn param(&mut self, param: Option<&Value>, place: Option<&Value>) {
        let named = param.and_then(Value::as_str).map(str::to_owned);
        let place = place.and_then(Value::as_array).map(|place| {
            let part = |part: &Value| match part {
                Value::String(text) => text.clone(),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => part.to_string(),
            };
            place.iter().map(part).collect::<Vec<_>>().join(".")
        });
        if let Some(param) = named.or(place).as_deref().and_then(code_like) {
            self.param.get_or_insert(param);
        }
    }

    /// A message, which may hold a whole error as JSON.
    fn text(&mut self, text: &str, depth: usize) {
        if let Some(inner) = text.find('{').and_then(|at| text.get(at..))
            && let Ok(inner) = serde_json::from_str::<Value>(inner.trim_end())
        {
            self.read(&inner, depth);
        }
        let room = WORDS.saturating_sub(self.words.len());
        let end = text.floor_char_boundary(room);
        self.words
            .push_str(&text.get(..end).unwrap_or_default().to_ascii_lowercase());
        self.words.push('\n');
    }

    /// Whether the service gave this as a code or a type.
    pub fn names(&self, name: &str) -> bool {
        self.codes.iter().any(|code| code == name)
    }

    /// Whether the service does not know this field of the request, or does not take it.
    pub fn refuses(&self, field: &str) -> bool {
        let is_param = self
            .param
            .as_deref()
            .is_some_and(|param| param.rsplit('.').any(|part| part == field));
        let is_unknown = meaning::UNKNOWN_FIELD
            .iter()
            .any(|unknown| self.names(unknown) || self.words.contains(unknown));
        is_unknown && (is_param || meaning::has_word(&self.words, field))
    }

    /// The same fault, marked as permanent whatever the status is.
    #[must_use]
    pub fn made_final(self) -> Self {
        Self {
            is_final: true,
            ..self
        }
    }

    /// The same fault with this meaning, which the format knows better.
    #[must_use]
    pub fn meant(self, kind: ModelErrorKind) -> Self {
        Self {
            meant: Some(kind),
            ..self
        }
    }

    /// The same fault with the wait that the body asks for, if it does.
    #[must_use]
    pub fn after(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    pub(crate) fn is_final(&self) -> bool {
        self.is_final
    }

    /// What the codes mean, whatever the status is, where it is more than the status says.
    pub fn meaning(&self) -> Option<ModelErrorKind> {
        self.meant.or_else(|| meaning::of(&self.codes, &self.words))
    }

    /// The HTTP status that goes with the codes, if one does.
    pub fn status(&self) -> Option<u16> {
        self.codes.iter().find_map(|code| meaning::status(code))
    }

    /// The failure when this stands inside a stream.
    pub fn reported(&self) -> ModelError {
        let by_status = match self.status() {
            Some(429) => ModelErrorKind::RateLimited,
            Some(401 | 403) => ModelErrorKind::Unauthorized,
            Some(503 | 529) => ModelErrorKind::Unavailable,
            Some(_) | None => ModelErrorKind::Reported,
        };
        ModelError::new(
            self.meaning().unwrap_or(by_status),
            format!("the service reported an error: {self}"),
        )
    }
}

/// Whether a value says anything: services write `"error": null`, `{}` or `""` where there is none.
pub(crate) fn is_told(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("code", &self.code),
            ("type", &self.kind),
            ("param", &self.param),
        ];
        let mut between = "";
        for (name, value) in named {
            if let Some(value) = value {
                write!(f, "{between}{name} {value}")?;
                between = ", ";
            }
        }
        if between.is_empty() {
            f.write_str("no code given")
        } else {
            Ok(())
        }
    }
}

/// A word such as `context_length_exceeded` or `messages.[2].role`. Text with a space is prose and may quote the request.
fn code_like(text: &str) -> Option<String> {
    let is_code = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    (!text.is_empty() && text.len() <= 64 && text.chars().all(is_code)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
