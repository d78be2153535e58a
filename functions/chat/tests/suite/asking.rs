//! Requests in the name of a caller, in short.

use serde_json::{Value, json};

use super::matrix::shared::callers::{Caller, Standing, cookie_of};
use super::matrix::shared::tokens::{OF_CUSTOMERS, customer, signed};
use super::matrix::shared::{Ask, Asks, Reply};
use super::support::Client;

/// A customer with a token of the company's issuer.
pub(super) fn by_token(subject: &str) -> Caller {
    bearer(&signed(&customer(subject), OF_CUSTOMERS))
}

pub(super) fn bearer(token: &str) -> Caller {
    Caller::bearer("a bearer", Standing::Other, token)
}

/// The same caller with one more header.
pub(super) fn and(caller: &Caller, name: &'static str, value: &str) -> Caller {
    let mut caller = caller.clone();
    caller.headers.push((name, value.to_owned()));
    caller
}

pub(super) async fn get(client: &Client, caller: &Caller, path: &str) -> Reply {
    client.ask(&Ask::new("GET", path, caller)).await
}

pub(super) async fn session(client: &Client, caller: &Caller, wanted: Value) -> Reply {
    let ask = Ask::new("POST", "/session", caller);
    client.ask(&ask.json(wanted)).await
}

/// Says something with all that stands in the body.
pub(super) async fn post(client: &Client, caller: &Caller, body: Value) -> Reply {
    let ask = Ask::new("POST", "/chat/completions", caller);
    client.ask(&ask.json(body)).await
}

/// Begins a conversation.
pub(super) async fn begin(client: &Client, caller: &Caller) -> Reply {
    post(client, caller, json!({ "message": "hello" })).await
}

/// Says something in the conversation of this name.
pub(super) async fn say(client: &Client, caller: &Caller, name: &str, message: &str) -> Reply {
    let body = json!({ "message": message, "conversation_id": name });
    post(client, caller, body).await
}

/// A new visitor by the cookie of its first message, and its conversation.
pub(super) async fn visitor(client: &Client) -> (Caller, String) {
    let reply = begin(client, &Caller::nobody()).await;
    let cookie = cookie_of(&reply).unwrap();
    let visitor = Caller::new("a visitor", Standing::Other, &[("cookie", &cookie)]);
    (visitor, id_in(&reply))
}

/// The conversation that an answer names.
pub(super) fn id_in(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.headers["x-conversation-id"][0].clone()
}

/// The token of a session.
pub(super) fn token_in(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["token"].as_str().unwrap().to_owned()
}

/// The ids of a caller's own conversations.
pub(super) async fn own(client: &Client, caller: &Caller) -> Vec<String> {
    let list = get(client, caller, "/conversations").await.json();
    let list = list["conversations"].as_array().unwrap().iter();
    list.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}
