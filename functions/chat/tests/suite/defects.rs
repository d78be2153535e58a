//! What the service before this one got wrong, as what this one does. The others of its defects: streams that mix in `load`,
//! model failures in `failures`, double refunds in `actions` and `crashes`, not-JSON bodies in `refusals`; damaged stores and
//! SIGTERM are about the process.

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::json;

use super::support::{Asked, Server, body};

#[tokio::test]
async fn a_client_that_leaves_shifts_no_reply_to_another() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "leaves" => stream().says("Said to ").gate(&at).says("nobody."),
        other => says(&format!("Said to {other}.")),
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();

    let mut leaver = client.send(&body("leaver", "leaves")).await;
    assert_eq!(leaver.next().await.unwrap().content.message, "Said ");
    drop(leaver);
    assert_eq!(client.say("other", "one").await.answer(), "Said to one.");
    gate.open();
    client.turn_ends("leaver", 1).await;
    assert_eq!(client.say("other", "two").await.answer(), "Said to two.");
    assert_eq!(
        client.say("leaver", "three").await.answer(),
        "Said to three."
    );
    let expected = [
        (1, "customer".to_owned(), "leaves".to_owned()),
        (1, "agent".to_owned(), "Said to nobody.".to_owned()),
        (2, "customer".to_owned(), "three".to_owned()),
        (2, "agent".to_owned(), "Said to three.".to_owned()),
    ];
    assert_eq!(client.said("leaver").await, expected);
}

#[tokio::test]
pub(crate) async fn two_hand_offs_in_one_response_answer_once() {
    let both = stream()
        .calls("transfer_to_sales_agent", "{}")
        .calls("transfer_to_issues_and_repairs", "{}");
    let model = ScriptedModel::start([both, says("Sales here."), says("Sales still.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();

    let turn = client.say("c", "hello").await;
    let seen = [
        "[Executing transfer_to_sales_agent]",
        "[Executing transfer_to_issues_and_repairs]",
        "[You are now talking to SalesAgent]",
        "Sales here.",
        "done: committed",
    ];
    assert_eq!(turn.seen(), seen);
    let requests = model.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].tools().contains(&"execute_order".to_owned()));
    assert!(
        requests[1].results()[1].starts_with("Not transferred"),
        "{:?}",
        requests[1].results()
    );
    assert_eq!(
        client.say("c", "still there?").await.answer(),
        "Sales still."
    );
}

#[tokio::test]
pub(crate) async fn a_tool_and_a_hand_off_in_one_response_leave_no_call_without_result() {
    let both = stream()
        .calls(
            "look_up_item",
            &json!({ "search_query": "unicycle" }).to_string(),
        )
        .calls("transfer_back_to_triage", "{}");
    let script = [
        calls("transfer_to_issues_and_repairs", json!({})),
        both,
        says("Triage here."),
        says("Fine."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();

    let turn = client.say("c", "my unicycle").await;
    assert_eq!(turn.answer(), "Triage here.");
    assert_eq!(turn.seen().last().unwrap(), "done: committed");
    // The stand-in for the model service refuses a request with a call without its result, and fails the test.
    assert_eq!(client.say("c", "thanks").await.answer(), "Fine.");
    let results = model.requests()[2].results();
    assert!(results[0].contains("unicycle"), "{results:?}");
    assert!(results[1].starts_with("Transferred"), "{results:?}");
}

#[tokio::test]
async fn hand_offs_cannot_loop_without_end() {
    let model = ScriptedModel::responding(|asked| {
        let back = asked
            .tools()
            .iter()
            .any(|tool| tool == "transfer_back_to_triage");
        match asked.customer().as_str() {
            "loop" if back => calls("transfer_back_to_triage", json!({})),
            "loop" => calls("transfer_to_sales_agent", json!({})),
            _ => says("All is well."),
        }
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();

    let turn = client.say("c", "loop").await;
    assert_eq!(turn.error(), Some("hand_off_limit"));
    assert_eq!(turn.status(), "failed");
    assert_eq!(model.requests().len(), 7);
    assert_eq!(client.say("c", "and now?").await.answer(), "All is well.");
    assert_eq!(
        client.say("other", "and here?").await.answer(),
        "All is well."
    );
}

#[tokio::test]
async fn two_messages_at_once_on_one_conversation_lose_nothing() {
    let model =
        ScriptedModel::responding(|asked| says(&format!("echo {}", asked.customer()))).await;
    let server = Server::open(&model).await;
    let client = server.client();

    let say = |number: usize| {
        let client = client.clone();
        tokio::spawn(async move { client.say("c", &format!("m{number}")).await })
    };
    let mut turns = Vec::new();
    for said in (0..6).map(say).collect::<Vec<_>>() {
        turns.push(said.await.unwrap());
    }
    turns.sort_by_key(|turn| turn.number);
    let numbers: Vec<_> = turns.iter().map(|turn| turn.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let said = client.said("c").await;
    assert_eq!(said.len(), 12);
    for (turn, pair) in turns.iter().zip(said.chunks(2)) {
        assert_eq!((pair[0].0, pair[1].0), (turn.number, turn.number));
        assert_eq!(pair[1].2, format!("echo {}", pair[0].2));
        assert_eq!(turn.answer(), pair[1].2);
    }
    // Each was asked with all that was said before it, and nothing else.
    let last = model.requests().last().unwrap().told();
    let expected = said.iter().map(|(_, role, text)| match role.as_str() {
        "customer" => format!("user: {text}"),
        _ => format!("assistant: {text}"),
    });
    assert_eq!(last, expected.take(11).collect::<Vec<_>>());
}
