//! A schema of a document as JSON Schema 2020-12 without references: what a reference leads to stands in its place.
//! A part that cannot be said is left out where a call may do without it, and refuses the operation elsewhere.

use super::dialect::{self, Place, place_of};
use super::document::{Document, Version};
use super::node::{Map, Node};

/// A model reads all of them in each request.
const MAX_PARTS: usize = 1_000;

/// Two levels of a table each, and a reader of TOML bounds those.
const MAX_DEPTH: usize = 24;

/// Why a schema cannot be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// What holds this part may do without it.
    Part(String),
    /// The whole is too large: leaving this part out would leave out another one with the next edition of the document.
    Whole(String),
}

impl Unfit {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Part(reason) | Self::Whole(reason) => reason,
        }
    }
}

pub(super) struct Schemas<'a> {
    document: &'a Document,
    /// The references that are being followed.
    open: Vec<&'a str>,
    parts: usize,
    depth: usize,
    /// What was left out, and why.
    pub(super) left_out: Vec<String>,
    /// Names of members that only an answer has.
    pub(super) read_only: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            open: Vec::new(),
            parts: 0,
            depth: 0,
            left_out: Vec::new(),
            read_only: Vec::new(),
        }
    }

    /// `at`: the name of the schema for people, empty for a whole body.
    pub(super) fn convert(&mut self, node: &'a Node, at: &str) -> Result<Map, Unfit> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Unfit::Whole(format!(
                "its arguments have more than {MAX_PARTS} schemas, which no model should read"
            )));
        }
        if self.depth >= MAX_DEPTH {
            return Err(Unfit::Part(format!(
                "its schema has more than {MAX_DEPTH} schemas inside of each other"
            )));
        }
        self.depth += 1;
        let converted = match node {
            Node::Map(map) => match map.text("$ref") {
                Some(reference) => self.referred(reference, map, at),
                None => self.object(map, at),
            },
            Node::Bool(true) => Ok(Map::default()),
            Node::Bool(false) => Ok([("not".to_owned(), Node::Map(Map::default()))]
                .into_iter()
                .collect()),
            Node::Null | Node::Integer(_) | Node::Float(_) | Node::Text(_) | Node::List(_) => {
                Err(Unfit::Part("it has a schema that is no object".to_owned()))
            }
        };
        self.depth -= 1;
        converted
    }

    fn referred(&mut self, reference: &'a str, map: &'a Map, at: &str) -> Result<Map, Unfit> {
        if self.open.contains(&reference) {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return Err(Unfit::Part(format!("the schema {name:?} contains itself")));
        }
        let target = self.document.find(reference).map_err(Unfit::Part)?;
        self.open.push(reference);
        let converted = self.convert(target, at);
        self.open.pop();
        let mut converted = converted?;
        // Before 3.1 what stands beside a reference says nothing, but a description does no harm.
        let beside = match self.document.version {
            Version::V30 => map
                .text("description")
                .map_or_else(Map::default, dialect::described),
            Version::V31 => self.object(map, at)?,
        };
        let says_the_same = |name: &str| converted.has(name) && !dialect::is_annotation(name);
        if beside.iter().any(|(name, _)| says_the_same(name)) {
            let both = vec![Node::Map(converted), Node::Map(beside)];
            return Ok([("allOf".to_owned(), Node::List(both))]
                .into_iter()
                .collect());
        }
        for (name, value) in beside {
            converted.insert(name, value);
        }
        Ok(converted)
    }

    fn object(&mut self, map: &'a Map, at: &str) -> Result<Map, Unfit> {
        let mut converted = Map::default();
        let mut dropped = Vec::new();
        for (keyword, value) in map.iter() {
            match (place_of(keyword), value) {
                (Place::Reference, _) => {
                    let what = format!("its schema has {keyword}, which cannot be resolved here");
                    return Err(Unfit::Part(what));
                }
                (Place::Value, value) => {
                    if let Some(value) = dialect::value(keyword, value) {
                        converted.insert(keyword, value);
                    }
                }
                (Place::Members, Node::Map(members)) => {
                    let members = self.members(map, members, at, &mut dropped)?;
                    converted.insert(keyword, Node::Map(members));
                }
                (Place::ByName, Node::Map(named)) => {
                    let mut all = Map::default();
                    for (name, schema) in named.iter() {
                        all.insert(name, Node::Map(self.convert(schema, at)?));
                    }
                    converted.insert(keyword, Node::Map(all));
                }
                (Place::One, Node::List(list)) if keyword == "items" => {
                    converted.insert("prefixItems", self.all(list, at)?);
                }
                (Place::One, Node::Bool(_)) => converted.insert(keyword, value.clone()),
                (Place::One, Node::Map(_)) => {
                    let schema = self.convert(value, &inside(at, "[]", keyword))?;
                    converted.insert(keyword, Node::Map(schema));
                }
                (Place::All, Node::List(list)) => {
                    converted.insert(keyword, self.all(list, at)?);
                }
                (Place::Any, Node::List(list)) => {
                    converted.insert(keyword, self.alternatives(list, at)?);
                }
                // No keyword, or one with a value that it cannot have.
                (
                    Place::Nothing
                    | Place::Members
                    | Place::ByName
                    | Place::One
                    | Place::All
                    | Place::Any,
                    _,
                ) => {}
            }
        }
        if let Some(Node::List(required)) = converted.remove("required") {
            let is_asked = |name: &Node| !dropped.iter().any(|gone| name.as_text() == Some(gone));
            let required: Vec<_> = required.into_iter().filter(is_asked).collect();
            if !required.is_empty() {
                converted.insert("required", Node::List(required));
            }
        }
        self.read_only.append(&mut dropped);
        dialect::renew(converted, map).map_err(Unfit::Part)
    }

    /// The members of an object without those that only an answer has, and without optional ones that cannot be said.
    fn members(
        &mut self,
        schema: &'a Map,
        members: &'a Map,
        at: &str,
        read_only: &mut Vec<String>,
    ) -> Result<Map, Unfit> {
        let mut converted = Map::default();
        for (name, member) in members.iter() {
            if self.is_read_only(member) {
                read_only.push(name.to_owned());
                continue;
            }
            let at = inside(at, &format!(".{name}"), "");
            match self.convert(member, &at) {
                Ok(member) => converted.insert(name, Node::Map(member)),
                Err(Unfit::Part(reason)) if !schema.lists("required", name) => {
                    self.left_out.push(format!("`{at}`: {reason}"));
                }
                Err(unfit) => return Err(unfit),
            }
        }
        Ok(converted)
    }

    fn is_read_only(&self, member: &Node) -> bool {
        let says_so = |map: &Map| map.is_true("readOnly");
        member.as_map().is_some_and(says_so) || self.document.follow(member).is_ok_and(says_so)
    }

    fn all(&mut self, list: &'a [Node], at: &str) -> Result<Node, Unfit> {
        let converted = list.iter().map(|one| Ok(Node::Map(self.convert(one, at)?)));
        Ok(Node::List(converted.collect::<Result<_, _>>()?))
    }

    /// One alternative less is a narrower schema, so a call that fits it fits the service.
    fn alternatives(&mut self, list: &'a [Node], at: &str) -> Result<Node, Unfit> {
        let mut fit = Vec::new();
        let mut unfit = Vec::new();
        for one in list {
            match self.convert(one, at) {
                Ok(one) => fit.push(Node::Map(one)),
                Err(Unfit::Part(reason)) => unfit.push(reason),
                Err(whole @ Unfit::Whole(_)) => return Err(whole),
            }
        }
        if fit.is_empty() {
            let first = unfit.into_iter().next();
            return Err(Unfit::Part(first.unwrap_or_else(|| {
                "it has a schema without an alternative".to_owned()
            })));
        }
        let of = if at.is_empty() { "the body" } else { at };
        let unfit = unfit.iter();
        self.left_out
            .extend(unfit.map(|reason| format!("an alternative of `{of}`: {reason}")));
        Ok(Node::List(fit))
    }
}

/// The name of a part for people.
fn inside(at: &str, step: &str, keyword: &str) -> String {
    let step = match keyword {
        "" | "items" => step,
        "additionalProperties" => ".*",
        _ => "",
    };
    format!("{at}{step}").trim_start_matches('.').to_owned()
}
