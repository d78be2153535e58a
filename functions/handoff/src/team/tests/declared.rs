//! Which provider declares a tool, and that mistakes in a provider's own section are reported at their lines.

use super::super::{Amount, Approval, Provider, Retries, Team};
use super::{PROVIDERS, SHOP, error_of};

/// A shop with an action `book` and these lines behind its other keys.
fn booking(lines: &str) -> String {
    let shop = SHOP.replace("[\"execute_refund\",", "[\"book\", \"execute_refund\",");
    format!(
        "{shop}\n[[tool]]\nname = \"book\"\nkind = \"action\"\ndescription = \"Books.\"\n\
         parameters.usd = {{ type = \"integer\" }}\n{lines}"
    )
}

#[test]
fn the_section_of_a_tool_chooses_its_provider() {
    let text = booking("[tool.service]\nkey_life_minutes = 5\n");
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let runs = |tool: &str| team.tool(tool).unwrap().runs.clone();
    assert_eq!(runs("book").provider, "test");
    assert_eq!(
        runs("book").retries.key_life,
        Some(std::time::Duration::from_mins(5))
    );
    assert_eq!(runs("execute_refund").provider, "back office");
    assert_eq!(runs("execute_refund").retries, Retries::FOR_EVER);
}

#[test]
fn mistakes_in_a_section_are_reported_at_their_lines() {
    assert_eq!(
        error_of(&booking("[tool.service]\nkeys = true\nspeed = 3\n")),
        "team.toml:45: unknown key `speed`, expected `keys` or `key_life_minutes`."
    );
    assert_eq!(
        error_of(&booking("[tool.service]\n\nkeys = 3\n")),
        "team.toml:45: invalid type: integer `3`, expected a boolean."
    );
    assert_eq!(
        error_of(&booking("[tool.servce]\nkeys = true\n")),
        "team.toml:43: unknown key `servce`, expected one of `name`, `description`, `kind`, `parameters`, `schema`, `schema_file`, `result`, `identity`, \
         `timeout_seconds`, `approval`, `amount`, `confirm`, `order`, `retry_minutes`, `verified`, `after`, `show`, `service`."
    );
}

/// Takes what another provider takes too.
struct Twin;

impl Provider for Twin {
    fn name(&self) -> &'static str {
        "twin"
    }

    fn section(&self) -> Option<&'static str> {
        Some("twin")
    }

    fn noun(&self) -> &'static str {
        "the twin"
    }

    fn declare(
        &self,
        draft: &super::super::Draft<'_>,
    ) -> Result<super::super::Declared, super::super::Located> {
        super::Service.declare(draft)
    }
}

#[test]
fn a_tool_runs_in_one_place() {
    let error = |text: &str, providers: &[&dyn Provider]| {
        let read = Team::parse("team.toml", text, providers);
        read.unwrap_err().to_string()
    };
    assert_eq!(
        error(
            &booking("[tool.service]\n[tool.twin]\n"),
            &[PROVIDERS[0], PROVIDERS[1], &Twin]
        ),
        "team.toml:44: tool \"book\" has [tool.service] and [tool.twin]; it runs in one place."
    );
    assert_eq!(
        error(SHOP, &[&Twin]),
        "team.toml:17: tool \"look_up_item\" has no section that says where it runs."
    );
}

#[test]
fn a_provider_that_knows_no_prices_has_limits_by_a_parameter() {
    let text = booking("approval = { above_usd = 20, amount = \"usd\" }\n[tool.service]\n");
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let amount = Amount::Parameter("usd".into());
    assert_eq!(
        team.tool("book").unwrap().approval,
        Approval::Above {
            limit_cents: 2000,
            amount
        }
    );
}
