//! Messages that come while a turn runs, and messages that come twice.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use serde_json::json;

use super::support::{Asked, Server, Setup, body};

/// A model that echoes, and holds the answer to `first` at the gate.
async fn gated() -> (ScriptedModel, Gate) {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "first" => stream().says("echo ").gate(&at).says("first"),
        other => says(&format!("echo {other}")),
    })
    .await;
    (model, gate)
}

#[tokio::test]
async fn messages_wait_for_the_running_turn_and_are_answered_in_order() {
    let (model, gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut streams = Vec::new();
    for message in ["first", "second", "third", "fourth"] {
        streams.push((message, client.send(&body("c", message)).await));
    }
    gate.open();
    for (number, (message, stream)) in (1..).zip(streams) {
        let turn = stream.rest().await;
        assert_eq!(turn.number, number);
        assert_eq!(turn.answer(), format!("echo {message}"));
    }
    let asked: Vec<_> = model.requests().iter().map(Asked::customer).collect();
    assert_eq!(asked, ["first", "second", "third", "fourth"]);
}

#[tokio::test]
async fn eight_messages_wait_and_the_next_one_is_told_to_come_later() {
    let (model, gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut streams = vec![client.send(&body("c", "first")).await];
    for number in 0..8 {
        streams.push(client.send(&body("c", &format!("m{number}"))).await);
    }
    let refused = client
        .post("/chat/completions", &body("c", "one too many"))
        .await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(
        refused.detail(),
        "too many messages of this conversation wait already (waiting.conversation is 8)"
    );
    gate.open();
    for stream in streams {
        assert_eq!(stream.rest().await.status(), "committed");
    }
    assert!(
        !client
            .said("c")
            .await
            .iter()
            .any(|(_, _, text)| text == "one too many")
    );
    assert_eq!(client.say("c", "now").await.answer(), "echo now");
}

#[tokio::test]
async fn a_client_that_does_not_want_to_wait_is_told_what_to_follow() {
    let (model, gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let first = client.send(&body("c", "first")).await;
    let mut hasty = body("c", "hasty");
    hasty["overlap"] = json!("reject");
    let refused = client.post("/chat/completions", &hasty).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.location(), "/conversations/c/turns/1/events");
    assert_eq!(
        refused.detail(),
        "a turn of this conversation is still running"
    );
    gate.open();
    let followed = client.get(&refused.location()).await;
    assert!(followed.body.contains("first"), "{followed:?}");
    assert_eq!(first.rest().await.answer(), "echo first");
    assert_eq!(
        client.send(&hasty).await.rest().await.answer(),
        "echo hasty"
    );
}

#[tokio::test]
async fn the_same_message_id_is_the_same_turn_while_it_runs_and_afterwards() {
    let (model, gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut named = body("c", "first");
    named["message_id"] = json!("m-1");
    let mut first = client.send(&named).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let again = client.send(&named).await;
    gate.open();
    let (first, again) = (first.rest().await, again.rest().await);
    assert_eq!(first.answer(), "echo first");
    assert_eq!((again.number, again.seen()), (first.number, first.seen()));
    let later = client.say_as("m-1", "c", "first").await;
    assert_eq!((later.number, later.seen()), (first.number, first.seen()));
    assert_eq!(model.requests().len(), 1);
    assert_eq!(client.said("c").await.len(), 2);
    // The names of one conversation are not those of another.
    assert_eq!(
        client.say_as("m-1", "d", "something else").await.answer(),
        "echo something else"
    );
}

#[tokio::test]
async fn the_same_message_id_survives_a_restart() {
    let (model, _gate) = gated().await;
    let server = Server::open(&model).await;
    let before = server.client().say_as("m-1", "c", "hello").await;
    let server = server.restart().await;
    let after = server.client().say_as("m-1", "c", "hello").await;
    assert_eq!((after.number, after.seen()), (before.number, before.seen()));
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn the_same_message_id_with_another_message_is_refused() {
    let (model, _gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let request = |message: &str| {
        client
            .request("POST", "/chat/completions")
            .header("idempotency-key", "\"m-1\"")
            .json(&body("c", message))
    };
    assert_eq!(client.fetch(request("hello")).await.status, 200);
    let refused = client.fetch(request("hello!")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.detail(),
        "this message id was used for another message"
    );
    // The header and the field are one name.
    assert_eq!(client.say_as("m-1", "c", "hello").await.number, 1);
    assert_eq!(client.said("c").await.len(), 2);
}

#[tokio::test]
async fn a_message_in_the_background_is_answered_without_a_listener() {
    let (model, _gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let request = client
        .request("POST", "/chat/completions")
        .header("prefer", "respond-async");
    let accepted = client.fetch(request.json(&body("c", "hello"))).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(
        (
            accepted.header("x-conversation-id"),
            accepted.header("x-turn")
        ),
        ("c", "1")
    );
    assert_eq!(accepted.location(), "/conversations/c/turns/1/events");
    assert_eq!(accepted.body, "");
    assert_eq!(client.turn_ends("c", 1).await["status"], "committed");
    assert_eq!(
        client.follow("c", 1, "").await.unwrap().answer(),
        "echo hello"
    );
}

#[tokio::test]
async fn a_message_that_interrupts_stops_the_running_turn() {
    let (model, _gate) = gated().await;
    let setup = Setup::new(&model);
    // The turn hears of it at once, not by its next look.
    setup.clock.hold_long_waits();
    let server = setup.open().await;
    let client = server.client();
    let mut first = client.send(&body("c", "first")).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let mut urgent = body("c", "urgent");
    urgent["overlap"] = json!("interrupt");
    assert_eq!(
        client.send(&urgent).await.rest().await.answer(),
        "echo urgent"
    );
    assert_eq!(first.rest().await.seen(), ["echo ", "done: stopped"]);
}

#[tokio::test]
async fn a_message_that_interrupts_comes_instead_of_those_that_wait() {
    let (model, _gate) = gated().await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut first = client.send(&body("c", "first")).await;
    assert_eq!(first.next().await.unwrap().content.message, "echo ");
    let mut waiting = Vec::new();
    for number in 0..8 {
        waiting.push(client.send(&body("c", &format!("m{number}"))).await);
    }
    let mut urgent = body("c", "urgent");
    urgent["overlap"] = json!("interrupt");
    let urgent = client.send(&urgent).await.rest().await;
    assert_eq!(
        (urgent.number, urgent.answer()),
        (10, "echo urgent".to_owned())
    );
    for stopped in waiting {
        assert_eq!(stopped.rest().await.seen(), ["done: stopped"]);
    }
    assert_eq!(first.rest().await.seen(), ["echo ", "done: stopped"]);
    let asked: Vec<_> = model.requests().iter().map(Asked::customer).collect();
    assert_eq!(asked, ["first", "urgent"]);
}
