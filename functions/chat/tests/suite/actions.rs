//! What has a side effect: recorded first, done by a worker, once; told when it is known.

use std::time::Duration;

use baton_rehearsal::scripted::{Captured, Gate, ScriptedModel, calls, says, stream};
use serde_json::{Value, json};

use super::support::{Asked, Client, Server, Setup, body, clerk, until};

/// The most that a refund may be without approval is 500 USD; this one was 749.
const CATAPULT: &str = "item_318205561";
const UNICYCLE: &str = "item_132612938";

async fn orders(client: &Client) -> Vec<Value> {
    let orders = client.get("/orders").await.json()["orders"]
        .as_array()
        .unwrap()
        .clone();
    orders
        .into_iter()
        .filter(|order| !order["conversation"].is_null())
        .collect()
}

async fn refunds(client: &Client) -> Vec<Value> {
    client.get("/refunds").await.json()["refunds"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
pub(crate) async fn an_order_is_executed_and_its_result_told() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let turn = client.say("c", "order anvil 30").await;
    let ordered = orders(&client).await;
    assert_eq!(ordered.len(), 1);
    assert_eq!(
        (&ordered[0]["product"], &ordered[0]["paid_cents"]),
        (&json!("anvil"), &json!(3_000))
    );
    assert!(
        turn.answer()
            .contains(ordered[0]["order_id"].as_str().unwrap()),
        "{turn:?}"
    );
    let seen = [
        "[Executing transfer_to_sales_agent]",
        "[You are now talking to SalesAgent]",
        "[Executing execute_order]",
    ];
    assert_eq!(turn.seen()[..3], seen);
}

#[tokio::test]
async fn a_refund_is_executed_once_when_its_answer_is_lost() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.desk().lose_answers(2);
    let turn = client.say("c", &format!("refund {UNICYCLE}")).await;
    assert!(turn.answer().contains("\"refunded_usd\""), "{turn:?}");
    assert_eq!(refunds(&client).await.len(), 1);
    let tries = server.desk().tries();
    assert_eq!(tries.len(), 3);
    assert!(
        tries.iter().all(|tried| *tried == tries[0]),
        "one key for all tries: {tries:?}"
    );
    assert_eq!(client.actions("done").await[0]["attempts"], 3);
}

#[tokio::test]
async fn the_same_call_twice_in_a_turn_is_one_action() {
    let refund = |reason: &str| json!({ "item_id": UNICYCLE, "reason": reason }).to_string();
    let twice = stream()
        .calls("execute_refund", &refund("it burnt"))
        .calls("execute_refund", &refund("it exploded"));
    let once_more = stream().calls("execute_refund", &refund("again"));
    let script = [
        calls("transfer_to_issues_and_repairs", json!({})),
        twice,
        once_more,
        says("Refunded."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "refund please").await.answer();
    assert_eq!(server.desk().tries().len(), 1);
    assert_eq!(refunds(&client).await.len(), 1);
    assert_eq!(client.items_of("c", "action").await.len(), 1);
    // Both calls get the result of the one action.
    let results = model.requests()[2].results();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0], results[1]);
}

#[tokio::test]
async fn the_same_wish_in_a_later_turn_is_a_new_action_and_the_caps_decide() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let refund = format!("refund {UNICYCLE}");
    assert!(
        client
            .say("c", &refund)
            .await
            .answer()
            .contains("refunded_usd")
    );
    let again = client.say("c", &refund).await.answer();
    assert!(again.starts_with("Rejected, nothing was done: "), "{again}");
    assert_eq!(refunds(&client).await.len(), 1);
    client.say("c", "order anvil 30").await.answer();
    client.say("c", "order anvil 30").await.answer();
    assert_eq!(orders(&client).await.len(), 2);
}

#[tokio::test]
async fn an_action_that_takes_longer_is_told_as_pending_and_its_end_in_a_turn_of_its_own() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Setup::new(&model)
        .with_team(&[("patience_seconds = 10", "patience_seconds = 0")])
        .open()
        .await;
    let client = server.client();
    server.desk().hold_actions();
    let turn = client.say("c", "order anvil 30").await;
    assert!(
        turn.answer().starts_with("Accepted and pending"),
        "{turn:?}"
    );
    server.desk().came(1).await;
    let action = &client.items_of("c", "action").await[0];
    assert_eq!(action["state"], "running");
    assert_eq!(client.say("c", "hello").await.answer(), "You said: hello");
    assert_eq!(orders(&client).await, [] as [Value; 0]);

    server.desk().let_in();
    client.turn_ends("c", 3).await;
    let told = client.said("c").await.pop().unwrap();
    assert_eq!((told.0, told.1.as_str()), (3, "agent"));
    let ordered = orders(&client).await;
    assert_eq!(ordered.len(), 1);
    assert!(
        told.2.starts_with("- execute_order: ")
            && told.2.contains(ordered[0]["order_id"].as_str().unwrap()),
        "{told:?}"
    );
    // Told once: nothing begins another turn, and the next one knows it.
    assert_eq!(client.say("c", "thanks").await.number, 4);
    let known = model.requests().last().unwrap().told().join("\n");
    assert!(
        known.contains(ordered[0]["order_id"].as_str().unwrap()),
        "{known}"
    );
}

#[tokio::test]
pub(crate) async fn a_late_result_is_told_in_the_turn_that_runs() {
    let gate = Gate::new();
    let at = gate.clone();
    let is_told = |asked: &Captured| asked.told().join("\n").contains("they hold now");
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        _ if is_told(asked) => says("By the way, it is done."),
        "wait" => stream().gate(&at).calls("transfer_back_to_triage", "{}"),
        _ => clerk(asked),
    })
    .await;
    let server = Setup::new(&model)
        .with_team(&[("patience_seconds = 10", "patience_seconds = 0")])
        .open()
        .await;
    let client = server.client();
    server.desk().hold_actions();
    client.say("c", "order anvil 30").await.answer();
    let waits = client.send(&body("c", "wait")).await;
    gate.reached().await;
    server.desk().let_in();
    until("the action's end", async || {
        client.actions("done").await.pop()
    })
    .await;
    gate.open();
    let turn = waits.rest().await;
    assert_eq!(
        (turn.number, turn.answer().as_str()),
        (2, "By the way, it is done.")
    );
    // No turn of its own any more.
    assert_eq!(client.say("c", "thanks").await.number, 3);
    let told: Vec<_> = client
        .said("c")
        .await
        .into_iter()
        .filter(|(_, _, text)| text.starts_with("By the way"))
        .collect();
    assert_eq!(
        told.len(),
        2,
        "the model of this test says it whenever it reads it: {told:?}"
    );
    assert_eq!(client.items_of("c", "turn").await.len(), 3);
}

#[tokio::test]
async fn a_refund_above_the_limit_waits_for_a_person_and_is_told_when_it_is_approved() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let turn = client.say("c", &format!("refund {CATAPULT}")).await;
    assert!(
        turn.answer()
            .contains("a colleague has to approve it first"),
        "{turn:?}"
    );
    assert_eq!(refunds(&client).await.len(), 0);

    let server = server.restart().await;
    let client = server.client();
    let proposed = client.actions("proposed").await;
    assert_eq!(proposed.len(), 1);
    assert_eq!(proposed[0]["arguments"]["item_id"], CATAPULT);
    let mut other = proposed[0].clone();
    other["arguments_hash"] = json!("0");
    assert_eq!(client.decide(&other, "approve").await.status, 409);
    assert_eq!(server.desk().tries(), []);

    assert_eq!(client.decide(&proposed[0], "approve").await.status, 200);
    client.turn_ends("c", 2).await;
    assert_eq!(client.action(&proposed[0]).await["state"], "done");
    let told = client.said("c").await.pop().unwrap();
    assert!(told.2.contains("refunded_usd"), "{told:?}");
    assert_eq!(refunds(&client).await.len(), 1);
    for decision in ["approve", "reject"] {
        assert_eq!(
            client.decide(&proposed[0], decision).await.status,
            409,
            "a decision is taken once"
        );
    }
    assert_eq!(server.desk().tries().len(), 1);
}

#[tokio::test]
async fn a_refund_that_a_person_rejects_is_told_and_never_done() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client
        .say("c", &format!("refund {CATAPULT}"))
        .await
        .answer();
    let proposed = until("the proposal", async || {
        client.actions("proposed").await.pop()
    })
    .await;
    let nameless =
        json!({ "arguments_hash": proposed["arguments_hash"], "fence": 0, "reason": " " });
    let path = format!("/actions/{}/reject", proposed["id"].as_str().unwrap());
    assert_eq!(client.post(&path, &nameless).await.status, 400);
    assert_eq!(client.decide(&proposed, "reject").await.status, 200);
    client.turn_ends("c", 2).await;
    let told = client.said("c").await.pop().unwrap().2;
    assert!(
        told.contains("Rejected, nothing was done") && told.contains("as the shop wants it"),
        "{told}"
    );
    assert_eq!(server.desk().tries(), []);
    let rejected = &client.actions("rejected").await[0];
    assert_eq!(rejected["reason"], "as the test wants it");
    let mut by_id = client.action(&proposed).await;
    let later = by_id.as_object_mut().unwrap().remove("done_after");
    assert_eq!(later, Some(json!([])));
    assert_eq!(by_id, *rejected);
}

#[tokio::test]
async fn an_operator_sees_how_many_actions_there_are_and_how_long_they_wait() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let empty = client.get("/actions").await.json();
    assert_eq!(empty["counts"]["proposed"], 0);
    assert_eq!(empty["oldest_waiting_ms"], json!({}));

    server.desk().lose_answers(1);
    client
        .say("c", &format!("refund {UNICYCLE}"))
        .await
        .answer();
    client
        .say("c", &format!("refund {CATAPULT}"))
        .await
        .answer();
    server.time_passes(Duration::from_hours(2));
    client
        .say("d", &format!("refund {CATAPULT}"))
        .await
        .answer();

    let overview = client.get("/actions").await.json();
    let counts = &overview["counts"];
    assert_eq!(
        (&counts["done"], &counts["proposed"]),
        (&json!(1), &json!(2))
    );
    let waiting = overview["oldest_waiting_ms"].as_object().unwrap();
    assert_eq!(
        waiting.keys().collect::<Vec<_>>(),
        ["proposed"],
        "what is done does not wait"
    );
    let hours = waiting["proposed"].as_u64().unwrap() / 3_600_000;
    assert_eq!(hours, 2, "the oldest of both");
    let done = &client.actions("done").await[0];
    assert_eq!(done["attempts"], 2);
}

#[tokio::test]
async fn the_actions_of_one_conversation_are_listed_with_the_keys_that_their_services_log() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for (conversation, item) in [("c", UNICYCLE), ("c", CATAPULT), ("d", CATAPULT)] {
        client
            .say(conversation, &format!("refund {item}"))
            .await
            .answer();
    }
    let listed = async |client: &Client, query: &str| {
        let page = client.get(&format!("/actions?{query}")).await.json();
        let actions = page["actions"].as_array().unwrap().clone();
        (actions, page["next"].clone())
    };
    let (of_c, next) = listed(&client, "conversation=c").await;
    let items: Vec<_> = of_c
        .iter()
        .map(|action| (&action["conversation"], &action["arguments"]["item_id"]))
        .collect();
    let c = json!("c");
    assert_eq!(items, [(&c, &json!(CATAPULT)), (&c, &json!(UNICYCLE))]);
    assert_eq!(next, Value::Null);
    let keys: Vec<_> = of_c
        .iter()
        .map(|action| action["idempotency_key"].as_str().unwrap())
        .collect();
    assert!(keys[0].len() == 64 && keys[0] != keys[1], "{keys:?}");

    let (done, _) = listed(&client, "conversation=c&state=done").await;
    assert_eq!(done, of_c[1..]);
    let (first, next) = listed(&client, "conversation=c&limit=1").await;
    assert_eq!(first, of_c[..1]);
    let after = next.as_str().unwrap().replace('#', "%23");
    let (rest, _) = listed(&client, &format!("conversation=c&limit=1&after={after}")).await;
    assert_eq!(rest, of_c[1..]);

    let (none, _) = listed(&client, "conversation=nobody").await;
    assert_eq!(none, [Value::Null; 0]);
    let other = server.operator("sam", "elsewhere", &["see"]).await;
    let (none, _) = listed(&other, "conversation=c").await;
    assert_eq!(none, [Value::Null; 0]);
}

#[tokio::test]
async fn a_decision_about_what_was_shown_before_another_try_is_refused() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client
        .say("c", &format!("refund {CATAPULT}"))
        .await
        .answer();
    let proposed = client.actions("proposed").await.pop().unwrap();
    let mut stale = proposed.clone();
    stale["fence"] = json!(7);
    let refused = client.decide(&stale, "approve").await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.detail().contains("has changed since it was shown"),
        "{refused:?}"
    );
    stale.as_object_mut().unwrap().remove("fence");
    assert_eq!(client.decide(&stale, "approve").await.status, 400);
    assert_eq!(client.action(&proposed).await["state"], "proposed");
    assert_eq!(client.decide(&proposed, "approve").await.status, 200);
}

#[tokio::test]
async fn a_refund_whose_price_cannot_be_told_waits_for_a_person() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.desk().hide_prices();
    let turn = client.say("c", &format!("refund {UNICYCLE}")).await;
    assert!(
        turn.answer().contains("a colleague has to approve"),
        "{turn:?}"
    );
    assert_eq!(server.desk().tries(), []);
}

#[tokio::test]
async fn a_refund_that_has_no_price_waits_for_a_person() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let turn = server.client().say("c", "refund item_1").await;
    assert!(
        turn.answer().contains("a colleague has to approve"),
        "{turn:?}"
    );
    assert_eq!(server.desk().tries(), []);
}
