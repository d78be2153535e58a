//! Several actions of one conversation: which calls are the same one, in which order they are carried out, how many may be open.

use baton_rehearsal::scripted::{ScriptedModel, calls, says, stream};
use serde_json::{Value, json};

use super::support::{Asked, Client, Server, Setup, body, until};

const UNICYCLE: &str = "item_132612938";

/// The orders of this test, the oldest first.
async fn orders(client: &Client) -> Vec<Value> {
    let orders = client.get("/orders").await.json()["orders"]
        .as_array()
        .unwrap()
        .clone();
    let own = orders
        .into_iter()
        .filter(|order| !order["conversation"].is_null());
    let mut own: Vec<_> = own.collect();
    own.reverse();
    own
}

fn order(product: &str) -> String {
    json!({ "product": product, "price": 1 }).to_string()
}

#[tokio::test]
async fn there_and_back_again_does_all_three() {
    let script = [
        calls("transfer_to_sales_agent", json!({})),
        stream()
            .calls("execute_order", &order("A"))
            .calls("execute_order", &order("A"))
            .calls("execute_order", &order("B"))
            .calls("execute_order", &order("A")),
        // Without anything in between it is the last one.
        stream().calls("execute_order", &order("A")),
        says("Ordered."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "three orders").await.answer();
    let ordered = orders(&client).await;
    let products: Vec<_> = ordered.iter().map(|order| &order["product"]).collect();
    assert_eq!(products, ["A", "B", "A"]);
    assert_eq!(client.items_of("c", "action").await.len(), 3);
}

#[tokio::test]
async fn actions_of_one_response_are_carried_out_in_their_order_whatever_the_first_one_waits_for() {
    let products = ["one", "two", "three", "four"];
    let all = products.iter().fold(stream(), |stream, product| {
        stream.calls("execute_order", &order(product))
    });
    let script = [
        calls("transfer_to_sales_agent", json!({})),
        all,
        says("Ordered."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();
    // The answers are lost: the first one is tried again, and the others wait for that.
    server.desk().lose_answers(2);
    client.say("c", "four orders").await.answer();
    until("the last of the actions", async || {
        (client.actions("done").await.len() == 4).then_some(())
    })
    .await;
    let mut keys: Vec<_> = server
        .desk()
        .tries()
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each in one run of tries: {keys:?}");
    let ordered = orders(&client).await;
    let ordered: Vec<_> = ordered.iter().map(|order| &order["product"]).collect();
    assert_eq!(ordered, products);
}

#[tokio::test]
async fn a_lookup_behind_an_action_finds_what_the_action_did() {
    let script = [
        calls("transfer_to_issues_and_repairs", json!({})),
        stream()
            .calls(
                "execute_refund",
                &json!({ "item_id": UNICYCLE }).to_string(),
            )
            .calls(
                "look_up_item",
                &json!({ "search_query": "unicycle" }).to_string(),
            ),
        says("Refunded."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.desk().hold_actions();
    let listening = client.send(&body("c", "refund, then look")).await;
    server.desk().came(1).await;
    server.desk().let_in();
    listening.rest().await.answer();
    let results = model.requests()[2].results();
    assert!(results[1].contains("\"refunded\":true"), "{results:?}");
}

#[tokio::test]
async fn a_lookup_behind_an_action_that_takes_longer_says_that_it_is_pending() {
    let script = [
        calls("transfer_to_issues_and_repairs", json!({})),
        stream()
            .calls(
                "execute_refund",
                &json!({ "item_id": UNICYCLE }).to_string(),
            )
            .calls(
                "look_up_item",
                &json!({ "search_query": "unicycle" }).to_string(),
            ),
        says("Soon."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Setup::new(&model)
        .with_team(&[("patience_seconds = 10", "patience_seconds = 0")])
        .open()
        .await;
    server.desk().hold_actions();
    server.client().say("c", "refund, then look").await.answer();
    let results = model.requests()[2].results();
    assert!(
        results[1].contains("\"refunded\":false")
            && results[1].contains("still pending: execute_refund"),
        "{results:?}"
    );
}

#[tokio::test]
async fn a_conversation_has_32_open_actions_at_most_and_its_model_is_told_so() {
    let model = ScriptedModel::responding(|asked| {
        let customer = asked.customer();
        let Some(round) = customer.strip_prefix("orders ") else {
            return says("Fine.");
        };
        if asked.results().len() > 1 {
            return says(asked.results().last().unwrap());
        }
        if !asked.tools().iter().any(|tool| tool == "execute_order") {
            return calls("transfer_to_sales_agent", json!({}));
        }
        (0..16).fold(stream(), |stream, number| {
            stream.calls("execute_order", &order(&format!("{round} {number}")))
        })
    })
    .await;
    let server = Setup::new(&model)
        .with_team(&[("patience_seconds = 10", "patience_seconds = 0")])
        .open()
        .await;
    let client = server.client();
    server.desk().hold_actions();
    for round in ["one", "two"] {
        let answer = client.say("c", &format!("orders {round}")).await.answer();
        assert!(answer.starts_with("Accepted and pending"), "{answer}");
    }
    let answer = client.say("c", "orders three").await.answer();
    assert!(answer.contains("too many earlier actions"), "{answer}");
    assert_eq!(client.items_of("c", "action").await.len(), 32);
    assert_eq!(client.say("c", "hello").await.answer(), "Fine.");
}
