//! Bytes: the prelude, the eight NULs, and a chunk for each thing that the model says, as soon as it says it.

use baton_kit::lambda::LONG;
use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{Gate, ScriptedModel, stream};
use serde_json::{Value, json};

use crate::function::{Function, events};

const WORDS: [&str; 3] = ["One ", "two ", "three."];

/// A model that says each word but the first when its gate is opened.
async fn gated() -> (ScriptedModel, [Gate; 2]) {
    let gates = [Gate::new(), Gate::new()];
    let answer = stream()
        .says(WORDS[0])
        .gate(&gates[0])
        .says(WORDS[1])
        .gate(&gates[1])
        .says(WORDS[2]);
    (ScriptedModel::start([answer]).await, gates)
}

/// Asks, and lets the model say a word only after the one before it has come out. Nothing can have been held back then.
async fn word_by_word(accept: &str) -> (Value, String) {
    let (model, gates) = gated().await;
    let function = Function::start(&model).await;
    let message = Request::say("c", "hello").accept(accept);
    let mut answer = function.api.invoke(&message.by_url(), LONG);
    let prelude = answer.prelude().await.unwrap();
    let mut body = answer.until(WORDS[0]).await;
    assert!(!body.contains(WORDS[1]), "{body}");
    for (gate, word) in gates.iter().zip(&WORDS[1..]) {
        gate.open();
        body += &answer.until(word).await;
    }
    body += std::str::from_utf8(&answer.rest().await).unwrap();
    (prelude, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_one_by_one_byte_for_byte() {
    // A client that asks for plain text takes nothing back: it gets a response when it is recorded.
    let (prelude, body) = word_by_word("*/*").await;
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["cookies"], json!([]));
    let headers = &prelude["headers"];
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers["x-conversation-id"], "c");
    assert_eq!(headers["x-turn"], "1");
    assert_eq!(headers.get("content-encoding"), None);
    assert_eq!(
        body,
        concat!(
            r#"{"content":{"type":"string","message":"One "},"id":"1.1.1.4"}"#,
            "\n",
            r#"{"content":{"type":"string","message":"two "},"id":"1.1.1.8"}"#,
            "\n",
            r#"{"content":{"type":"string","message":"three."},"id":"1.1.1.14"}"#,
            "\n",
            r#"{"content":{"type":"done","message":"","turn":1,"status":"committed"},"id":"1.1.1.15"}"#,
            "\n",
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_events_come_one_by_one() {
    let (prelude, body) = word_by_word("text/event-stream").await;
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["headers"]["content-type"], "text/event-stream");
    let events = events(&body);
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "turn_started",
            "text_delta",
            "text_delta",
            "text_delta",
            "turn_completed"
        ]
    );
    let said = events[1..4].iter().map(|(_, data)| &data["text"]);
    assert_eq!(said.collect::<Vec<_>>(), WORDS);
}
