//! Verdicts and sentences. That the verdicts are JSON Schema's is shown by a validator of all drafts, which passes the
//! official test suite, on random schemas and values.

mod oracle;
mod random;

use serde_json::{Value, json};

use super::super::arguments::canonical;
use super::Validator;

fn compiled(schema: &Value) -> Validator {
    Validator::compile(schema, "").unwrap()
}

fn verdict(schema: &Value, value: &Value) -> Result<(), String> {
    compiled(schema).check(&canonical(value.clone()), "it")
}

#[track_caller]
fn assert_mistake(schema: &Value, sentence: &str) {
    assert_eq!(Validator::compile(schema, "").unwrap_err(), sentence);
}

#[track_caller]
fn assert_complaint(schema: &Value, value: &Value, complaint: &str) {
    assert_eq!(verdict(schema, value).unwrap_err(), complaint);
}

#[track_caller]
fn assert_fits(schema: &Value, value: &Value) {
    assert_eq!(verdict(schema, value), Ok(()));
}

#[test]
fn what_is_wrong_with_a_schema_is_told_with_its_place() {
    assert_mistake(
        &json!({"properties": {"size": {"minLength": -1}}}),
        "`properties.size.minLength` must be a whole number, 0 or more",
    );
    assert_mistake(
        &json!({"properties": {"a/b": 1}}),
        "`properties.a/b` must be a schema",
    );
    assert_mistake(&json!({"anyOf": []}), "`anyOf` must not be empty");
    assert_mistake(&json!({"anyOf": {}}), "`anyOf` must be a list of schemas");
    assert_mistake(
        &json!({"required": "name"}),
        "`required` must be a list of names",
    );
    assert_mistake(
        &json!({"multipleOf": 0}),
        "`multipleOf` must be more than 0",
    );
    assert_mistake(&json!({"maximum": "9"}), "`maximum` must be a number");
    assert_mistake(
        &json!({"type": []}),
        "`type` must be a type or a list of types",
    );
    assert_mistake(
        &json!({"$defs": {"a": {"enum": 1}}}),
        "`$defs.a.enum` must be a list",
    );
    assert_mistake(&json!([]), "it must be a schema");
}

#[test]
fn a_misspelt_keyword_is_told_and_not_ignored() {
    assert_mistake(
        &json!({"properties": {"a": {"minLenght": 1}}}),
        "`properties.a.minLenght` is a keyword that is not known here",
    );
    assert_mistake(
        &json!({"unevaluatedProperties": false}),
        "`unevaluatedProperties` is a keyword that is not known here",
    );
    assert_fits(
        &json!({"x-order": 1, "title": "A", "$comment": "B", "deprecated": true}),
        &json!(1),
    );
}

#[test]
fn formats_that_nobody_checks_are_told() {
    assert_mistake(
        &json!({"format": "iri"}),
        "`format` is \"iri\", which is none of date, time, date-time, duration, email, hostname, ipv4, ipv6, uri, uuid",
    );
}

#[test]
fn references_lead_to_places_of_the_same_schema() {
    let schema = json!({
        "$defs": {"a b~/%": {"type": "integer"}},
        "items": {"$ref": "#/$defs/a%20b~0~1%25", "minimum": 1},
    });
    assert_fits(&schema, &json!([1]));
    assert_complaint(
        &schema,
        &json!(["1", 0]),
        "`[0]` must be of type integer and is of type string; `[1]` must be at least 1",
    );
    assert_mistake(
        &json!({"$ref": "#/$defs/none"}),
        "it has nothing at `$defs.none`",
    );
    assert_mistake(
        &json!({"$ref": "#name"}),
        "it refers to #name, which is not a JSON pointer",
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
    ] {
        assert_mistake(&schema, "it refers to itself without end");
    }
}

#[test]
fn alternatives_inside_of_alternatives_come_to_an_end() {
    // Neither fits, and each looks at all that is inside: twice as much with every level.
    let alternative = json!({"items": {"$ref": "#"}, "contains": false});
    let doubling = json!({"anyOf": [alternative, alternative]});
    assert_complaint(&doubling, &nested(10), "it fits none of the allowed forms");
    assert_complaint(&doubling, &nested(100), "it is too intricate to be checked");
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |inside, _| json!([inside]))
}

#[test]
fn values_as_deep_as_json_is_read_are_checked() {
    let schema = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]});
    assert_fits(&schema, &nested(127));
}

#[test]
fn every_complaint_says_what_would_fit() {
    let complaints = [
        (
            json!({"const": {"a": 1.0}}),
            json!({"a": 2}),
            r#"it must be {"a":1}"#,
        ),
        (
            json!({"enum": ["S", 1]}),
            json!("M"),
            r#"it must be one of ["S",1]"#,
        ),
        (
            json!({"exclusiveMinimum": 0}),
            json!(0),
            "it must be more than 0",
        ),
        (
            json!({"exclusiveMaximum": 9.5}),
            json!(9.5),
            "it must be less than 9.5",
        ),
        (json!({"maximum": 1}), json!(1.5), "it must be at most 1"),
        (
            json!({"multipleOf": 0.01}),
            json!(4.355),
            "it must be a multiple of 0.01",
        ),
        (
            json!({"minLength": 2}),
            json!("ä"),
            "it must be at least 2 characters long",
        ),
        (
            json!({"maxLength": 1}),
            json!("ab"),
            "it must be at most 1 characters long",
        ),
        (
            json!({"minItems": 1}),
            json!([]),
            "it must have at least 1 items",
        ),
        (
            json!({"maxItems": 1}),
            json!([1, 2]),
            "it must have at most 1 items",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, 1.0]),
            "it must not have an item twice",
        ),
        (
            json!({"contains": {"type": "null"}}),
            json!([1]),
            "it must have at least 1 items of a certain form",
        ),
        (
            json!({"contains": {}, "maxContains": 1}),
            json!([1, 2]),
            "it must have at most 1 items of a certain form",
        ),
        (
            json!({"minProperties": 1}),
            json!({}),
            "it must have at least 1 members",
        ),
        (
            json!({"maxProperties": 0}),
            json!({"a": 1}),
            "it must have at most 0 members",
        ),
        (
            json!({"propertyNames": {"pattern": "^[a-z]+$"}}),
            json!({"A": 1}),
            "it must not have a member named `A`",
        ),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!({"a": 1}),
            "`b` is missing",
        ),
        (
            json!({"properties": {"a": false}}),
            json!({"a": 1}),
            "`a` is not allowed",
        ),
        (
            json!({"oneOf": [{}, {}]}),
            json!(1),
            "it fits more than one of the allowed forms",
        ),
        (
            json!({"not": {"type": "null"}}),
            json!(null),
            "it has a form that is not allowed",
        ),
        (
            json!({"type": ["string", "null"]}),
            json!(1),
            "it must be of type string or null and is of type number",
        ),
        (
            json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
            json!({}),
            "`c` is missing",
        ),
    ];
    for (schema, value, complaint) in complaints {
        assert_complaint(&schema, &value, complaint);
    }
}

#[test]
fn only_the_draft_that_is_read_may_be_named() {
    assert_fits(
        &json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        &json!(1),
    );
    assert_mistake(
        &json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        "`$schema` must be https://json-schema.org/draft/2020-12/schema",
    );
}

#[test]
fn many_long_lists_and_texts_come_to_an_end() {
    let codes: Vec<_> = (0..1000).map(|code| format!("code {code}")).collect();
    let schema = json!({"items": {"enum": codes}});
    assert_eq!(
        verdict(&schema, &json!(vec![0; 16_000])).unwrap_err(),
        "it is too intricate to be checked"
    );
    assert_fits(&schema, &json!(vec!["code 999"; 1_000]));
    let mistake = Validator::compile(&json!({"pattern": "[a-z]{1,9999}!"}), "").unwrap_err();
    assert!(
        mistake.starts_with("the pattern \"[a-z]{1,9999}!\" is not a regular expression: "),
        "{mistake}"
    );
}

#[test]
fn numbers_are_compared_by_their_value() {
    let cents = json!({"multipleOf": 0.01});
    for price in [
        json!(4.35),
        json!(12.07),
        json!(0.29),
        json!(1e2),
        json!(-0.01),
        json!(0),
    ] {
        assert_fits(&cents, &price);
    }
    assert_fits(&json!({"multipleOf": 1e300}), &json!(2e300));
    let most = json!({"maximum": 9_007_199_254_740_992_u64});
    assert_complaint(
        &most,
        &json!(9_007_199_254_740_993_u64),
        "it must be at most 9007199254740992",
    );
    let most = json!({"maximum": 9_007_199_254_740_992.0});
    assert_complaint(
        &most,
        &json!(9_007_199_254_740_993_u64),
        "it must be at most 9007199254740992",
    );
    assert_fits(&json!({"minimum": -1}), &json!(u64::MAX));
    assert_fits(&json!({"type": "integer"}), &json!(1e300));
}
