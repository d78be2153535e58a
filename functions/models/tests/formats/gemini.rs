//! Gemini as a service writes and reads it.

use std::cell::Cell;

use baton_handoff::ports::{Effort, ModelErrorKind, ToolChoice};
use baton_http::Secret;
use baton_models::{Endpoint, ModelSettings, OutputLimit};
use baton_rehearsal::scripted::Captured;
use serde_json::{Value, json};

use crate::anthropic::wire;
use crate::speaks::{
    Refusal, Say, Speaks, Stop, event, hello, play_with, result, said, sent, user, whole,
};
use crate::support::{KEY, request};

pub(crate) struct Gemini;

impl Speaks for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn settings(&self, origin: &str) -> ModelSettings {
        ModelSettings::new(Endpoint::Service {
            wire: wire("gemini"),
            base_url: origin.to_owned(),
            model: "gemini-3.8-flash".into(),
            key: Some(Secret::new(KEY)),
        })
    }

    fn frames(&self, says: &[Say], stop: Option<Stop>) -> Vec<Vec<u8>> {
        let mut parts: Vec<Value> = Vec::new();
        // A signature stands at the part behind its thought.
        let signature = Cell::new(None::<&str>);
        let signed = |mut part: Value| {
            if let Some(signature) = signature.take() {
                part["thoughtSignature"] = signature.into();
            }
            part
        };
        let mut strange = false;
        for say in says {
            match *say {
                Say::Text(pieces) => {
                    for piece in pieces {
                        parts.push(signed(json!({"text": piece})));
                    }
                }
                Say::Call(id, name, arguments) => {
                    let args: Value = serde_json::from_str(arguments).unwrap();
                    parts.push(signed(
                        json!({"functionCall": {"id": id, "name": name, "args": args}}),
                    ));
                }
                Say::Thought(thought, mark) => {
                    parts.push(json!({"text": thought, "thought": true}));
                    signature.set(Some(mark));
                }
                Say::Strange => strange = true,
            }
        }
        let mut frames: Vec<_> = parts
            .into_iter()
            .map(|part| {
                document(
                    json!({"content": {"role": "model", "parts": [part]}, "index": 0}),
                    7,
                )
            })
            .collect();
        if strange {
            frames.push(event(
                "",
                &json!({"weather": "rain", "responseId": "answer-1"}),
            ));
            frames.push(document(
                json!({"content": {"role": "model", "parts": [{"hologram": {"text": "rain"}}]}}),
                7,
            ));
            frames.push(b": keep-alive\n\n".to_vec());
        }
        if let Some(stop) = stop {
            let reason = match stop {
                Stop::Done => "STOP",
                Stop::Length => "MAX_TOKENS",
                Stop::Filtered => "SAFETY",
                Stop::Unknown => "BORED",
            };
            let content = json!({"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": reason, "index": 0});
            frames.push(document(content, 40));
        }
        frames
    }

    fn document(&self, says: &[Say]) -> Option<Value> {
        let events = self.frames(says, Some(Stop::Done)).into_iter();
        let events = events.filter_map(|event| {
            let event = String::from_utf8(event).unwrap();
            Some(serde_json::from_str::<Value>(event.strip_prefix("data: ")?).unwrap())
        });
        Some(Value::Array(events.collect()))
    }

    fn refusal(&self, why: Refusal) -> Option<(u16, String)> {
        let (code, error) = error(why)?;
        let _ = code;
        Some((code, json!({"error": error}).to_string()))
    }

    fn reports(&self, why: Refusal) -> Option<Vec<u8>> {
        let (_, error) = error(why)?;
        Some(event("", &json!({"error": error})))
    }

    fn garbage(&self) -> Vec<u8> {
        b"data: {\"my card is 4242\n\n".to_vec()
    }

    fn outline(&self, request: &Captured) -> Vec<String> {
        assert_eq!(
            request.target,
            "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
        );
        assert_eq!(request.header("x-goog-api-key"), Some(KEY));
        let body = request.json();
        let mut lines = Vec::new();
        for tool in body["tools"][0]["functionDeclarations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            lines.push(format!("tool {}", tool["name"].as_str().unwrap()));
        }
        if let Some(system) = body["systemInstruction"]["parts"][0]["text"].as_str() {
            lines.push(format!("system {system}"));
        }
        let contents = body["contents"].as_array().unwrap();
        assert_eq!(contents.last().unwrap()["role"], "user");
        let mut open: Vec<Value> = Vec::new();
        for (at, content) in contents.iter().enumerate() {
            assert_eq!(content["role"], if at % 2 == 0 { "user" } else { "model" });
            lines.push("---".into());
            let parts = content["parts"].as_array().unwrap();
            assert!(!parts.is_empty());
            let mut results = Vec::new();
            let mut is_first_call = true;
            for part in parts {
                let signature = part
                    .get("thoughtSignature")
                    .map(|signature| signature.as_str().unwrap());
                if let Some(signature) = signature.filter(|one| *one != UNSIGNED) {
                    lines.push(format!("own {signature}"));
                }
                if let Some(call) = part.get("functionCall") {
                    assert!(call["args"].is_object());
                    assert!(!body["tools"].is_null(), "calls need declared tools");
                    assert!(
                        !is_first_call || signature.is_some(),
                        "the first call of a step is signed"
                    );
                    is_first_call = false;
                    let (id, name) = (call["id"].as_str().unwrap(), call["name"].as_str().unwrap());
                    lines.push(format!("calls {id} {name} {}", call["args"]));
                } else if let Some(response) = part.get("functionResponse") {
                    let id = response["id"].as_str().unwrap();
                    assert!(response["response"].is_object());
                    lines.push(format!(
                        "result {id} {}",
                        response["response"]["output"].as_str().unwrap()
                    ));
                    results.push(json!([response["id"], response["name"]]));
                } else {
                    let text = part["text"].as_str().unwrap();
                    assert!(signature.is_some() || !text.trim().is_empty());
                    let says = if at % 2 == 0 { "user" } else { "says" };
                    lines.push(format!("{says} {text}"));
                }
            }
            assert_eq!(
                results, open,
                "all results of a step come in the next message"
            );
            open = parts
                .iter()
                .filter_map(|part| part.get("functionCall"))
                .map(|call| json!([call["id"], call["name"]]))
                .collect();
        }
        lines
    }
}

const UNSIGNED: &str = "skip_thought_signature_validator";

#[expect(
    clippy::needless_pass_by_value,
    reason = "each is written where it is said"
)]
fn document(candidate: Value, answer_tokens: u64) -> Vec<u8> {
    event(
        "",
        &json!({"candidates": [candidate], "modelVersion": "gemini-3.8-flash", "responseId": "answer-1",
        "usageMetadata": {"promptTokenCount": 1130, "cachedContentTokenCount": 1000, "candidatesTokenCount": answer_tokens,
            "thoughtsTokenCount": 2, "totalTokenCount": 1172,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1130}]}}),
    )
}

fn error(why: Refusal) -> Option<(u16, Value)> {
    let invalid = |message: &str, details: Value| {
        (
            400,
            json!({"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}),
        )
    };
    let exhausted = |quota: &str| {
        (
            429,
            json!({"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}]}),
        )
    };
    Some(match why {
        Refusal::Key => invalid(
            "API key not valid.",
            json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]),
        ),
        Refusal::Mistake => invalid("my card is 4242", json!([])),
        Refusal::TooLong => invalid(
            "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
            json!([]),
        ),
        // An ordinary response says this: see the test below.
        Refusal::Filtered => return None,
        Refusal::Rate => exhausted("GenerateRequestsPerMinutePerProjectPerModel"),
        Refusal::Quota => exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
        Refusal::Overloaded => (
            503,
            json!({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}),
        ),
    })
}

#[tokio::test]
async fn a_blocked_request_and_a_call_that_is_none_are_told_apart() {
    let blocked = event(
        "",
        &json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9}}),
    );
    let reply = play_with(&Gemini, whole(vec![blocked]), |_| ()).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::Filtered));
    for reason in [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "MALFORMED_RESPONSE",
    ] {
        let slip = document(
            json!({"content": {}, "finishReason": reason, "index": 0}),
            0,
        );
        let reply = play_with(&Gemini, whole(vec![slip]), |_| ()).await;
        assert_eq!(reply.kind(), Some(ModelErrorKind::Slip), "{reason}");
    }
}

#[tokio::test]
async fn a_tool_without_parameters_has_no_schema_and_any_other_its_own() {
    let schema =
        r#"{"type":"object","properties":{"n":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}"#;
    let asked = request(
        vec![user("Hello")],
        [
            ("one", schema),
            ("two", r#"{"type":"object","properties":{}}"#),
        ],
    );
    let body = sent(&Gemini, asked, |_| ()).await.json();
    let tools = &body["tools"][0]["functionDeclarations"];
    assert_eq!(
        tools[0]["parametersJsonSchema"],
        serde_json::from_str::<Value>(schema).unwrap()
    );
    assert_eq!(
        tools[1],
        json!({"name": "two", "description": "Describes two."})
    );
}

#[tokio::test]
async fn a_step_of_another_model_is_marked_as_such_for_models_that_want_signatures() {
    let history = || {
        vec![
            user("Hello"),
            said("So.", &[("a", "look", "{}"), ("b", "2_look", "{}")], None),
            result("a", "an anvil"),
            result("b", "nothing"),
        ]
    };
    let parts = async |model: &str| {
        let model = model.to_owned();
        let body = sent(&Gemini, request(history(), [("look", "{}")]), |settings| {
            if let Endpoint::Service { model: name, .. } = &mut settings.endpoint {
                *name = model;
            }
        })
        .await
        .json();
        body["contents"][1]["parts"].clone()
    };
    let new = parts("models/gemini-3.8-flash").await;
    assert_eq!(new[1]["thoughtSignature"], UNSIGNED);
    assert!(new[0].get("thoughtSignature").is_none() && new[2].get("thoughtSignature").is_none());
    assert_eq!(new[2]["functionCall"]["name"], "_2_look");
    assert!(
        parts("gemini-2.5-pro").await[1]
            .get("thoughtSignature")
            .is_none()
    );
}

#[tokio::test]
async fn settings_reach_the_service_in_its_own_words() {
    let config = async |model: &str, effort| {
        let model = model.to_owned();
        let body = sent(
            &Gemini,
            request(vec![user("Hello")], [("look", "{}")]),
            |settings| {
                settings.output_limit = Some(OutputLimit::MaxTokens(900));
                settings.options.temperature = Some(0.25);
                settings.options.effort = effort;
                settings.options.tool_choice = Some(ToolChoice::Required);
                if let Endpoint::Service { model: name, .. } = &mut settings.endpoint {
                    *name = model;
                }
            },
        )
        .await
        .json();
        assert_eq!(
            body["toolConfig"],
            json!({"functionCallingConfig": {"mode": "ANY"}})
        );
        body["generationConfig"].clone()
    };
    let usual = json!({"maxOutputTokens": 900, "temperature": 0.25});
    assert_eq!(config("gemini-3.8-flash", None).await, usual);
    let thinking =
        async |model, effort| config(model, Some(effort)).await["thinkingConfig"].clone();
    assert_eq!(
        thinking("gemini-3.8-flash", Effort::None).await,
        json!({"thinkingLevel": "minimal"})
    );
    assert_eq!(
        thinking("gemini-3.8-flash", Effort::High).await,
        json!({"thinkingLevel": "high"})
    );
    assert_eq!(
        thinking("gemini-2.5-flash", Effort::Medium).await,
        json!({"thinkingBudget": 8192})
    );
    assert_eq!(
        thinking("gemini-2.5-flash", Effort::None).await,
        json!({"thinkingBudget": 0})
    );
}

#[tokio::test]
async fn the_base_url_may_name_the_version() {
    for (base, prefix) in [("", "/v1beta"), ("/v1beta/", "/v1beta"), ("/v1", "/v1")] {
        let captured = sent(&Gemini, hello(), |settings| {
            if let Endpoint::Service { base_url, .. } = &mut settings.endpoint {
                base_url.push_str(base);
            }
        })
        .await;
        let path = format!("{prefix}/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
        assert_eq!(captured.target, path);
    }
}
