//! Bedrock's Converse as a service writes and reads it, and signed requests.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use baton_handoff::ports::{Effort, ModelErrorKind, ToolChoice};
use baton_models::wire::{HttpRequest, Signer};
use baton_models::{Endpoint, ModelSettings, SigV4};
use baton_rehearsal::scripted::{Captured, json as document};
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use crate::bedrock::{Claude, bearer, settings};
use crate::speaks::{
    Refusal, Say, Speaks, Stop, halved, hello, play_with, result, said, sent, service, user, whole,
};
use crate::support::{Clock, ask_for, client, request};

pub(crate) struct Converse;

const MODEL: &str = "eu.amazon.nova-pro-v1:0";

impl Speaks for Converse {
    fn name(&self) -> &'static str {
        "bedrock, converse"
    }

    fn has_ids(&self) -> bool {
        false
    }

    fn settings(&self, origin: &str) -> ModelSettings {
        settings(origin.to_owned(), MODEL)
    }

    fn frames(&self, says: &[Say], stop: Option<Stop>) -> Vec<Vec<u8>> {
        let mut frames = vec![event(
            "messageStart",
            &json!({"role": "assistant", "p": "abcdef"}),
        )];
        for (index, say) in says.iter().enumerate() {
            frames.extend(block(index, *say));
        }
        if let Some(stop) = stop {
            let calls = says.iter().any(|say| matches!(say, Say::Call(..)));
            let reason = match stop {
                Stop::Done if calls => "tool_use",
                Stop::Done => "end_turn",
                Stop::Length => "max_tokens",
                Stop::Filtered => "guardrail_intervened",
                Stop::Unknown => "bored",
            };
            frames.push(event(
                "messageStop",
                &json!({"stopReason": reason, "p": "ab"}),
            ));
            frames.push(event("metadata", &json!({"metrics": {"latencyMs": 380}, "usage": {
                "inputTokens": 130, "outputTokens": 42, "totalTokens": 1172, "cacheReadInputTokens": 1000,
                "cacheWriteInputTokens": 0}})));
        }
        frames
    }

    fn refusal(&self, why: Refusal) -> Option<(u16, String)> {
        let (status, exception, message) = error(why)?;
        Some((
            status,
            json!({"message": message, "__type": exception}).to_string(),
        ))
    }

    fn reports(&self, why: Refusal) -> Option<Vec<u8>> {
        let (_, exception, message) = error(why)?;
        let mut name = exception.to_owned();
        name[..1].make_ascii_lowercase();
        let type_ =
            |kind: &str| Header::new(kind.to_owned(), HeaderValue::String(name.clone().into()));
        Some(frame(
            vec![message_type("exception"), type_(":exception-type")],
            &json!({"message": message}),
        ))
    }

    fn garbage(&self) -> Vec<u8> {
        let mut frame = event("contentBlockDelta", &json!({"my card is": 4242}));
        frame[30] ^= 1;
        frame
    }

    fn outline(&self, request: &Captured) -> Vec<String> {
        assert_eq!(
            request.target,
            "/model/eu.amazon.nova-pro-v1%3A0/converse-stream"
        );
        assert_eq!(request.header("authorization"), Some(bearer().as_str()));
        let body = request.json();
        assert!(body["inferenceConfig"]["maxTokens"].is_u64());
        let mut lines = Vec::new();
        for tool in body["toolConfig"]["tools"].as_array().into_iter().flatten() {
            assert_eq!(tool["toolSpec"]["inputSchema"]["json"]["type"], "object");
            lines.push(format!(
                "tool {}",
                tool["toolSpec"]["name"].as_str().unwrap()
            ));
        }
        let texts = |list: &Value| list.as_array().cloned().unwrap_or_default();
        for block in texts(&body["system"])
            .iter()
            .filter_map(|block| block["text"].as_str())
        {
            lines.push(format!("system {block}"));
        }
        let mut open: Vec<Value> = Vec::new();
        let messages = texts(&body["messages"]);
        assert_eq!(messages.last().unwrap()["role"], "user");
        for (at, message) in messages.iter().enumerate() {
            let is_user = at % 2 == 0;
            assert_eq!(message["role"], if is_user { "user" } else { "assistant" });
            lines.push("---".into());
            let mut results = Vec::new();
            let blocks = texts(&message["content"]);
            for block in &blocks {
                let (kind, value) = block.as_object().unwrap().iter().next().unwrap();
                match (kind.as_str(), is_user) {
                    ("cachePoint", true) => assert_eq!(*value, json!({"type": "default"})),
                    ("text", _) => {
                        let text = value.as_str().unwrap();
                        assert!(!text.trim().is_empty());
                        lines.push(format!("{} {text}", if is_user { "user" } else { "says" }));
                    }
                    ("toolResult", true) => {
                        results.push(value["toolUseId"].clone());
                        let text = value["content"][0]["text"].as_str().unwrap();
                        lines.push(format!(
                            "result {} {text}",
                            value["toolUseId"].as_str().unwrap()
                        ));
                    }
                    ("toolUse", false) => {
                        assert!(value["input"].is_object() && body["toolConfig"].is_object());
                        let field = |name: &str| value[name].as_str().unwrap().to_owned();
                        lines.push(format!(
                            "calls {} {} {}",
                            field("toolUseId"),
                            field("name"),
                            value["input"]
                        ));
                    }
                    ("reasoningContent", false) => {
                        let own = &value["reasoningText"]["signature"];
                        let own = own.as_str().or_else(|| value["redactedContent"].as_str());
                        lines.push(format!("own {}", own.unwrap()));
                    }
                    _ => panic!("{kind}"),
                }
            }
            assert_eq!(results, open);
            open = blocks
                .iter()
                .filter_map(|block| block.get("toolUse"))
                .map(|call| call["toolUseId"].clone())
                .collect();
        }
        lines
    }
}

fn message_type(kind: &'static str) -> Header {
    Header::new(":message-type", HeaderValue::String(kind.into()))
}

fn frame(headers: Vec<Header>, payload: &Value) -> Vec<u8> {
    let message = Message::new_from_parts(headers, halved(payload).into_bytes());
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(kind: &'static str, payload: &Value) -> Vec<u8> {
    let kind = Header::new(":event-type", HeaderValue::String(kind.into()));
    frame(vec![kind, message_type("event")], payload)
}

fn block(index: usize, say: Say) -> Vec<Vec<u8>> {
    let delta = |delta: Value| {
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": index, "delta": delta, "p": "a"}),
        )
    };
    let mut frames: Vec<Vec<u8>> = match say {
        Say::Text(pieces) => pieces
            .iter()
            .map(|text| delta(json!({"text": text})))
            .collect(),
        Say::Call(id, name, arguments) => {
            let (first, rest) = arguments.split_at(arguments.len() / 2);
            let start = json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}});
            vec![
                event("contentBlockStart", &start),
                delta(json!({"toolUse": {"input": first}})),
                delta(json!({"toolUse": {"input": rest}})),
            ]
        }
        Say::Thought("", data) => vec![delta(
            json!({"reasoningContent": {"redactedContent": data}}),
        )],
        Say::Thought(thought, signature) => vec![
            delta(json!({"reasoningContent": {"text": thought}})),
            delta(json!({"reasoningContent": {"signature": signature}})),
        ],
        Say::Strange => vec![
            event(
                "weather",
                &json!({"text": "rain", "contentBlockIndex": "sunny"}),
            ),
            frame(vec![message_type("gossip")], &json!({"text": "rain"})),
            delta(json!({"hologram": {"text": "rain"}})),
        ],
    };
    frames.push(event(
        "contentBlockStop",
        &json!({"contentBlockIndex": index}),
    ));
    frames
}

fn error(why: Refusal) -> Option<(u16, &'static str, &'static str)> {
    Some(match why {
        Refusal::Key => (
            403,
            "AccessDeniedException",
            "You don't have access to the model",
        ),
        Refusal::Mistake => (400, "ValidationException", "my card is 4242"),
        Refusal::TooLong => (
            400,
            "ValidationException",
            "Input is too long for requested model.",
        ),
        // The stop reason says this.
        Refusal::Filtered | Refusal::Quota => return None,
        Refusal::Rate => (429, "ThrottlingException", "Too many requests, please wait"),
        Refusal::Overloaded => (
            503,
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
    })
}

#[tokio::test]
async fn a_refusal_names_its_exception_in_a_header_too() {
    let refuses = document(
        400,
        json!({"message": "The model returned the following errors: prompt is too long: 9 tokens"}),
    )
    .header(
        "x-amzn-errortype",
        "ValidationException:http://internal.amazon.com/coral/",
    );
    let reply = play_with(&Converse, refuses, |_| ()).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TooLong));
    let detail = reply.error.unwrap().detail;
    assert!(detail.contains("ValidationException"), "{detail}");
}

#[tokio::test]
async fn a_call_that_is_none_is_a_slip_of_the_model() {
    for reason in ["malformed_model_output", "malformed_tool_use"] {
        let stop = event("messageStop", &json!({"stopReason": reason}));
        let reply = play_with(&Converse, whole(vec![stop]), |_| ()).await;
        assert_eq!(reply.kind(), Some(ModelErrorKind::Slip));
    }
}

#[tokio::test]
async fn a_length_that_cannot_be_is_refused_at_once() {
    let reply = play_with(&Converse, whole(vec![vec![0, 0, 0, 3, 1, 2]]), |_| ()).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::BadStream));
    for garbage in [&b"data: {nope\n\n"[..], &[0xff; 16], b"<html>"] {
        let garbage = whole(vec![garbage.to_vec()]).then_hangs();
        let reply = play_with(&Converse, garbage, |_| ()).await;
        assert_eq!(reply.kind(), Some(ModelErrorKind::BadStream));
    }
    let endless = whole(vec![vec![0, 0xff, 0, 0], vec![7; 3_000_000], vec![7; 10]]);
    let reply = play_with(&Converse, endless, |_| ()).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TooLarge));
}

#[tokio::test]
async fn only_a_model_that_has_a_cache_is_told_what_to_cache() {
    let history = || {
        vec![
            baton_handoff::ports::Message::System("Be kind.".into()),
            user("Hello"),
            said("", &[("a", "x", "{}")], None),
            result("a", "r"),
        ]
    };
    let body = async |model: &str| {
        let model = model.to_owned();
        sent(&Converse, request(history(), []), |settings| {
            if let Endpoint::Service {
                model: name,
                base_url,
                ..
            } = &mut settings.endpoint
            {
                *name = model;
                base_url.push_str("/model");
            }
        })
        .await
        .json()
    };
    let mark = json!({"cachePoint": {"type": "default"}});
    for model in [MODEL, "anthropic.claude-opus-5-v1:0"] {
        let body = body(model).await;
        assert_eq!(body["system"][1], mark);
        assert_eq!(
            (
                &body["messages"][0]["content"][1],
                &body["messages"][2]["content"][1]
            ),
            (&mark, &mark)
        );
    }
    for model in [
        "meta.llama4-maverick-17b-instruct-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
    ] {
        assert!(
            !body(model).await.to_string().contains("cachePoint"),
            "{model}"
        );
    }
}

#[tokio::test]
async fn settings_reach_the_service_in_its_own_words() {
    let asked = request(vec![user("Hello")], [("look", "{\"type\":\"object\"}")]);
    let body = sent(&Converse, asked, |settings| {
        settings.options.temperature = Some(0.25);
        settings.options.effort = Some(Effort::Minimal);
        settings.options.tool_choice = Some(ToolChoice::Required);
    })
    .await
    .json();
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 4096, "temperature": 0.25})
    );
    assert_eq!(body["outputConfig"], json!({"effort": "low"}));
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"any": {}}));
}

fn signer() -> SigV4 {
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI",
        Some("token".into()),
        None,
        "test",
    );
    let provider = SharedCredentialsProvider::new(credentials);
    SigV4::new(provider, "eu-central-1", Clock::new())
}

/// The signatures are those of botocore 1.44.8, `SigV4Auth`, for the same key, time and request.
#[tokio::test]
async fn a_signature_is_that_of_aws_s_own_client() {
    for (url, headers, body, scope, names, signature) in [
        (
            "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.amazon.nova-pro-v1%3A0/converse-stream",
            &[("content-type", "application/json")][..],
            r#"{"messages":[]}"#,
            "bedrock",
            "content-type;host;x-amz-date;x-amz-security-token",
            "394989f3e11adcdc5013cbf78884ed1b56b866a4c061497b0af2eb5070f89546",
        ),
        (
            "https://bedrock-mantle.eu-central-1.api.aws/anthropic/v1/messages",
            &[
                ("content-type", "application/json"),
                ("anthropic-version", "2023-06-01"),
            ][..],
            "{}",
            "bedrock-mantle",
            "anthropic-version;content-type;host;x-amz-date;x-amz-security-token",
            "9bcef41917b14cd47cf565c3f1336b892210eeaa807645202aa0c7b7a8c47817",
        ),
    ] {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                reqwest::header::HeaderValue::from_static(value),
            )
        });
        let request = HttpRequest {
            url: url.parse().unwrap(),
            headers: headers.collect(),
            body: body.into(),
        };
        let signed = signer().sign(&request).await.unwrap();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-central-1/{scope}/aws4_request, SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(signed["authorization"], authorization);
    }
}

#[tokio::test]
async fn a_request_without_a_key_is_signed_as_it_is_sent() {
    for format in [&Converse as &dyn Speaks, &Claude] {
        let done = whole(format.frames(&[Say::Text(&["Hi"])], Some(Stop::Done)));
        let service = service([done]).await;
        let mut settings = format.settings(&service.origin());
        if let Endpoint::Service { key, .. } = &mut settings.endpoint {
            *key = None;
        }
        settings.signer = Some(Arc::new(signer()));
        let reply = ask_for(&client(&settings), hello()).await;
        assert_eq!(reply.text(), "Hi", "{:?}", reply.error);
        let asked = service.requests().remove(0);
        assert_eq!(asked.header("x-amz-date"), Some("20270115T080000Z"));
        assert_eq!(asked.header("x-amz-security-token"), Some("token"));
        // Signed again from what arrived.
        let authorization = asked.header("authorization").unwrap();
        let names = authorization
            .split("SignedHeaders=")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let sent = names
            .split(';')
            .filter(|name| *name != "host" && !name.starts_with("x-amz-"));
        let request = HttpRequest {
            url: format!("{}{}", service.origin(), asked.target)
                .parse()
                .unwrap(),
            headers: sent
                .map(|name| {
                    (
                        name.parse().unwrap(),
                        asked.header(name).unwrap().parse().unwrap(),
                    )
                })
                .collect(),
            body: asked.body.clone().into(),
        };
        assert_eq!(
            signer().sign(&request).await.unwrap()["authorization"],
            authorization,
            "{}",
            format.name()
        );
    }
}
