//! A captured request, and a service's verdict on it.

use serde_json::Value;

use crate::request;

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

    /// The messages of the request.
    pub fn messages(&self) -> Vec<Value> {
        self.json()
            .get("messages")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    /// Why a service would refuse the messages, if there are any.
    pub(super) fn violation(&self) -> Option<String> {
        request::check_messages(self.body.as_bytes())
            .err()
            .map(|error| error.to_string())
    }
}
