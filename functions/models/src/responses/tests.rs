//! Events of Responses, as services send them; every body cut at every byte.

use baton_handoff::ports::{
    FinishReason, Message, ModelErrorKind, ModelOptions, ModelRequest, ToolCall,
};
use serde_json::{Value, json};

use super::*;
use crate::heard::Heard;
use crate::wire::WireFormat;

fn responses() -> Responses {
    let url = Url::parse("http://127.0.0.1/v1/responses").unwrap();
    let target = Target {
        base_url: "",
        model: "m",
        key: None,
        ask_usage: true,
        output_limit: None,
        options: ModelOptions::default(),
        signer: None,
    };
    Responses::new(url, &target)
}

fn event(kind: &str, fields: Value) -> String {
    let mut fields = fields;
    fields["type"] = kind.into();
    format!("event: {kind}\ndata: {fields}\n\n")
}

fn heard(events: &[String]) -> Heard {
    crate::heard::heard(&responses(), &events.concat())
}

fn ends(status: &str, more: Value) -> String {
    let mut response = json!({"id": "resp_1", "status": status, "output": [],
        "usage": {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}});
    let Value::Object(more) = more else {
        panic!("no fields")
    };
    response.as_object_mut().unwrap().extend(more);
    event(
        &format!("response.{status}"),
        json!({ "response": response }),
    )
}

fn text(at: u32, delta: &str) -> String {
    event(
        "response.output_text.delta",
        json!({"output_index": at, "content_index": 0, "item_id": "msg", "delta": delta, "obfuscation": "xx"}),
    )
}

fn item(state: &str, at: u32, item: &Value) -> String {
    event(
        &format!("response.output_item.{state}"),
        json!({"output_index": at, "item": item}),
    )
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name, "arguments": arguments})
}

fn completed() -> String {
    ends("completed", json!({}))
}

#[test]
fn text_comes_with_id_usage_and_end() {
    let created = event("response.created", json!({"response": {"id": "resp_1"}}));
    let heard = heard(&[
        created,
        text(0, "Grüß "),
        text(0, "Gott"),
        event(
            "response.output_text.done",
            json!({"output_index": 0, "text": "Grüß Gott"}),
        ),
        item(
            "done",
            0,
            &json!({"type": "message", "content": [{"type": "output_text", "text": "Grüß Gott"}]}),
        ),
        completed(),
    ]);
    assert_eq!(heard.text, "Grüß Gott");
    assert_eq!(heard.response.as_deref(), Some("resp_1"));
    let usage = heard.usage.unwrap();
    assert_eq!((usage.tokens(), usage.cached_tokens), (11, 4));
    assert_eq!(
        (heard.finished, heard.opaque),
        (Some(FinishReason::Stop), None)
    );
}

#[test]
fn parallel_calls_are_told_apart_by_their_place() {
    let arguments = |at: u32, delta: &str| {
        event(
            "response.function_call_arguments.delta",
            json!({"output_index": at, "item_id": "fc", "delta": delta}),
        )
    };
    let streamed = heard(&[
        item("added", 0, &call("a", "one", "")),
        item("added", 1, &call("b", "two", "")),
        arguments(0, "{\"x\":"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        item("done", 0, &call("a", "one", "{\"x\":1}")),
        item("done", 1, &call("b", "two", "{}")),
        completed(),
    ]);
    let at_once = heard(&[
        item("done", 0, &call("a", "one", "{\"x\":1}")),
        item("done", 1, &call("b", "two", "{}")),
        completed(),
    ]);
    let in_the_end = heard(&[ends(
        "completed",
        json!({"output": [call("a", "one", "{\"x\":1}"), call("b", "two", "")]}),
    )]);
    for heard in [streamed, at_once, in_the_end] {
        assert_eq!(heard.calls(), [("one", "{\"x\":1}"), ("two", "{}")]);
        assert_eq!(heard.ids, ["a", "b"]);
        assert_eq!(heard.finished, Some(FinishReason::Stop));
    }
}

#[test]
fn every_end_is_told_by_its_reason() {
    let half = || text(0, "Half");
    for (end, finished, failed) in [
        (
            ends(
                "incomplete",
                json!({"incomplete_details": {"reason": "max_output_tokens"}}),
            ),
            Some(FinishReason::Length),
            None,
        ),
        (
            ends(
                "incomplete",
                json!({"incomplete_details": {"reason": "content_filter"}}),
            ),
            Some(FinishReason::ContentFilter),
            None,
        ),
        (
            ends(
                "incomplete",
                json!({"incomplete_details": {"reason": "new"}}),
            ),
            None,
            Some(ModelErrorKind::Reported),
        ),
        (
            ends(
                "failed",
                json!({"error": {"code": "server_error", "message": "a"}}),
            ),
            None,
            Some(ModelErrorKind::Reported),
        ),
        (
            ends("failed", json!({"error": {"code": "rate_limit_exceeded"}})),
            None,
            Some(ModelErrorKind::RateLimited),
        ),
        (
            event(
                "error",
                json!({"code": "context_length_exceeded", "message": "a", "param": null}),
            ),
            None,
            Some(ModelErrorKind::TooLong),
        ),
        (
            event(
                "error",
                json!({"error": {"type": "invalid_request_error", "code": "invalid_prompt"}}),
            ),
            None,
            Some(ModelErrorKind::Filtered),
        ),
        (String::new(), None, Some(ModelErrorKind::Cut)),
        (
            "data: [DONE]\n\n".to_owned(),
            None,
            Some(ModelErrorKind::Cut),
        ),
    ] {
        let heard = heard(&[half(), end.clone()]);
        assert_eq!((heard.finished, heard.failed), (finished, failed), "{end}");
        assert_eq!(heard.text, "Half");
    }
    let empty = heard(&[completed()]);
    assert_eq!(
        (empty.failed, empty.usage.is_some()),
        (Some(ModelErrorKind::Empty), true)
    );
}

#[test]
fn a_refusal_and_a_document_are_answers() {
    let refusal = event(
        "response.refusal.delta",
        json!({"output_index": 0, "delta": "I cannot."}),
    );
    assert_eq!(heard(&[refusal, completed()]).text, "I cannot.");
    let document = json!({"id": "r", "object": "response", "status": "completed", "error": null, "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "Yes"}]}, call("a", "one", "{}")]});
    let whole = heard(&[document.to_string()]);
    assert_eq!(
        (whole.text.as_str(), whole.calls()),
        ("Yes", vec![("one", "{}")])
    );
    let cut = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\ud83d\"}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"\\ude80\"}\n\n";
    assert_eq!(heard(&[cut.to_owned(), completed()]).text, "🚀");
}

#[test]
fn thoughts_go_back_where_they_stood_and_are_no_text() {
    let thought = |id: &str, more: Value| {
        let mut item = json!({"type": "reasoning", "id": id, "summary": [], "status": null, "encrypted_content": format!("gA{id}")});
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let heard = heard(&[
        event(
            "response.reasoning_summary_text.delta",
            json!({"output_index": 0, "delta": "Hm"}),
        ),
        item("done", 0, &thought("rs_1", json!({}))),
        item(
            "added",
            1,
            &json!({"type": "message", "content": [], "phase": "commentary"}),
        ),
        text(1, "Let me "),
        text(1, "see."),
        item("done", 2, &thought("rs_2", json!({}))),
        item("done", 3, &call("a", "one", "{}")),
        completed(),
    ]);
    assert_eq!(heard.text, "Let me see.");
    let asked = |opaque: Option<&str>, text: &str| -> Value {
        let messages = vec![
            Message::System("Be brief.".into()),
            Message::User("Hello".into()),
            Message::Assistant {
                text: text.into(),
                calls: [ToolCall {
                    id: "a".into(),
                    name: "one".into(),
                    arguments: "{}".into(),
                }]
                .into(),
                opaque: opaque.map(Into::into),
            },
            Message::Tool {
                call: "a".into(),
                result: "1".into(),
            },
        ];
        let tools = [].into();
        let request = responses().request(&ModelRequest { messages, tools });
        serde_json::from_slice(&request.unwrap().body).unwrap()
    };
    let sent = |id: &str| json!({"type": "reasoning", "id": id, "summary": [], "encrypted_content": format!("gA{id}")});
    let called = json!({"type": "function_call", "call_id": "a", "name": "one", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "a", "output": "1"});
    let user = json!({"type": "message", "role": "user", "content": "Hello"});
    let said = json!({"type": "message", "role": "assistant", "content": "Let me see.", "phase": "commentary"});
    let body = asked(heard.opaque.as_deref(), &heard.text);
    assert_eq!(
        body["input"],
        json!([user, sent("rs_1"), said, sent("rs_2"), called, output])
    );
    assert_eq!(body["instructions"], "Be brief.");
    assert_eq!(
        (&body["store"], &body["stream"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        body["tools"][0]["name"], "one",
        "the history's tools are declared"
    );
    assert_eq!(body["tools"][0]["strict"], false);
    let plain = json!({"type": "message", "role": "assistant", "content": "Other words."});
    assert_eq!(
        asked(heard.opaque.as_deref(), "Other words.")["input"],
        json!([user, plain, called, output]),
        "thoughts that fit to no text stay away"
    );
    let key = |body: &Value| body["prompt_cache_key"].as_str().map(str::to_owned);
    assert_eq!(key(&body), key(&asked(None, "a")), "one key a conversation");
}
