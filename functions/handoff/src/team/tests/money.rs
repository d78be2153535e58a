use super::{PROVIDERS, SHOP, Team, assert_mistake, error_of};
use crate::team::{Approval, Over};

const LIMIT: &str =
    "\n[[limit]]\nname = \"refunds\"\ntools = [\"execute_refund\"]\nconversation_usd = 20\n";

/// The mistake in a limit behind the shop's file, without its line.
fn limit_error(from: &str, to: &str) -> String {
    assert!(LIMIT.contains(from), "{from:?}");
    let error = error_of(&format!("{SHOP}{}", LIMIT.replace(from, to)));
    error.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_limit_holds_for_its_tools() {
    let text = format!("{SHOP}{LIMIT}action_usd = 5\nover = \"refuse\"\n");
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let limit = team.money_limit("execute_refund").unwrap();
    assert_eq!(limit.conversation_cents, Some(2_000));
    assert_eq!(
        (limit.action_cents, limit.tenant_day_cents),
        (Some(500), None)
    );
    assert_eq!(limit.over, Over::Refuse);
    assert!(team.money_limit("look_up_item").is_none());
}

#[test]
fn mistakes_in_limits_are_reported() {
    assert_eq!(
        limit_error("conversation_usd = 20\n", ""),
        "limit \"refunds\" limits nothing; it needs tools, and action_usd, conversation_usd, customer_day_usd or tenant_day_usd."
    );
    assert_eq!(
        limit_error("\"execute_refund\"", "\"execute_magic\""),
        "limit \"refunds\" names the tool \"execute_magic\", and no tool has that name."
    );
    assert_eq!(
        limit_error("\"execute_refund\"", "\"look_up_item\""),
        "tool \"look_up_item\" is a lookup, and a limit is for actions only."
    );
    assert_eq!(
        limit_error(
            "\"execute_refund\"",
            "\"execute_refund\", \"execute_refund\""
        ),
        "tool \"execute_refund\" is in the limits \"refunds\" and \"refunds\"; it can be in one."
    );
    assert_eq!(
        limit_error("name = \"refunds\"", "name = \"all refunds\""),
        "limit \"all refunds\" has a name that is not 1 to 32 letters, digits, _ and -."
    );
    assert_eq!(
        limit_error("conversation_usd = 20", "conversation_usd = -1"),
        "conversation_usd is -1 and must be from 0 to 1000000000."
    );
    let twice = format!(
        "{SHOP}{LIMIT}{}",
        LIMIT.replace("execute_refund", "execute_magic")
    );
    assert!(error_of(&twice).ends_with("two limits have the name \"refunds\"."));
}

#[test]
fn a_tool_of_a_limit_has_an_amount() {
    let at_service = |lines: &str| {
        format!("{SHOP}\n[tool.service]\n{LIMIT}").replace("timeout_seconds = 5", lines)
    };
    let error = error_of(&at_service("timeout_seconds = 5"));
    assert!(
        error.contains("names the tool \"execute_refund\", whose calls have no known amount"),
        "{error}"
    );
    let error = error_of(&at_service("amount = \"item_id\""));
    assert!(
        error.contains("amount of tool \"execute_refund\" names \"item_id\", which is not a required parameter of type integer"),
        "{error}"
    );
}

fn asking(approval: &str, confirm: &str) -> String {
    SHOP.replace(
        "timeout_seconds = 5",
        &format!("approval = {approval}\n{confirm}"),
    )
}

#[test]
fn the_customer_is_asked_before_an_operator() {
    let confirm = "confirm = { title = \"Refund {amount} for { item_id }?\", yes = [\"Yes!\"], no = [\"no\"] }";
    for (approval, operator) in [
        ("\"customer\"", Approval::Never),
        ("[\"customer\"]", Approval::Never),
        ("[\"customer\", \"operator\"]", Approval::Always),
    ] {
        let text = asking(approval, confirm);
        let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
        let tool = team.tool("execute_refund").unwrap();
        assert_eq!(tool.approval, operator, "{approval}");
        let confirm = tool.confirm.as_ref().unwrap();
        let arguments = serde_json::json!({ "item_id": "a\u{202e}b\nc" });
        assert_eq!(
            confirm.title(&arguments, Some(74_900)),
            "Refund $749.00 for ab c?"
        );
        assert_eq!(
            confirm.title(&arguments, None),
            "Refund an unknown amount for ab c?"
        );
        let answers = ["YES", " yes. ", "no", "yes please", ""].map(|said| confirm.answer(said));
        assert_eq!(answers, [Some(true), Some(true), Some(false), None, None]);
    }
    for bad in [
        "[\"operator\"]",
        "[]",
        "[\"customer\", \"customer\"]",
        "[\"customer\", \"operator\", \"operator\"]",
    ] {
        let error = error_of(&asking(bad, confirm));
        assert!(error.contains("expected \"never\", \"always\""), "{error}");
    }
}

#[test]
fn mistakes_in_a_card_are_reported() {
    let at = |confirm: &str| asking("\"customer\"", confirm);
    for (text, sentence) in [
        (
            at(""),
            "tool \"execute_refund\" needs confirm = { title = \"…\" }, since its customer is asked.",
        ),
        (
            asking("\"always\"", "confirm = { title = \"Sure?\" }"),
            "tool \"execute_refund\" has confirm, and its approval asks no customer.",
        ),
        (
            at("confirm = { title = \"For {note}?\" }"),
            "confirm of tool \"execute_refund\" names \"note\", which no call of it is certain to have.",
        ),
        (
            at("confirm = { title = \"For {item_id?\" }"),
            "the title of confirm of tool \"execute_refund\" has a brace without the other one.",
        ),
        (
            at("confirm = { title = \"Sure?\", yes = [\"ok\"], no = [\"OK!\"] }"),
            "confirm of tool \"execute_refund\" has the word \"OK!\", which is empty or both a yes and a no.",
        ),
    ] {
        let error = error_of(&text);
        assert!(error.ends_with(sentence), "{error}");
    }
    assert_mistake(
        "timeout_seconds = 5",
        "approval = \"customer\"\nconfirm = { title = \"Sure?\", minutes = 0 }",
        "team.toml:30: minutes is 0 and must be from 1 to 4320.",
    );
}
