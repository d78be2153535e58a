//! Each wire format, by hand: what the official clients do not show. They check the rest, see `model_clients`.

use baton_rehearsal::scripted::Format;
use serde_json::{Value, json};

use crate::client::Server;

const LOOK: &str = "look_up_item";

/// A request in this format, with a tool, and its path.
fn request(format: Format, said: &str, streamed: bool) -> (String, Value) {
    let schema =
        json!({ "type": "object", "properties": { "search_query": { "type": "string" } } });
    let messages = json!([{ "role": "user", "content": said }]);
    let (path, mut body) = match format {
        Format::Chat => {
            let function = json!({ "name": LOOK, "parameters": schema });
            let tools = json!([{ "type": "function", "function": function }]);
            let body = json!({ "model": "m", "messages": messages, "tools": tools });
            ("/v1/chat/completions", body)
        }
        Format::Responses => {
            let tools = json!([{ "type": "function", "name": LOOK, "parameters": schema }]);
            (
                "/v1/responses",
                json!({ "model": "m", "input": messages, "tools": tools }),
            )
        }
        Format::Anthropic => {
            let tools = json!([{ "name": LOOK, "input_schema": schema }]);
            let body =
                json!({ "model": "m", "max_tokens": 99, "messages": messages, "tools": tools });
            ("/v1/messages", body)
        }
        Format::Gemini => {
            let tools =
                json!([{ "functionDeclarations": [{ "name": LOOK, "parameters": schema }] }]);
            let contents = json!([{ "role": "user", "parts": [{ "text": said }] }]);
            let path = if streamed {
                "/v1beta/models/m:streamGenerateContent?alt=sse"
            } else {
                "/v1beta/models/m:generateContent"
            };
            (path, json!({ "contents": contents, "tools": tools }))
        }
        Format::Bedrock => {
            let spec = json!({ "name": LOOK, "inputSchema": { "json": schema } });
            let tools = json!({ "tools": [{ "toolSpec": spec }] });
            let messages = json!([{ "role": "user", "content": [{ "text": said }] }]);
            let path = if streamed {
                "/model/m/converse-stream"
            } else {
                "/model/m/converse"
            };
            (path, json!({ "messages": messages, "toolConfig": tools }))
        }
    };
    if streamed && !matches!(format, Format::Gemini | Format::Bedrock) {
        body["stream"] = true.into();
    }
    (path.to_owned(), body)
}

async fn post(server: &Server, path: &str, body: &Value) -> reqwest::Response {
    let post = server.http.post(format!("{}{path}", server.base));
    let post = post.header("anthropic-version", "2023-06-01").json(body);
    post.send().await.unwrap()
}

async fn answer(server: &Server, format: Format, said: &str, streamed: bool) -> String {
    let (path, body) = request(format, said, streamed);
    let response = post(server, &path, &body).await;
    assert_eq!(response.status(), 200, "{format:?}");
    String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned()
}

#[tokio::test]
async fn one_script_answers_in_every_format() {
    let server = Server::start().await;
    for format in Format::ALL {
        let whole = answer(&server, format, "rehearse: long 5", false).await;
        assert!(
            whole.contains("The anvil falls and the"),
            "{format:?}: {whole}"
        );
        let streamed = answer(&server, format, "rehearse: long 5", true).await;
        for word in ["The", " anvil", " falls", " and", " the"] {
            assert!(
                streamed.contains(&format!("\"{word}\"")),
                "{format:?}: {streamed}"
            );
        }
        let calls = answer(&server, format, "rehearse: two lookups", true).await;
        assert_eq!(
            calls.matches(LOOK).count(),
            expected_names(format),
            "{format:?}: {calls}"
        );
    }
}

/// How often a stream of two calls says the tool's name.
fn expected_names(format: Format) -> usize {
    match format {
        // At the beginning and the end of the arguments, at the end of the item, and in the whole response.
        Format::Responses => 8,
        Format::Chat | Format::Anthropic | Format::Gemini | Format::Bedrock => 2,
    }
}

#[tokio::test]
async fn equal_requests_get_equal_bytes_but_for_the_time() {
    let server = Server::start().await;
    for format in [Format::Anthropic, Format::Gemini, Format::Bedrock] {
        let first = answer(&server, format, "hello", true).await;
        assert_eq!(
            first,
            answer(&server, format, "hello", true).await,
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_in_the_words_of_its_service() {
    let server = Server::start().await;
    for format in Format::ALL {
        let (path, mut body) = request(format, "hello", false);
        let list = match format {
            Format::Chat | Format::Anthropic | Format::Bedrock => "messages",
            Format::Responses => "input",
            Format::Gemini => "contents",
        };
        body[list] = json!([]);
        let response = post(&server, &path, &body).await;
        assert_eq!(response.status(), 400, "{format:?}");
        let named = response.headers().get("x-amzn-errortype").cloned();
        let document: Value = response.json().await.unwrap();
        let (kind, message) = match format {
            Format::Chat | Format::Responses | Format::Anthropic => {
                ("/error/type", "/error/message")
            }
            Format::Gemini => ("/error/status", "/error/message"),
            Format::Bedrock => ("", "/message"),
        };
        let message = document.pointer(message).and_then(Value::as_str);
        assert!(
            message.is_some_and(|text| !text.is_empty()),
            "{format:?}: {document}"
        );
        match format {
            Format::Bedrock => assert_eq!(named.unwrap(), "ValidationException"),
            Format::Gemini => assert_eq!(document.pointer(kind).unwrap(), "INVALID_ARGUMENT"),
            Format::Chat | Format::Responses | Format::Anthropic => {
                assert_eq!(document.pointer(kind).unwrap(), "invalid_request_error");
            }
        }
    }
}

#[tokio::test]
async fn a_field_that_a_service_does_not_know_is_refused() {
    let server = Server::start().await;
    for format in [Format::Responses, Format::Anthropic, Format::Gemini] {
        let (path, mut body) = request(format, "hello", false);
        body["stream_options_2"] = true.into();
        let response = post(&server, &path, &body).await;
        assert_eq!(response.status(), 400, "{format:?}");
        assert!(response.text().await.unwrap().contains("stream_options_2"));
    }
}

#[tokio::test]
async fn what_a_service_demands_of_every_request_is_missed() {
    let server = Server::start().await;
    let (path, mut body) = request(Format::Anthropic, "hello", false);
    let post_without = server
        .http
        .post(format!("{}{path}", server.base))
        .json(&body);
    let response = post_without.send().await.unwrap();
    assert!(response.text().await.unwrap().contains("anthropic-version"));
    body.as_object_mut().unwrap().remove("max_tokens");
    let response = post(&server, &path, &body).await;
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("max_tokens: Field required")
    );
    let (path, body) = request(Format::Gemini, "hello", true);
    let response = post(&server, path.trim_end_matches("?alt=sse"), &body).await;
    assert!(response.text().await.unwrap().contains("alt=sse"));
}

#[tokio::test]
async fn unknown_routes_are_refused_in_the_form_of_the_service_that_they_look_like() {
    let server = Server::start().await;
    let response = post(&server, "/v2/messages", &json!({})).await;
    assert_eq!(response.status(), 404);
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["type"], "error");
}
