//! The arguments of a tool call in their one canonical form, so that the same call is the same text.
//! Knows JSON only; never the schema that they were checked against.

use std::fmt;

use serde_json::{Map, Value};

use super::canonical::canonical;

/// The longest argument text, in bytes. The same as for a customer's message.
pub const MAX_ARGUMENT_BYTES: usize = 32 * 1024;

/// Checked arguments: keys sorted at every depth, numbers in one spelling (`1.0` is `1`), defaults filled in.
///
/// Two of them are equal exactly when their canonical texts are.
#[derive(Clone)]
pub struct Arguments {
    value: Value,
    canonical: String,
}

impl Arguments {
    /// The arguments as a JSON object.
    pub fn as_value(&self) -> &Value {
        &self.value
    }

    /// The arguments as canonical JSON text.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    pub(super) fn read_object(text: &str) -> Result<Map<String, Value>, String> {
        if text.len() > MAX_ARGUMENT_BYTES {
            return Err(format!(
                "the arguments are {} bytes long and at most {MAX_ARGUMENT_BYTES} are read",
                text.len()
            ));
        }
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        let value = serde_json::from_str(text)
            .map_err(|error| format!("the arguments are not valid JSON ({error})"))?;
        match value {
            Value::Object(object) => Ok(object),
            Value::Null => Err(not_an_object("null")),
            Value::Bool(_) => Err(not_an_object("a boolean")),
            Value::Number(_) => Err(not_an_object("a number")),
            Value::String(_) => Err(not_an_object("a string")),
            Value::Array(_) => Err(not_an_object("an array")),
        }
    }

    pub(super) fn from_object(object: Map<String, Value>) -> Self {
        let value = canonical(Value::Object(object));
        let canonical = value.to_string();
        Self { value, canonical }
    }
}

impl PartialEq for Arguments {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Arguments {}

/// Arguments are a customer's data, which must not enter logs.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({} bytes)", self.canonical.len())
    }
}

fn not_an_object(found: &str) -> String {
    format!("the arguments must be a JSON object and are {found}")
}
