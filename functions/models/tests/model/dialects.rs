//! What services add to OpenAI's protocol or leave out of it.

use baton_handoff::ports::{FinishReason, ModelErrorKind, Usage};
use baton_rehearsal::scripted::{Answer, says, stream};
use serde_json::{Value, json};

use crate::support::{Reply, play};

fn delta(delta: &Value, finish: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

async fn play_calls(tool_calls: &[Value]) -> Reply {
    let mut answer: Answer = stream();
    for call in tool_calls {
        answer = answer.event(delta(&json!({"tool_calls": [call]}), &Value::Null));
    }
    play(answer.finishes("tool_calls")).await
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[tokio::test]
async fn azure_begins_with_filter_results_and_without_choices() {
    let answer = stream()
        .event(json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}))
        .event(json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null},
            "content_filter_results": {}, "finish_reason": null}]}))
        .says("Hi");
    let reply = play(answer).await;
    assert_eq!(
        (reply.text().as_str(), reply.finished()),
        ("Hi", Some(FinishReason::Stop))
    );
}

#[tokio::test]
async fn complete_calls_under_one_index_are_calls_of_their_own() {
    let complete = |id: &str, name: &str| {
        json!({"index": 0, "id": id, "type": "function",
        "function": {"name": name, "arguments": "{}"}})
    };
    let reply = play_calls(&[complete("x", "one"), complete("y", "two")]).await;
    assert_eq!(
        reply.calls(),
        [call("x", "one", "{}"), call("y", "two", "{}")]
    );
}

#[tokio::test]
async fn complete_calls_without_index_are_calls_of_their_own() {
    let complete = |id: &str| json!({"id": id, "function": {"name": "one", "arguments": "{}"}});
    let reply = play_calls(&[complete("x"), complete("y")]).await;
    assert_eq!(
        reply.calls(),
        [call("x", "one", "{}"), call("y", "one", "{}")]
    );
}

#[tokio::test]
async fn a_part_with_another_id_but_no_name_goes_on_with_its_call() {
    let reply = play_calls(&[
        json!({"index": 0, "id": "x", "function": {"name": "one", "arguments": ""}}),
        json!({"index": 0, "id": "y", "function": {"arguments": "{\"a\""}}),
        json!({"index": 0, "id": "", "function": {"name": null, "arguments": ":1}"}}),
    ])
    .await;
    assert_eq!(reply.calls(), [call("x", "one", "{\"a\":1}")]);
}

#[tokio::test]
async fn calls_without_an_id_or_with_the_same_get_one_of_their_own() {
    let reply = play_calls(&[
        json!({"index": 0, "function": {"name": "one", "arguments": "{}"}}),
        json!({"index": 1, "id": "x", "function": {"name": "two", "arguments": "{}"}}),
        json!({"index": 2, "id": "x", "function": {"name": "three", "arguments": "{}"}}),
    ])
    .await;
    let calls = reply.calls();
    assert_eq!(
        calls.iter().map(|call| call.1.as_str()).collect::<Vec<_>>(),
        ["one", "two", "three"]
    );
    let mut ids: Vec<&str> = calls.iter().map(|call| call.0.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{calls:?}");
    assert!(ids.iter().all(|id| !id.is_empty()));
}

#[tokio::test]
async fn a_call_without_a_name_is_no_call() {
    let reply =
        play_calls(&[json!({"index": 0, "id": "x", "function": {"arguments": "{}"}})]).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::Slip));
}

#[tokio::test]
async fn reasoning_comments_pings_and_unknown_reasons_do_not_disturb() {
    let answer = stream()
        .raw(": OPENROUTER PROCESSING\n\n")
        .raw("event: ping\ndata: {\"type\": \"ping\"}\n\n")
        .raw("id: 7\nretry: 10\ndata:\n\n")
        .event(delta(
            &json!({"reasoning_content": "Hmm.", "reasoning": "Hmm."}),
            &json!(""),
        ))
        .says("Yes.")
        .finishes("eos");
    let reply = play(answer).await;
    assert_eq!(
        (reply.text().as_str(), reply.finished()),
        ("Yes.", Some(FinishReason::Stop)),
        "{:?}",
        reply.error
    );
}

#[tokio::test]
async fn the_end_of_the_stream_does_for_done_once_there_was_a_reason() {
    let reply = play(says("Bye").without_done()).await;
    assert_eq!(
        (reply.finished(), reply.kind()),
        (Some(FinishReason::Stop), None)
    );
    let reason_then_cut = stream()
        .event(delta(&json!({"content": "Bye"}), &json!("stop")))
        .cut_after(1);
    let reply = play(reason_then_cut).await;
    assert_eq!(
        (reply.finished(), reply.kind()),
        (Some(FinishReason::Stop), None)
    );
}

#[tokio::test]
async fn a_service_that_stays_silent_after_its_reason_is_done() {
    let reply = play(
        stream()
            .event(delta(&json!({"content": "Bye"}), &json!("stop")))
            .then_hangs(),
    )
    .await;
    assert_eq!(
        (reply.finished(), reply.kind()),
        (Some(FinishReason::Stop), None)
    );
}

#[tokio::test]
async fn the_usage_is_told_once_wherever_it_comes() {
    let last = Usage {
        prompt_tokens: 9,
        completion_tokens: 2,
        ..Usage::default()
    };
    let counts = |completion: u32| json!({"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion});
    let mut first = delta(&json!({"content": "So"}), &Value::Null);
    first["usage"] = counts(1);
    let mut with_reason = delta(&json!({}), &json!("stop"));
    with_reason["usage"] = counts(2);
    let reply = play(
        stream()
            .event(first)
            .event(with_reason.clone())
            .raw("data: [DONE]\n\n")
            .ends_there(),
    )
    .await;
    assert_eq!(reply.usages(), [last]);
    let again = json!({"choices": [], "usage": counts(2)});
    let reply = play(
        says("So")
            .event(with_reason.clone())
            .event(with_reason)
            .event(again)
            .raw("data: [DONE]\n\n")
            .ends_there(),
    )
    .await;
    assert_eq!(
        (reply.usages().as_slice(), reply.finished()),
        ([last].as_slice(), Some(FinishReason::Stop))
    );
}

#[tokio::test]
async fn a_refusal_is_what_the_customer_reads() {
    let reply = play(stream().event(delta(&json!({"refusal": "I cannot."}), &Value::Null))).await;
    assert_eq!(reply.text(), "I cannot.");
}
