//! Neither a schema nor a value makes a check long or deep.

use serde_json::{Map, Value, json};

use super::super::Schema;
use super::{assert_complaint, assert_fits, assert_mistake, verdict};

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |inside, _| json!([inside]))
}

#[test]
fn a_pattern_that_would_backtrack_for_ever_elsewhere_is_checked() {
    assert_complaint(
        &json!({"pattern": "^(a+)+$"}),
        &json!(format!("{}!", "a".repeat(30_000))),
        "it must match the pattern ^(a+)+$",
    );
    assert_mistake(
        &json!({"pattern": "^([a-z]{1,999}x){1,999}!$"}),
        "`pattern` must be a regular expression, and one of at most 256 KB",
    );
}

#[test]
fn a_schema_that_asks_itself_without_end_is_told() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/a"}}),
        json!({"if": true, "then": {"$ref": "#"}}),
        json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
        json!({"$anchor": "me", "allOf": [{"$ref": "#me"}]}),
        json!({"$dynamicAnchor": "me", "allOf": [{"$dynamicRef": "#me"}]}),
    ] {
        let schema = Schema::new(schema);
        let problem = schema.compile(&Map::new()).unwrap_err().to_string();
        assert!(
            problem.ends_with("refers to itself without end"),
            "{problem}"
        );
    }
}

#[test]
fn a_schema_that_is_too_deep_or_too_large_is_told() {
    let deep = (0..99).fold(json!({}), |inside, _| json!({"allOf": [inside]}));
    assert_fits(&deep, &json!(1));
    let deeper = (0..110).fold(json!({}), |inside, _| json!({"not": inside}));
    assert_mistake(
        &deeper,
        "it asks one value of more than 100 schemas inside of each other",
    );
    let deepest = (0..300).fold(json!({}), |inside, _| json!({"items": inside}));
    let many: Map<_, _> = (0..10_001).map(|n| (format!("p{n}"), json!({}))).collect();
    for large in [deepest, json!({"properties": many})] {
        let problem = Schema::new(large);
        let problem = problem.compile(&Map::new()).unwrap_err().to_string();
        assert!(
            problem.ends_with("is more than 256 steps deep, or one of more than 10000 schemas"),
            "{problem}"
        );
    }
}

#[test]
fn alternatives_inside_of_alternatives_come_to_an_end() {
    // Neither fits, and each looks at all that is inside: twice as much with every level.
    let alternative = json!({"items": {"$ref": "#"}, "contains": false});
    for keyword in ["anyOf", "oneOf"] {
        let doubling = json!({keyword: [alternative, alternative]});
        assert_complaint(
            &doubling,
            &nested(10),
            "it must match one of the allowed forms",
        );
        assert_complaint(
            &doubling,
            &nested(120),
            "it must match one of the allowed forms",
        );
    }
    // As many, written down once each: 2 ^ 40 ways to the last.
    let mut defs = Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
        defs.insert(level.to_string(), json!({"anyOf": [next, next]}));
    }
    defs.insert("40".into(), json!({"type": "null"}));
    assert_complaint(
        &json!({"$defs": defs, "$ref": "#/$defs/0"}),
        &json!(1),
        "it is too intricate to be checked",
    );
}

#[test]
fn reasons_that_double_with_every_level_are_not_given() {
    let again = json!({"items": {"$ref": "#"}});
    let doubling = json!({"type": "array", "allOf": [again, again]});
    let fault = "`[0]` must be of type array and is of type string";
    let complaint = verdict(&doubling, &nested(1)).unwrap_err();
    assert!(complaint.starts_with(fault), "{complaint}");
    assert_complaint(&doubling, &nested(100), "it does not fit the schema");
}

#[test]
fn values_as_deep_as_json_is_read_are_checked() {
    let schema = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]});
    assert_fits(&schema, &nested(127));
    let with_a_fault = (0..126).fold(json!([1]), |inside, _| json!([inside]));
    assert_complaint(
        &schema,
        &with_a_fault,
        "it must match one of the allowed forms",
    );
    // Each level is asked of so many schemas inside of each other that the stack would not hold them all.
    let tall = (0..40).fold(
        json!({"items": {"$ref": "#"}}),
        |inside, _| json!({"allOf": [inside]}),
    );
    assert_fits(&tall, &nested(10));
    assert_complaint(&tall, &nested(127), "it is too intricate to be checked");
}

#[test]
fn many_faults_and_long_values_make_no_long_answer() {
    let codes: Vec<_> = (0..1000).map(|code| format!("code {code}")).collect();
    let schema = json!({"items": {"enum": codes}});
    assert_fits(&schema, &json!(vec!["code 999"; 1_000]));
    let complaint = verdict(&schema, &json!(vec![0; 16_000])).unwrap_err();
    assert!(
        complaint.starts_with("`[0]` must be one of [\"code 0\",\"code 1\","),
        "{complaint}"
    );
    assert!(complaint.ends_with("; and 15997 more"), "{complaint}");
    assert!(complaint.len() < 4_000, "{complaint}");
    let large = json!({"a": "x".repeat(30_000)});
    for schema in [
        json!({"type": "string"}),
        json!({"const": 1}),
        json!({"not": {"type": "object"}}),
        json!({"properties": {"a": {"maxLength": 1}}}),
        json!({"properties": {"a": {"anyOf": [{"type": "null"}, {"format": "date"}]}}}),
    ] {
        let complaint = verdict(&schema, &large).unwrap_err();
        assert!(complaint.len() < 100, "{complaint}");
    }
}
