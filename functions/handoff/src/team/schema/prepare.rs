//! A schema before it is compiled: what it may be, what in it means less than it seems to, and how much one value can cost. Knows
//! the shape of schemas; never what fits them.

use std::collections::{BTreeMap, HashMap};

use jsonschema::Draft;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::circle::{Graph, cost};
use super::keywords::{About, HOLDERS, Holds, TYPES, likely_meant};
use super::pattern::needs_backtracking;
use super::{Problem, Remark, options, pointer, shown, tokens};

/// Schemas in one schema: more than any tool has parameters.
const MAX_SCHEMAS: usize = 10_000;

/// Steps from the top of a schema to one inside of it. Team files are not deeper either.
const MAX_STEPS: usize = 256;

/// A schema that can be compiled, and what is known of it.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Without the patterns that are not checked.
    pub(super) document: Value,
    /// Pointers to all schemas in it.
    pub(super) places: Vec<String>,
    /// The most schemas inside of each other that are asked of one value.
    pub(super) chain: u64,
    /// The most schemas that are asked of one value.
    pub(super) weight: u64,
    pub(super) remarks: Vec<Remark>,
}

pub(super) fn prepare(mut document: Value) -> Result<Prepared, Problem> {
    let mut walk = Walk {
        draft: draft(&document),
        graph: BTreeMap::new(),
        anchors: HashMap::new(),
        references: Vec::new(),
        remarks: Vec::new(),
    };
    walk.schema(&mut document, &mut Vec::new())?;
    let mut followed = 0;
    while let Some(reference) = walk.references.get(followed).cloned() {
        followed += 1;
        walk.follow(&reference, &mut document)?;
    }
    let (chain, weight) = cost(&walk.graph)?;
    Ok(Prepared {
        document,
        places: walk.graph.into_keys().collect(),
        chain,
        weight,
        remarks: walk.remarks,
    })
}

/// The draft whose formats are known. A wrong one is the crate's to refuse.
fn draft(document: &Value) -> Draft {
    let named = document.get("$schema").and_then(Value::as_str);
    match named.map(|uri| uri.trim_end_matches('#')) {
        Some("http://json-schema.org/draft-04/schema") => Draft::Draft4,
        Some("http://json-schema.org/draft-06/schema") => Draft::Draft6,
        Some("http://json-schema.org/draft-07/schema") => Draft::Draft7,
        Some("https://json-schema.org/draft/2019-09/schema") => Draft::Draft201909,
        Some(_) | None => Draft::Draft202012,
    }
}

/// A reference from the schema at a pointer to the same value's schema elsewhere.
#[derive(Clone)]
struct Reference {
    from: Vec<String>,
    to: String,
}

struct Walk {
    draft: Draft,
    graph: Graph,
    anchors: HashMap<String, String>,
    references: Vec<Reference>,
    remarks: Vec<Remark>,
}

impl Walk {
    fn schema(&mut self, schema: &mut Value, place: &mut Vec<String>) -> Result<(), Problem> {
        if place.len() > MAX_STEPS {
            return Err(Problem::whole(
                place,
                format!("it is deeper than {MAX_STEPS} steps"),
            ));
        }
        if self.graph.len() >= MAX_SCHEMAS {
            return Err(Problem::whole(
                place,
                format!("it has more than {MAX_SCHEMAS} schemas"),
            ));
        }
        let known = self.graph.insert(pointer(place), Vec::new());
        if let Some(same) = known {
            self.graph.insert(pointer(place), same);
            return Ok(());
        }
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(members) => self.members(members, place),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::here(place, "must be a schema"))
            }
        }
    }

    fn members(
        &mut self,
        members: &mut Map<String, Value>,
        place: &mut Vec<String>,
    ) -> Result<(), Problem> {
        if !place.is_empty() && members.get("$id").is_some_and(Value::is_string) {
            let what = "is a schema with an address of its own, and references lead to places of one schema only";
            return Err(Problem::here(place, what));
        }
        known_types(members, place)?;
        self.names(members, place)?;
        self.patterns(members, place);
        for name in members.keys() {
            if let Some(meant) = likely_meant(name) {
                self.remark(place, &[name], |shown| {
                    format!("{shown} is not a keyword, so it is ignored; `{meant}` is one")
                });
            }
        }
        let format = members.get("format").and_then(Value::as_str);
        if let Some(name) = format.filter(|name| !options().is_known_format(self.draft, name)) {
            self.remark(place, &["format"], |shown| {
                format!("{shown} is {name:?}, which is not known here, so it is not checked")
            });
        }
        for (keyword, holds, about) in HOLDERS {
            if let Some(value) = members.get_mut(keyword) {
                place.push(keyword.to_owned());
                self.held(value, holds, about, place)?;
                place.pop();
            }
        }
        Ok(())
    }

    fn remark(&mut self, place: &[String], further: &[&str], what: impl FnOnce(&str) -> String) {
        let mut place = place.to_vec();
        place.extend(further.iter().map(|token| (*token).to_owned()));
        let what = what(&shown(&place));
        self.remarks.push(Remark { place, what });
    }

    /// What a schema is called, and what it calls others.
    fn names(&mut self, members: &Map<String, Value>, place: &[String]) -> Result<(), Problem> {
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = members.get(keyword).and_then(Value::as_str) {
                self.anchors.insert(name.to_owned(), pointer(place));
            }
        }
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = members.get(keyword).and_then(Value::as_str) else {
                continue;
            };
            let Some(fragment) = reference.strip_prefix('#') else {
                return Err(Problem::whole(
                    place,
                    format!(
                        "it refers to {reference}, and schemas outside of this file are not loaded"
                    ),
                ));
            };
            self.references.push(Reference {
                from: place.to_vec(),
                to: percent_decode_str(fragment)
                    .decode_utf8_lossy()
                    .into_owned(),
            });
        }
        Ok(())
    }

    /// A pattern that cannot be matched in linear time says something to people only.
    fn patterns(&mut self, members: &mut Map<String, Value>, place: &[String]) {
        let ignored = |shown: &str| {
            format!(
                "{shown} looks around or back, which takes for ever on some texts, so it is not checked"
            )
        };
        let pattern = members.get("pattern").and_then(Value::as_str);
        if pattern.is_some_and(needs_backtracking) {
            members.remove("pattern");
            self.remark(place, &["pattern"], ignored);
        }
        let Some(Value::Object(patterns)) = members.get_mut("patternProperties") else {
            return;
        };
        let unchecked: Vec<_> = patterns
            .keys()
            .filter(|pattern| needs_backtracking(pattern))
            .cloned()
            .collect();
        if unchecked.is_empty() {
            return;
        }
        for pattern in unchecked {
            patterns.remove(&pattern);
            self.remark(place, &["patternProperties", &pattern], ignored);
        }
        // A member with such a name is not an unknown one, as far as is known.
        members.remove("additionalProperties");
        members.remove("unevaluatedProperties");
    }

    fn held(
        &mut self,
        value: &mut Value,
        holds: Holds,
        about: About,
        place: &mut Vec<String>,
    ) -> Result<(), Problem> {
        match (value, holds) {
            (Value::Array(schemas), Holds::List | Holds::OneOrList) => {
                for (index, schema) in schemas.iter_mut().enumerate() {
                    self.inside(index.to_string(), schema, about, place, 2)?;
                }
            }
            (Value::Object(schemas), Holds::Map) => {
                for (name, schema) in schemas {
                    // `dependencies` holds lists of names beside schemas.
                    if !(place.last().is_some_and(|last| last == "dependencies")
                        && schema.is_array())
                    {
                        self.inside(name.clone(), schema, about, place, 2)?;
                    }
                }
            }
            (schema, Holds::One | Holds::OneOrList) => {
                self.asked(about, place, 1);
                self.schema(schema, place)?;
            }
            // The crate says what it must be.
            (_, Holds::List | Holds::Map) => {}
        }
        Ok(())
    }

    fn inside(
        &mut self,
        token: String,
        schema: &mut Value,
        about: About,
        place: &mut Vec<String>,
        up: usize,
    ) -> Result<(), Problem> {
        place.push(token);
        self.asked(about, place, up);
        self.schema(schema, place)?;
        place.pop();
        Ok(())
    }

    /// Notes that the schema at a place is asked of the same value as the one so many steps above it.
    fn asked(&mut self, about: About, place: &[String], up: usize) {
        if about == About::Same {
            let above = place.get(..place.len().saturating_sub(up)).unwrap_or(&[]);
            let same = self.graph.entry(pointer(above)).or_default();
            same.push(pointer(place));
        }
    }

    fn follow(&mut self, reference: &Reference, document: &mut Value) -> Result<(), Problem> {
        let to = match self.anchors.get(&reference.to) {
            Some(anchored) => anchored.clone(),
            None if reference.to.is_empty() || reference.to.starts_with('/') => {
                reference.to.clone()
            }
            None => {
                return Err(Problem::whole(
                    &reference.from,
                    format!("it refers to #{}, and nothing has that name", reference.to),
                ));
            }
        };
        let mut place: Vec<String> = tokens(&to).collect();
        if !self.graph.contains_key(&to) {
            let schema = document.pointer_mut(&to).ok_or_else(|| {
                Problem::whole(
                    &reference.from,
                    format!("it has nothing at {}", shown(&place)),
                )
            })?;
            self.schema(schema, &mut place)?;
        }
        let same = self.graph.entry(pointer(&reference.from)).or_default();
        same.push(pointer(&place));
        Ok(())
    }
}

/// The crate says only that such a type is none of its list.
fn known_types(members: &Map<String, Value>, place: &[String]) -> Result<(), Problem> {
    let names = match members.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name) => std::slice::from_ref(name),
        None => &[],
    };
    let mut place = place.to_vec();
    place.push("type".to_owned());
    if names.is_empty() && members.contains_key("type") {
        return Err(Problem::here(&place, "must be a type or a list of types"));
    }
    for name in names {
        match name.as_str() {
            Some(name) if TYPES.contains(&name) => {}
            Some(name) => {
                let known = TYPES.join(", ");
                return Err(Problem::here(
                    &place,
                    format!("is {name:?}, which is none of {known}"),
                ));
            }
            None => return Err(Problem::here(&place, "must be a type or a list of types")),
        }
    }
    Ok(())
}
