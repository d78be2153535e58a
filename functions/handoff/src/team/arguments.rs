//! The arguments of a tool call in their one canonical form, so that the same call is the same text.
//! Knows JSON only; never the schema that they were checked against.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::tool::Tool;

/// The longest argument text that is read, in bytes. As much as a customer's message may hold.
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

    /// Canonical JSON of what makes this call the same action as another call of `tool`:
    /// the parameters that the tool names as its identity, or all arguments where it names none.
    pub fn identity(&self, tool: &Tool) -> String {
        if tool.identity.is_empty() {
            return self.canonical.clone();
        }
        let named = tool.identity.iter().filter_map(|name| {
            let value = self.value.get(name)?;
            Some((name.clone(), value.clone()))
        });
        canonical(Value::Object(named.collect())).to_string()
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

/// Arguments are a customer's data, which logs must not hold.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({} bytes)", self.canonical.len())
    }
}

fn not_an_object(found: &str) -> String {
    format!("the arguments must be a JSON object and are {found}")
}

/// Depth is bounded by `serde_json`, which reads no more than 128 levels, and by that of a team file.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object
                .into_iter()
                .map(|(key, value)| (key, canonical(value)))
                .collect();
            // `Map` keeps the insertion order where any crate of the build turns on `preserve_order`.
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// Whole numbers that fit 64 bits are written as integers, whatever way they were spelt.
fn canonical_number(number: Number) -> Number {
    if number.is_i64() || number.is_u64() {
        return number;
    }
    let whole = number.as_f64().filter(|float| float.fract() == 0.0);
    // The text of a float is exact for whole numbers, and parsing it fails where it does not fit.
    match whole.map(|float| format!("{float:.0}")) {
        Some(text) if text == "-0" => Number::from(0),
        Some(text) => text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .unwrap_or(number),
        None => number,
    }
}
