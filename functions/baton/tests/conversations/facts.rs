//! What counts as said, found, asked and done, and when.

use super::folder::Folder;
use super::services::{Service, run};

/// The form of a pin; no description has this one.
const PIN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A card that is confirmed in the last turn; `between` comes before.
fn paid(between: &str, after: &str) -> String {
    format!(
        r#"
any_effects = true
[[stub]]
tool = "find_order"
times = 1
error = "There is no order A-9."
[[stub]]
tool = "find_order"
result = {{ state = "sent by rocket" }}
[[stub]]
tool = "pay_refund"
result = "receipt_77"
[[stub]]
tool = "send_note"
result = "noted"
[[turn]]
says = 'rehearse: call find_order {{"order": "A-9"}}'
[[turn]]
says = 'rehearse: call pay_refund {{"usd": 20}}'
{between}
[[turn]]
confirm = true
{after}
"#
    )
}

fn note(text: &str, expected: &str) -> String {
    format!("[[turn]]\nsays = 'rehearse: call send_note {{\"text\": \"{text}\"}}'\n{expected}\n")
}

#[test]
fn reports_show_results_and_actions_where_their_state_changed() {
    let service = Service::start();
    let folder = service.shop();
    let last = "[turn.expect]\ncontains = [\"never\"]\n";
    let found = "[[turn]]\nsays = 'rehearse: call find_order {\"order\": \"A-1\"}'\n";
    folder.write("a.conversation.toml", &paid(found, last));
    let flags = [
        "team.toml",
        "--rehearsal",
        "--html",
        "r.html",
        "--junit",
        "r.xml",
    ];
    let said = folder.test(&flags);
    assert_eq!(said.code, Some(1), "{said:?}");
    for report in [folder.read("r.html"), folder.read("r.xml")] {
        let mut rest = report.as_str();
        for line in [
            "→ error: There is no order A-9.",
            "call: pay_refund",
            "action: pay_refund is proposed",
            "→ ok: {&quot;state&quot;:&quot;sent by rocket&quot;}",
            "customer confirms the card of pay_refund: Refund of 20 dollars?",
            "action: pay_refund is done: receipt_77",
            "pay_refund {&quot;usd&quot;:20} took effect",
        ] {
            let (_, behind) = rest
                .split_once(line)
                .unwrap_or_else(|| panic!("{line}: {report}"));
            rest = behind;
        }
    }
}

#[test]
fn nothing_is_found_by_an_action_before_it_is_done_nor_by_a_call_that_failed() {
    let service = Service::start();
    let found_by = |tool: &str| {
        format!(
            "[turn.expect]\ncalls = [{{ tool = \"send_note\", arguments = {{ text = {{ found_by = \"{tool}\" }} }} }}]"
        )
    };
    let receipt = note("receipt_77", &found_by("pay_refund"));
    for (between, after, code) in [
        (receipt.as_str(), "", 1),
        ("", receipt.as_str(), 0),
        // A part of a word is none.
        ("", &note("receipt_7", &found_by("pay_refund")), 1),
        ("", &note("A-9", &found_by("find_order")), 1),
    ] {
        let said = run(&service, &paid(between, after), &[]);
        assert_eq!(said.code, Some(code), "{between}{after} {said:?}");
    }
}

#[test]
fn a_confirmed_card_is_a_yes_to_what_it_asks_and_to_nothing_else() {
    let service = Service::start();
    let order =
        |tool: &str, after: &str| format!("[[order]]\ntool = \"{tool}\"\nafter = {after}\n");
    let sent = note("hi", "");
    let again = "[[turn]]\nsays = 'rehearse: call pay_refund {\"usd\": 30}'\n";
    for (turn, order, code) in [
        (sent.as_str(), order("send_note", "{ customer = \"yes\" }"), 1),
        (&sent, order("send_note", "{ customer = \"yes\", to = \"^Refund of 20\" }"), 0),
        (&sent, order("send_note", "{ customer = \"yes\", to = \"a note\" }"), 1),
        (again, "[[order]]\ntool = \"pay_refund\"\narguments = { usd = 30 }\nafter = { customer = \"yes\" }\n".to_owned(), 0),
    ] {
        let text = paid("", &format!("{turn}{order}"));
        let said = run(&service, &text, &[]);
        assert_eq!(said.code, Some(code), "{order} {said:?}");
    }
}

#[test]
fn a_call_after_an_action_that_was_confirmed_later_is_in_order() {
    let service = Service::start();
    let order = "[[order]]\ntool = \"send_note\"\nafter = { tool = \"pay_refund\", arguments = { usd = 20 } }\n";
    let sent = note("hi", "");
    let said = run(&service, &paid("", &format!("{sent}{order}")), &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = run(&service, &paid(&sent, order), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn an_action_of_which_nobody_knows_the_outcome_needs_an_effect_in_the_file() {
    let service = Service::start();
    let stub = "[[stub]]\ntool = \"send_note\"\nunknown = \"The line was cut.\"\n";
    let sent = note("hi", "");
    let said = run(&service, &format!("{stub}{sent}"), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence =
        r#"send_note {"text":"hi"} may have taken effect, and no [[effect]] of the file names it"#;
    assert!(said.report.contains(sentence), "{said:?}");
    let effect = "[[effect]]\ntool = \"send_note\"\noptional = true\n";
    let said = run(&service, &format!("{stub}{sent}{effect}"), &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_server_is_not_asked_for_tools_that_no_flag_allows() {
    let service = Service::start();
    let folder: Folder = service.shop();
    let team = folder.read("team.toml");
    let address = service.address;
    let server = format!(
        "[[mcp]]\nname = \"shelf\"\nurl = \"http://{address}/mcp\"\nallow_private = true\n\
         [[tool]]\nname = \"print_label\"\nkind = \"action\"\ndescription = \"Prints.\"\n\
         [tool.parameters]\n[tool.mcp]\nserver = \"shelf\"\npinned = \"{PIN}\"\n"
    );
    let team = team.replace("\"send_note\"]", "\"send_note\", \"print_label\"]") + &server;
    folder.write("team.toml", &team);
    folder.write(
        "a.conversation.toml",
        "[[turn]]\nsays = \"Hello\"\n[[turn]]\nsays = \"Hello again\"\n",
    );
    let said = folder.test(&["team.toml", "--rehearsal", "--live-lookups"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(service.asked(), Vec::<String>::new());
}
