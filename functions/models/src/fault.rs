//! The codes that a service gives with a failure: the part of its answer that is safe to log.
//!
//! Services quote the request in their messages: vLLM prints the offending input, OpenAI a part of the key. So a detail
//! holds codes and field names only, never the message.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The `error` object of a service, `{"message", "type", "code", "param"}` in any shape, without the message.
#[derive(Debug, Default)]
pub struct Fault {
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    is_final: bool,
}

impl Fault {
    /// From the body of an error response: `{"error": {…}}` of models, `{"error": "invalid_client"}` of OAuth.
    pub fn from_json(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        value.get("error").map(Self::from_value).unwrap_or_default()
    }

    fn from_value(value: &Value) -> Self {
        let field = |name: &str| match value.get(name)? {
            Value::String(text) => code_like(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        Self {
            code: field("code").or_else(|| code_like(value.as_str()?)),
            kind: field("type"),
            param: field("param"),
            is_final: false,
        }
    }

    /// Whether the service gave this as the error's code or type.
    pub fn names(&self, name: &str) -> bool {
        [&self.code, &self.kind]
            .into_iter()
            .any(|named| named.as_deref() == Some(name))
    }

    /// The same fault, marked as permanent whatever the status is.
    #[must_use]
    pub fn made_final(self) -> Self {
        Self {
            is_final: true,
            ..self
        }
    }

    pub(crate) fn is_final(&self) -> bool {
        self.is_final
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::from_value(&value))
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
