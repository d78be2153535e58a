//! The request on the wire: address, headers, body; and what must not be seen of it.

use baton_handoff::ports::{Message, ToolCall};
use baton_http::Secret;
use baton_models::{AzureAuth, Endpoint, ModelClient, ModelSettings, OutputLimit, SettingsError};
use baton_rehearsal::scripted::{ScriptedModel, says};
use serde_json::json;

use crate::support::{Clock, KEY, ask, ask_for, client, hello, openai, request};

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "look_up_item".into(),
        arguments: arguments.into(),
    }
}

#[tokio::test]
async fn messages_and_tools_are_written_as_services_read_them() {
    let model = ScriptedModel::start([says("Hi")]).await;
    let parameters = r#"{"type": "object",   "properties": {}}"#;
    let messages = vec![
        Message::System("Be brief.".into()),
        Message::User("an \"anvil\"\n🛼".into()),
        Message::Assistant {
            text: "".into(),
            calls: [call("a", r#"{"search_query":"anvil"}"#), call("b", "{oops")].into(),
            opaque: None,
        },
        Message::Tool {
            call: "a".into(),
            result: "item 7".into(),
        },
        Message::Tool {
            call: "b".into(),
            result: "malformed arguments".into(),
        },
        Message::Assistant {
            text: "One more.".into(),
            calls: [call("c", "")].into(),
            opaque: None,
        },
        Message::Tool {
            call: "c".into(),
            result: "nothing".into(),
        },
        Message::Assistant {
            text: "Sold.".into(),
            calls: [].into(),
            opaque: None,
        },
    ];
    ask_for(
        &client(&openai(model.url())),
        request(messages, [("look_up_item", parameters)]),
    )
    .await;
    let requests = model.requests();
    assert_eq!(requests[0].target, "/v1/chat/completions");
    assert_eq!(
        requests[0].header("authorization"),
        Some("Bearer sk-very-secret-key")
    );
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert!(
        requests[0].body.contains(parameters),
        "a schema goes out as it is"
    );
    let sent = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "look_up_item", "arguments": arguments}});
    assert_eq!(
        requests[0].json(),
        json!({
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "an \"anvil\"\n🛼"},
                {"role": "assistant", "content": null, "tool_calls": [sent("a", r#"{"search_query":"anvil"}"#), sent("b", "{}")]},
                {"role": "tool", "tool_call_id": "a", "content": "item 7"},
                {"role": "tool", "tool_call_id": "b", "content": "malformed arguments"},
                {"role": "assistant", "content": "One more.", "tool_calls": [sent("c", "{}")]},
                {"role": "tool", "tool_call_id": "c", "content": "nothing"},
                {"role": "assistant", "content": "Sold."},
            ],
            "tools": [{"type": "function", "function": {
                "name": "look_up_item",
                "description": "Describes look_up_item.",
                "parameters": {"type": "object", "properties": {}},
            }}],
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn what_a_service_may_refuse_can_be_left_out() {
    let model = ScriptedModel::start([says("Hi"), says("Hi")]).await;
    let endpoint = Endpoint::OpenAi {
        base_url: format!("{}/", model.url()),
        model: "llama3".into(),
        key: None,
    };
    let settings = ModelSettings {
        ask_usage: false,
        output_limit: Some(OutputLimit::MaxTokens(100)),
        ..ModelSettings::new(endpoint)
    };
    ask(&client(&settings)).await;
    let reasoning = ModelSettings {
        output_limit: Some(OutputLimit::MaxCompletionTokens(100)),
        ..openai(model.url())
    };
    ask(&client(&reasoning)).await;
    let requests = model.requests();
    assert_eq!(
        (
            requests[0].target.as_str(),
            requests[0].header("authorization")
        ),
        ("/v1/chat/completions", None)
    );
    let messages = json!([{"role": "user", "content": "my card is 4242"}]);
    assert_eq!(
        requests[0].json(),
        json!({"model": "llama3", "messages": messages, "stream": true, "max_tokens": 100})
    );
    assert_eq!(requests[1].json()["max_completion_tokens"], 100);
    assert_eq!(requests[1].json().get("max_tokens"), None);
}

#[tokio::test]
async fn azure_is_asked_by_deployment_and_key() {
    let model = ScriptedModel::start([says("Hi")]).await;
    let settings = ModelSettings::new(Endpoint::Azure {
        resource: model.origin(),
        deployment: "my gpt/4o".into(),
        api_version: "2024-10-21".into(),
        auth: AzureAuth::Key(Secret::new(KEY)),
    });
    assert_eq!(ask_for(&client(&settings), hello()).await.text(), "Hi");
    let requests = model.requests();
    assert_eq!(
        requests[0].target,
        "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(requests[0].header("api-key"), Some(KEY));
    assert_eq!(requests[0].header("authorization"), None);
    assert_eq!(requests[0].json().get("model"), None);
}

#[tokio::test]
async fn a_key_is_not_shown_with_the_settings() {
    let azure = |auth| Endpoint::Azure {
        resource: "https://acme.openai.azure.com".into(),
        deployment: "gpt".into(),
        api_version: "2024-10-21".into(),
        auth,
    };
    let entra = AzureAuth::Entra {
        authority: AzureAuth::AUTHORITY.into(),
        tenant: "acme".into(),
        client_id: "baton".into(),
        client_secret: Secret::new(KEY),
        scope: AzureAuth::SCOPE.into(),
    };
    for settings in [
        openai("http://127.0.0.1:1/v1"),
        ModelSettings::new(azure(AzureAuth::Key(Secret::new(KEY)))),
        ModelSettings::new(azure(entra)),
    ] {
        let shown = format!("{settings:?} {settings:#?}");
        assert!(
            shown.contains("Secret(…)") && !shown.contains(KEY),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_one_clear_sentence() {
    let refusal = |settings: &ModelSettings| match ModelClient::new(settings, Clock::new()) {
        Ok(_) => panic!("taken"),
        Err(error) => error,
    };
    for (url, sentence) in [
        (
            "api.openai.com/v1",
            "the model's base URL is not the address of a service: relative URL without a base",
        ),
        (
            "ftp://api.openai.com",
            "the model's base URL is not the address of a service: it must begin with http:// or https://",
        ),
        (
            "https://sk-very-secret-key@api.openai.com/v1",
            "the model's base URL is not the address of a service: a key belongs in its own setting, not in the address",
        ),
        (
            "https://api.openai.com/v1?x=1",
            "the model's base URL is not the address of a service: it must have neither ? nor #",
        ),
    ] {
        assert_eq!(refusal(&openai(url)).to_string(), sentence);
    }
    let key = Some(Secret::new("two\nlines"));
    let endpoint = Endpoint::OpenAi {
        base_url: "http://127.0.0.1:1/v1".into(),
        model: "m".into(),
        key,
    };
    assert!(matches!(
        refusal(&ModelSettings::new(endpoint)),
        SettingsError::Key { .. }
    ));
}
