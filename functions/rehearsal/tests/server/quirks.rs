//! Quirks by their names: what comes is what some service sends.

use reqwest::Response;
use serde_json::{Value, json};

use crate::client::{Server, tool};

fn request(said: &str) -> Value {
    let look = tool(
        "look_up_item",
        &json!({ "search_query": { "type": "string" } }),
        &[],
    );
    let messages = json!([{ "role": "user", "content": said }]);
    json!({ "model": "m", "messages": messages, "tools": [look], "stream": true })
}

async fn post(server: &Server, quirk: &str, body: &Value) -> Response {
    let url = format!("{}/v1/chat/completions?quirk={quirk}", server.base);
    server.http.post(url).json(body).send().await.unwrap()
}

async fn stream(server: &Server, quirk: &str, said: &str) -> String {
    let response = post(server, quirk, &request(said)).await;
    assert_eq!(response.status(), 200, "{quirk}");
    response.text().await.unwrap()
}

#[tokio::test]
async fn streams_have_the_quirk_that_was_asked_for() {
    let server = Server::start().await;
    let lookups = "rehearse: two lookups";
    for (quirk, said, has, has_not) in [
        (
            "same_index",
            lookups,
            r#""id":"","index":0"#,
            r#""index":1"#,
        ),
        (
            "object_arguments",
            lookups,
            r#""arguments":{"search_query":"anvil"}"#,
            "arguments\":\"",
        ),
        (
            "split_name",
            lookups,
            r#""name":"look_u""#,
            r#""name":"look_up_item""#,
        ),
        (
            "content_parts",
            "hello",
            r#"{"content":[{"thinking""#,
            r#"{"content":"H"#,
        ),
        (
            "opaque_calls",
            lookups,
            "thought_signature",
            "reasoning_content",
        ),
        (
            "split_character",
            "hello",
            r#"{"content":"\ud83d"}"#,
            "\u{1f680}",
        ),
        (
            "breaks_off",
            "hello",
            r#""finish_reason":"error""#,
            r#""finish_reason":"stop""#,
        ),
        ("error_inside", "hello", r#"data: {"error":"#, "[DONE]"),
        ("thoughts_in_text", "hello", "<think>", "reasoning_content"),
        (
            "invented_tool",
            "hello",
            "multi_tool_use.parallel",
            "look_up_item",
        ),
        ("blank_text", lookups, r#"{"content":"\n\n"}"#, "error"),
        ("null_arguments", lookups, r#""arguments":"null""#, "anvil"),
        ("same_ids", lookups, "look_up_item_1", "call_"),
        (
            "whole_document",
            "hello",
            r#""object":"chat.completion""#,
            "data:",
        ),
    ] {
        let text = stream(&server, quirk, said).await;
        let fits = text.contains(has) && !text.contains(has_not);
        assert!(fits, "{quirk}: {text}");
    }
    let text = stream(&server, "late_calls", lookups).await;
    assert_eq!(
        text.matches(r#""finish_reason":"tool_calls""#).count(),
        2,
        "{text}"
    );
    let text = stream(&server, "repeated_name", lookups).await;
    assert_eq!(text.matches("look_up_item").count(), 4, "{text}");
    let text = stream(&server, "abrupt_end", "hello").await;
    assert!(text.ends_with('}'), "{text}");
}

#[tokio::test]
async fn bodies_are_cut_silent_or_compressed() {
    let server = Server::start().await;
    let cut = post(&server, "cut", &request("hello")).await;
    assert!(cut.bytes().await.is_err());
    let mut silent = post(&server, "silence", &request("hello")).await;
    assert!(silent.chunk().await.unwrap().is_some());
    let gzip = post(&server, "gzip", &request("hello")).await;
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    let bytes = gzip.bytes().await.unwrap();
    // A stored block: the head of ten bytes, five of the block, and eight at the end.
    let plain = &bytes[15..bytes.len() - 8];
    assert!(plain.starts_with(b"data: {") && plain.ends_with(b"[DONE]\n\n"));
    assert_eq!(
        bytes[bytes.len() - 4..],
        u32::try_from(plain.len()).unwrap().to_le_bytes()
    );
}

#[tokio::test]
async fn refusals_end_with_the_try_that_is_answered() {
    let server = Server::start().await;
    for (quirk, statuses) in [
        ("wait_asked", &[429, 429, 200][..]),
        ("slip", &[400, 200]),
        ("error_document", &[200, 200]),
        ("error_list", &[400, 400]),
    ] {
        for (n, status) in statuses.iter().enumerate() {
            let response = post(&server, quirk, &request(&format!("hello, {quirk}"))).await;
            assert_eq!(response.status(), *status, "{quirk} {n}");
            let waits = response.headers().contains_key("retry-after");
            assert_eq!(waits, *status == 429, "{quirk} {n}");
            let is_answer = response.text().await.unwrap().contains("[DONE]");
            let is_last = n + 1 == statuses.len() && quirk != "error_list";
            assert_eq!(is_answer, is_last, "{quirk} {n}");
        }
    }
    let empty = stream(&server, "empty_answer", "hello").await;
    let answer = stream(&server, "empty_answer", "hello").await;
    assert!(
        answer.len() > empty.len() && empty.contains("\"stop\""),
        "{empty}"
    );
}

#[tokio::test]
async fn requests_that_a_stricter_service_refuses_are_refused() {
    let server = Server::start().await;
    let user = json!({ "role": "user", "content": "hello" });
    let call = json!({ "id": "a", "type": "function", "function": { "name": "look_up_item", "arguments": "{}" } });
    let calling = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    let blank = json!({ "role": "assistant", "content": "\n\n", "tool_calls": [call] });
    let result = json!({ "role": "tool", "tool_call_id": "a", "content": "ok" });
    let said = json!({ "role": "assistant", "content": "Well." });
    for (messages, status) in [
        (json!([user, calling, result]), 200),
        (json!([user, calling, result, said, user]), 200),
        (json!([user, calling, result, user]), 400),
        (json!([user, user]), 400),
        (json!([user, blank, result]), 400),
        (json!([user, calling, result, calling, result]), 400),
    ] {
        let mut body = request("hello");
        body["messages"] = messages.clone();
        assert_eq!(
            post(&server, "strict", &body).await.status(),
            status,
            "{messages}"
        );
        body.as_object_mut().unwrap().remove("tools");
        let is_refused = messages.as_array().unwrap().contains(&calling) || status == 400;
        let status = post(&server, "strict", &body).await.status();
        assert_eq!(
            status.is_client_error(),
            is_refused,
            "{messages} without tools"
        );
    }
    let mut opaque = request("rehearse: quirk opaque_calls");
    let call = json!({ "id": "a_th", "type": "function", "function": { "name": "look_up_item", "arguments": "{}" } });
    let result = json!({ "role": "tool", "tool_call_id": "a_th", "content": "ok" });
    for (signature, status) in [
        (json!({ "thought_signature": "ab" }), 200),
        (json!({}), 400),
    ] {
        let mut call = call.clone();
        call["extra_content"] = json!({ "google": signature });
        let calling = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
        opaque["messages"] = json!([opaque["messages"][0], calling, result]);
        assert_eq!(server.post(&opaque).await.status(), status);
    }
}

#[tokio::test]
async fn codes_say_why_a_request_is_refused() {
    let server = Server::start().await;
    let long = "word ".repeat(8_192);
    for (quirk, said, code) in [
        ("filtered", "the forbidden word", "content_filter"),
        ("too_long", long.as_str(), "context_length_exceeded"),
        ("slip", "hello", "tool_use_failed"),
    ] {
        let response = post(&server, quirk, &request(said)).await;
        let document: Value = response.json().await.unwrap();
        assert_eq!(document["error"]["code"], code, "{quirk}");
    }
    let fine = post(&server, "filtered", &request("hello")).await;
    assert_eq!(fine.status(), 200);
    let mut counted = request("hello");
    counted["stream_options"] = json!({ "include_usage": true });
    let response = post(&server, "no_stream_options", &counted).await;
    assert_eq!(response.status(), 422);
}

#[tokio::test]
async fn the_customer_or_a_header_may_name_the_quirk_and_an_unknown_one_is_refused() {
    let server = Server::start().await;
    let said = server.post(&request("rehearse: quirk error_list")).await;
    assert!(said.text().await.unwrap().starts_with("[{"));
    let url = format!("{}/v1/messages", server.base);
    let body = json!({ "model": "m", "max_tokens": 9, "stream": true,
        "messages": [{ "role": "user", "content": "hello" }] });
    let named = |quirk: &'static str| {
        let post = server
            .http
            .post(&url)
            .json(&body)
            .header("anthropic-version", "2023-06-01");
        post.header("rehearsal-quirk", quirk).send()
    };
    let text = named("error_inside").await.unwrap().text().await.unwrap();
    assert!(text.contains("event: error"), "{text}");
    for quirk in ["same_index", "nonsense"] {
        let refused = named(quirk).await.unwrap();
        assert_eq!(refused.status(), 400);
        assert!(refused.text().await.unwrap().contains(quirk));
    }
}
