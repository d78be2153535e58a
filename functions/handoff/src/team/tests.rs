//! The team file and its tools, through the public interface of the module.

mod acme;
mod after;
mod arguments;
mod budgets;
mod declared;
mod domain;
mod mistakes;
mod models;
mod money;
mod schemas;
mod show;

use super::{BackOfficeTools, Provider, Service, Team};

/// A small team without a mistake; tests put one in.
const SHOP: &str = include_str!("tests/shop.toml");

const PROVIDERS: &[&dyn Provider] = &[&BackOfficeTools, &Service];

/// The shop with one passage replaced.
fn shop_with(passage: &str, replacement: &str) -> String {
    assert_eq!(
        SHOP.matches(passage).count(),
        1,
        "{passage:?} must be in the shop once"
    );
    SHOP.replace(passage, replacement)
}

fn error_of(text: &str) -> String {
    Team::parse("team.toml", text, PROVIDERS)
        .and_then(|team| team.compile_all())
        .expect_err("the file has a mistake")
        .to_string()
}

#[track_caller]
fn assert_mistake(passage: &str, replacement: &str, sentence: &str) {
    assert_eq!(error_of(&shop_with(passage, replacement)), sentence);
}

#[test]
fn the_shop_has_no_mistake() {
    let team =
        Team::parse("team.toml", SHOP, PROVIDERS).expect("the tests start from a right file");
    assert_eq!(team.compile_all(), Ok(()));
    assert_eq!(team.warnings(), []);
}

#[test]
fn the_example_of_the_module_has_no_mistake() {
    let docs: Vec<_> = include_str!("../team.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let docs = docs.join("\n");
    let (_, example) = docs.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let team = Team::parse("team.rs", example, PROVIDERS).unwrap();
    assert_eq!(team.compile_all(), Ok(()));
    assert_eq!(team.entry_agent().name, "Front");
}

#[test]
fn a_team_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Team::acme());
}
