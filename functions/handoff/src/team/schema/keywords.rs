//! The keywords of JSON Schema, of all drafts: which hold schemas, and which are likely misspelt. Never what else they mean.

/// How a keyword holds schemas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    One,
    /// One, or a list of them, as drafts differ.
    OneOrList,
    List,
    Map,
}

/// What the schemas of a keyword are asked of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The very value that the schema around them is about.
    Same,
    /// A part of it.
    Part,
    /// Nothing, until another schema refers to them.
    Nothing,
}

/// The keywords that hold schemas.
pub(super) const HOLDERS: [(&str, Holds, About); 22] = [
    ("$defs", Holds::Map, About::Nothing),
    ("additionalItems", Holds::One, About::Part),
    ("additionalProperties", Holds::One, About::Part),
    ("allOf", Holds::List, About::Same),
    ("anyOf", Holds::List, About::Same),
    ("contains", Holds::One, About::Part),
    ("contentSchema", Holds::One, About::Nothing),
    ("definitions", Holds::Map, About::Nothing),
    ("dependencies", Holds::Map, About::Same),
    ("dependentSchemas", Holds::Map, About::Same),
    ("else", Holds::One, About::Same),
    ("if", Holds::One, About::Same),
    ("items", Holds::OneOrList, About::Part),
    ("not", Holds::One, About::Same),
    ("oneOf", Holds::List, About::Same),
    ("patternProperties", Holds::Map, About::Part),
    ("prefixItems", Holds::List, About::Part),
    ("properties", Holds::Map, About::Part),
    ("propertyNames", Holds::One, About::Part),
    ("then", Holds::One, About::Same),
    ("unevaluatedItems", Holds::One, About::Part),
    ("unevaluatedProperties", Holds::One, About::Part),
];

/// The others.
const OTHERS: [&str; 42] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// The types of JSON Schema.
pub(super) const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// The keyword that an unknown one was likely meant to be.
pub(super) fn likely_meant(name: &str) -> Option<&'static str> {
    let holders = HOLDERS.iter().map(|(known, _, _)| *known);
    let known = || holders.clone().chain(OTHERS);
    if name.starts_with("x-") || known().any(|known| known == name) {
        return None;
    }
    // Of a short name two letters are most of it.
    let most = if name.chars().count() < 5 { 1 } else { 2 };
    let near = known().map(|known| (distance(name, known), known));
    near.filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed: <https://en.wikipedia.org/wiki/Levenshtein_distance>.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (other, cell) in right.chars().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != other);
            diagonal = *cell;
            *cell = changed.min(*cell + 1).min(before + 1);
            before = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}
