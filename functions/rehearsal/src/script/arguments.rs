//! Arguments of a call: what the part knows, in the types of the tool's schema, and the rest from the message.

use serde_json::{Map, Value, json};

use crate::request::Tool;

/// A query is a few words, not a letter.
const QUERY_CHARS_MAX: usize = 200;

/// Arguments that satisfy the schema's `required`, types and enums: `known` first, where the tool takes them.
pub(super) fn for_tool(tool: &Tool, known: &[(&str, Value)], message: &str) -> Value {
    let none = Map::new();
    let properties = tool
        .parameters
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let mut arguments = Map::new();
    for (name, value) in known {
        match properties.get(*name) {
            Some(schema) => arguments.insert((*name).to_owned(), fitted(schema, value.clone())),
            // A tool that does not say what it takes is given what is known.
            None if properties.is_empty() => arguments.insert((*name).to_owned(), value.clone()),
            None => None,
        };
    }
    let required = tool
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for name in required.filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            let schema = properties.get(name).unwrap_or(&Value::Null);
            arguments.insert(name.to_owned(), from_message(schema, message));
        }
    }
    Value::Object(arguments)
}

fn type_of(schema: &Value) -> &str {
    let named = schema.get("type");
    // `["string", "null"]`: the first one is what is meant.
    named
        .and_then(|named| named.as_str().or_else(|| named.get(0)?.as_str()))
        .unwrap_or("string")
}

fn fitted(schema: &Value, value: Value) -> Value {
    match (type_of(schema), &value) {
        ("string", Value::Number(number)) => Value::String(number.to_string()),
        ("integer" | "number", Value::String(text)) => json!(first_number(text).unwrap_or(0)),
        ("integer" | "number", Value::Number(number)) => match (
            number.as_i64(),
            schema.get("maximum").and_then(Value::as_i64),
        ) {
            (Some(number), Some(maximum)) => json!(number.min(maximum)),
            (_, _) => value,
        },
        (_, Value::String(text)) => chosen(schema, text).unwrap_or(value),
        (_, _) => value,
    }
}

fn from_message(schema: &Value, message: &str) -> Value {
    match type_of(schema) {
        "integer" | "number" => {
            let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(1);
            fitted(
                schema,
                json!(first_number(message).unwrap_or(least).max(least)),
            )
        }
        "boolean" => json!(true),
        "array" => json!([from_message(
            schema.get("items").unwrap_or(&Value::Null),
            message
        )]),
        "object" => json!({}),
        _ => chosen(schema, message).unwrap_or_else(|| json!(query(message))),
    }
}

/// The value of an enum that the text names, or its first one.
fn chosen(schema: &Value, text: &str) -> Option<Value> {
    let values = schema.get("enum")?.as_array()?;
    let text = text.to_lowercase();
    let named = values.iter().find(|value| {
        value
            .as_str()
            .is_some_and(|value| text.contains(&value.to_lowercase()))
    });
    named.or_else(|| values.first()).cloned()
}

fn first_number(text: &str) -> Option<i64> {
    text.split(|c: char| !c.is_ascii_digit())
        .find_map(|digits| digits.parse().ok())
}

/// The start of a text, at a character's boundary.
pub(super) fn query(message: &str) -> &str {
    let message = message.trim();
    message
        .get(..message.floor_char_boundary(QUERY_CHARS_MAX))
        .unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_types_that_the_schema_asks_for() {
        let tool = Tool {
            name: "book".to_owned(),
            description: String::new(),
            parameters: json!({
                "type": "object",
                "required": ["city", "nights", "class"],
                "properties": {
                    "city": { "type": "string" },
                    "nights": { "type": "integer", "maximum": 5 },
                    "class": { "type": "string", "enum": ["second", "first"] },
                    "price": { "type": "string" },
                },
            }),
        };
        let known = [
            ("city", json!("Bern")),
            ("price", json!(12)),
            ("colour", json!("red")),
        ];
        let arguments = for_tool(&tool, &known, "first class for 30 nights");
        assert_eq!(
            arguments,
            json!({ "city": "Bern", "price": "12", "nights": 5, "class": "first" })
        );
    }
}
