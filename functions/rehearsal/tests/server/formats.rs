//! The wire format, chunk by chunk.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_rehearsal::{Settings, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::client::{Server, tool};

fn hello() -> Value {
    json!({ "model": "some-model", "messages": [{ "role": "user", "content": "hello" }] })
}

fn streamed(mut request: Value) -> Value {
    request["stream"] = json!(true);
    request["stream_options"] = json!({ "include_usage": true });
    request
}

#[tokio::test]
async fn a_whole_answer_and_a_streamed_one_say_and_count_the_same() {
    let server = Server::start().await;
    let whole = server.whole(&hello()).await;
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["model"], "some-model");
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["role"]),
        (&json!("stop"), &json!("assistant"))
    );

    let chunks = server.chunks(&streamed(hello())).await;
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(choice["message"]["content"], text);
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    assert!(chunks.iter().all(|chunk| chunk["id"] == whole["id"]));
}

#[tokio::test]
async fn a_stream_opens_with_the_role_and_ends_with_reason_and_usage() {
    let server = Server::start().await;
    let chunks = server.chunks(&streamed(hello())).await;
    let [first, words @ .., finish, usage] = chunks.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(
        first["choices"][0]["delta"],
        json!({ "role": "assistant", "content": "" })
    );
    assert!(words.len() > 3, "word by word");
    for word in words {
        assert_eq!(
            word["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap()
                .split_whitespace()
                .count(),
            1
        );
        assert!(
            word["usage"].is_null() && word.get("usage").is_some(),
            "null until the last chunk"
        );
    }
    assert_eq!(
        finish["choices"][0],
        json!({ "index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop" })
    );
    assert_eq!(usage["choices"], json!([]));
    let count = |name: &str| usage["usage"][name].as_u64().unwrap();
    assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
}

#[tokio::test]
async fn usage_is_absent_unless_it_is_asked_for() {
    let server = Server::start().await;
    let mut request = hello();
    request["stream"] = json!(true);
    for chunk in server.chunks(&request).await {
        assert!(
            chunk.get("usage").is_none() && chunk["choices"] != json!([]),
            "{chunk}"
        );
    }
}

#[tokio::test]
async fn two_calls_arrive_interleaved_with_id_and_name_first() {
    let server = Server::start().await;
    let mut request = streamed(hello());
    request["messages"][0]["content"] = json!("rehearse: two lookups");
    request["tools"] = json!([tool(
        "look_up_item",
        &json!({ "search_query": { "type": "string" } }),
        &["search_query"]
    )]);
    let chunks = server.chunks(&request).await;
    assert_eq!(
        chunks[0]["choices"][0]["delta"],
        json!({ "role": "assistant", "content": null })
    );
    let deltas: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|delta| !delta.is_null())
        .collect();

    let mut begun = BTreeSet::new();
    for delta in &deltas {
        let first = begun.insert(delta["index"].as_u64().unwrap());
        assert_eq!(delta.get("id").is_some(), first, "{delta}");
        assert_eq!(delta["function"].get("name").is_some(), first, "{delta}");
    }
    assert_eq!(begun.len(), 2);
    let order: Vec<u64> = deltas
        .iter()
        .map(|delta| delta["index"].as_u64().unwrap())
        .collect();
    assert_eq!(order.get(..6), Some([0, 1, 0, 1, 0, 1].as_slice()));

    let message = server.streamed(&request).await;
    let arguments = |at: usize| {
        message["tool_calls"][at]["function"]["arguments"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(arguments(0), r#"{"search_query":"anvil"}"#);
    assert_eq!(arguments(1), r#"{"search_query":"rocket skates"}"#);
    assert_ne!(
        message["tool_calls"][0]["id"],
        message["tool_calls"][1]["id"]
    );
    let finish = chunks
        .iter()
        .find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("tool_calls"));
}

#[tokio::test]
async fn equal_requests_get_equal_answers_and_ids_change_with_the_conversation() {
    let server = Server::start().await;
    let without_time = |mut answer: Value| {
        answer["created"] = Value::Null;
        answer
    };
    let first = without_time(server.whole(&hello()).await);
    assert_eq!(first, without_time(server.whole(&hello()).await));
    let mut other = hello();
    other["messages"][0]["content"] = json!("hello!");
    assert_ne!(first["id"], server.whole(&other).await["id"]);
}

#[tokio::test]
async fn a_long_answer_has_as_many_words_as_asked_and_max_tokens_cuts_it() {
    let server = Server::start().await;
    let mut request = hello();
    request["messages"][0]["content"] = json!("rehearse: long 321");
    let message = server.streamed(&streamed(request.clone())).await;
    assert_eq!(message["content"].as_str().unwrap().split(' ').count(), 321);

    request["max_tokens"] = json!(10);
    let cut = server.whole(&request).await;
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 10);
}

#[tokio::test]
async fn tool_choice_forbids_and_demands_calls() {
    let server = Server::start().await;
    let mut request = hello();
    request["tools"] = json!([tool("transfer_to_sales_agent", &json!({}), &[])]);
    request["messages"][0]["content"] = json!("I want to buy an anvil");
    request["tool_choice"] = json!("none");
    let message = server.whole(&request).await["choices"][0]["message"].clone();
    assert!(
        message.get("tool_calls").is_none() && message["content"] != "",
        "{message}"
    );

    request["messages"][0]["content"] = json!("hello");
    request["tool_choice"] = json!("required");
    let answer = server.whole(&request).await;
    assert_eq!(
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "transfer_to_sales_agent"
    );
}

#[tokio::test]
async fn a_sample_of_markdown_has_all_that_a_page_must_show() {
    let server = Server::start().await;
    let mut request = hello();
    request["messages"][0]["content"] = json!("Show me some Markdown please");
    let message = server.streamed(&streamed(request)).await;
    for part in ["```rust\n", "\n| --- |", "\n1. ", "](https://", "**"] {
        assert!(
            message["content"].as_str().unwrap().contains(part),
            "no {part}"
        );
    }
}

#[tokio::test]
async fn models_and_health_are_listed() {
    let server = Server::start().await;
    let get = async |path: &str| -> Value {
        server
            .http
            .get(format!("{}{path}", server.base))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    assert_eq!(get("/v1/models").await["data"][0]["id"], "rehearsal");
    assert_eq!(
        get("/health").await,
        json!({ "status": "ok", "scripted": true })
    );
}

#[tokio::test]
async fn an_open_answer_ends_whole_when_the_server_is_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/chat/completions",
        listener.local_addr().unwrap()
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let settings = Settings {
        word_delay: Duration::from_millis(1),
        ..Settings::default()
    };
    let server = tokio::spawn(serve(
        listener,
        settings,
        async move { drop(stopped.await) },
    ));

    let mut request = streamed(hello());
    request["messages"][0]["content"] = json!("rehearse: long 50");
    let response = reqwest::Client::new()
        .post(url)
        .json(&request)
        .send()
        .await
        .unwrap();
    stop.send(()).unwrap();
    let text = response.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    server.await.unwrap().unwrap();
}
