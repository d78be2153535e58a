//! Sentences and bounds. What a schema means is the crate's business, which passes the official test suite.

mod bounds;
mod writers;

use serde_json::{Map, Value, json};

use super::Schema;

#[track_caller]
fn compiled(schema: &Value) -> Schema {
    let schema = Schema::new(schema.clone());
    assert_eq!(schema.compile(&Map::new()), Ok(()));
    schema
}

fn verdict(schema: &Value, value: &Value) -> Result<(), String> {
    compiled(schema).check(&super::canonical(value.clone()), "it")
}

fn remarks(schema: &Value) -> Vec<String> {
    let remarks = compiled(schema).remarks();
    remarks
        .into_iter()
        .map(|remark| remark.to_string())
        .collect()
}

#[track_caller]
fn assert_mistake(schema: &Value, sentence: &str) {
    let schema = Schema::new(schema.clone());
    let problem = schema.compile(&Map::new()).unwrap_err();
    assert_eq!(problem.to_string(), sentence);
    assert!(schema.is_broken());
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
        "`properties.size.minLength` must be at least 0",
    );
    assert_mistake(
        &json!({"properties": {"a/b": 1}}),
        "`properties.a/b` must be of type boolean or object and is of type number",
    );
    assert_mistake(&json!({"anyOf": []}), "`anyOf` must have at least 1 items");
    assert_mistake(
        &json!({"anyOf": {}}),
        "`anyOf` must be of type array and is of type object",
    );
    assert_mistake(
        &json!({"required": "name"}),
        "`required` must be of type array and is of type string",
    );
    assert_mistake(
        &json!({"multipleOf": 0}),
        "`multipleOf` must be more than 0",
    );
    assert_mistake(
        &json!({"maximum": "9"}),
        "`maximum` must be of type number and is of type string",
    );
    assert_mistake(
        &json!({"items": {"type": ["text"]}}),
        "`items.type.0` must be one of [\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]",
    );
    assert_mistake(
        &json!({"$defs": {"a": {"enum": 1}}}),
        "`$defs.a.enum` must be of type array and is of type number",
    );
    assert_mistake(
        &json!([]),
        "it must be of type boolean or object and is of type array",
    );
    assert_mistake(
        &json!({"items": {"pattern": "("}}),
        "`items.pattern` must be a regular expression, and one of at most 256 KB",
    );
}

#[test]
fn unknown_keywords_and_formats_say_nothing_about_a_value() {
    let schema = json!({
        "x-order": 1, "nullable": false, "markdownDescription": "A", "deprecated": true, "$comment": "B",
        "format": "iri-of-a-kind",
    });
    for value in [json!(1), json!("no address"), json!(null)] {
        assert_fits(&schema, &value);
    }
}

#[test]
fn a_keyword_that_is_likely_misspelt_is_remarked() {
    let schema = json!({"properties": {"a": {"minLenght": 1, "requierd": [], "propertie": {}, "titel": "A", "x-minLength": 1}}});
    assert_eq!(
        remarks(&schema),
        [
            "`properties.a.minLenght` is not a keyword, so it is ignored; `minLength` is one",
            "`properties.a.propertie` is not a keyword, so it is ignored; `properties` is one",
            "`properties.a.requierd` is not a keyword, so it is ignored; `required` is one",
            "`properties.a.titel` is not a keyword, so it is ignored; `title` is one",
        ]
    );
    // What no keyword is near to is meant for other readers, and the names of members are no keywords.
    assert_eq!(
        remarks(
            &json!({"nullable": true, "markdownDescription": "A", "properties": {"titel": {}, "tpye": {}}})
        ),
        Vec::<String>::new()
    );
}

#[test]
fn a_format_that_is_not_known_is_remarked() {
    assert_eq!(
        remarks(&json!({"items": {"format": "weekday"}})),
        ["`items.format` is \"weekday\", which is not known here, so it is not checked"]
    );
    let known = [
        "date",
        "time",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uuid",
    ];
    for format in known {
        assert_eq!(remarks(&json!({"format": format})), Vec::<String>::new());
        assert_complaint(
            &json!({"format": format}),
            &json!("no, not: one"),
            &format!("it must be a valid {format}"),
        );
    }
}

#[test]
fn a_pattern_that_looks_around_or_back_is_remarked_and_not_checked() {
    let patterns = [
        r"^(?!a)b",
        r"^(?=.*\d).{8,}$",
        r"(?<=a)b",
        r"(?<!a)b",
        r"(a)\1",
        r"(?<x>a)\k<x>",
    ];
    for pattern in patterns {
        let schema = json!({"properties": {"a": {"pattern": pattern}}});
        assert_fits(&schema, &json!({"a": "anything"}));
        assert_eq!(
            remarks(&schema),
            [
                "`properties.a.pattern` looks around or back, which takes for ever on some texts, so it is not checked"
            ]
        );
    }
    for pattern in [r"\(?=a", r"[(?=]a", r"(?:a)", r"(?<x>a)", r"\\1"] {
        let schema = json!({"pattern": pattern});
        assert_eq!(remarks(&schema), Vec::<String>::new(), "{pattern}");
        assert_complaint(
            &schema,
            &json!("no"),
            &format!("it must match the pattern {pattern}"),
        );
    }
    // Which members such names are for is not known, so others are let through as well.
    assert_fits(
        &json!({"patternProperties": {"^(?!x)": {"type": "string"}}, "additionalProperties": false}),
        &json!({"y": 1}),
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
    let anchored =
        json!({"$defs": {"a": {"$anchor": "name", "type": "null"}}, "items": {"$ref": "#name"}});
    assert_complaint(
        &anchored,
        &json!([1]),
        "`[0]` must be of type null and is of type number",
    );
    let elsewhere = json!({"components": {"schemas": {"A": {"pattern": "(?=a)"}}}, "items": {"$ref": "#/components/schemas/A"}});
    assert_fits(&elsewhere, &json!(["b"]));
    assert_eq!(remarks(&elsewhere).len(), 1);
    assert_mistake(&json!({"$ref": "#/$defs/none"}), "`$ref` leads to nothing");
    assert_mistake(&json!({"$ref": "#name"}), "`$ref` leads to nothing");
}

#[test]
fn nothing_outside_of_a_schema_is_loaded() {
    // A file that is there and is a schema, so that only a refusal to read it can fail.
    let path = std::env::temp_dir().join(format!("baton-reference-{}.json", std::process::id()));
    std::fs::write(&path, "{}").unwrap();
    let on_disk = format!("file://{}", path.display());
    for reference in [
        "http://127.0.0.1:9/a.json",
        "https://example.com/a.json",
        "a.json",
        &on_disk,
    ] {
        for keyword in ["$ref", "$dynamicRef"] {
            assert_mistake(
                &json!({"properties": {"a": {keyword: reference}}}),
                &format!(
                    "`properties.a.{keyword}` is {reference}, and schemas outside of this file are not loaded"
                ),
            );
        }
    }
    std::fs::remove_file(&path).unwrap();
    // An address of its own gives `#` another meaning.
    assert_mistake(
        &json!({"$defs": {"a": {"$id": "https://example.com/a.json"}}}),
        "`$defs.a.$id` is an address inside of a schema, and references lead to places of one schema only",
    );
    assert_fits(
        &json!({"$id": "https://example.com/a.json", "items": {"$ref": "#"}}),
        &json!([]),
    );
    // A draft of one's own would have to be loaded.
    let own = Schema::new(json!({"$schema": "https://example.com/draft"}));
    assert!(own.compile(&Map::new()).is_err());
}

#[test]
fn schemas_of_earlier_drafts_are_read() {
    let tuple = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"size": {"enum": ["S", "L"]}},
        "items": [{"$ref": "#/definitions/size"}, {"type": "integer"}],
        "additionalItems": false,
    });
    assert_fits(&tuple, &json!(["S", 1]));
    assert_complaint(&tuple, &json!(["M"]), "`[0]` must be one of [\"S\",\"L\"]");
    assert!(verdict(&tuple, &json!(["S", 1, 2])).is_err());
}

#[test]
fn of_a_value_of_a_wrong_type_nothing_else_is_told() {
    assert_complaint(
        &json!({"type": "integer", "enum": [1, 2], "not": {"type": "string"}}),
        &json!("1"),
        "it must be of type integer and is of type string",
    );
}

#[test]
fn what_a_rule_leaves_unevaluated_is_refused() {
    let schema = json!({"anyOf": [{"properties": {"a": true}}], "unevaluatedProperties": false});
    assert_fits(&schema, &json!({"a": 1}));
    assert_complaint(&schema, &json!({"b": 1}), "`b` is not a known parameter");
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
            "it must have another number of items of a certain form",
        ),
        (
            json!({"contains": {}, "maxContains": 1}),
            json!([1, 2]),
            "it must have another number of items of a certain form",
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
            "it must not have a member named \"A\"",
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
            "it must match one of the allowed forms",
        ),
        (
            json!({"not": {"type": "null"}}),
            json!(null),
            "it has a form that is not allowed",
        ),
        (
            json!({"type": ["string", "null"]}),
            json!(1),
            "it must be of type null or string and is of type number",
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
