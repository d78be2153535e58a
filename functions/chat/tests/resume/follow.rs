//! A whole conversation as one stream, for a second tab.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use serde_json::Value;

use crate::pair::pair;
use crate::suite::support::{Asked, Client, Server, Setup, body, clerk, soon};

/// A second tab.
struct Tab {
    response: reqwest::Response,
    unread: Vec<u8>,
}

/// One event of the stream.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Tab {
    async fn open(client: &Client, query: &str) -> Self {
        let path = format!("/conversations/c/events{query}");
        Self::begin(client.request("GET", &path)).await
    }

    async fn begin(request: reqwest::RequestBuilder) -> Self {
        let response = request.send();
        let response = soon("the begin of a stream", response).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            unread: Vec::new(),
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            let end = self.unread.windows(2).position(|bytes| bytes == b"\n\n");
            let Some(end) = end else {
                let bytes = soon("an event", self.response.chunk()).await.unwrap();
                self.unread.extend(bytes.expect("the stream goes on"));
                continue;
            };
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let block = String::from_utf8(block).unwrap();
            if block.starts_with(':') {
                continue;
            }
            let mut fields = block.lines().map(|line| line.split_once(": ").unwrap().1);
            let mut field = || fields.next().unwrap().to_owned();
            let (id, name, data) = (field(), field(), field());
            let data = serde_json::from_str(&data).unwrap();
            return Event { id, name, data };
        }
    }

    /// Everything up to the next event of this name.
    async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.name != name) {
            events.push(self.next().await);
        }
        events
    }

    /// The text of the next turn, and its number.
    async fn turn(&mut self) -> (u64, String, String) {
        let events = self.until("turn_completed").await;
        let text = events
            .iter()
            .filter(|event| event.name == "text_delta")
            .map(|event| event.data["text"].as_str().unwrap())
            .collect();
        let last = events.last().unwrap();
        (last.data["turn"].as_u64().unwrap(), text, last.id.clone())
    }
}

#[tokio::test]
async fn a_second_tab_hears_turn_after_turn_whichever_server_runs_them() {
    let model = ScriptedModel::responding(clerk).await;
    let (here, there) = pair(&model).await;
    here.client().say("c", "one").await;
    let mut tabs = [
        Tab::open(&here.client(), "").await,
        Tab::open(&there.client(), "").await,
    ];
    for (number, server) in (2..6).zip([&here, &there].into_iter().cycle()) {
        server.client().say("c", &format!("m{number}")).await;
        for tab in &mut tabs {
            let (turn, text, _) = tab.turn().await;
            assert_eq!((turn, text), (number, format!("You said: m{number}")));
        }
    }
}

#[tokio::test]
async fn a_second_tab_hears_of_a_turn_as_soon_as_it_begins() {
    let gate = Gate::new();
    let slow = |text: &str| stream().says(text).gate(&gate).says(" and on.");
    let model = ScriptedModel::start([says("One."), slow("Two"), slow("Three")]).await;
    let setup = Setup::new(&model);
    setup.clock.hold_long_waits();
    let server = setup.open().await;
    let client = server.client();
    client.say("c", "one").await;
    let mut tab = Tab::open(&client, "").await;
    let mut two = client.send(&body("c", "two")).await;
    assert_eq!(two.next().await.unwrap().content.message, "Two");
    // The model is at the gate: the tab hears of the turn from nobody but the server that runs it.
    let begin = tab.until("text_delta").await;
    assert_eq!(begin[0].name, "turn_started");
    assert_eq!(begin.last().unwrap().data["turn"], 2);
    gate.open();
    assert_eq!(tab.turn().await.1, " and on.");
    client.say("c", "three").await;
    assert_eq!(tab.turn().await.1, "Three and on.");
}

#[tokio::test]
async fn a_second_tab_that_takes_nothing_back_gets_each_response_whole() {
    let gate = Gate::new();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "two" => stream().says("Two").gate(&gate),
        _ => says("One."),
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "one").await;
    let request = client.request("GET", "/conversations/c/events");
    let mut plain = Tab::begin(request.header("x-baton-client", "plain")).await;
    let mut other = Tab::open(&client, "").await;
    let mut two = client.send(&body("c", "two")).await;
    assert_eq!(two.next().await.unwrap().content.message, "Two");
    other.until("text_delta").await;
    // The server ends before the response is recorded.
    server.restart().await;
    let events = plain.until("turn_continues").await;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["turn_started", "turn_continues"], "what was held");
    assert_eq!(events[1].id, events[0].id, "it comes back for that");
}

#[tokio::test]
async fn a_second_tab_that_comes_back_gets_what_it_missed() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "one").await;
    let mut tab = Tab::open(&client, "").await;
    client.say("c", "two").await;
    let (_, _, last) = tab.turn().await;
    drop(tab);
    client.say("c", "three").await;
    client.say("c", "four").await;
    let mut tab = Tab::open(&client, &format!("?after={last}")).await;
    for (number, text) in [(3, "three"), (4, "four")] {
        let (turn, said, _) = tab.turn().await;
        assert_eq!((turn, said), (number, format!("You said: {text}")));
    }
    let bad = client.get("/conversations/c/events?after=nonsense").await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn a_second_tab_hears_of_an_action_that_ends_late() {
    let model = ScriptedModel::responding(clerk).await;
    let impatient = [("patience_seconds = 10", "patience_seconds = 1")];
    let server = Setup::new(&model).with_team(&impatient).open().await;
    let client = server.client();
    server.desk().hold_actions();
    let pending = client.say("c", "order anvil 30").await;
    assert_eq!(pending.status(), "committed");
    let mut tab = Tab::open(&client, "").await;
    server.desk().let_in();
    let events = tab.until("turn_completed").await;
    let ended: Vec<_> = events
        .iter()
        .filter(|event| event.name == "action_finished")
        .collect();
    assert_eq!(ended.len(), 1, "{events:?}");
    assert_eq!(ended[0].data["name"], "execute_order");
    assert_eq!(ended[0].data["state"], "done");
    assert_eq!(events.last().unwrap().data["turn"], 2);
}

#[tokio::test]
async fn a_second_tab_is_told_that_all_was_erased_and_hears_on() {
    let model = ScriptedModel::responding(|_| says("Hello.")).await;
    let server = Server::open(&model).await;
    let client = server.client();
    assert_eq!(client.get("/conversations/c/events").await.status, 404);
    client.say("c", "my secret").await;
    let mut tab = Tab::open(&client, "").await;
    let mut away = Tab::open(&client, "?after=1.0.0.0").await;
    let (_, _, heard) = away.turn().await;
    drop(away);
    let erase = client.request("DELETE", "/conversations/c");
    assert_eq!(client.fetch(erase).await.status, 204);
    assert_eq!(client.get("/conversations/c/events").await.status, 404);
    let told = tab.next().await;
    assert_eq!(told.name, "conversation_deleted");
    assert_eq!(told.data["conversation"], "c");
    client.say("c", "anew").await;
    // Who was away meanwhile is told too; who was told before is not told again.
    let missed = Tab::open(&client, &format!("?after={heard}"))
        .await
        .until("turn_completed")
        .await;
    assert_eq!(missed[0].name, "conversation_deleted");
    let again = Tab::open(&client, &format!("?after={}", told.id))
        .await
        .until("turn_completed")
        .await;
    let events = tab.until("turn_completed").await;
    for events in [&missed[1..], &again, &events] {
        assert!(
            events
                .iter()
                .all(|event| event.data["turn"] == 2 && event.name != "conversation_deleted"),
            "{events:?}"
        );
    }
}
