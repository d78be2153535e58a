//! Messages that reach one server while the other runs a turn of the conversation.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use serde_json::json;

use crate::pair::pair;
use crate::suite::support::{Asked, Server, body};

async fn gated() -> (ScriptedModel, Gate, Server, Server) {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "first" => stream().says("echo ").gate(&at).says("first"),
        other => says(&format!("echo {other}")),
    })
    .await;
    let (here, there) = pair(&model).await;
    (model, gate, here, there)
}

#[tokio::test]
async fn messages_to_two_servers_are_answered_in_order_one_at_a_time() {
    let (model, gate, here, there) = gated().await;
    let messages = ["first", "second", "third", "fourth"];
    let mut streams = Vec::new();
    for (message, server) in messages.iter().zip([&here, &there].into_iter().cycle()) {
        streams.push(server.client().send(&body("c", message)).await);
    }
    gate.open();
    for (message, stream) in messages.iter().zip(streams) {
        assert_eq!(stream.rest().await.answer(), format!("echo {message}"));
    }
    let asked: Vec<_> = model.requests().iter().map(Asked::customer).collect();
    assert_eq!(asked, messages);
}

#[tokio::test]
async fn a_message_that_does_not_wait_is_told_what_to_follow_on_any_server() {
    let (_model, gate, here, there) = gated().await;
    let first = here.client().send(&body("c", "first")).await;
    let mut hasty = body("c", "hasty");
    hasty["overlap"] = json!("reject");
    let refused = there.client().post("/chat/completions", &hasty).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.location(), "/conversations/c/turns/1/events");
    gate.open();
    assert_eq!(
        there.client().follow("c", 1, "").await.unwrap().answer(),
        "echo first"
    );
    assert_eq!(first.rest().await.answer(), "echo first");
    assert_eq!(
        there.client().send(&hasty).await.rest().await.answer(),
        "echo hasty"
    );
}

#[tokio::test]
async fn a_message_to_another_server_interrupts_the_running_turn_and_those_that_wait() {
    let (model, _gate, here, there) = gated().await;
    let mut first = here.client().send(&body("c", "first")).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let second = here.client().send(&body("c", "second")).await;
    let mut urgent = body("c", "urgent");
    urgent["overlap"] = json!("interrupt");
    let answer = there.client().send(&urgent).await.rest().await.answer();
    assert_eq!(answer, "echo urgent");
    assert_eq!(first.rest().await.seen(), ["echo ", "done: stopped"]);
    assert_eq!(second.rest().await.seen(), ["done: stopped"]);
    model.hung_up(1).await;
    let told = model.requests().last().unwrap().told();
    assert_eq!(
        told,
        [
            "user: first",
            "assistant: echo ",
            "user: second",
            "assistant: (The answer broke off here.)",
            "user: urgent"
        ]
    );
}

#[tokio::test]
async fn the_same_message_id_attaches_to_the_live_stream_on_any_server() {
    let (model, gate, here, there) = gated().await;
    let mut named = body("c", "first");
    named["message_id"] = json!("m-1");
    let mut first = here.client().send(&named).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let mut again = Vec::new();
    for server in [&here, &there] {
        let mut stream = server.client().send(&named).await;
        // The turn is at the gate: this is the live stream.
        assert_eq!(stream.next().await.unwrap().content.message, "echo ");
        again.push(stream);
    }
    gate.open();
    for stream in again {
        let turn = stream.rest().await;
        assert_eq!((turn.number, turn.answer()), (1, "echo first".to_owned()));
    }
    assert_eq!(first.rest().await.answer(), "echo first");
    assert_eq!(model.requests().len(), 1);
}
