//! Claude on Bedrock, at its own addresses and with its own credentials, and what takes the feature `aws`.

use baton_http::Secret;
use baton_models::{Endpoint, ModelSettings};
use baton_rehearsal::scripted::{Captured, says};
use serde_json::json;

use crate::anthropic::{Anthropic, outline, wire};
use crate::speaks::{Refusal, Say, Speaks, Stop, hello, service};
use crate::support::{KEY, ask_for, client};

pub(crate) struct Claude;

pub(crate) fn settings(base_url: String, model: &str) -> ModelSettings {
    ModelSettings::new(Endpoint::Service {
        wire: wire("bedrock"),
        base_url,
        model: model.into(),
        key: Some(Secret::new(KEY)),
    })
}

pub(crate) fn bearer() -> String {
    format!("Bearer {KEY}")
}

impl Speaks for Claude {
    fn name(&self) -> &'static str {
        "bedrock, anthropic"
    }

    fn settings(&self, origin: &str) -> ModelSettings {
        settings(origin.to_owned(), "eu.anthropic.claude-sonnet-5")
    }

    fn frames(&self, says: &[Say], stop: Option<Stop>) -> Vec<Vec<u8>> {
        Anthropic.frames(says, stop)
    }

    fn document(&self, says: &[Say]) -> Option<serde_json::Value> {
        Anthropic.document(says)
    }

    fn refusal(&self, why: Refusal) -> Option<(u16, String)> {
        Anthropic.refusal(why)
    }

    fn reports(&self, why: Refusal) -> Option<Vec<u8>> {
        Anthropic.reports(why)
    }

    fn garbage(&self) -> Vec<u8> {
        Anthropic.garbage()
    }

    fn outline(&self, request: &Captured) -> Vec<String> {
        assert_eq!(request.target, "/anthropic/v1/messages");
        assert_eq!(request.header("authorization"), Some(bearer().as_str()));
        assert_eq!(request.header("x-api-key"), None);
        assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
        outline(&request.json())
    }
}

#[tokio::test]
async fn a_model_of_openai_s_format_is_asked_in_it() {
    for (base, path) in [
        ("", "/openai/v1/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
    ] {
        let service = service([says("Hi")]).await;
        let origin = format!("{}{base}", service.origin());
        let reply = ask_for(
            &client(&settings(origin, "openai.gpt-oss-120b-1:0")),
            hello(),
        )
        .await;
        assert_eq!(reply.text(), "Hi");
        let asked = service.requests().remove(0);
        assert_eq!(asked.target, path);
        assert_eq!(asked.header("authorization"), Some(bearer().as_str()));
        assert_eq!(asked.json()["model"], json!("openai.gpt-oss-120b-1:0"));
    }
}

#[cfg(not(feature = "aws"))]
#[test]
fn what_takes_the_feature_is_refused_with_the_command_to_build() {
    use baton_models::ModelClient;

    let runtime = "https://bedrock-runtime.eu-central-1.amazonaws.com";
    let nova = settings(runtime.into(), "eu.amazon.nova-pro-v1:0");
    let mut unsigned = settings(runtime.into(), "eu.anthropic.claude-sonnet-5");
    if let Endpoint::Service { key, .. } = &mut unsigned.endpoint {
        *key = None;
    }
    for settings in [nova, unsigned] {
        let refused = ModelClient::new(&settings, crate::support::Clock::new());
        let told = refused.err().unwrap().to_string();
        assert!(told.contains("--features aws"), "{told}");
    }
}
