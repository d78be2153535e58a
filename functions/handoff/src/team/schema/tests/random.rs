//! Random schemas and values of few words, so that they often meet.

use serde_json::{Map, Value, json};

/// A seeded sequence (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const NAMES: [&str; 4] = ["a", "b", "ab", "c"];
const TEXTS: [&str; 6] = ["", "a", "ab", "aaa", "äö", "1"];
const PATTERNS: [&str; 5] = ["^a", "b$", "^[a-z]*$", "a{2,3}", "^(a|ä)"];
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

fn number(dice: &mut Dice) -> Value {
    let numbers = [
        json!(0),
        json!(1),
        json!(-1),
        json!(2),
        json!(0.5),
        json!(1.0),
        json!(2.5),
        json!(7),
        json!(1_u64 << 60),
        json!(-1e30),
    ];
    dice.one(&numbers).clone()
}

fn members(dice: &mut Dice, mut make: impl FnMut(&mut Dice) -> Value) -> Value {
    let members = (0..dice.below(3)).map(|_| ((*dice.one(&NAMES)).to_owned(), make(dice)));
    Value::Object(
        members
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Map<_, _>>(),
    )
}

fn list(dice: &mut Dice, least: usize, mut make: impl FnMut(&mut Dice) -> Value) -> Value {
    let count = least + dice.below(3);
    Value::Array((0..count).map(|_| make(dice)).collect())
}

fn names(dice: &mut Dice) -> Value {
    let mut names: Vec<_> = (0..dice.below(3)).map(|_| *dice.one(&NAMES)).collect();
    // Draft 2020-12 wants them to be different.
    names.sort_unstable();
    names.dedup();
    json!(names)
}

/// Any value, at most so deep.
pub(super) fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 | 3 => number(dice),
        4 => json!(*dice.one(&TEXTS)),
        5 | 6 => list(dice, 0, |dice| value(dice, depth - 1)),
        _ => members(dice, |dice| value(dice, depth - 1)),
    }
}

/// Any schema of the keywords that are known, at most so deep.
pub(super) fn schema(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(12) {
        0 => return json!(true),
        1 => return json!(false),
        _ => {}
    }
    let mut schema = Map::new();
    for _ in 0..=dice.below(3) {
        let (name, keyword) = keyword(dice, depth);
        schema.insert(name.to_owned(), keyword);
    }
    Value::Object(schema)
}

fn keyword(dice: &mut Dice, depth: usize) -> (&'static str, Value) {
    let flat = 23;
    let deep = 14;
    let which = dice.below(if depth == 0 { flat } else { flat + deep });
    let inner = |dice: &mut Dice| schema(dice, depth.saturating_sub(1));
    match which {
        0 | 1 => ("type", json!(*dice.one(&TYPES))),
        2 => (
            "type",
            json!([*dice.one(&TYPES[..3]), *dice.one(&TYPES[3..])]),
        ),
        3 => ("const", value(dice, 1)),
        4 => ("enum", list(dice, 1, |dice| value(dice, 1))),
        5 => ("minimum", number(dice)),
        6 => ("maximum", number(dice)),
        7 => ("exclusiveMinimum", number(dice)),
        8 => ("exclusiveMaximum", number(dice)),
        9 => (
            "multipleOf",
            dice.one(&[json!(1), json!(2), json!(0.5)]).clone(),
        ),
        10 => ("minLength", json!(dice.below(4))),
        11 => ("maxLength", json!(dice.below(4))),
        12 => ("pattern", json!(*dice.one(&PATTERNS))),
        13 => ("minItems", json!(dice.below(3))),
        14 => ("maxItems", json!(dice.below(3))),
        15 => ("uniqueItems", json!(dice.below(2) == 0)),
        16 => ("minProperties", json!(dice.below(3))),
        17 => ("maxProperties", json!(dice.below(3))),
        18 => ("required", names(dice)),
        19 => ("dependentRequired", members(dice, names)),
        20 => ("minContains", json!(dice.below(3))),
        21 => ("maxContains", json!(dice.below(3))),
        22 => ("$ref", json!(*dice.one(&["#/$defs/a", "#/$defs/b", "#"]))),
        23 => ("items", inner(dice)),
        24 => ("prefixItems", list(dice, 1, inner)),
        25 => ("contains", inner(dice)),
        26 => ("properties", members(dice, inner)),
        27 => {
            let pattern = (*dice.one(&PATTERNS)).to_owned();
            ("patternProperties", json!({pattern: inner(dice)}))
        }
        28 => ("additionalProperties", inner(dice)),
        29 => ("propertyNames", inner(dice)),
        30 => ("dependentSchemas", members(dice, inner)),
        31 => ("allOf", list(dice, 1, inner)),
        32 => ("anyOf", list(dice, 1, inner)),
        33 => ("oneOf", list(dice, 1, inner)),
        34 => ("not", inner(dice)),
        35 => ("if", inner(dice)),
        _ => (*dice.one(&["then", "else"]), inner(dice)),
    }
}
