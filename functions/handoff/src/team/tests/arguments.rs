use std::sync::Arc;

use super::super::{MAX_ARGUMENT_BYTES, Team, Tool};
use super::shop_with;

fn acme(tool: &str) -> Arc<Tool> {
    Arc::clone(Team::acme().tool(tool).unwrap())
}

/// `look_up_item` with a schema of its own.
fn with_schema(schema: &str) -> Arc<Tool> {
    let text = shop_with(
        "[tool.parameters.search_query]\ntype = \"string\"",
        &format!("[tool.schema]\n{schema}"),
    );
    Arc::clone(
        Team::parse("team.toml", &text, super::PROVIDERS)
            .unwrap()
            .tool("look_up_item")
            .unwrap(),
    )
}

fn canonical(tool: &Tool, arguments: &str) -> String {
    tool.check(arguments).unwrap().canonical().to_owned()
}

#[track_caller]
fn assert_refused(tool: &Tool, arguments: &str, sentence: &str) {
    assert_eq!(tool.check(arguments).unwrap_err(), sentence);
}

#[test]
fn the_same_call_is_the_same_text_however_it_was_spelt() {
    let order = acme("execute_order");
    let spellings = [
        r#"{"product":"Anvil","price":42}"#,
        r#"{ "price": 42.0, "product": "Anvil" }"#,
        r#"{"price":4.2e1,"product":"\u0041nvil"}"#,
    ];
    for spelling in spellings {
        assert_eq!(
            canonical(&order, spelling),
            r#"{"price":42,"product":"Anvil"}"#
        );
    }
    assert_eq!(order.check(spellings[0]), order.check(spellings[1]));
    assert_ne!(
        order.check(spellings[0]),
        order.check(r#"{"product":"Anvil","price":43}"#)
    );
}

#[test]
fn keys_are_sorted_at_every_depth_and_items_keep_their_order() {
    let any = with_schema("type = \"object\"");
    assert_eq!(
        canonical(
            &any,
            r#"{"b":[{"z":1,"y":-0.0},2],"a":{"d":null,"c":true}}"#
        ),
        r#"{"a":{"c":true,"d":null},"b":[{"y":0,"z":1},2]}"#
    );
}

#[test]
fn numbers_keep_their_value() {
    let any = with_schema("type = \"object\"");
    for number in [
        "0.5",
        "-1.25",
        "9223372036854775807",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let text = format!("{{\"n\":{number}}}");
        assert_eq!(canonical(&any, &text), text);
    }
    assert_eq!(
        canonical(&any, r#"{"n":1e18}"#),
        r#"{"n":1000000000000000000}"#
    );
    assert_eq!(
        canonical(&any, r#"{"n":1e30}"#),
        canonical(&any, r#"{"n":1000000000000000000000000000000}"#)
    );
    assert_eq!(
        canonical(&any, r#"{"n":1e19}"#),
        r#"{"n":10000000000000000000}"#
    );
}

#[test]
fn defaults_are_filled_in_before_the_check() {
    let refund = acme("execute_refund");
    assert_eq!(
        canonical(&refund, r#"{"item_id":"item_1"}"#),
        r#"{"item_id":"item_1","reason":"not provided"}"#
    );
    assert_eq!(
        canonical(&refund, r#"{"item_id":"item_1","reason":"burnt"}"#),
        r#"{"item_id":"item_1","reason":"burnt"}"#
    );
}

#[test]
fn two_refunds_of_one_item_are_the_same_action_whatever_the_reason() {
    let refund = acme("execute_refund");
    let identity = |arguments| refund.identity_of(&refund.check(arguments).unwrap());
    assert_eq!(
        identity(r#"{"reason":"burnt","item_id":"item_1"}"#),
        r#"{"item_id":"item_1"}"#
    );
    assert_eq!(
        identity(r#"{"item_id":"item_1"}"#),
        r#"{"item_id":"item_1"}"#
    );
    assert_ne!(
        identity(r#"{"item_id":"item_2"}"#),
        identity(r#"{"item_id":"item_1"}"#)
    );
}

#[test]
fn a_tool_without_identity_is_identified_by_all_its_arguments() {
    let order = acme("execute_order");
    let arguments = order.check(r#"{"product":"Anvil","price":42}"#).unwrap();
    assert_eq!(order.identity_of(&arguments), arguments.canonical());
}

#[test]
fn an_empty_text_counts_as_an_empty_object() {
    let any = with_schema("type = \"object\"");
    assert_eq!(canonical(&any, ""), "{}");
    assert_eq!(canonical(&any, " \n"), "{}");
}

#[test]
fn arguments_that_are_no_json_object_are_refused() {
    let order = acme("execute_order");
    assert_refused(
        &order,
        r#"{"product":"#,
        "execute_order was not called: the arguments are not valid JSON (EOF while parsing a value at line 1 column 11).",
    );
    assert_refused(
        &order,
        "[1]",
        "execute_order was not called: the arguments must be a JSON object and are an array.",
    );
}

#[test]
fn arguments_beyond_the_bound_are_refused_unread() {
    let any = with_schema("type = \"object\"");
    let of_bytes = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert!(any.check(&of_bytes(MAX_ARGUMENT_BYTES)).is_ok());
    assert_refused(
        &any,
        &of_bytes(MAX_ARGUMENT_BYTES + 1),
        "look_up_item was not called: the arguments are 32769 bytes long and at most 32768 are read.",
    );
}

#[test]
fn arguments_nested_without_end_are_refused() {
    let any = with_schema("type = \"object\"");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(
        any.check(&deep)
            .unwrap_err()
            .contains("recursion limit exceeded")
    );
}

#[test]
fn every_wrong_argument_is_named() {
    let order = acme("execute_order");
    assert_refused(
        &order,
        "{}",
        "execute_order was not called: `price` is missing; `product` is missing.",
    );
    assert_refused(
        &order,
        r#"{"product":"Anvil","price":"42"}"#,
        "execute_order was not called: `price` must be of type integer and is of type string.",
    );
    assert_refused(
        &order,
        r#"{"product":"Anvil","price":-1}"#,
        "execute_order was not called: `price` must be at least 0.",
    );
    assert_refused(
        &order,
        r#"{"product":"Anvil","price":1,"colour":"red"}"#,
        "execute_order was not called: `colour` is not a known parameter.",
    );
}

#[test]
fn a_wrong_argument_inside_another_is_named_with_its_path() {
    let nested = with_schema(
        "type = \"object\"\nproperties.items = { type = \"array\", items = { type = \"object\", required = [\"name\"], \
         properties.size = { enum = [\"S\", \"L\"] }, properties.by = { anyOf = [{ type = \"string\" }, { type = \"null\" }] } } }",
    );
    assert_refused(
        &nested,
        r#"{"items":[{"name":"a"},{"size":"M","by":1}]}"#,
        "look_up_item was not called: `items[1].name` is missing; `items[1].by` must match one of the allowed forms; \
         `items[1].size` must be one of [\"S\",\"L\"].",
    );
}

#[test]
fn a_format_is_checked() {
    let day =
        with_schema("type = \"object\"\nproperties.day = { type = \"string\", format = \"date\" }");
    assert!(day.check(r#"{"day":"2026-02-28"}"#).is_ok());
    assert_refused(
        &day,
        r#"{"day":"2026-02-30"}"#,
        "look_up_item was not called: `day` must be a valid date.",
    );
}

#[test]
fn a_pattern_that_would_backtrack_for_ever_elsewhere_is_checked_at_once() {
    let evil = with_schema("type = \"object\"\nproperties.a = { pattern = \"^(a+)+$\" }");
    let text = format!(r#"{{"a":"{}!"}}"#, "a".repeat(30_000));
    assert_refused(
        &evil,
        &text,
        "look_up_item was not called: `a` must match the pattern ^(a+)+$.",
    );
}

#[test]
fn only_the_first_three_of_many_mistakes_are_reported_in_full() {
    let many = with_schema("type = \"object\"\nrequired = [\"a\", \"b\", \"c\", \"d\", \"e\"]");
    assert_refused(
        &many,
        "{}",
        "look_up_item was not called: `a` is missing; `b` is missing; `c` is missing; and 2 more.",
    );
}

#[test]
fn a_long_name_made_up_by_the_model_is_shortened() {
    let order = acme("execute_order");
    let long = format!(
        r#"{{"product":"Anvil","price":1,"{}":1}}"#,
        "ä".repeat(1000)
    );
    assert_refused(
        &order,
        &long,
        &format!(
            "execute_order was not called: `{}…` is not a known parameter.",
            "ä".repeat(64)
        ),
    );
}

#[test]
fn arguments_are_not_printed_for_debugging() {
    let arguments = acme("look_up_item")
        .check(r#"{"search_query":"secret"}"#)
        .unwrap();
    assert_eq!(format!("{arguments:?}"), "Arguments(25 bytes)");
}

#[test]
fn a_schema_may_refer_to_itself() {
    let tree = with_schema(
        "type = \"object\"\nproperties.left = { \"$ref\" = \"#\" }\nadditionalProperties = false",
    );
    assert_eq!(
        canonical(&tree, r#"{"left":{"left":{}}}"#),
        r#"{"left":{"left":{}}}"#
    );
    assert_refused(
        &tree,
        r#"{"left":{"right":1}}"#,
        "look_up_item was not called: `left.right` is not a known parameter.",
    );
}
