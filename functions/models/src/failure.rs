//! What a service says about a failure, reduced to what is safe to log.
//!
//! Services quote the request in their messages: vLLM prints the offending input, OpenAI a part of the key. So a detail
//! holds codes and field names only, never the message.

use std::fmt;

use baton_handoff::ports::{ModelError, ModelErrorKind};
use baton_http::chain;
use serde::Deserialize;
use serde_json::Value;

/// The `error` object: `{"message", "type", "code", "param"}`, in whatever shape a service gives it.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

impl Fault {
    /// From the body of an error response: `{"error": {…}}` of models, `{"error": "invalid_client"}` of OAuth.
    pub(crate) fn read(body: &[u8]) -> Self {
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
        }
    }

    /// No more waiting helps: the month's money is spent.
    pub(crate) fn is_quota(&self) -> bool {
        [&self.code, &self.kind]
            .into_iter()
            .any(|name| name.as_deref() == Some("insufficient_quota"))
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

/// A word such as `context_length_exceeded` or `messages.[2].role`; anything with a space is prose and may quote.
fn code_like(text: &str) -> Option<String> {
    let is_code = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    (!text.is_empty() && text.len() <= 64 && text.chars().all(is_code)).then(|| text.to_owned())
}

/// A failure of the HTTP client before the response's head.
pub(crate) fn transport(error: reqwest::Error) -> ModelError {
    let kind = if error.is_connect() {
        ModelErrorKind::Unreachable
    } else if error.is_timeout() {
        ModelErrorKind::TimedOut
    } else {
        ModelErrorKind::Unavailable
    };
    ModelError::new(kind, chain(&error.without_url()))
}
