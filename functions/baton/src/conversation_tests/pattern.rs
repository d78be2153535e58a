//! Patterns of JSON values: what a file expects of arguments, results and records.
//! Knows JSON; never what a value is about.

use std::fmt;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::mention::{spread, stands_in};

/// The deepest pattern: those of people have a handful of levels.
const MOST_LEVELS: usize = 32;

/// The keys by which a table is a pattern and not a value with members.
const KEYS: [&str; 7] = [
    "regex", "any", "exactly", "min", "max", "said_by", "found_by",
];

/// A pattern of a JSON value.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) enum Pattern {
    /// Any value at all.
    #[default]
    Any,
    /// This value and no other.
    Exactly(Value),
    /// An object with these members; it may have others.
    Members(Vec<(String, Pattern)>),
    /// A list of as many values, each of its pattern.
    Items(Vec<Pattern>),
    /// A text in which the regular expression finds something.
    Regex(Regex),
    /// A number within these bounds.
    Between(Option<f64>, Option<f64>),
    /// A value that stands in what was said or found before.
    From(Source),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The customer's words.
    Customer,
    /// The agents' words.
    Agents,
    /// Results of this tool.
    Tool(String),
}

/// What was said and found before.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pub(super) customer: String,
    pub(super) agents: String,
    /// Tools and their results.
    pub(super) results: Vec<(String, String)>,
}

impl Before {
    /// A tool had this result.
    pub(super) fn found(&mut self, tool: &str, result: &str) {
        self.results.push((tool.to_owned(), spread(result)));
    }

    fn has(&self, source: &Source, value: &Value) -> bool {
        match source {
            Source::Customer => stands_in(value, &self.customer),
            Source::Agents => stands_in(value, &self.agents),
            Source::Tool(name) => {
                let mut results = self.results.iter().filter(|(tool, _)| tool == name);
                results.any(|(_, result)| stands_in(value, result))
            }
        }
    }
}

impl TryFrom<toml::Value> for Pattern {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        Self::read(value, 0)
    }
}

impl Pattern {
    fn read(value: toml::Value, level: usize) -> Result<Self, String> {
        if level > MOST_LEVELS {
            return Err(format!("a pattern has {MOST_LEVELS} levels at most"));
        }
        match value {
            toml::Value::Table(table) => Self::of_table(table, level),
            toml::Value::Array(items) => {
                let items = items.into_iter().map(|item| Self::read(item, level + 1));
                Ok(Self::Items(items.collect::<Result<_, _>>()?))
            }
            plain @ (toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)) => Ok(Self::Exactly(json(plain)?)),
        }
    }

    fn of_table(mut table: toml::Table, level: usize) -> Result<Self, String> {
        let is = |keys: &[&str]| {
            !table.is_empty() && table.keys().all(|key| keys.contains(&key.as_str()))
        };
        if is(&["regex"]) {
            let Some(toml::Value::String(regex)) = table.remove("regex") else {
                return Err("regex of a pattern must be a text".to_owned());
            };
            return Ok(Self::Regex(compile(&regex)?));
        }
        if is(&["any"]) {
            return match table.remove("any") {
                Some(toml::Value::Boolean(true)) => Ok(Self::Any),
                _ => Err("any of a pattern must be true".to_owned()),
            };
        }
        if is(&["exactly"]) {
            let exactly = table.remove("exactly").map(json).transpose()?;
            return Ok(Self::Exactly(exactly.unwrap_or_default()));
        }
        if is(&["min", "max"]) {
            let bound = |key| table.get(key).map(number).transpose();
            return Ok(Self::Between(bound("min")?, bound("max")?));
        }
        if is(&["said_by"]) {
            return match table.remove("said_by") {
                Some(toml::Value::String(who)) if who == "customer" => {
                    Ok(Self::From(Source::Customer))
                }
                Some(toml::Value::String(who)) if who == "agents" => Ok(Self::From(Source::Agents)),
                _ => Err("said_by of a pattern must be \"customer\" or \"agents\"".to_owned()),
            };
        }
        if is(&["found_by"]) {
            return match table.remove("found_by") {
                Some(toml::Value::String(tool)) => Ok(Self::From(Source::Tool(tool))),
                _ => Err("found_by of a pattern must be the name of a tool".to_owned()),
            };
        }
        if let Some(key) = table.keys().find(|key| KEYS.contains(&key.as_str())) {
            return Err(format!(
                "a pattern with {key} cannot have other keys beside it; a value with such a member is {{ exactly = {{ … }} }}"
            ));
        }
        Self::members(table, level)
    }

    fn members(table: toml::Table, level: usize) -> Result<Self, String> {
        let members = table.into_iter().map(|(name, value)| {
            let pattern = Self::read(value, level + 1)?;
            Ok::<_, String>((name, pattern))
        });
        Ok(Self::Members(members.collect::<Result<_, _>>()?))
    }

    /// Of the arguments of a call: a table of them, in which `min` is an argument of this name. All arguments together are a pattern
    /// only by `any` or `exactly`.
    pub(super) fn of_arguments(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Table(table)
                if table.len() == 1
                    && ["any", "exactly"]
                        .iter()
                        .any(|key| table.contains_key(*key)) =>
            {
                Self::of_table(table, 0)
            }
            toml::Value::Table(table) => Self::members(table, 0),
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_) => {
                Err("arguments must be a table of the tool's arguments".to_owned())
            }
        }
    }

    /// The names of the members that it asks for.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Members(members) => members.iter().map(|(name, _)| name.as_str()).collect(),
            Self::Exactly(Value::Object(members)) => members.keys().map(String::as_str).collect(),
            Self::Any
            | Self::Exactly(_)
            | Self::Items(_)
            | Self::Regex(_)
            | Self::Between(..)
            | Self::From(_) => Vec::new(),
        }
    }

    /// Whether the value is of this pattern.
    pub(super) fn fits(&self, value: &Value, before: &Before) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => equal(expected, value),
            Self::Members(members) => value.as_object().is_some_and(|object| {
                let mut members = members.iter();
                members.all(|(name, pattern)| {
                    object.get(name).is_some_and(|it| pattern.fits(it, before))
                })
            }),
            Self::Items(items) => value.as_array().is_some_and(|values| {
                values.len() == items.len()
                    && items
                        .iter()
                        .zip(values)
                        .all(|(item, value)| item.fits(value, before))
            }),
            Self::From(source) => before.has(source, value),
            Self::Regex(regex) => value.as_str().is_some_and(|text| regex.is_match(text)),
            Self::Between(min, max) => value.as_f64().is_some_and(|number| {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }),
        }
    }

    /// Where its values must come from.
    pub(super) fn sources(&self) -> Vec<&Source> {
        match self {
            Self::From(source) => vec![source],
            Self::Members(members) => {
                let members = members.iter();
                members.flat_map(|(_, pattern)| pattern.sources()).collect()
            }
            Self::Items(items) => items.iter().flat_map(Self::sources).collect(),
            Self::Any | Self::Exactly(_) | Self::Regex(_) | Self::Between(..) => Vec::new(),
        }
    }

    /// Whether every value is of this pattern.
    pub(super) fn is_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Members(members) => members.is_empty(),
            Self::Exactly(_)
            | Self::Items(_)
            | Self::Regex(_)
            | Self::Between(..)
            | Self::From(_) => false,
        }
    }
}

/// As a person reads it in a sentence.
impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |out: &mut fmt::Formatter<'_>, parts: Vec<String>| out.write_str(&parts.join(", "));
        match self {
            Self::Any => out.write_str("anything"),
            Self::Exactly(value) => write!(out, "{value}"),
            Self::Regex(regex) => write!(out, "/{regex}/"),
            Self::Between(Some(min), Some(max)) => write!(out, "from {min} to {max}"),
            Self::Between(Some(min), None) => write!(out, "at least {min}"),
            Self::Between(None, Some(max)) => write!(out, "at most {max}"),
            Self::From(Source::Customer) => out.write_str("said by the customer"),
            Self::From(Source::Agents) => out.write_str("said by the agents"),
            Self::From(Source::Tool(tool)) => write!(out, "found by {tool}"),
            Self::Between(None, None) => out.write_str("a number"),
            Self::Items(items) => {
                out.write_str("[")?;
                list(out, items.iter().map(ToString::to_string).collect())?;
                out.write_str("]")
            }
            Self::Members(members) => {
                let member = |(name, pattern): &(String, Pattern)| format!("{name}: {pattern}");
                out.write_str("{")?;
                list(out, members.iter().map(member).collect())?;
                out.write_str("}")
            }
        }
    }
}

/// A regular expression of a file. The crate runs in linear time, and bounds what an expression takes.
pub(super) fn compile(regex: &str) -> Result<Regex, String> {
    Regex::new(regex).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim();
        let reason = reason.trim_start_matches("error: ");
        format!("the regular expression {regex:?} cannot be used: {reason}")
    })
}

/// A value of a file as JSON.
pub(super) fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} is a number that JSON does not have"))?,
        toml::Value::Boolean(is) => Value::Bool(is),
        toml::Value::Datetime(when) => Value::String(when.to_string()),
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let members = table
                .into_iter()
                .map(|(name, value)| Ok((name, json(value)?)));
            Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

fn number(value: &toml::Value) -> Result<f64, String> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound above 2^53 is a slip of the pen"
    )]
    let whole = value.as_integer().map(|number| number as f64);
    let number = whole.or(value.as_float());
    number.ok_or_else(|| "min and max of a pattern must be numbers".to_owned())
}

/// Equal as JSON: 1 and 1.0 are one number, and the order of members does not count.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one_number), Value::Number(other_number)) => {
            one_number == other_number || one_number.as_f64() == other_number.as_f64()
        }
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(a, b)| equal(a, b))
        }
        (Value::Object(ones), Value::Object(others)) => {
            let mut members = ones.iter();
            ones.len() == others.len()
                && members.all(|(name, a)| others.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pattern(text: &str) -> Result<Pattern, String> {
        let mut table: toml::Table = toml::from_str(&format!("p = {text}")).unwrap();
        Pattern::try_from(table.remove("p").unwrap())
    }

    #[test]
    fn a_value_fits_its_pattern_and_no_other() {
        let before = Before {
            customer: "My Unicycle broke".to_owned(),
            agents: "It costs $12,345.".to_owned(),
            results: vec![("find".to_owned(), r#"{"id":"item_7"}"#.to_owned())],
        };
        for (text, fits, other) in [
            ("1", json!(1.0), json!("1")),
            (r#""a""#, json!("a"), json!("ab")),
            (
                r#"{ regex = "(?i)uni" }"#,
                json!("Unicycle"),
                json!("cycle"),
            ),
            ("{ any = true }", json!(null), json!(null)),
            ("{ min = 1, max = 2 }", json!(1.5), json!(2.1)),
            ("{ max = 2 }", json!(-3), json!("1")),
            ("{ a = 1 }", json!({"a": 1, "b": 2}), json!({"b": 2})),
            ("{ a = { min = 2 } }", json!({"a": 2}), json!({"a": 1})),
            (
                "{ exactly = { a = 1 } }",
                json!({"a": 1}),
                json!({"a": 1, "b": 2}),
            ),
            (
                r#"{ said_by = "customer" }"#,
                json!("unicycle"),
                json!("anvil"),
            ),
            (r#"{ said_by = "agents" }"#, json!(12345), json!(345)),
            (r#"{ said_by = "agents" }"#, json!(12_345.0), json!("")),
            (r#"{ found_by = "find" }"#, json!("item_7"), json!("item_8")),
            ("[1, { any = true }]", json!([1, "x"]), json!([1])),
        ] {
            let pattern = pattern(text).unwrap();
            assert!(pattern.fits(&fits, &before), "{text} and {fits}");
            let is_any = pattern.is_any();
            assert_eq!(pattern.fits(&other, &before), is_any, "{text} and {other}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_a_mistake() {
        for (text, sentence) in [
            (
                r#"{ regex = "(" }"#,
                r#"the regular expression "(" cannot be used: unclosed group"#,
            ),
            ("{ regex = 1 }", "regex of a pattern must be a text"),
            ("{ any = false }", "any of a pattern must be true"),
            (
                r#"{ min = "1" }"#,
                "min and max of a pattern must be numbers",
            ),
            (
                r#"{ said_by = "me" }"#,
                r#"said_by of a pattern must be "customer" or "agents""#,
            ),
            (
                "{ min = 1, maximum = 2 }",
                "a pattern with min cannot have other keys beside it; a value with such a member is { exactly = { … } }",
            ),
            ("{ a = inf }", "inf is a number that JSON does not have"),
        ] {
            assert_eq!(pattern(text).unwrap_err(), sentence);
        }
    }
}
