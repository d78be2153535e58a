//! JSON Schema of the arguments of a tool: a value that costs nothing until it is compiled, and its verdicts in words that a model
//! can act on.
//!
//! What a schema means, and whether it is one, is the business of the crate `jsonschema`. Here is what the crate leaves open: nothing
//! is loaded from outside, and neither a schema nor arguments can make a check long or deep.

mod dialects;
mod keywords;
#[cfg(test)]
mod tests;
mod walk;
mod words;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::{PatternOptions, ValidationError, ValidationOptions, Validator};
use serde_json::{Map, Value, json};

use super::canonical::canonical;
pub(super) use dialects::usual;
use walk::{Cost, Walked, walk};

/// A compiled pattern, in bytes. Matching takes as long as this times the text.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// Schemas that may be asked of one call. Alternatives inside of alternatives ask for more than any call is worth.
const MAX_VISITS: u64 = 20_000_000;

/// The same where reasons are given, which the crate collects all before the first is read.
const MAX_REASONS: u64 = 100_000;

/// Schemas inside of each other that one call may lead to, each a few frames of the stack.
const MAX_DEPTH: u64 = 500;

/// A schema. Compiled when it is first needed, since that takes longer than all else at the start of a function.
pub(super) struct Schema {
    document: Value,
    compiled: OnceLock<Result<Compiled, Problem>>,
}

struct Compiled {
    verdict: Validator,
    walked: Walked,
    /// Compiled when the first value does not fit.
    reasons: OnceLock<Option<Validator>>,
}

/// What is to be said of a part of a schema: a mistake, or that it means less than it seems to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// A JSON pointer from the top of the schema.
    place: String,
    what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        let (place, what) = (place.into(), what.into());
        Self { place, what }
    }

    /// The names and numbers that lead there from the top of the schema.
    pub(super) fn place(&self) -> Vec<String> {
        tokens(&self.place).collect()
    }
}

/// The place the way that people write it, and a phrase: `properties.size` is this and that.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place().join(".") {
            place if place.is_empty() => write!(f, "it {}", self.what),
            place => write!(f, "`{place}` {}", self.what),
        }
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

    /// The schema as a model gets it.
    pub(super) fn for_model(&self) -> Value {
        dialects::for_model(&self.document)
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
    pub(super) fn remarks(&self) -> Vec<Problem> {
        walk(&self.document).map_or_else(|_| Vec::new(), |walked| walked.remarks)
    }

    /// Err is a phrase: up to three complaints about the parts of a canonical value (as arguments are), which is called `whole`.
    pub(super) fn check(&self, value: &Value, whole: &str) -> Result<(), String> {
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.document));
        let compiled = compiled.as_ref().map_err(ToString::to_string)?;
        let Cost { chain, weight, .. } = compiled.walked.cost;
        let (parts, depth) = size(value);
        if parts.saturating_mul(weight) > MAX_VISITS || u64::from(depth) * chain > MAX_DEPTH {
            return Err(format!("{whole} is too intricate to be checked"));
        }
        if compiled.verdict.is_valid(value) {
            return Ok(());
        }
        let complaint = words::complaint(compiled.reasons(value), whole);
        Err(complaint.unwrap_or_else(|| format!("{whole} does not fit the schema")))
    }
}

impl Compiled {
    fn new(document: &Value) -> Result<Self, Problem> {
        let walked = walk(document)?;
        let verdict = options().build(&walked.document);
        Ok(Self {
            verdict: verdict.map_err(|error| words::of_schema(&error))?,
            walked,
            reasons: OnceLock::new(),
        })
    }

    /// None where there would be too many: for a verdict the crate asks a schema once about a value, for reasons once on every way
    /// that leads to it.
    fn reasons<'a>(&'a self, value: &'a Value) -> impl Iterator<Item = ValidationError<'a>> {
        let Cost { weight, ways, .. } = self.walked.cost;
        let (parts, depth) = size(value);
        let visits = parts.saturating_mul(weight);
        let is_few = visits.saturating_mul(ways.saturating_pow(depth)) <= MAX_REASONS;
        let build = || options().build(&without_alternatives(&self.walked)).ok();
        let compiled = is_few.then(|| self.reasons.get_or_init(build).as_ref());
        let compiled = compiled.flatten().into_iter();
        compiled.flat_map(|compiled| compiled.iter_errors(value))
    }

    /// Each default by the schema of its own parameter, wherever that refers to.
    fn check_defaults(&self, defaults: &Map<String, Value>) -> Result<(), Problem> {
        let all = canonical(Value::Object(defaults.clone()));
        if defaults.is_empty() || self.verdict.is_valid(&all) {
            return Ok(());
        }
        // What is asked of all parameters together is not a default's business.
        let is_of_one = |error: &ValidationError<'_>| {
            error.evaluation_path().as_str().starts_with("/properties/")
        };
        let problem = self.reasons(&all).find(is_of_one).map(|error| {
            let path = error.instance_path().as_str();
            let end = path
                .match_indices('/')
                .nth(1)
                .map_or(path.len(), |(end, _)| end);
            let (name, inside) = path.split_at(end);
            words::problem(&format!("/properties{name}/default{inside}"), &error)
        });
        problem.map_or(Ok(()), Err)
    }
}

fn options() -> ValidationOptions<'static> {
    jsonschema::options()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
}

/// The schema that reasons come from, never verdicts. Of alternatives the crate would say why each does not fit, and of those inside of
/// them again: twice as much with every level of a value. As a condition they fit or do not.
fn without_alternatives(walked: &Walked) -> Value {
    let mut document = walked.document.clone();
    // From the inside out, for a pointer into what was moved leads nowhere.
    for place in walked.places.iter().rev() {
        let Some(Value::Object(schema)) = document.pointer_mut(place) else {
            continue;
        };
        for keyword in ["anyOf", "oneOf"] {
            if let Some(forms) = schema.remove(keyword)
                && let Value::Array(all) = schema.entry("allOf").or_insert_with(|| json!([]))
            {
                all.push(json!({"if": {keyword: forms}, "else": false}));
            }
        }
    }
    document
}

/// How many values there are in a value, itself and names too, and how deep they are inside of each other.
fn size(value: &Value) -> (u64, u32) {
    let inside: Vec<_> = match value {
        Value::Array(items) => items.iter().map(size).collect(),
        Value::Object(members) => members.values().map(size).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let sum = |(parts, depth): (u64, u32), (more, below)| (parts + more, depth.max(below + 1));
    inside.into_iter().fold((2, 1), sum)
}

/// The tokens of a JSON pointer: RFC 6901, section 4.
fn tokens(pointer: &str) -> impl Iterator<Item = String> + '_ {
    let tokens = pointer.split('/').skip(1);
    tokens.map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// A JSON pointer one token further.
fn step(place: &str, token: &str) -> String {
    format!("{place}/{}", token.replace('~', "~0").replace('/', "~1"))
}
