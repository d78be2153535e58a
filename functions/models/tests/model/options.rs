//! How a model is to answer: on the wire only what is set, and nothing that a service refuses beside it.

use baton_handoff::ports::{Effort, Message, ModelOptions, ToolCall, ToolChoice};
use baton_models::ModelSettings;
use baton_rehearsal::scripted::{ScriptedModel, says};
use serde_json::{Value, json};

use crate::support::{ask_for, client, openai, request};

const KEYS: [&str; 4] = [
    "temperature",
    "reasoning_effort",
    "parallel_tool_calls",
    "tool_choice",
];

#[tokio::test]
async fn options_go_out_where_they_mean_something() {
    let model = ScriptedModel::start([says("Hi"), says("Hi"), says("Hi")]).await;
    let settings = ModelSettings {
        options: ModelOptions {
            temperature: Some(0.25),
            effort: Some(Effort::Low),
            parallel_tool_calls: Some(false),
            tool_choice: Some(ToolChoice::Required),
        },
        ..openai(model.url())
    };
    let client = client(&settings);
    let tool = [("look_up_item", r#"{"type":"object"}"#)];
    let call = ToolCall {
        id: "a".into(),
        name: "look_up_item".into(),
        arguments: "{}".into(),
    };
    let user = || Message::User("an anvil".into());
    let answered = vec![
        user(),
        Message::Assistant {
            text: "".into(),
            calls: [call].into(),
            opaque: None,
        },
        Message::Tool {
            call: "a".into(),
            result: "item 7".into(),
        },
    ];
    ask_for(&client, request(vec![user()], tool)).await;
    ask_for(&client, request(answered, tool)).await;
    ask_for(&client, request(vec![user()], [])).await;
    let sent: Vec<Value> = model
        .requests()
        .iter()
        .map(|request| {
            let body = request.json();
            KEYS.iter().map(|key| body[*key].clone()).collect()
        })
        .collect();
    assert_eq!(
        sent,
        [
            json!([0.25, "low", false, "required"]),
            // A second response that must call would never end the turn.
            json!([0.25, "low", false, null]),
            json!([0.25, "low", null, null]),
        ]
    );
}
