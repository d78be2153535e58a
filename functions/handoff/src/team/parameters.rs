//! The parameters of a tool: from the tables of the file to the JSON Schema of all arguments, and the questions of its
//! declaration.
//! Knows schemas only; never the tool's effect. Compiling the schema checks the schema itself.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value, json};
use toml::{Spanned, Table};

use super::Files;
use super::instructions::read;
use super::mistake::{Located, Mistake};
use super::schema::{Schema, usual};

/// How deep a schema is followed to find the types of a parameter: a reference may lead anywhere in it.
const MAX_REFERENCES: usize = 6;

/// How many schemas are looked through for those of items.
const MAX_FORMS: usize = 50;

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The schema of a tool's arguments, with the questions of its declaration.
pub(super) struct Parameters {
    pub(super) schema: Schema,
    pub(super) defaults: Map<String, Value>,
}

impl Parameters {
    pub(super) fn property(&self, name: &str) -> Option<&Value> {
        self.schema.document().get("properties")?.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let properties = self.schema.document().get("properties");
        properties
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
    }

    /// The first of these types of JSON that the parameter's schema allows by name, worded for a sentence. A schema without a
    /// type is checked at the call.
    pub(super) fn may_be(&self, name: &str, types: &[&'static str]) -> Option<&'static str> {
        self.allowed(self.property(name)?, types)
    }

    /// The same of the items of the parameter, where it may be a list.
    pub(super) fn items_may_be(&self, name: &str, types: &[&'static str]) -> Option<&'static str> {
        let mut forms = vec![self.property(name)?];
        let mut found = None;
        for _ in 0..MAX_FORMS {
            let Some(form) = forms.pop() else { break };
            forms.extend(self.forms(form));
            let items = form.get("items");
            found = found.or_else(|| self.allowed(items?, types));
        }
        found
    }

    fn allowed(&self, schema: &Value, types: &[&'static str]) -> Option<&'static str> {
        let allowed = |wanted: &&&str| self.allows(schema, wanted, MAX_REFERENCES);
        types.iter().find(allowed).map(|found| match *found {
            "array" => "an array",
            "object" => "an object",
            other => other,
        })
    }

    /// The schemas that a schema consists of, or refers to.
    fn forms<'a>(&'a self, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
        let parts = ["anyOf", "oneOf"].into_iter().flat_map(|key| {
            let parts = schema.get(key).and_then(Value::as_array);
            parts.into_iter().flatten()
        });
        let reference = schema.get("$ref").and_then(Value::as_str);
        let referred = reference
            .and_then(|reference| self.schema.document().pointer(reference.strip_prefix('#')?));
        parts.chain(referred)
    }

    fn allows(&self, schema: &Value, wanted: &str, references: usize) -> bool {
        let is_wanted = |found: &Value| found.as_str() == Some(wanted);
        match schema.get("type") {
            Some(Value::Array(types)) if types.iter().any(is_wanted) => {}
            Some(found) if is_wanted(found) => {}
            Some(_) => return false,
            // Without a type the parts decide; without those any type is allowed.
            None => {
                return references > 0
                    && self
                        .forms(schema)
                        .any(|part| self.allows(part, wanted, references - 1));
            }
        }
        // A list of values is narrower than its type.
        let values = schema.get("enum").and_then(Value::as_array);
        values.is_none_or(|values| values.iter().any(|value| type_of(value) == wanted))
    }

    /// Whether every checked call has this parameter.
    pub(super) fn is_always_there(&self, name: &str) -> bool {
        let required = self.schema.document().get("required");
        let required = required.and_then(Value::as_array);
        self.defaults.contains_key(name)
            || required.is_some_and(|names| names.iter().any(|n| n == name))
    }
}

/// `tool_at`: the place to report for a mistake in a tool without parameters.
pub(super) fn read_parameters(
    tool: &str,
    tool_at: &Range<usize>,
    short: Option<Spanned<BTreeMap<String, Spanned<Table>>>>,
    long: Option<Spanned<Table>>,
    file: Option<Spanned<String>>,
    files: Files<'_>,
) -> Result<Parameters, Located> {
    if let Some(file) = file {
        let at = file.span();
        if short.is_some() || long.is_some() {
            let sentence = format!(
                "tool {tool:?} has schema_file beside parameters or schema; the file alone describes all of its arguments"
            );
            return Err(Located::new(sentence, at));
        }
        let schema = serde_json::from_str(&read(files, &file)?).map_err(|error| {
            let sentence = format!("the file {:?} is not JSON: {error}", file.get_ref());
            Located::new(sentence, at.clone())
        })?;
        return check_schema(tool, schema).map_err(|mistake| mistake.at(at));
    }
    let (schema, at) = match (short, long) {
        (Some(_), Some(long)) => {
            let name = tool.to_owned();
            return Err(Mistake::ParametersAndSchema { name }.at(long.span()));
        }
        (None, Some(long)) => {
            let at = long.span();
            (to_json(tool, long.into_inner().into()), at)
        }
        (Some(short), None) => {
            let at = short.span();
            (Ok(from_short_form(tool, short.into_inner())?), at)
        }
        (None, None) => (Ok(from_short_form(tool, BTreeMap::new())?), tool_at.clone()),
    };
    schema
        .and_then(|schema| check_schema(tool, schema))
        .map_err(|mistake| mistake.at(at))
}

/// Each parameter is required unless it is `optional` or has a default; others are refused.
fn from_short_form(tool: &str, short: BTreeMap<String, Spanned<Table>>) -> Result<Value, Located> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (parameter, table) in short {
        let at = table.span();
        let mut table = table.into_inner();
        let optional = match table.remove("optional") {
            Some(toml::Value::Boolean(optional)) => optional,
            Some(_) => {
                let tool = tool.to_owned();
                return Err(Mistake::Optional { tool, parameter }.at(at));
            }
            None => table.contains_key("default"),
        };
        let schema =
            to_json(tool, toml::Value::Table(table)).map_err(|mistake| mistake.at(at.clone()))?;
        if !optional {
            required.push(parameter.clone());
        }
        properties.insert(parameter, schema);
    }
    Ok(json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

fn check_schema(tool: &str, schema: Value) -> Result<Parameters, Mistake> {
    let schema = usual(schema);
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Mistake::NotAnObjectSchema {
            tool: tool.to_owned(),
        });
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let defaults = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    Ok(Parameters {
        schema: Schema::new(schema),
        defaults,
    })
}

fn to_json(tool: &str, value: toml::Value) -> Result<Value, Mistake> {
    let not_json = |what| Mistake::NotJson {
        tool: tool.to_owned(),
        what,
    };
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Float(number) => {
            let number = serde_json::Number::from_f64(number);
            Value::Number(number.ok_or_else(|| not_json("an infinite number or nan"))?)
        }
        toml::Value::Datetime(_) => return Err(not_json("a date or time without quotes")),
        toml::Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| to_json(tool, item))
                .collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(table) => {
            let mut members = Map::new();
            for (key, value) in table {
                members.insert(key, to_json(tool, value)?);
            }
            Value::Object(members)
        }
    })
}
