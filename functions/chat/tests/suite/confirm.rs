//! The customer's own yes, and limits on money, as clients and operators see them.

use baton_rehearsal::scripted::ScriptedModel;
use serde_json::{Value, json};

use super::support::{Answer, Client, Server, Setup, clerk, until};

const CATAPULT: &str = "item_318205561";

const APPROVAL: &str = "approval = { above_usd = 500 }";

const CUSTOMER: &str = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?", yes = ["yes"], no = ["no"] }"#;

async fn asking() -> (ScriptedModel, Server) {
    let model = ScriptedModel::responding(clerk).await;
    let setup = Setup::new(&model).with_team(&[(APPROVAL, CUSTOMER)]);
    let server = setup.open().await;
    (model, server)
}

/// The card of the conversation's refund, as its history shows it.
async fn card(client: &Client) -> Value {
    client.items_of("c", "action").await.remove(0)
}

async fn answer(client: &Client, conversation: &str, card: &Value, yes: bool) -> Answer {
    let action = card["action"].as_str().unwrap();
    let path = format!("/conversations/{conversation}/actions/{action}/confirm");
    let hash = &card["confirmation"]["arguments_hash"];
    client
        .post(&path, &json!({ "arguments_hash": hash, "yes": yes }))
        .await
}

async fn refunds(client: &Client) -> usize {
    let refunds = client.get("/refunds").await.json();
    refunds["refunds"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_refund_is_paid_when_its_customer_confirms_what_was_shown() {
    let (_model, server) = asking().await;
    let client = server.client();
    let turn = client.say("c", &format!("refund {CATAPULT}")).await;
    let asked = turn
        .lines
        .iter()
        .find(|line| line.content.kind == "confirm");
    let asked = asked.unwrap().content.clone();
    assert_eq!(
        asked.message,
        format!("Refund of $749.00 for {CATAPULT}?\nPlease confirm.")
    );
    let shown = card(&client).await;
    assert_eq!(asked.action.as_deref(), shown["action"].as_str());
    assert_eq!(
        asked.arguments_hash.as_deref(),
        shown["confirmation"]["arguments_hash"].as_str()
    );
    assert_eq!(
        asked.expires_at,
        shown["confirmation"]["expires_at"].as_u64()
    );
    assert_eq!(shown["confirmation"]["fields"]["item_id"], CATAPULT);
    assert_eq!(shown["confirmation"]["answer"], Value::Null);

    let mut other = shown.clone();
    other["confirmation"]["arguments_hash"] = json!("0");
    let stale = answer(&client, "c", &other, true).await;
    assert_eq!(stale.status, 409);
    assert!(stale.detail().contains("other arguments"), "{stale:?}");
    assert_eq!(answer(&client, "another", &shown, true).await.status, 404);
    assert_eq!(refunds(&client).await, 0);

    let waiting = client.actions("proposed").await.remove(0);
    assert_eq!(waiting["confirmation"]["answer"], Value::Null);
    let early = client.decide(&waiting, "approve").await;
    assert_eq!(early.status, 409);
    assert!(
        early.detail().contains("the customer must confirm"),
        "{early:?}"
    );

    for _ in 0..2 {
        let confirmed = answer(&client, "c", &shown, true).await;
        assert_eq!(
            (confirmed.status.as_u16(), confirmed.header("location")),
            (202, "../../events")
        );
    }
    client.turn_ends("c", 2).await;
    assert_eq!(refunds(&client).await, 1);
    assert_eq!(card(&client).await["confirmation"]["answer"], "yes");
    assert_eq!(answer(&client, "c", &shown, false).await.status, 409);
}

#[tokio::test]
async fn a_card_is_a_typed_event_and_is_heard_again() {
    let (_model, server) = asking().await;
    let client = server.client();
    let events = client.events_of("c", &format!("refund {CATAPULT}")).await;
    let named: Vec<_> = events
        .iter()
        .filter(|event| event.name == "confirmation_asked")
        .collect();
    let [asked] = named.as_slice() else {
        panic!("{events:?}");
    };
    let shown = card(&client).await;
    assert_eq!(asked.data["action"], shown["action"]);
    assert_eq!(asked.data["title"], shown["confirmation"]["title"]);
    assert_eq!(asked.data["fields"], shown["confirmation"]["fields"]);
    let again = client.follow("c", 1, "1.0.0.0").await.unwrap();
    assert!(
        again
            .lines
            .iter()
            .any(|line| line.content.kind == "confirm"),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_typed_word_declines_the_card() {
    let (_model, server) = asking().await;
    let client = server.client();
    client.say("c", &format!("refund {CATAPULT}")).await;
    client.say("c", "No!").await;
    let declined = until("the refusal", async || {
        let shown = card(&client).await;
        (shown["state"] == "rejected").then_some(shown)
    });
    assert_eq!(declined.await["confirmation"]["answer"], "no");
    assert_eq!(refunds(&client).await, 0);
}

#[tokio::test]
async fn orders_of_one_conversation_stop_at_its_limit() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for number in 0..3 {
        client.say("c", &format!("order anvil{number} 4000")).await;
    }
    let waiting = client.actions("proposed").await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(
        waiting[0]["over"],
        "limit orders: $4,000.00 is over the $2,000.00 that are left of $10,000.00 in this conversation"
    );
    client.say("other", "order anvil 4000").await;
    assert_eq!(
        client.actions("proposed").await.len(),
        1,
        "another conversation has its own"
    );
}
