use super::{SHOP, assert_mistake, error_of, shop_with};

#[test]
fn a_syntax_error_is_reported_with_its_line() {
    assert_mistake(
        "name = \"Shop\"\n",
        "name = \"Shop\n",
        "team.toml:1: invalid basic string, expected `\"`.",
    );
}

#[test]
fn an_unknown_key_is_reported_with_the_known_ones() {
    assert_mistake(
        "timeout_seconds = 5",
        "timeout = 5",
        "team.toml:29: unknown key `timeout`, expected one of `name`, `description`, `kind`, `parameters`, `schema`, \
         `schema_file`, `result`, `identity`, `timeout_seconds`, `approval`, `amount`, `confirm`, `order`, `retry_minutes`, `verified`, `after`, `show`, `service`.",
    );
}

#[test]
fn a_missing_key_is_reported() {
    assert_mistake(
        "entry = \"Front\"\n",
        "",
        "team.toml:1: missing key `entry`.",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_reported() {
    assert_mistake(
        "timeout_seconds = 5",
        "timeout_seconds = \"5\"",
        "team.toml:29: invalid type: string \"5\", expected a whole number.",
    );
    assert_mistake(
        "kind = \"lookup\"",
        "kind = \"query\"",
        "team.toml:18: unknown value `query`, expected `lookup` or `action`.",
    );
}

#[test]
fn a_section_with_too_few_brackets_is_reported() {
    let one_bracket = "name = \"Shop\"\nentry = \"Front\"\n\n[agent]\nname = \"Front\"\n";
    assert_eq!(
        error_of(one_bracket),
        "team.toml:4: expected a list; a section of a list has two brackets, as in [[agent]]."
    );
    assert_mistake(
        "entry = \"Front\"",
        "entry = \"Front\"\nlimits = 7",
        "team.toml:3: invalid type: integer `7`, expected a table.",
    );
}

#[test]
fn an_entry_that_is_no_agent_is_reported() {
    assert_mistake(
        "entry = \"Front\"",
        "entry = \"Door\"",
        "team.toml:2: entry names \"Door\", and no agent has that name.",
    );
}

#[test]
fn an_unknown_tool_is_reported_at_the_agent_that_names_it() {
    assert_mistake(
        "[\"execute_refund\", \"look_up_item\"]",
        "[\"execute_refund\", \"look_up_item\", \"execute_magic\"]",
        "team.toml:13: agent \"Back\" names the tool \"execute_magic\", and no tool has that name.",
    );
}

#[test]
fn a_tool_that_an_agent_names_twice_is_reported() {
    assert_mistake(
        "[\"execute_refund\", \"look_up_item\"]",
        "[\"execute_refund\", \"execute_refund\"]",
        "team.toml:13: agent \"Back\" names \"execute_refund\" twice among its tools and hand-offs.",
    );
}

#[test]
fn a_hand_off_to_an_unknown_agent_is_reported() {
    assert_mistake(
        "to = \"Back\"",
        "to = \"Cellar\"",
        "team.toml:8: agent \"Front\" hands off to \"Cellar\", and no agent has that name.",
    );
}

#[test]
fn a_hand_off_to_itself_is_reported() {
    assert_mistake(
        "to = \"Back\"",
        "to = \"Front\"",
        "team.toml:8: agent \"Front\" hands off to itself.",
    );
}

#[test]
fn a_hand_off_with_the_name_of_a_tool_is_reported() {
    assert_mistake(
        "tool = \"to_back\"",
        "tool = \"execute_refund\"",
        "team.toml:8: hand-off \"execute_refund\" of agent \"Front\" has the name of a tool.",
    );
}

#[test]
fn two_agents_may_use_one_hand_off_name_for_different_targets() {
    let text = shop_with("tool = \"to_back\"", "tool = \"pass_on\"")
        .replace("tool = \"to_front\"", "tool = \"pass_on\"");
    let team = super::Team::parse("team.toml", &text, super::PROVIDERS).unwrap();
    let target = |agent| {
        team.agent(agent)
            .unwrap()
            .hand_off("pass_on")
            .unwrap()
            .to
            .clone()
    };
    assert_eq!(
        (target("Front"), target("Back")),
        ("Back".into(), "Front".into())
    );
}

#[test]
fn two_agents_of_one_name_are_reported_at_the_second() {
    assert_mistake(
        "name = \"Back\"",
        "name = \"Front\"",
        "team.toml:11: two agents have the name \"Front\".",
    );
}

#[test]
fn an_unreachable_agent_is_reported() {
    let lonely = format!("{SHOP}\n[[agent]]\nname = \"Lonely\"\ninstructions = \"Wait.\"\n");
    assert_eq!(
        error_of(&lonely),
        "team.toml:39: agent \"Lonely\" cannot be reached from \"Front\" by any hand-off."
    );
}

#[test]
fn two_tools_of_one_name_are_reported_at_the_second() {
    let twice = format!(
        "{SHOP}\n[[tool]]\nname = \"look_up_item\"\nkind = \"lookup\"\ndescription = \"Again.\"\n"
    );
    assert_eq!(
        error_of(&twice),
        "team.toml:39: two tools have the name \"look_up_item\"."
    );
}

#[test]
fn an_unused_tool_is_reported() {
    let unused = format!(
        "{SHOP}\n[[tool]]\nname = \"execute_order\"\nkind = \"action\"\ndescription = \"Orders.\"\n"
    );
    assert_eq!(
        error_of(&unused),
        "team.toml:39: no agent uses the tool \"execute_order\"."
    );
}

#[test]
fn a_name_that_model_services_refuse_is_reported() {
    assert_mistake(
        "tool = \"to_back\"",
        "tool = \"to back\"",
        "team.toml:8: hand-off \"to back\" has a name that model services refuse; use 1 to 64 letters, digits, _ and -.",
    );
    assert_mistake(
        "entry = \"Front\"\n",
        "entry = \"Front\"\n[limits]\nsummary_model = \"a model\"\n",
        "team.toml:4: summary_model \"a model\" is no [[model]] of the file; \"default\" is the deployment's own.",
    );
    let long = "a".repeat(65);
    assert_eq!(
        error_of(&SHOP.replace("look_up_item", &long)),
        format!(
            "team.toml:17: tool \"{long}\" has a name that model services refuse; use 1 to 64 letters, digits, _ and -."
        )
    );
}

#[test]
fn empty_texts_are_reported() {
    assert_mistake(
        "instructions = \"Refund.\"",
        "instructions = \"\"\" \n \"\"\"",
        "team.toml:12: the instructions of agent \"Back\" must not be empty.",
    );
    assert_mistake(
        "description = \"Finds an item.\"",
        "description = \"\"",
        "team.toml:19: the description of tool \"look_up_item\" must not be empty.",
    );
}

#[test]
fn limits_out_of_range_are_reported() {
    assert_mistake(
        "entry = \"Front\"",
        "entry = \"Front\"\nlimits = { steps = 0 }",
        "team.toml:3: steps is 0 and must be from 1 to 100.",
    );
    assert_mistake(
        "timeout_seconds = 5",
        "timeout_seconds = -5",
        "team.toml:29: timeout_seconds is -5 and must be from 1 to 120.",
    );
}

#[test]
fn an_invalid_schema_is_reported_at_its_parameter() {
    assert_mistake(
        "[tool.parameters.search_query]\ntype = \"string\"",
        "[tool.parameters.search_query]\ntype = \"text\"",
        "team.toml:22: in the schema of tool \"look_up_item\" `properties.search_query.type` must be one of \
         [\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"].",
    );
    assert_mistake(
        "[tool.parameters.search_query]\ntype = \"string\"",
        "[tool.parameters.search_query]\ntype = \"string\"\npattern = \"(\"",
        "team.toml:23: in the schema of tool \"look_up_item\" `properties.search_query.pattern` must be a regular \
         expression, and one of at most 256 KB.",
    );
}

#[test]
fn a_schema_must_describe_an_object_and_be_whole() {
    let long_form = |schema: &str| {
        error_of(&shop_with(
            "[tool.parameters.search_query]\ntype = \"string\"",
            &format!("[tool.schema]\n{schema}"),
        ))
    };
    assert_eq!(
        long_form("type = \"string\""),
        "team.toml:21: the schema of tool \"look_up_item\" must have type = \"object\"."
    );
    // A file that is there and is a schema, so that only a refusal to read it can fail.
    let path = std::env::temp_dir().join(format!("baton-schema-{}.json", std::process::id()));
    std::fs::write(&path, "{}").unwrap();
    let on_disk = format!("file://{}", path.display());
    for remote in ["https://example.com/item.json", &on_disk] {
        let reference = format!("properties.item = {{ \"$ref\" = \"{remote}\" }}");
        assert_eq!(
            long_form(&format!("type = \"object\"\n{reference}")),
            format!(
                "team.toml:23: in the schema of tool \"look_up_item\" `properties.item.$ref` is {remote}, and schemas \
                 outside of this file are not loaded."
            )
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        long_form("type = \"object\"\nproperties.day = { const = 2026-01-01 }"),
        "team.toml:21: the schema of tool \"look_up_item\" holds a date or time without quotes, which JSON does not have."
    );
}

#[test]
fn a_whole_schema_in_place_of_parameters_is_reported() {
    assert_mistake(
        "[tool.parameters.search_query]\ntype = \"string\"",
        "[tool.parameters]\ntype = \"object\"",
        "team.toml:22: invalid type: string \"object\", expected a table.",
    );
    assert_mistake(
        "[tool.parameters.search_query]\ntype = \"string\"",
        "parameters = {}\nschema = { type = \"object\" }",
        "team.toml:22: tool \"look_up_item\" has both parameters and schema; schema alone describes all of its \
         arguments.",
    );
}

#[test]
fn an_optional_that_is_no_boolean_is_reported() {
    assert_mistake(
        "[tool.parameters.item_id]",
        "[tool.parameters.item_id]\noptional = \"yes\"",
        "team.toml:31: `optional` of parameter \"item_id\" of tool \"execute_refund\" must be true or false.",
    );
}

#[test]
fn a_team_without_agents_is_reported() {
    assert_eq!(
        error_of("name = \"Shop\"\nentry = \"Front\"\n"),
        "team.toml:2: entry names \"Front\", and no agent has that name."
    );
}

#[test]
fn more_calls_than_model_services_accept_are_reported() {
    let many: Vec<_> = (0..128)
        .map(|n| format!("{{ tool = \"to_back_{n}\", to = \"Back\", description = \"Back.\" }}"))
        .collect();
    assert_mistake(
        "{ tool = \"to_back\", to = \"Back\", description = \"To the back.\" }",
        &many.join(", "),
        "team.toml:5: agent \"Front\" has 129 tools and hand-offs, and model services take 128 at most.",
    );
}

#[test]
fn a_default_against_its_schema_is_reported() {
    assert_mistake(
        "default = \"not provided\"",
        "default = 7",
        "team.toml:36: in the schema of tool \"execute_refund\" `properties.reason.default` must be of type string and \
         is of type number.",
    );
}

#[test]
fn an_identity_must_be_a_required_parameter() {
    assert_mistake(
        "identity = [\"item_id\"]",
        "identity = [\"order_id\"]",
        "team.toml:28: identity of tool \"execute_refund\" names \"order_id\", which is not a parameter of it.",
    );
    assert_mistake(
        "[tool.parameters.item_id]",
        "[tool.parameters.item_id]\noptional = true",
        "team.toml:28: identity of tool \"execute_refund\" names \"item_id\", which a call may leave out.",
    );
}

#[test]
fn keys_for_actions_are_refused_on_lookups() {
    let lookup = |line: &str| {
        error_of(&shop_with(
            "kind = \"lookup\"",
            &format!("kind = \"lookup\"\n{line}"),
        ))
    };
    assert_eq!(
        lookup("approval = \"always\""),
        "team.toml:19: tool \"look_up_item\" is a lookup, and approval is for actions only."
    );
    assert_eq!(
        lookup("identity = [\"search_query\"]"),
        "team.toml:19: tool \"look_up_item\" is a lookup, and identity is for actions only."
    );
}

#[test]
fn an_unknown_approval_is_reported() {
    assert_mistake(
        "timeout_seconds = 5",
        "approval = \"maybe\"",
        "team.toml:29: invalid value: string \"maybe\", expected \"never\", \"always\", { above_usd = NUMBER }, \"customer\" \
         or [\"customer\", \"operator\"].",
    );
    assert_mistake(
        "timeout_seconds = 5",
        "approval = { above_usd = 5, amount = \"item_id\" }",
        "team.toml:29: approval of tool \"execute_refund\" must not name an amount, since the back office knows it.",
    );
}

#[test]
fn a_tool_without_a_section_must_be_one_of_the_back_office() {
    assert_eq!(
        error_of(&SHOP.replace("look_up_item", "look_up_weather")),
        "team.toml:17: tool \"look_up_weather\" is not one of the back office (look_up_item, execute_order, \
         execute_refund), so it needs a [tool.service] section."
    );
    assert_mistake(
        "kind = \"lookup\"",
        "kind = \"action\"",
        "team.toml:17: tool \"look_up_item\" of the back office has the kind lookup.",
    );
}
