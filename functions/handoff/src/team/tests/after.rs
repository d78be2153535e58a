//! Tools that may be called after another tool only.

use super::{PROVIDERS, assert_mistake, shop_with};
use crate::team::{Earlier, Team};
use serde_json::json;

const IDENTITY: &str = "identity = [\"item_id\"]";

fn after(value: &str) -> String {
    format!("{IDENTITY}\nafter = {value}")
}

fn shop(value: &str) -> Team {
    Team::parse("team.toml", &shop_with(IDENTITY, &after(value)), PROVIDERS).unwrap()
}

#[track_caller]
fn assert_wrong(value: &str, sentence: &str) {
    let sentence = format!("team.toml:29: {sentence}.");
    assert_mistake(IDENTITY, &after(value), &sentence);
}

#[test]
fn a_call_needs_the_mark_of_an_earlier_one_with_an_equal_value() {
    let team = shop(
        r#"{ tool = "look_up_item", same = [{ argument = "item_id", result = "/items/0/id" }] }"#,
    );
    let after = team.tool("execute_refund").unwrap().after.clone().unwrap();
    assert_eq!(
        after.same[0].earlier,
        Earlier::Result("/items/0/id".to_owned())
    );
    let left = |speaker: &str, result: &str| {
        team.marks(
            "look_up_item",
            speaker,
            &json!({"search_query": "x"}),
            result,
        )
    };
    let needed = |speaker: &str, item: &str| after.needed_by(speaker, &json!({"item_id": item}));
    let found = "{\"items\": [{\"id\": \"i-1\"}]}\n[Looked up before this was carried out.]";
    let marks = left("t/customer/ann", found);
    assert_eq!(marks.len(), 1);
    assert_eq!(needed("t/customer/ann", "i-1"), Some(marks[0].clone()));
    assert_ne!(needed("t/customer/ann", "i-2"), Some(marks[0].clone()));
    assert_ne!(needed("t/visitor/ann", "i-1"), Some(marks[0].clone()));
    // What cannot be told leaves no mark.
    for result in [
        "",
        "no JSON",
        "{\"items\": []}",
        "{\"items\": [{\"id\": \"i-1",
    ] {
        assert_eq!(left("t/customer/ann", result), [], "{result}");
    }
    assert_eq!(
        team.marks("execute_refund", "t/customer/ann", &json!({}), found),
        []
    );
    assert_eq!(after.needed_by("t/customer/ann", &json!({})), None);
}

#[test]
fn arguments_are_compared_with_those_of_the_same_name() {
    let other = "after = { tool = \"look_up_item\", same = [\"search_query\"] }";
    let text = shop_with(IDENTITY, IDENTITY).replace(
        "[tool.parameters.item_id]",
        &format!("{other}\n[tool.parameters.search_query]\n[tool.parameters.item_id]"),
    );
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let after = team.tool("execute_refund").unwrap().after.clone().unwrap();
    let marks = team.marks("look_up_item", "s", &json!({"search_query": 1}), "");
    assert_eq!(
        after.needed_by("s", &json!({"search_query": 1, "item_id": "x"})),
        Some(marks[0].clone())
    );
    assert_ne!(
        after.needed_by("s", &json!({"search_query": "1"})),
        Some(marks[0].clone())
    );
}

#[test]
fn an_earlier_tool_must_be_there_and_must_not_wait_for_this_one() {
    assert_wrong(
        r#"{ tool = "look_up" }"#,
        "tool \"execute_refund\" is after \"look_up\", and no tool has that name",
    );
    assert_wrong(
        r#"{ tool = "execute_refund" }"#,
        "tool \"execute_refund\" is after itself, so it could never be called",
    );
    let text = shop_with(IDENTITY, &after(r#"{ tool = "look_up_item" }"#)).replace(
        "kind = \"lookup\"",
        "kind = \"lookup\"\nafter = { tool = \"execute_refund\" }",
    );
    let error = Team::parse("team.toml", &text, PROVIDERS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "team.toml:30: tool \"execute_refund\" is after itself, so it could never be called."
    );
}

#[test]
fn equal_values_must_always_be_there() {
    assert_wrong(
        r#"{ tool = "look_up_item", same = ["order_id"] }"#,
        "after of tool \"execute_refund\" names \"order_id\", which is not a parameter that every call of \"execute_refund\" has",
    );
    assert_wrong(
        r#"{ tool = "look_up_item", same = ["item_id"] }"#,
        "after of tool \"execute_refund\" names \"item_id\", which is not a parameter that every call of \"look_up_item\" has",
    );
    assert_wrong(
        r#"{ tool = "look_up_item", same = [{ argument = "item_id", result = "id" }] }"#,
        "after of tool \"execute_refund\" names the result \"id\", which is not a JSON Pointer such as /customer/id",
    );
}
