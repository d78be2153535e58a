//! One walk over a schema before it is compiled: what in it means less than it seems to, and how much one value can cost. Knows the
//! shape of schemas; never what fits them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jsonschema::Draft;
use percent_encoding::percent_decode_str;
use regex_syntax::ast::ErrorKind;
use regex_syntax::ast::parse::Parser;
use serde_json::{Value, json};

use super::dialects::is_foreign_format;
use super::keywords::{Asked, asked, holds_by_name, likely_meant};
use super::{Problem, options, step, tokens};

/// Schemas in one schema: more than any tool has parameters.
const MAX_SCHEMAS: usize = 10_000;

/// Steps from the top of a schema to one inside of it. Team files are not deeper either.
const MAX_STEPS: usize = 256;

/// Schemas inside of each other that are asked of the same value.
const MAX_CHAIN: u64 = 100;

/// A schema that can be compiled, and what is known of it.
#[derive(Debug)]
pub(super) struct Walked {
    /// Without the patterns that are not checked.
    pub(super) document: Value,
    /// Pointers to all schemas in it, those around others first.
    pub(super) places: Vec<String>,
    pub(super) cost: Cost,
    pub(super) remarks: Vec<Problem>,
}

/// What a schema asks of one value, at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Schemas inside of each other.
    pub(super) chain: u64,
    /// Schemas.
    pub(super) weight: u64,
    /// Schemas that give reasons about one and the same part of it.
    pub(super) ways: u64,
}

pub(super) fn walk(document: &Value) -> Result<Walked, Problem> {
    let mut walk = Walk {
        document,
        anchors: HashMap::new(),
        costs: BTreeMap::new(),
        later: VecDeque::from([String::new()]),
        unchecked: Vec::new(),
        remarks: BTreeMap::new(),
    };
    collect_anchors(document, "", &mut walk.anchors);
    while let Some(place) = walk.later.pop_front() {
        walk.cost(&place, 1)?;
    }
    let most = |of: fn(&Cost) -> u64| walk.costs.values().flatten().map(of).max().unwrap_or(1);
    let cost = Cost {
        chain: most(|cost| cost.chain),
        weight: most(|cost| cost.weight),
        ways: most(|cost| cost.ways).max(1),
    };
    let mut document = document.clone();
    for place in &walk.unchecked {
        if let Some((above, _)) = place.rsplit_once('/')
            && let Some(Value::Object(members)) = document.pointer_mut(above)
        {
            tokens(place).last().map(|keyword| members.remove(&keyword));
        }
    }
    let remarks = walk.remarks.into_iter();
    let remarks = remarks.map(|(place, what)| Problem::new(place, what));
    Ok(Walked {
        document,
        cost,
        places: walk.costs.into_keys().collect(),
        remarks: remarks.collect(),
    })
}

/// The pointers to the schemas that have a name.
fn collect_anchors<'a>(value: &'a Value, place: &str, found: &mut HashMap<&'a str, String>) {
    for keyword in ["$anchor", "$dynamicAnchor"] {
        if let Some(name) = value.get(keyword).and_then(Value::as_str) {
            found.insert(name, place.to_owned());
        }
    }
    for (token, inside) in value.as_object().into_iter().flatten() {
        collect_anchors(inside, &step(place, token), found);
    }
    for (index, inside) in value.as_array().into_iter().flatten().enumerate() {
        collect_anchors(inside, &format!("{place}/{index}"), found);
    }
}

struct Walk<'a> {
    document: &'a Value,
    anchors: HashMap<&'a str, String>,
    /// By pointers to the schemas. None is one whose cost is being added up.
    costs: BTreeMap<String, Option<Cost>>,
    /// Pointers to the schemas that are asked of other values: that comes to an end by itself.
    later: VecDeque<String>,
    /// Pointers to keywords that are taken out.
    unchecked: Vec<String>,
    /// By pointers, so that they are in the order of the schema.
    remarks: BTreeMap<String, String>,
}

impl Walk<'_> {
    /// Of the schema at a place, the last of so many inside of each other.
    fn cost(&mut self, place: &str, chain: u64) -> Result<Cost, Problem> {
        match self.costs.get(place) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(Problem::new(place, "refers to itself without end")),
            None => {}
        }
        if chain > MAX_CHAIN {
            let most = format!("more than {MAX_CHAIN} schemas inside of each other");
            return Err(Problem::new("", format!("asks one value of {most}")));
        }
        if place.matches('/').count() > MAX_STEPS || self.costs.len() >= MAX_SCHEMAS {
            let most = format!("{MAX_STEPS} steps deep, or one of more than {MAX_SCHEMAS} schemas");
            return Err(Problem::new(place, format!("is more than {most}")));
        }
        self.costs.insert(place.to_owned(), None);
        let mut sum = Cost {
            chain: 1,
            weight: 1,
            ways: 0,
        };
        // Whether it may be something else than an object is the crate's business.
        let members = self.document.pointer(place).and_then(Value::as_object);
        for (keyword, value) in members.into_iter().flatten() {
            let at = step(place, keyword);
            let (asked, inside) = match asked(keyword) {
                Some(asked) => (asked, schemas_of(keyword, value, at)),
                None => (
                    Asked::Same,
                    self.member(keyword, value, &at)?.into_iter().collect(),
                ),
            };
            for at in inside {
                if keyword == "patternProperties" {
                    sum.ways = sum.ways.max(1) + 1;
                    let pattern = tokens(&at).last().unwrap_or_default();
                    if self.backtracks(&pattern, &at) {
                        // A member with such a name is not an unknown one, as far as is known.
                        let others = ["additionalProperties", "unevaluatedProperties"];
                        self.unchecked
                            .extend(others.map(|keyword| step(place, keyword)));
                    }
                }
                if matches!(asked, Asked::Part | Asked::Nothing) {
                    sum.ways = sum.ways.max(u64::from(asked == Asked::Part));
                    self.later.push_back(at);
                    continue;
                }
                let below = self.cost(&at, chain + 1)?;
                sum.chain = sum.chain.max(below.chain + 1);
                sum.weight = sum.weight.saturating_add(below.weight);
                let ways = if asked == Asked::Same { below.ways } else { 0 };
                sum.ways = sum.ways.saturating_add(ways);
            }
        }
        self.costs.insert(place.to_owned(), Some(sum));
        Ok(sum)
    }

    /// Whether the pattern at a place looks around or back, which needs an engine that may take for ever. Such a one says something
    /// to people only.
    fn backtracks(&mut self, pattern: &str, place: &str) -> bool {
        let backtracks = Parser::new().parse(pattern).is_err_and(|error| {
            let span = error.span().start.offset..error.span().end.offset;
            let kind = error.kind();
            matches!(
                kind,
                ErrorKind::UnsupportedLookAround | ErrorKind::UnsupportedBackreference
            ) || pattern.get(span) == Some("\\k")
        });
        if backtracks {
            let what =
                "looks around or back, which takes for ever on some texts, so it is not checked";
            self.remarks.insert(place.to_owned(), what.to_owned());
            self.unchecked.push(place.to_owned());
        }
        backtracks
    }

    /// A keyword that holds no schemas. The pointer to the schema that it refers to.
    fn member(
        &mut self,
        keyword: &str,
        value: &Value,
        place: &str,
    ) -> Result<Option<String>, Problem> {
        let what = match (keyword, value.as_str()) {
            ("$id", Some(_)) if place != "/$id" => {
                let what = "is an address inside of a schema, and references lead to places of one schema only";
                return Err(Problem::new(place, what));
            }
            ("$ref" | "$dynamicRef" | "$recursiveRef", Some(reference)) => {
                let Some(to) = reference.strip_prefix('#') else {
                    let what = "and schemas outside of this file are not loaded";
                    return Err(Problem::new(place, format!("is {reference}, {what}")));
                };
                let to = percent_decode_str(to).decode_utf8_lossy();
                let to = self
                    .anchors
                    .get(&*to)
                    .cloned()
                    .unwrap_or_else(|| to.into_owned());
                let is_there = self.document.pointer(&to).is_some();
                let to = is_there.then_some(to);
                return to
                    .map(Some)
                    .ok_or_else(|| Problem::new(place, "leads to nothing"));
            }
            ("pattern", Some(pattern)) => {
                self.backtracks(pattern, place);
                return Ok(None);
            }
            ("format", Some(name))
                if !is_foreign_format(name) && !is_known_format(name, self.document) =>
            {
                format!("is {name:?}, which is not known here, so it is not checked")
            }
            _ => match likely_meant(keyword) {
                Some(meant) => format!("is not a keyword, so it is ignored; `{meant}` is one"),
                None => return Ok(None),
            },
        };
        self.remarks.insert(place.to_owned(), what);
        Ok(None)
    }
}

fn is_known_format(name: &str, document: &Value) -> bool {
    let strict = options()
        .with_draft(Draft::default().detect(document))
        .should_ignore_unknown_formats(false);
    strict.build(&json!({"format": name})).is_ok()
}

/// Pointers to the schemas that a keyword at a place holds.
fn schemas_of(keyword: &str, value: &Value, at: String) -> Vec<String> {
    if let Some(named) = value.as_object().filter(|_| holds_by_name(keyword)) {
        named.keys().map(|name| step(&at, name)).collect()
    } else if let Some(list) = value.as_array() {
        (0..list.len())
            .map(|index| format!("{at}/{index}"))
            .collect()
    } else {
        vec![at]
    }
}
