//! When schemas are compiled, and warnings about schemas with less effect than expected.

use super::{SHOP, shop_with};
use crate::team::Team;

fn with_schema(schema: &str) -> Team {
    let text = shop_with(
        "[tool.parameters.search_query]\ntype = \"string\"",
        &format!("[tool.schema]\n{schema}"),
    );
    Team::parse("team.toml", &text, super::PROVIDERS).unwrap()
}

fn warnings(team: &Team) -> Vec<String> {
    let warnings = team.warnings();
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_misspelt_keyword_of_a_parameter_is_a_warning_with_its_line() {
    let text = shop_with(
        "[tool.parameters.search_query]\ntype = \"string\"",
        "[tool.parameters.search_query]\ntype = \"string\"\nminLenght = 3",
    );
    let team = Team::parse("team.toml", &text, super::PROVIDERS).unwrap();
    assert_eq!(team.compile_all(), Ok(()));
    assert_eq!(
        warnings(&team),
        [
            "team.toml:23: in the schema of tool \"look_up_item\" `properties.search_query.minLenght` is not a keyword, so it is \
             ignored; `minLength` is one."
        ]
    );
    assert!(
        team.tool("look_up_item")
            .unwrap()
            .check(r#"{"search_query":"a"}"#)
            .is_ok()
    );
}

#[test]
fn each_warning_about_a_whole_schema_has_the_line_of_its_key() {
    let team = with_schema(
        "type = \"object\"\n\n[tool.schema.properties]\nday = { type = \"string\", format = \"weekday\" }\n\
         code = { anyOf = [\n  { type = \"null\" },\n  { pattern = \"(?!a)b\" },\n] }\n\n\
         [tool.schema.properties.note]\nmaxLen = 3\nmaxLenth = 3\n",
    );
    assert_eq!(
        warnings(&team),
        [
            "team.toml:28: in the schema of tool \"look_up_item\" `properties.code.anyOf.1.pattern` looks around or back, which \
             takes for ever on some texts, so it is not checked.",
            "team.toml:25: in the schema of tool \"look_up_item\" `properties.day.format` is \"weekday\", which is not known here, \
             so it is not checked.",
            "team.toml:33: in the schema of tool \"look_up_item\" `properties.note.maxLenth` is not a keyword, so it is ignored; \
             `maxLength` is one.",
        ]
    );
}

#[test]
fn a_schema_is_compiled_by_the_first_call() {
    let text = SHOP.replace(
        "type = \"string\"\n\n[[tool]]",
        "type = \"string\"\nmaxLength = 3\n\n[[tool]]",
    );
    let team = Team::parse("team.toml", &text, super::PROVIDERS).unwrap();
    let tool = team.tool("look_up_item").unwrap();
    assert!(tool.check(r#"{"search_query":"abc"}"#).is_ok());
    assert_eq!(
        tool.check(r#"{"search_query":"abcd"}"#).unwrap_err(),
        "look_up_item was not called: `search_query` must be at most 3 characters long."
    );
    assert_eq!(team.broken_schema(), None);
}

#[test]
fn a_schema_that_cannot_be_compiled_fails_its_calls_and_is_known_from_then_on() {
    let team = with_schema("type = \"object\"\nproperties.a.minLength = -1");
    assert_eq!(team.broken_schema(), None);
    let tool = team.tool("look_up_item").unwrap();
    let told = "look_up_item was not called: its schema cannot be used, which is a mistake of this team and not of the call.";
    assert_eq!(tool.check("{}").unwrap_err(), told);
    assert_eq!(tool.check("{}").unwrap_err(), told);
    assert_eq!(team.broken_schema(), Some("look_up_item"));
    assert_eq!(
        team.compile_all().unwrap_err().to_string(),
        "team.toml:23: in the schema of tool \"look_up_item\" `properties.a.minLength` must be at least 0."
    );
}

#[test]
fn a_wrong_default_is_reported_wherever_its_schema_is() {
    let default_of = |schema: &str| {
        with_schema(schema)
            .compile_all()
            .map_err(|error| error.to_string())
    };
    let referred = "type = \"object\"\n\"$defs\".size.enum = [\"S\"]\nproperties.size = { \"$ref\" = \"#/$defs/size\", default = \"L\" }";
    assert_eq!(
        default_of(referred),
        Err(
            "team.toml:24: in the schema of tool \"look_up_item\" `properties.size.default` must be one of [\"S\"]."
                .into()
        )
    );
    // A default is checked by its own parameter's schema only, not by the rules of the whole schema.
    assert_eq!(
        default_of(
            "type = \"object\"\nrequired = [\"other\"]\nproperties.size = { type = \"string\", default = \"L\" }"
        ),
        Ok(())
    );
}
