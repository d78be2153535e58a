//! JSON Schema of the arguments of a tool: a value that costs nothing until it is compiled, and its verdicts in words that a model
//! can act on.
//!
//! ```text
//! prepare (bounds, references, remarks) ─▶ compile (the crate `jsonschema`) ─▶ check ─▶ complaint (words)
//!     └─ keywords, pattern, circle                └─ explain (a second, shallow form: for words only)
//! ```
//!
//! What a schema means is the crate's business. Here is what the crate leaves open: nothing is loaded from outside, and neither a
//! schema nor arguments can make a check long or deep.

mod circle;
mod complaint;
mod explain;
mod keywords;
mod pattern;
mod prepare;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::{PatternOptions, ValidationError, ValidationOptions};
use serde_json::{Map, Value};

use super::canonical::canonical;
use complaint::Complaints;
use explain::Explainer;
use prepare::{Prepared, prepare};

/// A compiled pattern, in bytes. Matching takes as long as this times the text.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// Schemas that may be asked of one call. Alternatives inside of alternatives ask for more than any call is worth.
const MAX_VISITS: u64 = 20_000_000;

/// Schemas inside of each other that one call may lead to, each a few frames of the stack.
const MAX_DEPTH: u64 = 500;

/// A schema. Compiled when it is first needed, since that takes longer than all else at the start of a function.
pub(super) struct Schema {
    document: Value,
    compiled: OnceLock<Result<Compiled, Problem>>,
}

struct Compiled {
    verdict: jsonschema::Validator,
    explainer: Explainer,
    chain: u64,
    weight: u64,
}

/// What is wrong with a schema: one phrase, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The names and numbers that lead there from the top of the schema.
    pub(super) place: Vec<String>,
    pub(super) what: What,
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Goes on after the name of the place.
    Here(String),
    /// Says the place itself.
    Whole(String),
    /// The default of a top-level parameter does not fit: a complaint.
    Default(String),
}

/// Something in a schema that is allowed and means less than it seems to: what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) place: Vec<String>,
    pub(super) what: String,
}

impl Problem {
    fn here(place: &[String], what: impl Into<String>) -> Self {
        Self {
            place: place.to_vec(),
            what: What::Here(what.into()),
        }
    }

    fn whole(place: &[String], what: impl Into<String>) -> Self {
        Self {
            place: place.to_vec(),
            what: What::Whole(what.into()),
        }
    }

    /// The phrase for a reader who is at a place of the schema that is so many steps down.
    pub(super) fn phrase(&self, down: usize) -> String {
        match &self.what {
            What::Here(what) => format!("{} {what}", shown(self.place.get(down..).unwrap_or(&[]))),
            What::Whole(what) => what.clone(),
            What::Default(what) => {
                format!("the default of {} does not fit: {what}", shown(&self.place))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.phrase(0))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    pub(super) fn new(document: Value) -> Self {
        Self {
            // The words of a complaint must not depend on the order in which a build keeps members.
            document: canonical(document),
            compiled: OnceLock::new(),
        }
    }

    /// The schema as it was written, in canonical form.
    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// Compiles it, once, and checks the defaults of top-level parameters by it.
    pub(super) fn compile(&self, defaults: &Map<String, Value>) -> Result<(), &Problem> {
        let compiled = self.compiled.get_or_init(|| {
            let compiled = Compiled::new(&self.document)?;
            compiled.check_defaults(defaults)?;
            Ok(compiled)
        });
        compiled.as_ref().map(|_| ())
    }

    /// Whether it was to be compiled and could not be.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.compiled.get(), Some(Err(_)))
    }

    /// What is allowed in it and means less than it seems to. A schema that cannot be used has other troubles.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        prepare(self.document.clone()).map_or_else(|_| Vec::new(), |prepared| prepared.remarks)
    }

    /// Err is a phrase: up to three complaints about the parts of a canonical value (as arguments are), which is called `whole`.
    pub(super) fn check(&self, value: &Value, whole: &str) -> Result<(), String> {
        match self.compiled.get_or_init(|| Compiled::new(&self.document)) {
            Ok(compiled) => compiled.check(value, whole),
            Err(problem) => Err(problem.to_string()),
        }
    }
}

impl Compiled {
    fn new(document: &Value) -> Result<Self, Problem> {
        let Prepared {
            document,
            places,
            chain,
            weight,
            remarks: _,
        } = prepare(document.clone())?;
        let verdict = options()
            .build(&document)
            .map_err(|error| problem_of(&error))?;
        Ok(Self {
            verdict,
            explainer: Explainer::new(document, places),
            chain,
            weight,
        })
    }

    fn check(&self, value: &Value, whole: &str) -> Result<(), String> {
        let (parts, depth) = size(value);
        if parts.saturating_mul(self.weight) > MAX_VISITS
            || depth.saturating_mul(self.chain) > MAX_DEPTH
        {
            return Err(format!("{whole} is too intricate to be checked"));
        }
        if self.verdict.is_valid(value) {
            return Ok(());
        }
        let mut complaints = Complaints::new(whole, value);
        self.explainer
            .each_error(value, |error, forms| complaints.add(error, forms));
        Err(complaints
            .told()
            .unwrap_or_else(|| format!("{whole} does not fit the schema")))
    }

    /// Each default by the schema of its own parameter, wherever that refers to.
    fn check_defaults(&self, defaults: &Map<String, Value>) -> Result<(), Problem> {
        if defaults.is_empty() {
            return Ok(());
        }
        let all = canonical(Value::Object(defaults.clone()));
        for (name, default) in all.as_object().into_iter().flatten() {
            let mut complaints = Complaints::new("it", default).inside(1);
            let own = format!("/properties/{}/", escaped(name));
            self.explainer.each_error(&all, |error, forms| {
                let at = format!("{}/", error.evaluation_path().as_str());
                if at.starts_with(&own) {
                    complaints.add(error, forms);
                }
            });
            if let Some(told) = complaints.told() {
                return Err(Problem {
                    place: vec!["properties".to_owned(), name.clone()],
                    what: What::Default(told),
                });
            }
        }
        Ok(())
    }
}

fn options() -> ValidationOptions<'static> {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
}

/// What the crate says of a schema that it cannot compile. It names the place in the schema as the place in a value, for the value
/// is the schema.
fn problem_of(error: &ValidationError<'_>) -> Problem {
    let place = match error.instance_path().as_str() {
        "" => error.schema_path().as_str(),
        place => place,
    };
    Problem {
        place: tokens(place).collect(),
        what: complaint::of_schema(error),
    }
}

/// How many values there are in a value, itself too, and how deep they are inside of each other.
fn size(value: &Value) -> (u64, u64) {
    let inside: Vec<_> = match value {
        Value::Array(items) => items.iter().map(size).collect(),
        // A name is a value for `propertyNames`.
        Value::Object(members) => members
            .values()
            .map(|member| {
                let (parts, depth) = size(member);
                (parts + 1, depth)
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let depth = inside.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (
        1 + inside.iter().map(|(parts, _)| parts).sum::<u64>(),
        1 + depth,
    )
}

/// The tokens of a JSON pointer: RFC 6901, section 4.
fn tokens(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn pointer(place: &[String]) -> String {
    place
        .iter()
        .flat_map(|token| ["/".to_owned(), escaped(token)])
        .collect()
}

/// A place the way that people write it: `properties.size`.
fn shown(place: &[String]) -> String {
    if place.is_empty() {
        "it".to_owned()
    } else {
        format!("`{}`", place.join("."))
    }
}
