//! The scripted mode in every wire format.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use baton_rehearsal::scripted::{Answer, Format, ScriptedModel, calls, says, status, stream};
use serde_json::{Value, json};

/// The least that each service takes: a customer's message, and a tool.
fn request(format: Format) -> (&'static str, Value) {
    let schema = json!({ "type": "object" });
    let messages = json!([{ "role": "user", "content": "hello" }]);
    match format {
        Format::Chat => {
            let tools = json!([{ "type": "function", "function": { "name": "look" } }]);
            (
                "/chat/completions",
                json!({ "messages": messages, "tools": tools }),
            )
        }
        Format::Responses => {
            let tools = json!([{ "type": "function", "name": "look" }]);
            (
                "/responses",
                json!({ "model": "m", "input": messages, "tools": tools }),
            )
        }
        Format::Anthropic => {
            let tools = json!([{ "name": "look", "input_schema": schema }]);
            let body =
                json!({ "model": "m", "max_tokens": 9, "messages": messages, "tools": tools });
            ("/messages", body)
        }
        Format::Gemini => {
            let contents = json!([{ "parts": [{ "text": "hello" }] }]);
            let tools = json!([{ "functionDeclarations": [{ "name": "look" }] }]);
            let body = json!({ "contents": contents, "tools": tools });
            ("/models/m:streamGenerateContent?alt=sse", body)
        }
        Format::Bedrock => {
            let messages = json!([{ "role": "user", "content": [{ "text": "hello" }] }]);
            let spec = json!({ "name": "look", "inputSchema": { "json": schema } });
            let tools = json!({ "tools": [{ "toolSpec": spec }] });
            let body = json!({ "messages": messages, "toolConfig": tools });
            ("/model/m/converse-stream", body)
        }
    }
}

async fn ask(model: &ScriptedModel, format: Format) -> reqwest::Response {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let (path, body) = request(format);
    let post = reqwest::Client::new().post(format!("{}{path}", model.url()));
    let post = post.header("anthropic-version", "2023-06-01").json(&body);
    post.send().await.unwrap()
}

async fn play(format: Format, answer: Answer) -> (u16, String) {
    let model = ScriptedModel::start([answer]).await.speaking(format);
    let response = ask(&model, format).await;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn an_answer_is_in_the_format_of_its_request() {
    for format in Format::ALL {
        let (_, text) = play(format, says("Good day.")).await;
        let (first, end) = match format {
            Format::Chat => (r#"{"content":"Good "}"#, "[DONE]"),
            Format::Responses => (r#""delta":"Good ""#, "response.completed"),
            Format::Anthropic => (r#""text":"Good ""#, r#"{"type":"message_stop"}"#),
            Format::Gemini => (r#"[{"text":"Good "}]"#, r#""finishReason":"STOP""#),
            Format::Bedrock => (r#"{"text":"Good "}"#, r#""stopReason":"end_turn""#),
        };
        assert!(
            text.contains(first) && text.contains(end),
            "{format:?}: {text}"
        );
        let (_, text) = play(format, calls("look", json!({ "at": 1 }))).await;
        assert!(
            text.contains("call_1") && text.contains("look"),
            "{format:?}: {text}"
        );
        let (_, text) = play(format, says("So").finishes("length")).await;
        let cut = [
            "\"length\"",
            "max_output_tokens",
            "max_tokens",
            "MAX_TOKENS",
        ];
        assert!(
            cut.iter().any(|word| text.contains(word)),
            "{format:?}: {text}"
        );
    }
}

#[tokio::test]
async fn thoughts_are_sealed_where_the_format_seals_them() {
    for format in Format::ALL {
        let answer = stream().thinks("Hm.").calls("look", "{}");
        let (_, text) = play(format, answer).await;
        assert!(text.contains("Hm."), "{format:?}: {text}");
        let sealed = ["signature\":\"", "thoughtSignature", "encrypted_content"];
        let is_sealed = sealed.iter().any(|word| text.contains(word));
        assert_eq!(is_sealed, format != Format::Chat, "{format:?}: {text}");
        assert_eq!(text.contains("call_1_th"), is_sealed, "{format:?}: {text}");
    }
}

#[tokio::test]
async fn failures_are_told_in_the_words_of_the_format() {
    for format in Format::ALL {
        let word = match format {
            Format::Chat | Format::Responses | Format::Anthropic => "rate_limit_error",
            Format::Gemini => "RESOURCE_EXHAUSTED",
            Format::Bedrock => "scripted failure",
        };
        let (code, text) = play(format, status(429)).await;
        assert!(code == 429 && text.contains(word), "{format:?}: {text}");
        let (code, text) = play(format, stream().says("So ").fails(429)).await;
        assert!(code == 200 && text.contains("So "), "{format:?}: {text}");
        assert!(text.contains("scripted failure"), "{format:?}: {text}");
    }
}

#[tokio::test]
async fn tokens_are_counted_in_every_format() {
    for format in Format::ALL {
        let (_, text) = play(format, says("Good day.").costs(1234, 56)).await;
        // Chat counts only where the request asks for it.
        assert_eq!(
            text.contains("1234"),
            format != Format::Chat,
            "{format:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_request_is_recorded_as_chat_completions_have_it() {
    for format in Format::ALL {
        let model = ScriptedModel::start([says("Good day.")])
            .await
            .speaking(format);
        assert_eq!(ask(&model, format).await.status(), 200);
        let [asked] = model.requests().try_into().unwrap();
        assert_eq!(asked.format(), format);
        assert_eq!(
            asked.messages(),
            [json!({ "role": "user", "content": "hello" })]
        );
        assert_eq!(asked.offered(), ["look"]);
    }
}

#[tokio::test]
#[should_panic(expected = "is not Gemini")]
async fn a_request_in_another_format_fails_the_test() {
    let model = ScriptedModel::start([says("Good day.")])
        .await
        .speaking(Format::Gemini);
    let (_, body) = request(Format::Chat);
    let url = format!("{}/v1/chat/completions", model.origin());
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
}
