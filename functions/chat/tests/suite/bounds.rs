//! What one customer, one address and all may take: what is over a bound is refused, says so, and costs nothing.

use baton_chat::settings::{Proxies, Strangers};
use baton_handoff::{Bound, Bounds};
use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use futures_util::future::join_all;
use http::StatusCode;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::support::{Answer, Asked, Client, Server, Setup, body, until};

/// A model that waits for the gate where the customer says `wait`.
async fn gated() -> (ScriptedModel, Gate) {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "wait" => stream().says("One moment. ").gate(&at).says("Done."),
        other => says(&format!("echo {other}")),
    })
    .await;
    (model, gate)
}

async fn serve(model: &ScriptedModel, strangers: Strangers, bounds: &[(Bound, u64)]) -> Server {
    let mut setup = Setup::new(model);
    setup.strangers = strangers;
    setup.proxies = Proxies::Networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let with = |all: Bounds, (bound, value): &(Bound, u64)| all.with(*bound, *value);
    setup.engine.bounds = bounds.iter().fold(Bounds::default(), with);
    setup.open().await
}

/// A browser: a visitor's token and an address.
struct Browser {
    client: Client,
    token: String,
    address: &'static str,
}

impl Browser {
    async fn at(client: &Client, address: &'static str) -> Self {
        let request = client.bare("POST", "/session").json(&json!({}));
        let session = client
            .fetch(request.header("x-forwarded-for", address))
            .await;
        assert_eq!(session.status, 200, "{session:?}");
        Self {
            client: client.clone(),
            token: session.json()["token"].as_str().unwrap().to_owned(),
            address,
        }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.client.bare(method, path).bearer_auth(&self.token);
        request.header("x-forwarded-for", self.address)
    }

    fn message(&self, body: &Value) -> RequestBuilder {
        self.request("POST", "/chat/completions").json(body)
    }

    /// Says something in a new conversation and does not read the answer.
    async fn begin(&self, message: &str) -> reqwest::Response {
        let sent = self.message(&json!({ "message": message })).send().await;
        sent.unwrap()
    }

    async fn say(&self, body: &Value) -> Answer {
        self.client.fetch(self.message(body)).await
    }
}

/// It names its bound, says when to come again, and leaves the connection to others.
fn assert_refused(answer: &Answer, status: u16, bound: Bound) {
    assert_eq!(answer.status, status, "{answer:?}");
    let name = format!("({} is ", bound.name());
    assert!(answer.detail().contains(&name), "{answer:?}");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_customers_turns_are_bounded_also_when_it_hangs_up_and_others_are_answered() {
    let (model, gate) = gated().await;
    let bounds = [(Bound::TurnsOwner, 2)];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let (ann, bob) = (
        Browser::at(&client, "203.0.113.1").await,
        Browser::at(&client, "203.0.113.1").await,
    );
    let first = ann.begin("wait").await;
    let conversation = first.headers()["x-conversation-id"].to_str().unwrap();
    let conversation = conversation.to_owned();
    drop((first, ann.begin("wait").await));
    model.arrived(2).await;
    let third = json!({"message": "and a third"});
    assert_refused(&ann.say(&third).await, 429, Bound::TurnsOwner);
    assert_eq!(bob.say(&json!({"message": "hello"})).await.status, 200);
    assert_eq!(
        model.requests().len(),
        3,
        "nobody asked for what was refused"
    );

    // What waits for a turn that runs takes no place of its own.
    let waits = json!({"message": "later", "conversation_id": conversation});
    let waiting = ann.message(&waits).send().await.unwrap();
    assert_eq!(waiting.status(), 200);
    gate.open();
    assert!(waiting.text().await.unwrap().contains("committed"));
    let answered = until("a place", async || {
        let answer = ann.say(&third).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(answered.body.contains("committed"), "{answered:?}");
}

#[tokio::test]
async fn all_turns_are_bounded_and_the_rest_goes_on() {
    let (model, gate) = gated().await;
    let bounds = [(Bound::TurnsAll, 2)];
    let server = serve(&model, Strangers::Open, &bounds).await;
    let client = server.client();
    let streams = join_all(["a", "b"].map(async |id| client.send(&body(id, "wait")).await)).await;
    model.arrived(2).await;
    let refused = client.post("/chat/completions", &body("c", "hello")).await;
    assert_refused(&refused, 503, Bound::TurnsAll);
    assert_eq!(client.get("/conversations/c").await.status, 404);
    assert_eq!(client.get("/health").await.status, 200);
    let waiting = client.send(&body("a", "later")).await;
    let stopped = client
        .post("/conversations/b/turns/1/stop", &json!({}))
        .await;
    assert_eq!(stopped.status, 202);
    gate.open();
    assert_eq!(waiting.rest().await.status(), "committed");
    drop(streams);
    until("a place", async || {
        let answer = client.post("/chat/completions", &body("c", "hello")).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn visitors_together_leave_half_of_all_turns_to_others() {
    let (model, gate) = gated().await;
    let bounds = [(Bound::TurnsAll, 8)];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let mut held = Vec::new();
    for _ in 0..2 {
        let visitor = Browser::at(&client, "203.0.113.1").await;
        held.push(visitor.begin("wait").await);
        held.push(visitor.begin("wait").await);
    }
    model.arrived(4).await;
    let visitor = Browser::at(&client, "203.0.113.1").await;
    let refused = visitor.say(&json!({"message": "hello"})).await;
    assert_refused(&refused, 503, Bound::TurnsVisitors);
    gate.open();
}

#[tokio::test]
async fn an_address_has_turns_messages_and_visitors_of_its_own() {
    let (model, gate) = gated().await;
    let bounds = [
        (Bound::TurnsAddress, 1),
        (Bound::MessagesAddress, 3),
        (Bound::VisitorsAddress, 2),
    ];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let here = "203.0.113.1";
    let (ann, bob) = (
        Browser::at(&client, here).await,
        Browser::at(&client, here).await,
    );
    let third = client.bare("POST", "/session").json(&json!({}));
    let third = client.fetch(third.header("x-forwarded-for", here)).await;
    assert_refused(&third, 429, Bound::VisitorsAddress);
    let stranger = client.bare("POST", "/chat/completions");
    let stranger = stranger.json(&json!({"message": "hello"}));
    let stranger = client.fetch(stranger.header("x-forwarded-for", here)).await;
    assert_refused(&stranger, 429, Bound::VisitorsAddress);

    let waiting = ann.begin("wait").await;
    model.arrived(1).await;
    let hello = json!({"message": "hello"});
    assert_refused(&bob.say(&hello).await, 429, Bound::TurnsAddress);
    assert_refused(&bob.say(&hello).await, 429, Bound::MessagesAddress);
    let elsewhere = Browser::at(&client, "203.0.113.2").await;
    assert_eq!(elsewhere.say(&hello).await.status, 200);
    gate.open();
    assert!(waiting.text().await.unwrap().contains("committed"));
}

#[tokio::test]
async fn messages_and_regenerations_of_a_customer_have_one_rate() {
    let (model, _gate) = gated().await;
    let bounds = [(Bound::MessagesOwner, 2)];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let ann = Browser::at(&client, "203.0.113.1").await;
    let first = ann.say(&json!({"message": "hello"})).await;
    let conversation = first.header("x-conversation-id");
    let again = async |turn: u32| {
        let path = format!("/conversations/{conversation}/turns/{turn}/regenerate");
        client.fetch(ann.request("POST", &path)).await
    };
    assert_eq!(again(1).await.status, 200);
    assert_refused(&again(2).await, 429, Bound::MessagesOwner);
    let broken = ann.message(&json!({})).body("{");
    assert_refused(&client.fetch(broken).await, 429, Bound::MessagesOwner);
    assert_eq!(model.requests().len(), 2);
    let bob = Browser::at(&client, "203.0.113.1").await;
    assert_eq!(bob.say(&json!({"message": "hello"})).await.status, 200);
}

#[tokio::test]
async fn in_open_there_are_no_rates_and_a_conversation_is_its_own_owner() {
    let (model, gate) = gated().await;
    let bounds = [
        (Bound::MessagesOwner, 1),
        (Bound::MessagesAddress, 1),
        (Bound::ConversationsAddress, 1),
        (Bound::TurnsAddress, 1),
        (Bound::TurnsOwner, 1),
        (Bound::FollowsOwner, 1),
    ];
    let server = serve(&model, Strangers::Open, &bounds).await;
    let client = server.client();
    let mut streams = Vec::new();
    for id in ["a", "b", "c"] {
        streams.push(client.send(&body(id, "wait")).await);
    }
    let follow = async |id: &str| {
        let path = format!("/conversations/{id}/events");
        client.request("GET", &path).send().await.unwrap()
    };
    let first = follow("a").await;
    assert_eq!(first.status(), 200);
    assert_eq!(follow("a").await.status(), 429);
    assert_eq!(follow("b").await.status(), 200);
    gate.open();
    for stream in streams {
        assert_eq!(stream.rest().await.status(), "committed");
    }
}

#[tokio::test]
async fn new_conversations_have_a_rate_and_old_ones_go_on() {
    let (model, _gate) = gated().await;
    let bounds = [(Bound::ConversationsOwner, 2)];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let ann = Browser::at(&client, "203.0.113.1").await;
    let first = json!({"message": "hello", "conversation_id": "mine"});
    assert_eq!(ann.say(&first).await.status, 200);
    assert_eq!(ann.say(&json!({"message": "hello"})).await.status, 200);
    let unnamed = ann.say(&json!({"message": "hello"})).await;
    assert_refused(&unnamed, 429, Bound::ConversationsOwner);
    let named = json!({"message": "hello", "conversation_id": "another"});
    assert_refused(&ann.say(&named).await, 429, Bound::ConversationsOwner);
    assert_eq!(ann.say(&first).await.status, 200);
}

#[tokio::test]
async fn streams_are_bounded_for_a_customer_an_address_and_all() {
    let (model, gate) = gated().await;
    let bounds = [
        (Bound::StreamsOwner, 3),
        (Bound::FollowsOwner, 2),
        (Bound::FollowsAddress, 3),
        (Bound::StreamsAll, 40),
    ];
    let server = serve(&model, Strangers::Visitors, &bounds).await;
    let client = server.client();
    let (ann, bob) = (
        Browser::at(&client, "203.0.113.1").await,
        Browser::at(&client, "203.0.113.1").await,
    );
    let conversation = async |browser: &Browser| {
        let answer = browser.say(&json!({"message": "hello"})).await;
        answer.header("x-conversation-id").to_owned()
    };
    let (of_ann, of_bob) = (conversation(&ann).await, conversation(&bob).await);
    let follow = async |browser: &Browser, id: &str| {
        let path = format!("/conversations/{id}/events");
        browser.request("GET", &path).send().await.unwrap()
    };
    let first = follow(&ann, &of_ann).await;
    let second = follow(&ann, &of_ann).await;
    assert_eq!(
        (first.status(), second.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let refused = follow(&ann, &of_ann).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.text().await.unwrap().contains("follows.owner"));

    let waiting = ann.begin("wait").await;
    let over = ann.say(&json!({"message": "one too many"})).await;
    assert_refused(&over, 429, Bound::StreamsOwner);

    let third = follow(&bob, &of_bob).await;
    assert_eq!(third.status(), 200);
    let refused = follow(&bob, &of_bob).await;
    assert!(refused.text().await.unwrap().contains("follows.address"));

    drop((first, second));
    until("a place for a stream", async || {
        (follow(&bob, &of_bob).await.status() == 200).then_some(())
    })
    .await;
    gate.open();
    assert!(waiting.text().await.unwrap().contains("committed"));
}

#[tokio::test]
async fn idle_streams_leave_the_last_places_to_answers() {
    let (model, _gate) = gated().await;
    let bounds = [(Bound::StreamsAll, 20)];
    let server = serve(&model, Strangers::Open, &bounds).await;
    let client = server.client();
    let mut held = Vec::new();
    for number in 0..18 {
        let id = format!("c{number}");
        client.say(&id, "hello").await;
        let path = format!("/conversations/{id}/events");
        let stream = client.request("GET", &path).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        held.push(stream);
    }
    let one_more = client.get("/conversations/c0/events").await;
    assert_refused(&one_more, 503, Bound::StreamsAll);
    assert_eq!(client.say("c0", "hello").await.status(), "committed");
    assert_eq!(client.get("/health").await.status, 200);
}
