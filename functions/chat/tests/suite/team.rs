//! Agents, hand-offs and lookups inside a turn, and what a model is shown of the turns before.

use baton_rehearsal::scripted::{ScriptedModel, calls, says, stream};
use serde_json::json;

use super::support::{Asked, Server, Setup};

const LOOKUP: &str =
    "description = \"Finds the id of a product or of something that the customer bought.\"";

#[tokio::test]
pub(crate) async fn the_active_agent_stays_from_turn_to_turn_and_over_restarts() {
    let model = ScriptedModel::responding(|asked| {
        let sales = asked.tools().contains(&"execute_order".to_owned());
        match asked.customer().as_str() {
            "sales please" if !sales => calls("transfer_to_sales_agent", json!({})),
            "back please" if sales => calls("transfer_back_to_triage", json!({})),
            _ => says(if sales { "Sales." } else { "Triage." }),
        }
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    assert_eq!(client.say("c", "hello").await.answer(), "Triage.");
    let handed_over = client.say("c", "sales please").await;
    let seen = [
        "[Executing transfer_to_sales_agent]",
        "[You are now talking to SalesAgent]",
        "Sales.",
        "done: committed",
    ];
    assert_eq!(handed_over.seen(), seen);
    assert_eq!(client.say("c", "hello").await.answer(), "Sales.");
    assert_eq!(client.say("other", "hello").await.answer(), "Triage.");
    let server = server.restart().await;
    let client = server.client();
    assert_eq!(client.say("c", "hello").await.answer(), "Sales.");
    assert_eq!(client.say("c", "back please").await.answer(), "Triage.");
    assert_eq!(client.say("c", "hello").await.answer(), "Triage.");
}

#[tokio::test]
pub(crate) async fn a_model_is_shown_whole_turns_within_the_budget() {
    let model = ScriptedModel::responding(|asked| {
        match (asked.customer().as_str(), asked.results().len()) {
            (_, 1) => says(&"found ".repeat(20)),
            (_, _) => calls("look_up_item", json!({ "search_query": "unicycle" })),
        }
    })
    .await;
    // 600 tokens are 1,800 bytes: a few of these turns, not all.
    let triage_looks_up = ("tools = []", "tools = [\"look_up_item\"]");
    let setup = Setup::new(&model).with_team(&[
        triage_looks_up,
        ("window_tokens = 8000", "window_tokens = 600"),
    ]);
    let server = setup.open().await;
    let client = server.client();
    for number in 0..10 {
        client
            .say("c", &format!("m{number} {}", "please ".repeat(20)))
            .await
            .answer();
    }
    let requests = model.requests();
    let first_of_turns: Vec<_> = requests
        .iter()
        .filter(|request| request.results().is_empty())
        .collect();
    assert_eq!(first_of_turns.len(), 10);
    for (number, request) in first_of_turns.iter().enumerate() {
        let told = request.told();
        let (now, past) = told.split_last().unwrap();
        assert!(now.starts_with(&format!("user: m{number} ")), "{now}");
        let bytes: usize = past.iter().map(String::len).sum();
        assert!(bytes < 1_800 + 500, "turn {number} is shown {bytes} bytes");
        assert_eq!(past.len() % 4, 0, "whole turns only: {past:?}");
        for (turn, messages) in past.chunks(4).enumerate() {
            let of = number - past.len() / 4 + turn;
            assert!(
                messages[0].starts_with(&format!("user: m{of} ")),
                "{messages:?}"
            );
            assert!(messages[3].starts_with("assistant: found "), "{messages:?}");
        }
    }
    let shown_last = first_of_turns[9].told().len() / 4;
    assert!((1..9).contains(&shown_last), "{shown_last} turns");
}

#[tokio::test]
pub(crate) async fn parallel_calls_are_looked_up_side_by_side_and_answered_in_their_places() {
    let both = stream()
        .calls("look_up_item", r#"{"search_query": "unicycle"}"#)
        .calls("look_up_item", r#"{"search_query": "catapult"}"#);
    let model = ScriptedModel::start([
        calls("transfer_to_issues_and_repairs", json!({})),
        both,
        says("Found."),
    ])
    .await;
    let server = Server::open(&model).await;
    server.desk().hold_lookups();
    let client = server.client();
    let said = tokio::spawn(async move { client.say("c", "two things broke").await });
    // Both are at the door before either is let in.
    server.desk().came(2).await;
    server.desk().let_in();
    assert_eq!(said.await.unwrap().answer(), "Found.");
    let request = &model.requests()[2];
    let results = request
        .messages()
        .into_iter()
        .filter(|message| message["role"] == "tool");
    let results: Vec<_> = results
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    assert!(results[1].contains("unicycle"), "{results:?}");
    assert!(results[2].contains("Catapult"), "{results:?}");
}

#[tokio::test]
async fn a_lookup_that_takes_too_long_is_told_as_such_and_the_turn_goes_on() {
    let script = [
        calls("transfer_to_issues_and_repairs", json!({})),
        calls("look_up_item", json!({ "search_query": "unicycle" })),
        says("I cannot look it up now."),
    ];
    let model = ScriptedModel::start(script).await;
    let quick = format!("{LOOKUP}\ntimeout_seconds = 1");
    let server = Setup::new(&model)
        .with_team(&[(LOOKUP, &quick)])
        .open()
        .await;
    server.desk().hold_lookups();
    let client = server.client();
    assert_eq!(
        client.say("c", "my unicycle").await.answer(),
        "I cannot look it up now."
    );
    assert_eq!(
        model.requests()[2].results(),
        ["look_up_item took too long and was given up."]
    );
    assert_eq!(
        client.items_of("c", "tool_call").await[0]["outcome"],
        "error"
    );
}

#[tokio::test]
async fn steps_cannot_go_on_without_end() {
    let model = ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "search" => calls("look_up_item", json!({ "search_query": "anything" })),
        _ => says("Fine."),
    })
    .await;
    let changes = [
        ("tools = []", "tools = [\"look_up_item\"]"),
        ("steps = 24", "steps = 4"),
    ];
    let server = Setup::new(&model).with_team(&changes).open().await;
    let client = server.client();
    let turn = client.say("c", "search").await;
    assert_eq!(
        (turn.error(), turn.status()),
        (Some("step_limit"), "failed")
    );
    assert_eq!(model.requests().len(), 4);
    // The next request has a result for every call, or the stand-in would refuse it.
    assert_eq!(client.say("c", "enough").await.answer(), "Fine.");
}

#[tokio::test]
async fn a_lookup_that_breaks_off_is_tried_once_more_and_only_once() {
    for (broken_off, found) in [(1, true), (2, false)] {
        let script = [
            calls("transfer_to_issues_and_repairs", json!({})),
            calls("look_up_item", json!({ "search_query": "unicycle" })),
            says("I see."),
        ];
        let model = ScriptedModel::start(script).await;
        let server = Server::open(&model).await;
        server.desk().break_off_lookups(broken_off);
        server.client().say("c", "my unicycle").await.answer();
        let results = model.requests()[2].results();
        assert_eq!(results[0].contains("item_id"), found, "{results:?}");
    }
}
