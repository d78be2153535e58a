//! One walk over a schema before it is compiled: where it refers to, what in it means less than it seems to, and how much one value can
//! cost. Knows the shape of schemas; never what fits them.

use std::collections::{BTreeMap, HashMap};

use jsonschema::Draft;
use percent_encoding::percent_decode_str;
use regex_syntax::ast::ErrorKind;
use regex_syntax::ast::parse::Parser;
use serde_json::{Value, json};

use super::keywords::{Asked, asked, holds_by_name, likely_meant};
use super::{Problem, options, pointer, tokens};

/// Schemas in one schema: more than any tool has parameters.
const MAX_SCHEMAS: usize = 10_000;

/// Steps from the top of a schema to one inside of it. Team files are not deeper either.
const MAX_STEPS: usize = 256;

/// Schemas inside of each other that are asked of the same value.
const MAX_CHAIN: usize = 100;

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

#[derive(Default)]
struct Node {
    /// Pointers to the schemas that it asks of the same value, and whether they give reasons.
    same: Vec<(String, bool)>,
    ways: u64,
}

pub(super) fn walk(document: &Value) -> Result<Walked, Problem> {
    let mut walk = Walk {
        draft: Draft::default().detect(document),
        graph: BTreeMap::new(),
        anchors: HashMap::new(),
        references: Vec::new(),
        unchecked: Vec::new(),
        remarks: Vec::new(),
    };
    walk.schema(document, &mut Vec::new())?;
    let mut followed = 0;
    while let Some((place, from, to)) = walk.references.get(followed).cloned() {
        followed += 1;
        let to = walk.anchors.get(&to).cloned().unwrap_or(to);
        let found = document.pointer(&to);
        let schema = found.ok_or_else(|| Problem::new(&place, "leads to nothing"))?;
        let mut at: Vec<_> = tokens(&to).collect();
        walk.schema(schema, &mut at)?;
        let node = walk.graph.entry(from).or_default();
        node.same.push((pointer(&at), true));
    }
    let mut known = HashMap::new();
    for place in walk.graph.keys() {
        cost(&walk.graph, place, 0, &mut known)?;
    }
    let most = |of: fn(&Cost) -> u64| known.values().flatten().map(of).max().unwrap_or(1);
    let cost = Cost {
        chain: most(|cost| cost.chain),
        weight: most(|cost| cost.weight),
        ways: most(|cost| cost.ways).max(1),
    };
    let mut document = document.clone();
    for place in &walk.unchecked {
        if let Some((keyword, above)) = place.split_last()
            && let Some(Value::Object(members)) = document.pointer_mut(&pointer(above))
        {
            members.remove(keyword);
        }
    }
    Ok(Walked {
        document,
        cost,
        places: walk.graph.into_keys().collect(),
        remarks: walk.remarks,
    })
}

struct Walk {
    draft: Draft,
    graph: BTreeMap<String, Node>,
    /// Pointers to the schemas that have a name.
    anchors: HashMap<String, String>,
    /// The place of a reference, the pointer to its schema, the pointer or name that it leads to.
    references: Vec<(Vec<String>, String, String)>,
    /// Places that are taken out.
    unchecked: Vec<Vec<String>>,
    remarks: Vec<Problem>,
}

impl Walk {
    fn schema(&mut self, schema: &Value, place: &mut Vec<String>) -> Result<(), Problem> {
        let here = pointer(place);
        if self.graph.contains_key(&here) {
            return Ok(());
        }
        if place.len() > MAX_STEPS || self.graph.len() >= MAX_SCHEMAS {
            let most = format!("{MAX_STEPS} steps deep, or one of more than {MAX_SCHEMAS} schemas");
            return Err(Problem::new(place, format!("is more than {most}")));
        }
        self.graph.insert(here.clone(), Node::default());
        // Whether it may be something else than an object is the crate's business.
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            place.push(keyword.clone());
            let depth = place.len();
            let Some(asked) = asked(keyword) else {
                self.member(keyword, value, &here, place)?;
                place.pop();
                continue;
            };
            for (token, inside) in schemas_of(keyword, value) {
                place.extend(token);
                let node = self.graph.entry(here.clone()).or_default();
                match asked {
                    Asked::Same => node.same.push((pointer(place), true)),
                    Asked::Silently => node.same.push((pointer(place), false)),
                    Asked::Part => node.ways = node.ways.max(1),
                    Asked::Nothing => {}
                }
                if keyword == "patternProperties" {
                    node.ways += 1;
                    if self.backtracks(place.last().map_or("", String::as_str), place) {
                        // A member with such a name is not an unknown one, as far as is known.
                        for others in ["additionalProperties", "unevaluatedProperties"] {
                            let above = place.iter().take(depth - 1).cloned();
                            self.unchecked
                                .push(above.chain([others.to_owned()]).collect());
                        }
                    }
                }
                self.schema(inside, place)?;
                place.truncate(depth);
            }
            place.pop();
        }
        Ok(())
    }

    /// Whether the pattern at a place looks around or back, which needs an engine that may take for ever. Such a one says something
    /// to people only.
    fn backtracks(&mut self, pattern: &str, place: &[String]) -> bool {
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
            self.remarks.push(Problem::new(place, what));
            self.unchecked.push(place.to_vec());
        }
        backtracks
    }

    fn is_known_format(&self, name: &str) -> bool {
        let strict = options()
            .with_draft(self.draft)
            .should_ignore_unknown_formats(false);
        strict.build(&json!({"format": name})).is_ok()
    }

    /// A keyword that holds no schemas.
    fn member(
        &mut self,
        keyword: &str,
        value: &Value,
        around: &str,
        place: &[String],
    ) -> Result<(), Problem> {
        let what = match (keyword, value.as_str()) {
            ("$id", Some(_)) if place.len() > 1 => {
                let what = "is an address inside of a schema, and references lead to places of one schema only";
                return Err(Problem::new(place, what));
            }
            ("$anchor" | "$dynamicAnchor", Some(name)) => {
                self.anchors.insert(name.to_owned(), around.to_owned());
                return Ok(());
            }
            ("$ref" | "$dynamicRef" | "$recursiveRef", Some(reference)) => {
                let Some(to) = reference.strip_prefix('#') else {
                    let what = "and schemas outside of this file are not loaded";
                    return Err(Problem::new(place, format!("is {reference}, {what}")));
                };
                let to = percent_decode_str(to).decode_utf8_lossy().into_owned();
                self.references
                    .push((place.to_vec(), around.to_owned(), to));
                return Ok(());
            }
            ("pattern", Some(pattern)) => {
                self.backtracks(pattern, place);
                return Ok(());
            }
            ("format", Some(name)) if !self.is_known_format(name) => {
                format!("is {name:?}, which is not known here, so it is not checked")
            }
            _ => match likely_meant(keyword) {
                Some(meant) => format!("is not a keyword, so it is ignored; `{meant}` is one"),
                None => return Ok(()),
            },
        };
        self.remarks.push(Problem::new(place, what));
        Ok(())
    }
}

/// The schemas that a keyword holds, each with the step to it where there is one.
fn schemas_of<'a>(keyword: &str, value: &'a Value) -> Vec<(Option<String>, &'a Value)> {
    match (value.as_object(), value.as_array()) {
        (Some(named), _) if holds_by_name(keyword) => named
            .iter()
            .map(|(name, schema)| (Some(name.clone()), schema))
            .collect(),
        (_, Some(list)) => list
            .iter()
            .enumerate()
            .map(|(index, schema)| (Some(index.to_string()), schema))
            .collect(),
        _ => vec![(None, value)],
    }
}

/// Asking a part of a value comes to an end by itself; asking the same value may not.
fn cost<'a>(
    graph: &'a BTreeMap<String, Node>,
    place: &'a str,
    above: usize,
    known: &mut HashMap<&'a str, Option<Cost>>,
) -> Result<Cost, Problem> {
    match known.get(place) {
        Some(Some(cost)) => return Ok(*cost),
        None if above <= MAX_CHAIN => {}
        Some(None) => {
            let place: Vec<_> = tokens(place).collect();
            return Err(Problem::new(&place, "refers to itself without end"));
        }
        None => {
            let what = format!("more than {MAX_CHAIN} schemas inside of each other");
            return Err(Problem::new(&[], format!("asks one value of {what}")));
        }
    }
    known.insert(place, None);
    let node = graph.get(place);
    let mut sum = Cost {
        chain: 1,
        weight: 1,
        ways: node.map_or(0, |node| node.ways),
    };
    for (next, has_reasons) in node.into_iter().flat_map(|node| &node.same) {
        let below = cost(graph, next, above + 1, known)?;
        sum.chain = sum.chain.max(below.chain + 1);
        sum.weight = sum.weight.saturating_add(below.weight);
        let ways = if *has_reasons { below.ways } else { 0 };
        sum.ways = sum.ways.saturating_add(ways);
    }
    known.insert(place, Some(sum));
    Ok(sum)
}
