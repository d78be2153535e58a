//! Anthropic's Messages as a service writes and reads it.

use baton_handoff::ports::{Effort, ToolChoice};
use baton_http::Secret;
use baton_models::wire::Wire;
use baton_models::{Endpoint, ModelSettings, OutputLimit, WIRE_FORMATS};
use baton_rehearsal::scripted::Captured;
use serde_json::{Value, json};

use crate::speaks::{Refusal, Say, Speaks, Stop, event, result, said, sent, user};
use crate::support::{KEY, request};

pub(crate) struct Anthropic;

pub(crate) fn wire(name: &str) -> Wire {
    *WIRE_FORMATS.iter().find(|wire| wire.name == name).unwrap()
}

impl Speaks for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn settings(&self, origin: &str) -> ModelSettings {
        ModelSettings::new(Endpoint::Service {
            wire: wire("anthropic"),
            base_url: origin.to_owned(),
            model: "claude-sonnet-5".into(),
            key: Some(Secret::new(KEY)),
        })
    }

    fn frames(&self, says: &[Say], stop: Option<Stop>) -> Vec<Vec<u8>> {
        let mut frames = vec![
            typed(
                "message_start",
                json!({"message": {"id": "answer-1", "type": "message", "role": "assistant", "content": [],
                "model": "claude-sonnet-5", "stop_reason": null, "stop_sequence": null, "usage": {
                    "input_tokens": 130, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 0,
                    "output_tokens": 1, "service_tier": "standard"}}}),
            ),
            typed("ping", json!({})),
        ];
        for (index, say) in says.iter().enumerate() {
            frames.extend(block(index, *say));
        }
        if let Some(stop) = stop {
            let calls = says.iter().any(|say| matches!(say, Say::Call(..)));
            let reason = match stop {
                Stop::Done if calls => "tool_use",
                Stop::Done => "end_turn",
                Stop::Length => "max_tokens",
                Stop::Filtered => "refusal",
                Stop::Unknown => "bored",
            };
            frames.push(typed(
                "message_delta",
                json!({"delta": {"stop_reason": reason, "stop_sequence": null,
                "stop_details": null}, "usage": {"output_tokens": 42, "server_tool_use": null}}),
            ));
            frames.push(typed("message_stop", json!({})));
        }
        frames
    }

    fn document(&self, says: &[Say]) -> Option<Value> {
        let block = |say: &Say| match *say {
            Say::Text(pieces) => {
                json!({"type": "text", "text": pieces.concat(), "citations": null})
            }
            Say::Call(id, name, arguments) => json!({"type": "tool_use", "id": id, "name": name,
                "input": serde_json::from_str::<Value>(arguments).unwrap()}),
            Say::Thought(thought, signature) => {
                json!({"type": "thinking", "thinking": thought, "signature": signature})
            }
            Say::Strange => json!({"type": "hologram"}),
        };
        Some(
            json!({"id": "answer-1", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
            "content": says.iter().map(block).collect::<Vec<_>>(), "stop_reason": "end_turn", "usage": {
                "input_tokens": 130, "cache_read_input_tokens": 1000, "output_tokens": 42}}),
        )
    }

    fn refusal(&self, why: Refusal) -> Option<(u16, String)> {
        let (status, error) = error(why);
        let body = json!({"type": "error", "error": error, "request_id": "req_1"});
        Some((status, body.to_string()))
    }

    fn reports(&self, why: Refusal) -> Option<Vec<u8>> {
        let (_, error) = error(why);
        Some(typed("error", json!({ "error": error })))
    }

    fn garbage(&self) -> Vec<u8> {
        b"event: content_block_delta\ndata: {\"my card is 4242\n\n".to_vec()
    }

    fn outline(&self, request: &Captured) -> Vec<String> {
        assert_eq!(request.target, "/v1/messages");
        assert_eq!(request.header("x-api-key"), Some(KEY));
        assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
        outline(&request.json())
    }
}

/// As the service reads the body.
pub(crate) fn outline(body: &Value) -> Vec<String> {
    assert!(body["max_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    assert_eq!(body["stream"], true);
    let mut lines = Vec::new();
    let mut marks = 0;
    for tool in body["tools"].as_array().into_iter().flatten() {
        assert_eq!(tool["input_schema"]["type"], "object");
        lines.push(format!("tool {}", tool["name"].as_str().unwrap()));
    }
    for block in body["system"].as_array().into_iter().flatten() {
        marks += usize::from(block["cache_control"].is_object());
        lines.push(format!("system {}", text(&block["text"])));
    }
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.last().unwrap()["role"], "user", "no prefill");
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        assert_eq!(message["role"], role, "roles alternate");
        lines.push("---".into());
        let content = message["content"].as_array().unwrap();
        assert!(!content.is_empty());
        let mut results = Vec::new();
        for block in content {
            marks += usize::from(block["cache_control"].is_object());
            let kind = block["type"].as_str().unwrap();
            lines.push(match (role, kind) {
                ("user", "tool_result") => {
                    let id = block["tool_use_id"].as_str().unwrap().to_owned();
                    let line = format!("result {id} {}", text(&block["content"]));
                    results.push(id);
                    line
                }
                ("user", "text") => format!("user {}", text(&block["text"])),
                ("assistant", "text") => format!("says {}", text(&block["text"])),
                ("assistant", "thinking") => {
                    assert!(block["thinking"].is_string());
                    format!("own {}", block["signature"].as_str().unwrap())
                }
                ("assistant", "redacted_thinking") => {
                    format!("own {}", block["data"].as_str().unwrap())
                }
                ("assistant", "tool_use") => {
                    let (id, name) = (
                        block["id"].as_str().unwrap(),
                        block["name"].as_str().unwrap(),
                    );
                    assert!(block["input"].is_object());
                    assert!(!body["tools"].is_null(), "calls need declared tools");
                    format!("calls {id} {name} {}", block["input"])
                }
                _ => panic!("{role} cannot say {kind}"),
            });
        }
        assert_eq!(
            results, open,
            "all results of a step come in the next message"
        );
        open = content
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| block["id"].as_str().unwrap().to_owned())
            .collect();
    }
    assert!(marks <= 4, "too many marks for the cache");
    lines
}

fn text(value: &Value) -> &str {
    let text = value.as_str().unwrap();
    assert!(!text.trim().is_empty(), "a blank text");
    text
}

pub(crate) fn typed(kind: &str, mut data: Value) -> Vec<u8> {
    data["type"] = kind.into();
    event(kind, &data)
}

fn block(index: usize, say: Say) -> Vec<Vec<u8>> {
    let start = |block: Value| {
        typed(
            "content_block_start",
            json!({"index": index, "content_block": block}),
        )
    };
    let delta = |delta: Value| {
        typed(
            "content_block_delta",
            json!({"index": index, "delta": delta}),
        )
    };
    let mut frames = Vec::new();
    match say {
        Say::Text(pieces) => {
            frames.push(start(
                json!({"type": "text", "text": "", "citations": null}),
            ));
            frames.extend(
                pieces
                    .iter()
                    .map(|text| delta(json!({"type": "text_delta", "text": text}))),
            );
        }
        Say::Call(id, name, arguments) => {
            frames.push(start(
                json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            ));
            frames.push(delta(
                json!({"type": "input_json_delta", "partial_json": ""}),
            ));
            let (first, rest) = arguments.split_at(arguments.len() / 2);
            for part in [first, rest] {
                frames.push(delta(
                    json!({"type": "input_json_delta", "partial_json": part}),
                ));
            }
        }
        Say::Thought("", data) => {
            frames.push(start(json!({"type": "redacted_thinking", "data": data})));
        }
        Say::Thought(thought, signature) => {
            frames.push(start(
                json!({"type": "thinking", "thinking": "", "signature": ""}),
            ));
            frames.push(delta(
                json!({"type": "thinking_delta", "thinking": thought}),
            ));
            frames.push(delta(
                json!({"type": "signature_delta", "signature": signature}),
            ));
        }
        Say::Strange => {
            frames.push(typed(
                "weather",
                json!({"index": "sunny", "delta": {"text": "rain"}}),
            ));
            frames.push(start(json!({"type": "hologram", "text": "rain", "id": 7})));
            frames.push(delta(json!({"type": "hologram_delta", "text": "rain"})));
        }
    }
    frames.push(typed("content_block_stop", json!({"index": index})));
    frames
}

fn error(why: Refusal) -> (u16, Value) {
    let error =
        |status, kind: &str, message: &str| (status, json!({"type": kind, "message": message}));
    match why {
        Refusal::Key => error(401, "authentication_error", "invalid x-api-key"),
        Refusal::Mistake => error(400, "invalid_request_error", "messages: my card is 4242"),
        Refusal::TooLong => error(
            400,
            "invalid_request_error",
            "prompt is too long: 209353 tokens > 200000 maximum",
        ),
        Refusal::Filtered => error(
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
        ),
        Refusal::Rate => error(
            429,
            "rate_limit_error",
            "This request would exceed your rate limit",
        ),
        Refusal::Quota => (
            429,
            json!({"type": "rate_limit_error", "message": "The month's limit",
            "details": {"error_code": "enforced_spend_limit_reached"}}),
        ),
        Refusal::Overloaded => error(529, "overloaded_error", "Overloaded"),
    }
}

#[tokio::test]
async fn the_prefix_is_cached_up_to_the_instructions_and_up_to_the_last_two_messages_of_the_user() {
    let history = vec![
        baton_handoff::ports::Message::System("Be kind.".into()),
        user("Hello"),
        said(
            "",
            &[("a", "look_up_item", "{}"), ("b", "look_up_item", "{}")],
            None,
        ),
        result("a", "an anvil"),
        result("b", "nothing"),
        said("An anvil.", &[], None),
        user("And now?"),
    ];
    let captured = sent(
        &Anthropic,
        request(history, [("look_up_item", "{\"type\":\"object\"}")]),
        |_| (),
    )
    .await;
    let body = captured.json();
    let mark = json!({"type": "ephemeral"});
    assert_eq!(body["system"][0]["cache_control"], mark);
    assert_eq!(body["messages"][2]["content"][1]["cache_control"], mark);
    assert_eq!(body["messages"][4]["content"][0]["cache_control"], mark);
    assert_eq!(captured.body.matches("cache_control").count(), 3);
    // Some services refuse the automatic mark of the whole request.
    assert!(body.get("cache_control").is_none());
}

#[tokio::test]
async fn settings_reach_the_service_in_its_own_words() {
    let hello = || {
        request(
            vec![user("Hello")],
            [("look_up_item", "{\"type\":\"object\"}")],
        )
    };
    let plain = sent(&Anthropic, hello(), |_| ()).await.json();
    for field in ["temperature", "thinking", "output_config", "tool_choice"] {
        assert!(plain.get(field).is_none(), "{field}");
    }
    assert_eq!(plain["max_tokens"], 4096);
    let set = sent(&Anthropic, hello(), |settings| {
        settings.output_limit = Some(OutputLimit::MaxTokens(900));
        settings.options.temperature = Some(0.25);
        settings.options.parallel_tool_calls = Some(false);
    })
    .await
    .json();
    assert_eq!(
        (&set["max_tokens"], &set["temperature"]),
        (&json!(900), &json!(0.25))
    );
    assert_eq!(
        set["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    for (effort, thinking, word) in [
        (Effort::None, "disabled", Value::Null),
        (Effort::Minimal, "adaptive", json!("low")),
        (Effort::XHigh, "adaptive", json!("xhigh")),
    ] {
        let body = sent(&Anthropic, hello(), |settings| {
            settings.options.effort = Some(effort);
            settings.options.temperature = Some(0.25);
        })
        .await
        .json();
        assert_eq!(body["thinking"], json!({"type": thinking}));
        assert_eq!(body["output_config"]["effort"], word);
        assert!(body.get("temperature").is_none(), "refused beside thoughts");
    }
    let forced = sent(&Anthropic, hello(), |settings| {
        settings.options.effort = Some(Effort::High);
        settings.options.tool_choice = Some(ToolChoice::Required);
    })
    .await
    .json();
    assert_eq!(forced["tool_choice"], json!({"type": "any"}));
    assert!(
        forced.get("thinking").is_none(),
        "a forced call is refused beside thoughts"
    );
}

#[tokio::test]
async fn the_base_url_may_name_the_version() {
    for base in ["", "/v1", "/v1/"] {
        let captured = sent(&Anthropic, crate::speaks::hello(), |settings| {
            if let Endpoint::Service { base_url, .. } = &mut settings.endpoint {
                base_url.push_str(base);
            }
        })
        .await;
        assert_eq!(captured.target, "/v1/messages", "{base}");
    }
}
