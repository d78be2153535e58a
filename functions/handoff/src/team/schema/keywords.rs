//! The keywords of one schema and what their values must be. Knows how to say where a mistake is; never what keywords mean.

use serde_json::{Map, Number, Value};

use super::Kind;
use crate::team::arguments::canonical;

/// Say something to people and to models, and nothing about what fits.
const REMARKS: [&str; 8] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// The keywords of one schema, taken one by one.
pub(super) struct Keywords<'a> {
    /// Where they are: a pointer.
    place: &'a str,
    left: Map<String, Value>,
}

impl<'a> Keywords<'a> {
    pub(super) fn new(place: &'a str, left: Map<String, Value>) -> Self {
        Self { place, left }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    pub(super) fn pointer(&self, tokens: &[&str]) -> String {
        let mut pointer = self.place.to_owned();
        for token in tokens {
            pointer.push('/');
            pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        }
        pointer
    }

    pub(super) fn mistake(&self, name: &str, what: &str) -> String {
        format!("{} {what}", shown(&self.pointer(&[name])))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.mistake(name, "must be a string")),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.mistake(name, "must be true or false")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match canonical(value).as_number() {
            Some(number) => Ok(Some(number.clone())),
            None => Err(self.mistake(name, "must be a number")),
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match canonical(value).as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(self.mistake(name, "must be a whole number, 0 or more")),
        }
    }

    pub(super) fn names(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => strings(value)
                .map(Some)
                .ok_or_else(|| self.mistake(name, "must be a list of names")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.mistake(name, "must be an object")),
        }
    }

    pub(super) fn types(&mut self) -> Result<Option<Vec<Kind>>, String> {
        let Some(value) = self.take("type") else {
            return Ok(None);
        };
        let names = match value.as_str() {
            Some(name) => Some(vec![name.to_owned()]),
            None => strings(value).filter(|names| !names.is_empty()),
        };
        let names =
            names.ok_or_else(|| self.mistake("type", "must be a type or a list of types"))?;
        let kind = |name: &String| {
            Kind::named(name).ok_or_else(|| {
                let known = Kind::ALL.map(Kind::name).join(", ");
                self.mistake("type", &format!("is {name:?}, which is none of {known}"))
            })
        };
        names.iter().map(kind).collect::<Result<_, _>>().map(Some)
    }

    /// What is left must be remarks, or nobody would notice that a keyword is misspelt.
    pub(super) fn end(&self) -> Result<(), String> {
        let unknown = self
            .left
            .keys()
            .find(|name| !REMARKS.contains(&name.as_str()) && !name.starts_with("x-"));
        match unknown {
            None => Ok(()),
            Some(name) => Err(self.mistake(name, "is a keyword that is not known here")),
        }
    }
}

pub(super) fn strings(value: Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else {
        return None;
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    values.iter().map(text).collect()
}

/// A pointer the way that people write it: `properties.size`.
pub(super) fn shown(pointer: &str) -> String {
    let path = pointer.trim_start_matches('/').replace('/', ".");
    if path.is_empty() {
        "it".to_owned()
    } else {
        format!("`{}`", path.replace("~1", "/").replace("~0", "~"))
    }
}
