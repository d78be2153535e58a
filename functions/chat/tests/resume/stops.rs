//! A turn is stopped from anywhere; what it said stays.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use serde_json::json;

use crate::pair::pair;
use crate::suite::support::{Asked, Client, body, soon};

/// A model that hangs in the middle of the answer to `long`.
async fn hanging() -> ScriptedModel {
    ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "long" => says("Well, ").then_hangs(),
        other => says(&format!("echo {other}")),
    })
    .await
}

async fn stop(client: &Client, turn: u32) {
    let path = format!("/conversations/c/turns/{turn}/stop");
    let stopped = client.post(&path, &json!({})).await;
    assert_eq!(stopped.status, 202, "{stopped:?}");
}

#[tokio::test]
async fn a_turn_is_stopped_from_another_server_and_what_it_said_is_kept() {
    let model = hanging().await;
    let (here, there) = pair(&model).await;
    let mut running = here.client().send(&body("c", "long")).await;
    assert_eq!(running.next().await.unwrap().content.message, "Well, ");
    stop(&there.client(), 1).await;
    stop(&there.client(), 1).await;
    assert_eq!(running.rest().await.seen(), ["Well, ", "done: stopped"]);
    model.hung_up(1).await;
    for client in [here.client(), there.client()] {
        stop(&client, 1).await;
        let said = client.items_of("c", "message").await;
        assert_eq!(
            (&said[1]["text"], &said[1]["partial"]),
            (&json!("Well, "), &json!(true))
        );
        assert_eq!(client.turn_ends("c", 1).await["status"], "stopped");
        let replayed = client.follow("c", 1, "").await.unwrap();
        assert_eq!(replayed.seen(), ["Well, ", "done: stopped"]);
    }
    assert_eq!(there.client().say("c", "next").await.answer(), "echo next");
    let told = model.requests().last().unwrap().told();
    assert_eq!(told[..2], ["user: long", "assistant: Well, "]);
}

#[tokio::test]
async fn a_turn_that_is_over_stays_as_it_is_when_it_is_stopped() {
    let model = hanging().await;
    let (here, there) = pair(&model).await;
    here.client().say("c", "hello").await;
    stop(&here.client(), 1).await;
    stop(&there.client(), 1).await;
    assert_eq!(here.client().turn_ends("c", 1).await["status"], "committed");
    let absent = here
        .client()
        .post("/conversations/c/turns/2/stop", &json!({}))
        .await;
    assert_eq!(absent.status, 404);
    assert_eq!(here.client().say("c", "next").await.answer(), "echo next");
}

#[tokio::test]
async fn a_turn_that_waits_is_stopped_at_once_wherever_it_is_listened_to() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "first" => stream().says("echo ").gate(&at).says("first"),
        other => says(&format!("echo {other}")),
    })
    .await;
    let (here, there) = pair(&model).await;
    let mut first = here.client().send(&body("c", "first")).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let waiting = [
        here.client().send(&body("c", "second")).await,
        there.client().send(&body("c", "third")).await,
        here.client().send(&body("c", "fourth")).await,
    ];
    stop(&there.client(), 2).await;
    stop(&here.client(), 3).await;
    let [second, third, fourth] = waiting;
    // The first turn still runs.
    for stopped in [second, third] {
        assert_eq!(
            soon("the stopped turn's end", stopped.rest()).await.seen(),
            ["done: stopped"]
        );
    }
    gate.open();
    assert_eq!(first.rest().await.answer(), "echo first");
    assert_eq!(fourth.rest().await.answer(), "echo fourth");
    let asked: Vec<_> = model.requests().iter().map(Asked::customer).collect();
    assert_eq!(asked, ["first", "fourth"]);
}
