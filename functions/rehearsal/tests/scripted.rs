//! The scripted mode, over a socket.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, status, stream};
use serde_json::{Value, json};

async fn ask(model: &ScriptedModel, messages: Value) -> reqwest::Response {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let request = json!({ "model": "m", "messages": messages, "stream": true });
    let url = format!("{}/chat/completions", model.url());
    reqwest::Client::new()
        .post(url)
        .json(&request)
        .send()
        .await
        .unwrap()
}

fn hello() -> Value {
    json!([{ "role": "user", "content": "hello" }])
}

fn without_result() -> Value {
    let call = json!({ "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{}" } });
    json!([{ "role": "assistant", "content": null, "tool_calls": [call] }])
}

#[tokio::test]
async fn answers_come_in_the_order_in_which_they_were_written() {
    let model = ScriptedModel::start([
        says("Hello you."),
        status(503),
        calls("look", json!({ "at": 1 })),
    ])
    .await;
    let text = ask(&model, hello()).await.text().await.unwrap();
    assert!(
        text.contains(r#"{"content":"Hello "}"#) && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(ask(&model, hello()).await.status(), 503);
    let text = ask(&model, hello()).await.text().await.unwrap();
    assert!(text.contains(r#""finish_reason":"tool_calls""#), "{text}");
    assert_eq!(
        ask(&model, hello()).await.status(),
        500,
        "the script is at its end"
    );
    assert_eq!(model.requests().len(), 4);
}

#[tokio::test]
async fn an_answer_waits_at_a_gate_and_may_lose_its_connection() {
    let gate = Gate::new();
    let model = ScriptedModel::start([
        stream().says("One").gate(&gate).says(" two"),
        says("a b c").cut_after(2),
    ])
    .await;
    let mut response = ask(&model, hello()).await;
    let first = response.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("One"));
    gate.reached().await;
    gate.open();
    assert!(response.text().await.unwrap().contains("two"));
    assert!(
        ask(&model, hello()).await.text().await.is_err(),
        "cut in the middle"
    );
}

#[tokio::test]
#[should_panic(expected = "Without a result: c1")]
async fn a_request_that_a_service_would_refuse_fails_the_test() {
    let model = ScriptedModel::start([says("Hello.")]).await;
    assert_eq!(ask(&model, without_result()).await.status(), 400);
}

#[tokio::test]
async fn a_model_that_takes_anything_answers_such_a_request() {
    let model = ScriptedModel::start([says("Hello.")])
        .await
        .taking_anything();
    assert_eq!(ask(&model, without_result()).await.status(), 200);
    assert_eq!(model.requests().len(), 1);
}
