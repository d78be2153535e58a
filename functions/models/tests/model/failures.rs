//! Everything that can go wrong with one answer, and the kind that it gets.

use std::time::Duration;

use baton_handoff::ports::{ModelChunk, ModelErrorKind};
use baton_models::{Bounds, Patience};
use baton_rehearsal::scripted::{Answer, ScriptedModel, hangs, json, says, stream};
use serde_json::json;

use crate::support::{Reply, SHORT, ask, client, openai, play};

/// With the time-outs that the test wants.
async fn play_patiently(answer: Answer, patience: Patience) -> Reply {
    let model = ScriptedModel::start([answer]).await;
    let reply = ask(&client(&baton_models::ModelSettings {
        patience,
        ..openai(model.url())
    }))
    .await;
    model.hung_up(1).await;
    reply
}

async fn play_bounded(answer: Answer, bounds: Bounds) -> Reply {
    let model = ScriptedModel::start([answer]).await;
    ask(&client(&baton_models::ModelSettings {
        bounds,
        ..openai(model.url())
    }))
    .await
}

#[tokio::test]
async fn a_stream_that_ends_without_a_reason_was_cut() {
    for answer in [
        says("half an answer").cut_after(2),
        says("half an answer").ends_there(),
        says("half an answer").raw("data: [DONE]\n\n").ends_there(),
        says("half an answer")
            .raw("data: {\"choices\": [{\"del")
            .ends_there(),
    ] {
        let reply = play(answer).await;
        assert_eq!(reply.kind(), Some(ModelErrorKind::Cut), "{reply:?}");
        assert!(
            reply.text().starts_with("half an "),
            "what came is kept: {reply:?}"
        );
        assert_eq!(reply.finished(), None);
    }
}

#[tokio::test]
async fn an_answer_of_nothing_is_empty() {
    let reply = play(stream().costs(3, 0)).await;
    assert_eq!(
        (reply.kind(), reply.text(), reply.finished()),
        (Some(ModelErrorKind::Empty), String::new(), None)
    );
    assert_eq!(reply.usages()[0].prompt_tokens, 3, "it cost all the same");
}

#[tokio::test]
async fn what_is_not_the_protocol_is_a_bad_stream() {
    for bytes in [
        b"data: {\"choices\": [\n\n".as_slice(),
        b"data: my card is 4242\n\n",
        b"data: {\"choices\": \"my card is 4242\"}\n\n",
        b"data: {\"choices\": [{\"delta\": {\"content\": 4242}}]}\n\n",
        b"data: \"\xff\xfe\"\n\n",
    ] {
        let reply = play(says("So ").raw(bytes)).await;
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("So ", Some(ModelErrorKind::BadStream)),
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_document_of_another_kind_is_a_bad_stream() {
    for document in [
        json!({}),
        json!([]),
        json!({"choices": 4242}),
        json!({"output": []}),
    ] {
        let reply = play(json(200, document)).await;
        assert_eq!(reply.kind(), Some(ModelErrorKind::BadStream), "{reply:?}");
    }
}

#[tokio::test]
async fn an_error_inside_the_stream_is_reported_by_its_code_only() {
    for bytes in [
        "data: {\"error\": {\"message\": \"my card is 4242\", \"code\": \"server_error\"}}\n\n",
        "event: error\ndata: {\"error\": {\"message\": \"my card is 4242\", \"code\": \"server_error\"}}\n\n",
        "data: {\"choices\": [], \"error\": \"server_error\"}\n\n",
    ] {
        let reply = play(says("So ").raw(bytes)).await;
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("So ", Some(ModelErrorKind::Reported)),
            "{bytes}"
        );
        assert!(reply.error.unwrap().detail.contains("server_error"));
    }
}

#[tokio::test]
async fn silence_before_the_head_times_out_and_is_not_repeated() {
    let reply = play_patiently(
        hangs(),
        Patience {
            first_byte: SHORT,
            ..Patience::default()
        },
    )
    .await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TimedOut));
}

#[tokio::test]
async fn silence_in_the_middle_times_out() {
    let patience = Patience {
        silence: SHORT,
        ..Patience::default()
    };
    for answer in [
        says("So ").then_hangs(),
        stream().then_hangs(),
        says("So ").raw("data: {\"cho").then_hangs(),
    ] {
        assert_eq!(
            play_patiently(answer, patience).await.kind(),
            Some(ModelErrorKind::TimedOut)
        );
    }
}

#[tokio::test]
async fn a_response_without_end_times_out_as_a_whole() {
    let patience = Patience {
        silence: Duration::from_mins(1),
        response: SHORT,
        ..Patience::default()
    };
    let reply = play_patiently(says("So ").then_hangs(), patience).await;
    assert_eq!(
        (reply.text().as_str(), reply.kind()),
        ("So ", Some(ModelErrorKind::TimedOut))
    );
}

#[tokio::test]
async fn a_line_without_end_is_too_large() {
    let mut answer = stream().raw("data: ");
    for _ in 0..64 {
        answer = answer.raw("x".repeat(64 * 1024));
    }
    // Four megabytes against a bound of one: the rest is never read.
    assert_eq!(
        play(answer.then_hangs()).await.kind(),
        Some(ModelErrorKind::TooLarge)
    );
}

#[tokio::test]
async fn the_bound_of_an_event_is_not_one_of_the_response() {
    let bounds = Bounds {
        event: 1000,
        ..Bounds::default()
    };
    let reply = play_bounded(says(&"word ".repeat(200)), bounds).await;
    assert_eq!((reply.kind(), reply.text().len()), (None, 1000));
}

#[tokio::test]
async fn arguments_over_their_bound_are_too_large() {
    let part = |arguments: &str| {
        json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a",
            "function": {"name": "one", "arguments": arguments}}]}}]})
    };
    let bounds = Bounds {
        arguments: 100,
        ..Bounds::default()
    };
    let exactly = stream()
        .event(part(&"x".repeat(50)))
        .event(part(&"x".repeat(50)));
    assert_eq!(play_bounded(exactly, bounds).await.kind(), None);
    let over = stream()
        .event(part(&"x".repeat(50)))
        .event(part(&"x".repeat(51)));
    assert_eq!(
        play_bounded(over, bounds).await.kind(),
        Some(ModelErrorKind::TooLarge)
    );
}

#[tokio::test]
async fn a_seventeenth_call_is_too_large() {
    let many = |count: usize| (0..count).fold(stream(), |answer, _| answer.calls("one", "{}"));
    let reply = play(many(16)).await;
    assert_eq!((reply.kind(), reply.calls().len()), (None, 16));
    assert_eq!(play(many(17)).await.kind(), Some(ModelErrorKind::TooLarge));
}

#[tokio::test]
async fn text_over_its_bound_is_too_large() {
    let bounds = Bounds {
        text: 10,
        ..Bounds::default()
    };
    assert_eq!(play_bounded(says("exactly 10"), bounds).await.kind(), None);
    let reply = play_bounded(says("exactly 10 and more"), bounds).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::TooLarge));
    assert!(
        !reply
            .chunks
            .iter()
            .any(|chunk| matches!(chunk, ModelChunk::Finished(_)))
    );
}

#[tokio::test]
async fn nothing_is_tried_again_once_something_was_streamed() {
    let model =
        ScriptedModel::start([says("half an answer").cut_after(1), says("another one")]).await;
    let reply = ask(&client(&openai(model.url()))).await;
    assert_eq!(
        (reply.text().as_str(), reply.kind()),
        ("half ", Some(ModelErrorKind::Cut))
    );
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn a_hundred_silent_answers_hold_up_nobody_else() {
    let model = ScriptedModel::responding(|request| {
        if request.body.contains("4242") {
            hangs()
        } else {
            says("Hi")
        }
    })
    .await;
    let client = client(&openai(model.url()));
    let silent: Vec<_> = (0..100)
        .map(|_| {
            let client = std::sync::Arc::clone(&client);
            tokio::spawn(async move { ask(&client).await })
        })
        .collect();
    model.arrived(100).await;
    let other = crate::support::request(vec![baton_handoff::ports::Message::User("hi".into())], []);
    assert_eq!(crate::support::ask_for(&client, other).await.text(), "Hi");
    for task in silent {
        task.abort();
    }
}
