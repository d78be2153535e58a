//! The words of OpenAPI's schemas in those of JSON Schema 2020-12, as far as a team file can hold them: TOML has no null.
//! Knows one schema at a time; never references or what stands inside.

use super::forms::{allow_null, may_have, types};
use super::names::short;
use super::node::{Map, Node};

/// A model reads all descriptions in each request.
const MAX_DESCRIPTION: usize = 200;

/// A longer example says less than the schema does.
const MAX_EXAMPLE: usize = 60;

/// What stands under a keyword.
pub(super) enum Place {
    /// Schemas of an object's members.
    Members,
    /// Schemas by another name.
    ByName,
    /// One schema.
    One,
    /// Schemas that all hold.
    All,
    /// Schemas of which one holds.
    Any,
    /// A value.
    Value,
    /// A reference that depends on more than its place.
    Reference,
    /// What says nothing to a model, or is no keyword.
    Nothing,
}

pub(super) fn place_of(keyword: &str) -> Place {
    match keyword {
        "properties" => Place::Members,
        "patternProperties" | "dependentSchemas" => Place::ByName,
        "items"
        | "additionalProperties"
        | "not"
        | "contains"
        | "propertyNames"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Place::One,
        "allOf" | "prefixItems" => Place::All,
        "anyOf" | "oneOf" => Place::Any,
        "type" | "enum" | "const" | "required" | "minimum" | "maximum" | "exclusiveMinimum"
        | "exclusiveMaximum" | "multipleOf" | "minLength" | "maxLength" | "minItems"
        | "maxItems" | "minProperties" | "maxProperties" | "minContains" | "maxContains"
        | "uniqueItems" | "pattern" | "format" | "title" | "description" | "default"
        | "examples" | "deprecated" | "dependentRequired" => Place::Value,
        "$dynamicRef" | "$recursiveRef" => Place::Reference,
        _ => Place::Nothing,
    }
}

pub(super) fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "title" | "description" | "default" | "examples" | "deprecated"
    )
}

pub(super) fn described(text: &str) -> Map {
    let text = Node::Text(short(text, MAX_DESCRIPTION));
    [("description".to_owned(), text)].into_iter().collect()
}

/// The value of a keyword, where it is one that the keyword can have. A boolean bound is renewed later.
pub(super) fn value(keyword: &str, value: &Node) -> Option<Node> {
    let is_number = matches!(value, Node::Integer(_) | Node::Float(_));
    let fits = match keyword {
        "minimum" | "maximum" | "multipleOf" => is_number,
        "exclusiveMinimum" | "exclusiveMaximum" => is_number || value.is_true(),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => {
            matches!(value, Node::Integer(0..))
        }
        "uniqueItems" | "deprecated" => value.is_true(),
        "pattern" | "format" | "title" => value.as_text().is_some(),
        "description" => {
            let text = value.as_text().map(|text| short(text, MAX_DESCRIPTION));
            return text.filter(|text| !text.is_empty()).map(Node::Text);
        }
        "enum" => !value.items().is_empty(),
        "required" => value.items().iter().all(|name| name.as_text().is_some()),
        "type" => value.as_text().is_some() || !value.items().is_empty(),
        // Null is dealt with where the types are known.
        "default" => !value.has_null(),
        "examples" => {
            let mut few = value.items().iter().filter(|one| is_short(one)).take(2);
            let first = few.next()?.clone();
            let few = std::iter::once(first).chain(few.cloned());
            return Some(Node::List(few.collect()));
        }
        "dependentRequired" => value.as_map().is_some(),
        _ => true,
    };
    fits.then(|| value.clone())
}

fn is_short(example: &Node) -> bool {
    match example {
        Node::Text(text) => text.chars().count() <= MAX_EXAMPLE,
        Node::Bool(_) | Node::Integer(_) | Node::Float(_) => true,
        Node::Null | Node::List(_) | Node::Map(_) => false,
    }
}

/// A schema in the newest words. `from`: as it was written. Err completes the sentence "OPERATION: …".
pub(super) fn renew(mut schema: Map, from: &Map) -> Result<Map, String> {
    let known = |name: &Node| {
        let name = name.as_text().unwrap_or_default();
        [
            "null", "boolean", "integer", "number", "string", "array", "object",
        ]
        .contains(&name)
    };
    let types = types(&schema);
    if let Some(other) = types.iter().find(|name| !known(name)) {
        let name = other.as_text().unwrap_or("…");
        return Err(format!(
            "its schema has the type {name:?}, which JSON Schema has not"
        ));
    }
    for (exclusive, limit) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if schema.is_true(exclusive) {
            schema.remove(exclusive);
            if let Some(limit) = schema.remove(limit) {
                schema.insert(exclusive, limit);
            }
        }
    }
    if let Some(example) = from.get("example").filter(|example| is_short(example))
        && !schema.has("examples")
    {
        schema.insert("examples", Node::List(vec![example.clone()]));
    }
    renew_format(&mut schema);
    let mut is_nullable = from.is_true("nullable");
    if schema.get("const") == Some(&Node::Null) {
        schema.remove("const");
        schema.insert("type", Node::text("null"));
    }
    if let Some(Node::List(values)) = schema.remove("enum") {
        let has_null = values.contains(&Node::Null);
        let allows_null = types.is_empty() || types.contains(&Node::text("null"));
        is_nullable |= has_null && allows_null;
        let values: Vec<_> = values
            .into_iter()
            .filter(|one| *one != Node::Null)
            .collect();
        if values.is_empty() {
            schema.insert("type", Node::text("null"));
        } else {
            schema.insert("enum", Node::List(values));
        }
    }
    if schema
        .get("default")
        .is_some_and(|default| !may_have(&schema, default))
    {
        schema.remove("default");
    }
    let is_nullable = is_nullable || (schema.has("enum") && types.contains(&Node::text("null")));
    let schema = if is_nullable {
        allow_null(schema)
    } else {
        schema
    };
    let values = ["enum", "const", "dependentRequired"];
    if values
        .iter()
        .any(|keyword| schema.get(keyword).is_some_and(Node::has_null))
    {
        return Err("its schema lists a value with null inside, which TOML cannot hold".to_owned());
    }
    Ok(schema)
}

/// Formats that are not checked are for the model to read; those of programs say nothing.
fn renew_format(schema: &mut Map) {
    let Some(Node::Text(format)) = schema.remove("format") else {
        return;
    };
    match format.as_str() {
        "date" | "time" | "date-time" | "duration" | "email" | "idn-email" | "hostname"
        | "idn-hostname" | "ipv4" | "ipv6" | "uri" | "uri-reference" | "uri-template" | "iri"
        | "iri-reference" | "uuid" | "json-pointer" | "regex" => {
            schema.insert("format", Node::Text(format));
        }
        "int32" | "int64" | "float" | "double" | "byte" | "binary" | "password" | "string" | "" => {
        }
        other => add_to_description(schema, &format!("Format: {}.", short(other, MAX_EXAMPLE))),
    }
}

pub(super) fn add_to_description(schema: &mut Map, sentence: &str) {
    let text = match schema.text("description") {
        Some(text) if text.ends_with(['.', '…', '!', '?']) => format!("{text} {sentence}"),
        Some(text) => format!("{text}. {sentence}"),
        None => sentence.to_owned(),
    };
    schema.insert("description", Node::Text(text));
}
