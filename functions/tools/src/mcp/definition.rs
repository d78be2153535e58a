//! What a server says of one of its tools: the hash by which an operator agreed to it, and the arguments that it wants in headers.
//! Knows JSON only; never believes an annotation.

use std::collections::BTreeSet;

use baton_handoff::team::canonical;
use reqwest::header::{HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// The annotation of a parameter that a header repeats (specification 2026-07-28, Custom Headers from Tool Parameters).
const MIRRORED: &str = "x-mcp-header";

/// Numbers that a server in JavaScript reads exactly.
const SAFE: i64 = (1 << 53) - 1;

/// Schemas inside of each other that are looked through: JSON itself is read no deeper.
const DEEPEST: u32 = 128;

/// A tool as its server defines it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name at the server.
    pub name: String,
    /// What the server says to models; empty if nothing.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub schema: Value,
}

/// An argument that a header repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirrored {
    path: Vec<String>,
    header: HeaderName,
}

impl Definition {
    /// `None` if it has no name or no schema.
    pub(super) fn read(tool: &Value) -> Option<Self> {
        let text = |name: &str| tool.get(name).and_then(Value::as_str);
        Some(Self {
            name: text("name")?.to_owned(),
            description: text("description").unwrap_or_default().to_owned(),
            schema: tool.get("inputSchema").filter(|it| it.is_object())?.clone(),
        })
    }

    /// The hash that stands in a team file. Annotations, titles and icons are not in it: nothing is decided by them.
    pub fn pin(&self) -> String {
        let whole = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.schema,
        });
        let hash = digest(&SHA256, canonical(whole).to_string().as_bytes());
        let hex = hash.as_ref().iter();
        hex.fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
    }

    /// Why a client must not use the definition, a phrase that completes "it …".
    pub fn mistake(&self) -> Option<String> {
        self.mirrored().err()
    }

    /// The arguments that headers repeat. Err completes "it …": such a definition must not be used, whatever else it says.
    pub(super) fn mirrored(&self) -> Result<Vec<Mirrored>, String> {
        let mut mirrored = Vec::new();
        if let Value::Object(schema) = &self.schema {
            find(schema, true, &mut Vec::new(), DEEPEST, &mut mirrored)?;
        }
        let mut names = BTreeSet::new();
        match mirrored.iter().find(|it| !names.insert(it.header.as_str())) {
            Some(twice) => Err(format!("wants two arguments in header {}", twice.header)),
            None => Ok(mirrored),
        }
    }
}

/// `on_chain`: only `properties` lead from the root to this schema.
fn find(
    schema: &Map<String, Value>,
    on_chain: bool,
    path: &mut Vec<String>,
    depth: u32,
    found: &mut Vec<Mirrored>,
) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err("has a schema that is too deep".to_owned());
    };
    if let Some(annotation) = schema.get(MIRRORED) {
        if !on_chain || path.is_empty() {
            return Err(format!("has {MIRRORED} where no single argument stands"));
        }
        found.push(Mirrored {
            header: header(annotation, schema, path)?,
            path: path.clone(),
        });
    }
    for (key, value) in schema {
        let is_map = matches!(
            key.as_str(),
            "properties" | "$defs" | "definitions" | "dependentSchemas" | "patternProperties"
        );
        match value {
            // Data, in which the word would mean nothing.
            _ if matches!(key.as_str(), "default" | "const" | "enum" | "examples") => {}
            Value::Object(members) if is_map => {
                for (name, member) in members {
                    if let Value::Object(member) = member {
                        path.push(name.clone());
                        find(member, on_chain && key == "properties", path, depth, found)?;
                        path.pop();
                    }
                }
            }
            Value::Object(inner) => find(inner, false, path, depth, found)?,
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_object) {
                    find(item, false, path, depth, found)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

fn header(
    annotation: &Value,
    schema: &Map<String, Value>,
    path: &[String],
) -> Result<HeaderName, String> {
    let argument = path.join(".");
    let name = annotation.as_str().filter(|name| !name.is_empty());
    let header = name.and_then(|name| HeaderName::try_from(format!("mcp-param-{name}")).ok());
    let header =
        header.ok_or_else(|| format!("has an {MIRRORED} for {argument} that is no header name"))?;
    match schema.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => Ok(header),
        _ => Err(format!(
            "has {MIRRORED} for {argument}, which is no text, whole number or truth value"
        )),
    }
}

impl Mirrored {
    /// The header for these arguments; none where the argument is not there. Err completes "it was not called: …".
    pub(super) fn of(
        &self,
        arguments: &Value,
    ) -> Result<Option<(HeaderName, HeaderValue)>, String> {
        let value = self
            .path
            .iter()
            .try_fold(arguments, |at, name| at.get(name));
        let text = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(whole) if whole.abs() <= SAFE => whole.to_string(),
                _ => return Err(format!("a header cannot hold {}", self.path.join("."))),
            },
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(format!("a header cannot hold {}", self.path.join(".")));
            }
        };
        let value = plain_or_coded(&text)
            .ok_or_else(|| format!("a header cannot hold {}", self.path.join(".")))?;
        Ok(Some((self.header.clone(), value)))
    }
}

/// A text in a header: as it is, or in base64 where a header could not carry it as it is.
pub(super) fn plain_or_coded(text: &str) -> Option<HeaderValue> {
    use base64::Engine;
    let is_plain = text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let looks_coded = text.starts_with("=?base64?") && text.ends_with("?=");
    let mut value = if is_plain && text.trim() == text && !looks_coded {
        HeaderValue::try_from(text)
    } else {
        let coded = base64::prelude::BASE64_STANDARD.encode(text);
        HeaderValue::try_from(format!("=?base64?{coded}?="))
    }
    .ok()?;
    // A customer's data, which must not enter logs.
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(schema: Value) -> Definition {
        Definition {
            name: "find".to_owned(),
            description: "Finds.".to_owned(),
            schema,
        }
    }

    fn mirrored(properties: &Value) -> Result<Vec<Mirrored>, String> {
        definition(json!({"type": "object", "properties": properties})).mirrored()
    }

    #[test]
    fn a_pin_is_about_name_description_and_schema_and_not_about_their_order() {
        let read = |text: &str| Definition::read(&serde_json::from_str(text).unwrap()).unwrap();
        let pin =
            read(r#"{"name": "a", "description": "b", "inputSchema": {"type": "object", "x": 1}}"#)
                .pin();
        assert_eq!(
            pin,
            "sha256:64165b73706c7aace54d64ce92778975df7243763b6abdd0f173af9304e25409"
        );
        let same = r#"{"inputSchema": {"x": 1.0, "type": "object"}, "description": "b", "name": "a",
            "title": "T", "annotations": {"readOnlyHint": true}}"#;
        assert_eq!(read(same).pin(), pin);
        for other in [
            r#"{"name": "A", "description": "b", "inputSchema": {"type": "object", "x": 1}}"#,
            r#"{"name": "a", "description": "b.", "inputSchema": {"type": "object", "x": 1}}"#,
            r#"{"name": "a", "description": "b", "inputSchema": {"type": "object", "x": 2}}"#,
        ] {
            assert_ne!(read(other).pin(), pin, "{other}");
        }
    }

    #[test]
    fn an_argument_is_repeated_in_the_header_that_the_server_names() {
        let mirrored = mirrored(&json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "other": {"type": "string", "enum": [{"x-mcp-header": "data"}]},
        }))
        .unwrap();
        let headers = |arguments: Value| {
            let all = mirrored.iter().filter_map(|it| it.of(&arguments).unwrap());
            let mut all: Vec<_> = all
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            all.sort();
            all
        };
        assert_eq!(
            headers(json!({"region": "eu west", "deep": {"n": -7}})),
            ["mcp-param-n: -7", "mcp-param-region: eu west"]
        );
        assert!(headers(json!({"region": null, "deep": {}})).is_empty());
        for (text, header) in [
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            let header = format!("mcp-param-region: {header}");
            assert_eq!(headers(json!({"region": text})), [header], "{text}");
        }
        let large = json!({"deep": {"n": 9_007_199_254_740_993_i64}});
        assert!(mirrored.iter().any(|it| it.of(&large).is_err()));
    }

    #[test]
    fn a_definition_with_an_invalid_annotation_is_not_used() {
        for (properties, reason) in [
            (
                json!({"a": {"type": "string", "x-mcp-header": ""}}),
                "no header name",
            ),
            (
                json!({"a": {"type": "string", "x-mcp-header": "A B"}}),
                "no header name",
            ),
            (
                json!({"a": {"type": "string", "x-mcp-header": 7}}),
                "no header name",
            ),
            (
                json!({"a": {"type": "number", "x-mcp-header": "A"}}),
                "no text",
            ),
            (
                json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}),
                "where no single",
            ),
            (
                json!({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}),
                "where no single",
            ),
            (
                json!({
                    "a": {"type": "string", "x-mcp-header": "A"},
                    "b": {"type": "string", "x-mcp-header": "a"},
                }),
                "two arguments",
            ),
        ] {
            let found = mirrored(&properties).unwrap_err();
            assert!(found.contains(reason), "{properties}: {found}");
        }
        let root = definition(json!({"type": "object", "x-mcp-header": "A"}));
        assert!(root.mistake().is_some());
    }
}
