//! What services do to requests: they refuse an optional field, ask for odd waits, put errors into successes; and the requests that the
//! strictest of them take.

use std::sync::Arc;

use baton_handoff::ports::{Message, ModelChunk, ModelErrorKind, ModelRequest, ToolCall};
use baton_models::{Bounds, ModelClient, ModelSettings, OutputLimit, Patience};
use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, json, says, status, stream};
use serde_json::{Value, json};

use crate::support::{Clock, Reply, SHORT, ask, ask_for, client, openai, request};

/// The reply to one request, the bodies that were sent for it, and the waits.
async fn play(
    answers: Vec<Answer>,
    settings: impl Fn(ModelSettings) -> ModelSettings,
) -> (Reply, Vec<Value>, Vec<u64>) {
    let model = ScriptedModel::start(answers).await;
    let clock = Clock::new();
    let client = ModelClient::new(&settings(openai(model.url())), Arc::clone(&clock) as _).unwrap();
    let reply = ask(&client).await;
    let bodies = model.requests().iter().map(Captured::json).collect();
    (reply, bodies, clock.slept())
}

fn unset(settings: ModelSettings) -> ModelSettings {
    settings
}

#[tokio::test]
async fn an_optional_field_that_is_refused_is_left_out_from_then_on() {
    for refusal in [
        json(
            422,
            json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "no", "input": {}}]}),
        ),
        json(
            400,
            json!({"error": {"message": "Unrecognized request argument supplied: stream_options", "type": "invalid_request_error"}}),
        ),
        json(
            400,
            json!([{"error": {"code": 400, "message": "Unknown name \"stream_options\": Cannot find field."}}]),
        ),
    ] {
        let model = ScriptedModel::start([refusal, says("Here"), says("Again")]).await;
        let clock = Clock::new();
        let client = ModelClient::new(&openai(model.url()), Arc::clone(&clock) as _).unwrap();
        let reply = ask(&client).await;
        assert_eq!(reply.text(), "Here", "{reply:?}");
        assert!(reply.chunks.contains(&ModelChunk::Tries(2)));
        assert_eq!(ask(&client).await.text(), "Again");
        let sent: Vec<bool> = model
            .requests()
            .iter()
            .map(|asked| asked.json().get("stream_options").is_some())
            .collect();
        assert_eq!(sent, [true, false, false]);
        assert!(clock.slept().is_empty(), "nothing to wait for");
    }
}

#[tokio::test]
async fn the_limit_goes_out_under_the_name_that_the_service_takes() {
    let refuses = |param: &str| {
        json(
            400,
            json!({"error": {"code": "unsupported_parameter", "param": param, "message": "Use another parameter."}}),
        )
    };
    let old = |settings| ModelSettings {
        output_limit: Some(OutputLimit::MaxTokens(7)),
        ..settings
    };
    let (reply, bodies, _) = play(vec![refuses("max_tokens"), says("Here")], old).await;
    assert_eq!(reply.text(), "Here");
    assert_eq!(
        (
            &bodies[1]["max_completion_tokens"],
            bodies[1].get("max_tokens")
        ),
        (&json!(7), None)
    );
    let new = |settings| ModelSettings {
        output_limit: Some(OutputLimit::MaxCompletionTokens(7)),
        ..settings
    };
    let (_, bodies, _) = play(vec![refuses("max_completion_tokens"), says("Here")], new).await;
    assert_eq!(
        (
            &bodies[1]["max_tokens"],
            bodies[1].get("max_completion_tokens")
        ),
        (&json!(7), None)
    );
    // Neither: without a limit an answer may cost anything.
    let both = vec![
        refuses("max_tokens"),
        refuses("max_completion_tokens"),
        says("Never"),
    ];
    let (reply, bodies, _) = play(both, old).await;
    assert_eq!(
        (reply.kind(), bodies.len()),
        (Some(ModelErrorKind::BadRequest), 2)
    );
}

#[tokio::test]
async fn a_field_that_a_request_needs_is_not_left_out() {
    for param in ["messages", "tools", "model"] {
        let refusal = json(
            400,
            json!({"error": {"code": "unsupported_parameter", "param": param}}),
        );
        let (reply, bodies, _) = play(vec![refusal, says("Never")], unset).await;
        assert_eq!(
            (reply.kind(), bodies.len()),
            (Some(ModelErrorKind::BadRequest), 1)
        );
    }
}

#[tokio::test]
async fn a_wait_with_a_fraction_is_kept() {
    for (name, value, wait) in [
        ("retry-after", "1.6", 1600),
        ("retry-after", "0.25", 250),
        ("retry-after-ms", "99.5", 100),
    ] {
        let refused = || status(429).header(name, value);
        let (reply, _, waits) = play(vec![refused(), refused(), says("Here")], unset).await;
        assert_eq!(
            (reply.text().as_str(), waits),
            ("Here", vec![wait, wait]),
            "{name}: {value}"
        );
        assert!(reply.chunks.contains(&ModelChunk::Tries(3)));
    }
}

#[tokio::test]
async fn an_error_in_a_success_counts_as_its_code_says() {
    for error in [
        json!({"error": {"code": 429, "message": "slow down"}}),
        json!([{"error": {"code": 503, "status": "UNAVAILABLE"}}]),
        json!({"type": "error", "error": {"type": "overloaded_error"}}),
    ] {
        let (reply, bodies, _) = play(vec![json(200, error.clone()), says("Here")], unset).await;
        assert_eq!(
            (reply.text().as_str(), bodies.len()),
            ("Here", 2),
            "{error}"
        );
    }
    for (error, kind) in [
        (
            json!({"error": {"code": 401}}),
            ModelErrorKind::Unauthorized,
        ),
        (json!({"error": "something"}), ModelErrorKind::Reported),
        (
            json!({"error": {"code": 400, "type": "tool_use_failed"}}),
            ModelErrorKind::Slip,
        ),
    ] {
        let (reply, bodies, _) = play(vec![json(200, error.clone()), says("Never")], unset).await;
        assert_eq!((reply.kind(), bodies.len()), (Some(kind), 1), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code() {
    use ModelErrorKind::{BadRequest, Filtered, Slip, TooLong};
    for (status, body, kind) in [
        (
            400,
            json!({"error": {"code": "content_filter", "param": "prompt", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
            Filtered,
        ),
        (
            403,
            json!({"error": {"code": 403, "message": "m", "metadata": {"reasons": ["violence"]}, "type": "content_policy_violation"}}),
            Filtered,
        ),
        (
            400,
            json!({"code": "data_inspection_failed", "message": "m"}),
            Filtered,
        ),
        (
            400,
            json!({"error": {"code": "context_length_exceeded"}}),
            TooLong,
        ),
        (
            400,
            json!({"object": "error", "message": "This model's maximum context length is 8192 tokens", "type": "BadRequestError"}),
            TooLong,
        ),
        (413, json!({}), TooLong),
        (
            400,
            json!({"error": {"code": "tool_use_failed", "failed_generation": "<function"}}),
            Slip,
        ),
        (500, json!({"error": "error parsing tool call: raw"}), Slip),
        (400, json!({"error": {"type": "output_parse_failed"}}), Slip),
        (400, json!({"error": {"code": "other"}}), BadRequest),
    ] {
        let (reply, bodies, _) = play(vec![json(status, body.clone()), says("Never")], unset).await;
        assert_eq!((reply.kind(), bodies.len()), (Some(kind), 1), "{body}");
    }
}

#[tokio::test]
async fn a_document_is_an_answer_and_a_stream_under_its_name_streams() {
    let whole =
        json!({"id": "r", "choices": [{"message": {"content": "Whole"}, "finish_reason": "stop"}]});
    let (reply, _, _) = play(vec![json(200, whole.clone())], unset).await;
    assert_eq!((reply.text().as_str(), reply.kind()), ("Whole", None));
    let (reply, _, _) = play(vec![stream().raw(whole.to_string()).ends_there()], unset).await;
    assert_eq!((reply.text().as_str(), reply.kind()), ("Whole", None));
    let misnamed = says("Streamed words").header("content-type", "application/json");
    let (reply, _, _) = play(vec![misnamed], unset).await;
    assert_eq!(
        (reply.text().as_str(), reply.kind()),
        ("Streamed words", None)
    );
}

#[tokio::test]
async fn a_document_that_never_ends_is_given_up() {
    let patience = Patience {
        silence: SHORT,
        ..Patience::default()
    };
    let hanging = stream()
        .header("content-type", "application/json")
        .raw("{\"choices\": [")
        .then_hangs();
    let (reply, _, _) = play(vec![hanging], |settings| ModelSettings {
        patience,
        ..settings
    })
    .await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TimedOut));
    let bounds = Bounds {
        text: 10,
        event: 10,
        ..Bounds::default()
    };
    let long = json(
        200,
        json!({"choices": [{"message": {"content": "a long text"}}]}),
    );
    let (reply, _, _) = play(vec![long], |settings| ModelSettings { bounds, ..settings }).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TooLarge));
}

#[tokio::test]
async fn events_that_bring_nothing_are_bounded() {
    let bounds = Bounds {
        idle_frames: 20,
        ..Bounds::default()
    };
    let empty = |count: usize| {
        let event = "data: {\"id\":\"r\",\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n";
        stream().raw(event.repeat(count)).says("Yes")
    };
    let bounded = |settings| ModelSettings { bounds, ..settings };
    assert_eq!(play(vec![empty(10)], bounded).await.0.text(), "Yes");
    assert_eq!(
        play(vec![empty(40)], bounded).await.0.kind(),
        Some(ModelErrorKind::TooLarge)
    );
}

fn called(id: &str, name: &str, arguments: &str, opaque: Option<Value>) -> [Message; 2] {
    let call = ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    [
        Message::Assistant {
            text: "".into(),
            calls: [call].into(),
            opaque: opaque.map(|opaque| opaque.to_string().into()),
        },
        Message::Tool {
            call: id.into(),
            result: "done".into(),
        },
    ]
}

/// The body for this history behind one message of the customer.
async fn sent(history: impl IntoIterator<Item = Message>) -> Value {
    let messages = std::iter::once(Message::User("Hello".into())).chain(history);
    body(request(messages.collect(), [])).await
}

async fn body(request: ModelRequest) -> Value {
    let model = ScriptedModel::start([says("Hi")]).await;
    ask_for(&client(&openai(model.url())), request).await;
    model.requests()[0].json()
}

#[tokio::test]
async fn what_a_model_made_up_goes_out_as_every_service_takes_it() {
    let history = [
        called("x:0", "multi_tool_use.parallel", "null", None),
        called("x:0", "order [anvil] now", "{oops", None),
        called("", "find", "[]", None),
    ];
    let body = sent(history.into_iter().flatten()).await;
    let messages = body["messages"].as_array().unwrap();
    let calls: Vec<&Value> = messages
        .iter()
        .filter_map(|message| message["tool_calls"].get(0))
        .collect();
    let names: Vec<_> = calls
        .iter()
        .map(|call| call["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["multi_tool_use_parallel", "order__anvil__now", "find"]
    );
    assert!(
        calls
            .iter()
            .all(|call| call["function"]["arguments"] == "{}")
    );
    let mut ids: Vec<_> = calls
        .iter()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    let results = messages
        .iter()
        .filter_map(|message| message["tool_call_id"].as_str());
    assert!(results.eq(ids.iter().copied()));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let declared: Vec<_> = body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(declared, names, "calls in the history are declared");
}

#[tokio::test]
async fn a_broken_turn_leaves_roles_in_order() {
    let user = |text: &str| Message::User(text.into());
    let body = sent(
        called("a", "find", "{}", None)
            .into_iter()
            .chain([user("Again"), user("and again")]),
    )
    .await;
    let roles: Vec<_> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(body["messages"][4]["content"], "Again\n\nand again");
    assert_eq!(
        body["messages"][1]["content"],
        Value::Null,
        "calls alone have no text"
    );
}

#[tokio::test]
async fn what_the_service_wanted_back_stands_at_its_place() {
    let signed = json!({"extra_content": {"google": {"thought_signature": "Cv"}}});
    let opaque = json!({"calls": [signed], "message": {"reasoning_content": "Hm", "reasoning_details": [{"type": "a"}]}});
    let body = sent(called("a", "find", "{}", Some(opaque.clone()))).await;
    let message = &body["messages"][1];
    assert_eq!(
        message["tool_calls"][0]["extra_content"],
        signed["extra_content"]
    );
    assert_eq!(message["reasoning_content"], "Hm", "within the turn");
    let next = called("a", "find", "{}", Some(opaque))
        .into_iter()
        .chain([Message::User("More".into())]);
    let body = sent(next).await;
    let message = &body["messages"][1];
    assert_eq!(
        message.get("reasoning_content"),
        None,
        "no thoughts of another turn"
    );
    assert_eq!(message["reasoning_details"], json!([{"type": "a"}]));
    for broken in [
        json!("no object"),
        json!({"calls": 4}),
        json!({"calls": [{}, {}, {}]}),
    ] {
        let body = sent(called("a", "find", "{}", Some(broken))).await;
        assert_eq!(body["messages"][1]["tool_calls"][0]["id"], "a");
    }
}

#[tokio::test]
async fn an_id_of_the_services_own_form_goes_back_to_it_once() {
    let own = || Some(json!({"calls": [{"id": "functions.find:0"}]}));
    let history = [
        called("functions.find:0", "find", "{}", own()),
        called("functions.find:0", "find", "{}", own()),
    ];
    let body = sent(history.into_iter().flatten()).await;
    let id = |at: usize| {
        body["messages"][at]["tool_calls"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(id(1), "functions.find:0");
    assert_ne!(id(3), id(1));
    assert_eq!(
        (
            &body["messages"][2]["tool_call_id"],
            &body["messages"][4]["tool_call_id"]
        ),
        (&json!(id(1)), &json!(id(3)))
    );
}

#[tokio::test]
async fn a_reply_that_took_one_try_does_not_speak_of_tries() {
    let (reply, _, _) = play(vec![says("Here")], unset).await;
    assert!(
        !reply
            .chunks
            .iter()
            .any(|chunk| matches!(chunk, ModelChunk::Tries(_)))
    );
}
