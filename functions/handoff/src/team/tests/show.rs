//! How much of a tool's calls customers see: the key `show`.

use super::super::{Show, Team, picked};
use super::{PROVIDERS, assert_mistake, shop_with};

const IDENTITY: &str = "identity = [\"item_id\"]";

/// The shop whose refunds show this.
fn showing(show: &str) -> String {
    shop_with(IDENTITY, &format!("{IDENTITY}\nshow = {show}"))
}

fn show_of(show: &str) -> Show {
    let team = Team::parse("team.toml", &showing(show), PROVIDERS).unwrap();
    team.tool("execute_refund").unwrap().show.clone()
}

fn pick(show: &str, text: &str) -> Option<String> {
    match show_of(show) {
        Show::Fields(fields) => picked(&fields, text),
        other @ (Show::Name | Show::All) => panic!("{other:?}"),
    }
}

#[test]
fn a_tool_shows_its_name_alone_unless_the_file_says_more() {
    assert_eq!(show_of("\"name\""), Show::Name);
    assert_eq!(show_of("\"all\""), Show::All);
    let shop = Team::parse("team.toml", super::SHOP, PROVIDERS).unwrap();
    assert!(shop.tools().all(|tool| tool.show == Show::Name));
}

#[test]
fn names_and_pointers_are_picked_in_the_order_of_the_file() {
    let result =
        r#"{"items":[{"paid_usd":7,"note":"secret"}],"product":"Anvil","a/b":null,"secret":1}"#;
    let picked = pick(
        r#"["product", "/items/0/paid_usd", "a/b", "/a~1b"]"#,
        result,
    );
    assert_eq!(
        picked.unwrap(),
        r#"{"product":"Anvil","/items/0/paid_usd":7,"a/b":null,"/a~1b":null}"#
    );
}

#[test]
fn a_member_that_is_not_there_is_absent() {
    let of = |text: &str| pick(r#"["product", "/items/1/paid_usd", "product"]"#, text);
    assert_eq!(
        of(r#"{"product":{"b":1,"a":2}}"#).unwrap(),
        r#"{"product":{"a":2,"b":1}}"#
    );
    for nothing in [
        r#"{"other":1}"#,
        "[]",
        r#"["product"]"#,
        r#""product""#,
        "7",
        "",
        "It is done: product.",
        r#"Rejected, nothing was done: {"product":"Anvil"}"#,
        r#"{"product":"Anv [… shortened: 9 of 12 bytes left out]"#,
    ] {
        assert_eq!(of(nothing), None, "{nothing}");
    }
}

#[test]
fn a_note_behind_the_json_is_not_in_the_way() {
    let noted = "{\"product\":\"Anvil\"}\n[Looked up before this was carried out.]";
    let picked = pick(r#"["product"]"#, noted);
    assert_eq!(picked.unwrap(), r#"{"product":"Anvil"}"#);
}

#[test]
fn a_show_without_a_meaning_is_reported() {
    for (show, sentence) in [
        (
            "\"fields\"",
            "invalid value: string \"fields\", expected \"name\", \"all\" or a list of names",
        ),
        (
            "true",
            "invalid type: boolean `true`, expected \"name\", \"all\" or a list of names",
        ),
        (
            "[\"item_id\", \"\"]",
            "a name in show of tool \"execute_refund\" must not be empty",
        ),
        (
            "[\"/a~b\"]",
            "show of tool \"execute_refund\" names \"/a~b\", which is not a JSON Pointer: ~ must be written as ~0",
        ),
    ] {
        let with = format!("{IDENTITY}\nshow = {show}");
        assert_mistake(IDENTITY, &with, &format!("team.toml:29: {sentence}."));
    }
}

#[test]
fn a_shown_name_that_is_nearly_a_parameter_of_an_action_is_a_warning() {
    let warnings = |text: &str| {
        let team = Team::parse("team.toml", text, PROVIDERS).unwrap();
        let warnings = team.warnings();
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let show = r#"["item_id", "resaon", "refunded_usd", "/itemid"]"#;
    assert_eq!(
        warnings(&showing(show)),
        [
            "team.toml:29: show of tool \"execute_refund\" names \"resaon\", which is not a parameter of it; \"reason\" is one."
        ]
    );
    let lookup = "description = \"Finds an item.\"";
    let lookup = shop_with(lookup, &format!("{lookup}\nshow = [\"search_queri\"]"));
    assert_eq!(warnings(&lookup), [] as [&str; 0]);
}
