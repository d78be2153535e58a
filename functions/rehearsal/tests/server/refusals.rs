//! What is refused, with which status and which field named.

use serde_json::{Value, json};

use crate::client::{Server, tool};

fn call(id: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": "look_up_item", "arguments": "{}" } })
}

fn result(id: &str) -> Value {
    json!({ "role": "tool", "tool_call_id": id, "content": "ok" })
}

fn calling(ids: &[&str]) -> Value {
    json!({ "role": "assistant", "content": null, "tool_calls": ids.iter().map(|id| call(id)).collect::<Vec<_>>() })
}

async fn assert_refused(server: &Server, request: &Value, param: &str, sentence: &str) {
    let response = server.post(request).await;
    assert_eq!(response.status(), 400, "{request}");
    let body: Value = response.json().await.unwrap();
    let error = &body["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &Value::Null)
    );
    assert_eq!(error["param"], param, "{error}");
    assert!(
        error["message"].as_str().unwrap().contains(sentence),
        "{error}"
    );
}

#[tokio::test]
async fn a_call_without_result_and_a_result_without_call_are_refused() {
    let server = Server::start().await;
    let user = json!({ "role": "user", "content": "hi" });
    let cases = [
        (
            json!([user, result("a")]),
            "messages.[1].role",
            "must follow",
        ),
        (
            json!([user, calling(&["a"])]),
            "messages.[1].role",
            "Without a result: a.",
        ),
        (
            json!([user, calling(&["a", "b"]), result("b")]),
            "messages.[1].role",
            "Without a result: a.",
        ),
        (
            json!([user, calling(&["a"]), user, result("a")]),
            "messages.[1].role",
            "Without a result: a.",
        ),
        (
            json!([user, calling(&["a"]), result("b")]),
            "messages.[2].role",
            "must follow",
        ),
        (
            json!([user, calling(&["a"]), result("a"), result("a")]),
            "messages.[3].tool_call_id",
            "two results",
        ),
        (
            json!([user, calling(&["a", "a"]), result("a")]),
            "messages.[1].tool_calls",
            "Two calls",
        ),
        (
            json!([calling(&["a"]), result("a"), user, result("a")]),
            "messages.[3].role",
            "must follow",
        ),
    ];
    for (messages, param, sentence) in cases {
        assert_refused(
            &server,
            &json!({ "model": "m", "messages": messages }),
            param,
            sentence,
        )
        .await;
    }
}

#[tokio::test]
async fn calls_with_their_results_in_any_order_are_accepted() {
    let server = Server::start().await;
    let messages = json!([calling(&["a", "b"]), result("b"), result("a"), { "role": "user", "content": "hi" }]);
    server
        .whole(&json!({ "model": "m", "messages": messages }))
        .await;
}

#[tokio::test]
async fn bad_fields_are_named() {
    let server = Server::start().await;
    let with = |name: &str, value: Value| {
        let mut request =
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        request[name] = value;
        request
    };
    let mut bad_schema = tool("look", &json!({}), &[]);
    bad_schema["function"]["parameters"] = json!({ "type": "string" });
    let cases = [
        (with("model", json!(null)), "model", "must be named"),
        (with("messages", json!([])), "messages", "1 to 2048"),
        (
            with("messages", json!([{ "role": "robot", "content": "hi" }])),
            "messages.[0].role",
            "'robot'",
        ),
        (
            with("messages", json!([{ "role": "user" }])),
            "messages.[0].content",
            "must be a string",
        ),
        (
            with("messages", json!([{ "role": "assistant" }])),
            "messages.[0].content",
            "'tool_calls'",
        ),
        (
            with(
                "messages",
                json!([{ "role": "assistant", "tool_calls": [] }]),
            ),
            "messages.[0].tool_calls",
            "empty",
        ),
        (
            with("messages", json!([{ "role": "tool", "content": "x" }])),
            "messages.[0].tool_call_id",
            "name its call",
        ),
        (with("tools", json!([])), "tools", "1 to 128"),
        (
            with("tools", json!([tool("look up", &json!({}), &[])])),
            "tools.[0].function.name",
            "does not match",
        ),
        (
            with("tools", json!([bad_schema])),
            "tools.[0].function.parameters",
            "'object'",
        ),
        (
            with("tool_choice", json!("auto")),
            "tool_choice",
            "only allowed with 'tools'",
        ),
        (
            with("stream_options", json!({ "include_usage": true })),
            "stream_options",
            "when 'stream' is true",
        ),
        (with("n", json!(2)), "n", "must be 1"),
        (with("max_tokens", json!(0)), "max_tokens", "at least 1"),
    ];
    for (request, param, sentence) in cases {
        assert_refused(&server, &request, param, sentence).await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_with_the_reason() {
    let server = Server::start().await;
    for body in ["", "{", "[]", r#"{"model": "m", "messages": "hi"}"#] {
        let url = format!("{}/v1/chat/completions", server.base);
        let response = server.http.post(url).body(body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = response.json().await.unwrap();
        assert!(
            error["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with("The body is not a chat request"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_body_above_the_bound_is_413() {
    let server = Server::start().await;
    let text = "a".repeat(5 * 1024 * 1024);
    let response = server
        .post(&json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }))
        .await;
    assert_eq!(response.status(), 413);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "request_too_large");
}

#[tokio::test]
async fn other_routes_and_methods_are_json_errors() {
    let server = Server::start().await;
    let get = async |path: &str| {
        server
            .http
            .get(format!("{}{path}", server.base))
            .send()
            .await
            .unwrap()
    };
    for (path, status, code) in [
        ("/v1/embeddings", 404, "unknown_url"),
        ("/v1/chat/completions", 405, "method_not_supported"),
    ] {
        let response = get(path).await;
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], code);
        assert!(
            body["error"]["message"].as_str().unwrap().contains(path),
            "{body}"
        );
    }
}
