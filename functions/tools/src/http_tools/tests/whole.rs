//! Whole team files, as programs read them: the guide's example, and the choice of a provider.

use baton_handoff::team::Team;

use super::{SHOP, error_of};
use crate::toolbox::{KINDS, providers};

#[test]
fn the_example_of_the_reference_has_no_mistake() {
    let reference = include_str!("../../../../../infra/docs/teams.md");
    let (_, example) = reference.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let team = Team::parse("teams.md", example, &providers(KINDS)).unwrap();
    assert_eq!(team.compile_all(), Ok(()));
    assert_eq!(team.warnings(), []);
    assert_eq!(team.tools().count(), 4);
}

#[test]
fn an_unknown_section_is_reported_with_the_known_ones() {
    assert_eq!(
        error_of(&SHOP.replace("timeout_seconds = 5", "timeout = 5")),
        "team.toml:29: unknown key `timeout`, expected one of `name`, `description`, `kind`, `parameters`, `schema`, \
         `schema_file`, `result`, `identity`, `timeout_seconds`, `approval`, `amount`, `confirm`, `order`, `retry_minutes`, `verified`, `after`, `show`, \
         `http`, `mcp`."
    );
}

#[test]
fn a_tool_without_http_must_be_one_of_the_back_office() {
    assert_eq!(
        error_of(&SHOP.replace("look_up_item", "look_up_weather")),
        "team.toml:17: tool \"look_up_weather\" is not one of the back office (look_up_item, execute_order, \
         execute_refund), so it needs a [tool.http] or [tool.mcp] section."
    );
}
