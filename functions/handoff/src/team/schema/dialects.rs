//! Schemas as other programs write them, in the words of JSON Schema; and as model services take them, which refuse what a model has
//! no use for.

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::keywords::{asked, holds_by_name, is_foreign};

/// Formats of OpenAPI. They say how a program keeps a value, which no argument breaks.
const FOREIGN_FORMATS: &str = "binary byte double float int32 int64 password";

/// Keywords that say nothing to a model, and that some service refuses.
const NOT_FOR_MODELS: &str = "$comment $id $schema";

/// The steps from the top to a schema of all arguments.
const MAX_REFERENCES: usize = 6;

pub(super) fn is_foreign_format(name: &str) -> bool {
    FOREIGN_FORMATS.split(' ').any(|known| known == name)
}

/// The schema of all arguments in the words of JSON Schema: an object at its top, `nullable` of OpenAPI as a type.
pub(in super::super) fn usual(mut document: Value) -> Value {
    resolve_top(&mut document, MAX_REFERENCES);
    if let Value::Object(members) = &mut document {
        // Another dialect is read as the newest draft: what it means by other words says nothing.
        if members.get("$schema").is_some_and(|name| {
            !name
                .as_str()
                .is_some_and(|name| name.contains("json-schema.org/"))
        }) {
            members.remove("$schema");
        }
        let is_object = match members.get("type") {
            None => true,
            // The arguments of a call are never null.
            Some(Value::Array(types)) => types.iter().any(|one| one == "object"),
            Some(_) => false,
        };
        if is_object {
            members.insert("type".to_owned(), json!("object"));
        }
    }
    each_schema(&mut document, true, &mut |members, is_top| {
        if !is_top {
            // An address inside of a schema, which nothing but itself refers to.
            members.remove("$id");
        }
        if members.remove("nullable") == Some(Value::Bool(true)) {
            allow_null(members);
        }
        // What is left out is not there: null says so where the schema does not know null.
        if members.get("default") == Some(&Value::Null) && !may_be_null(members) {
            members.remove("default");
        }
    });
    document
}

/// The schema as every model service takes it.
pub(super) fn for_model(document: &Value) -> Value {
    let mut document = document.clone();
    let is_old = Draft::default().detect(&document) != Draft::default();
    each_schema(&mut document, true, &mut |members, _| {
        members.retain(|keyword, _| {
            let is_ours = NOT_FOR_MODELS.split(' ').any(|known| known == keyword);
            !is_ours && !is_foreign(keyword)
        });
        let format = members.get("format").and_then(Value::as_str);
        if format.is_some_and(is_foreign_format) {
            members.remove("format");
        }
        if is_old {
            renew(members);
        }
    });
    document
}

/// Words of earlier drafts in those of the newest, which services check a schema by.
fn renew(members: &mut Map<String, Value>) {
    for (exclusive, limit) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        match members.get(exclusive) {
            Some(Value::Bool(true)) => {
                let limit = members.remove(limit);
                members.remove(exclusive);
                members.extend(limit.map(|limit| (exclusive.to_owned(), limit)));
            }
            Some(Value::Bool(false)) => {
                members.remove(exclusive);
            }
            Some(_) | None => {}
        }
    }
    if members.get("items").is_some_and(Value::is_array) {
        let first = members.remove("items");
        let others = members.remove("additionalItems");
        members.extend(first.map(|first| ("prefixItems".to_owned(), first)));
        members.extend(others.map(|others| ("items".to_owned(), others)));
    }
}

/// A schema that only refers to a part of itself, as zod-to-json-schema writes it, becomes that part.
fn resolve_top(document: &mut Value, references: usize) {
    let reference = document.get("$ref").and_then(Value::as_str);
    let target = reference
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer));
    if let Some(Value::Object(target)) = target.cloned()
        && references > 0
        && let Value::Object(members) = document
    {
        members.remove("$ref");
        for (keyword, value) in target {
            members.entry(keyword).or_insert(value);
        }
        resolve_top(document, references - 1);
    }
}

fn allow_null(members: &mut Map<String, Value>) {
    let null = json!({"type": "null"});
    if let Some(Value::Array(values)) = members.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match members.get_mut("type") {
        Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push(json!("null")),
        Some(one @ Value::String(_)) if one != "null" => *one = json!([one.take(), "null"]),
        Some(_) => {}
        None => {
            for keyword in ["anyOf", "oneOf"] {
                if let Some(Value::Array(forms)) = members.get_mut(keyword) {
                    forms.push(null);
                    return;
                }
            }
            for keyword in ["$ref", "allOf"] {
                if let Some(form) = members.remove(keyword) {
                    members.insert("anyOf".to_owned(), json!([{keyword: form}, null]));
                    return;
                }
            }
        }
    }
}

/// Whether null may fit: certain to be told where a type or values are named.
fn may_be_null(members: &Map<String, Value>) -> bool {
    let by_type = match members.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == "null"),
        Some(one) => one == "null",
        None => true,
    };
    let values = members.get("enum").and_then(Value::as_array);
    by_type && values.is_none_or(|values| values.contains(&Value::Null))
}

/// Visits the members of each schema in a schema, the inner ones first.
fn each_schema(
    schema: &mut Value,
    is_top: bool,
    visit: &mut impl FnMut(&mut Map<String, Value>, bool),
) {
    let Value::Object(members) = schema else {
        return;
    };
    for (keyword, value) in members.iter_mut() {
        if asked(keyword).is_none() {
            continue;
        }
        match value {
            Value::Object(named) if holds_by_name(keyword) => named
                .values_mut()
                .for_each(|inside| each_schema(inside, false, visit)),
            Value::Array(list) => list
                .iter_mut()
                .for_each(|inside| each_schema(inside, false, visit)),
            one @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => each_schema(one, false, visit),
        }
    }
    visit(members, is_top);
}
