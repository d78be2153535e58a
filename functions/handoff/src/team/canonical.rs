//! JSON in its one canonical form: keys sorted at every depth, numbers in one spelling. Knows JSON only.

use serde_json::{Number, Value};

/// The value in that form. `serde_json` bounds the depth to 128 levels, and a team file has its own bound.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            for value in object.values_mut() {
                *value = canonical(value.take());
            }
            // `Map` keeps the insertion order where any crate of the build turns on `preserve_order`.
            object.sort_keys();
            Value::Object(object)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// Whole numbers that fit 64 bits are written as integers, however they were spelt.
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
