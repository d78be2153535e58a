//! The arguments of a call: known values, in the types of the tool's schema, and the rest from the message.

use serde_json::{Value, json};

use crate::conversation::Tool;

/// Arguments that satisfy the schema's `required`, types and enums: `known` first, where the tool takes them.
pub(crate) fn for_tool(tool: &Tool, known: &[(&String, String)], message: &str) -> Value {
    let properties = tool.parameters.get("properties");
    let schema = |name: &str| properties?.get(name);
    // A tool without declared parameters gets the known values.
    let is_open = properties.is_none_or(|all| *all == json!({}));
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let known = known.iter().map(|(name, text)| (name.as_str(), &**text));
    let known = known.filter(|(name, _)| is_open || schema(name).is_some());
    let texts = required.map(|name| (name, message)).chain(known);
    let arguments = texts.map(|(name, text)| (name, value(schema(name), text)));
    arguments.collect()
}

fn value(schema: Option<&Value>, text: &str) -> Value {
    let of = |name: &str| schema?.get(name);
    if let Some(values) = of("enum").and_then(Value::as_array) {
        let text = text.to_lowercase();
        let is_in = |value: &str| text.contains(&value.to_lowercase());
        let mut named = values.iter();
        let named = named.find(|value| value.as_str().is_some_and(is_in));
        return named.or(values.first()).cloned().unwrap_or_default();
    }
    // `["string", "null"]`: the first one is the intended type.
    let kind = of("type").map(|kind| kind.get(0).unwrap_or(kind));
    match kind.and_then(Value::as_str) {
        Some("integer" | "number") => {
            let bound = |name: &str| of(name).and_then(Value::as_i64);
            let mut digits = text.split(|c: char| !c.is_ascii_digit() && c != ',');
            let number = digits.find_map(|digits| digits.replace(',', "").parse().ok());
            let least = bound("minimum").unwrap_or(1);
            let most = bound("maximum").unwrap_or(i64::MAX);
            json!(number.unwrap_or(least).max(least).min(most))
        }
        Some("boolean") => json!(true),
        Some("array") => json!([value(of("items"), text)]),
        Some("object") => json!({}),
        Some(_) | None => json!(text),
    }
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
        let names = ["city", "price", "colour"].map(str::to_owned);
        let known: Vec<_> = names
            .iter()
            .zip(["Bern", "12", "red"].map(str::to_owned))
            .collect();
        let arguments = for_tool(&tool, &known, "first class for 30 nights");
        let expected = json!({ "city": "Bern", "price": "12", "nights": 5, "class": "first" });
        assert_eq!(arguments, expected);
    }
}
