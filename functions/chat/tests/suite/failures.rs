//! Whatever the model service does, a stream ends with an error and a `done`, and everything else goes on.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use baton_rehearsal::scripted::{Answer, ScriptedModel, drops, hangs, json, says, status, stream};
use futures_util::future::join_all;
use serde_json::json;

use super::support::{Asked, Commits, Server, Setup};

/// What a service does, in words and as an answer, and the code that the customer's client gets.
type Fault = (&'static str, fn() -> Answer, &'static str);

fn faults() -> Vec<Fault> {
    vec![
        (
            "an error of the service",
            || status(500),
            "model_unavailable",
        ),
        ("a wrong key", || status(401), "model_unauthorized"),
        ("a key without rights", || status(403), "model_unauthorized"),
        ("too many requests", || status(429), "model_rate_limited"),
        ("a refused request", || status(400), "model_refused"),
        (
            "a connection that closes before the head",
            drops,
            "model_unavailable",
        ),
        (
            "a stream that is cut",
            || says("Half an answer").cut_after(2),
            "model_cut",
        ),
        (
            "a stream without its end",
            || says("Half an answer").ends_there(),
            "model_cut",
        ),
        (
            "bytes that are no text",
            || stream().raw(b"data: \xff\xfe\n\n".to_vec()),
            "model_bad_stream",
        ),
        (
            "events that are no JSON",
            || stream().raw("data: {nope\n\n"),
            "model_bad_stream",
        ),
        (
            "a document instead of a stream",
            || json(200, json!({ "hello": "there" })),
            "model_bad_stream",
        ),
        (
            "an error inside the stream",
            || says("Well").fails(500),
            "model_unavailable",
        ),
        ("silence before the head", hangs, "model_timed_out"),
        (
            "silence in the middle",
            || says("Well").then_hangs(),
            "model_timed_out",
        ),
        ("nothing at all", stream, "model_empty"),
        (
            "an answer over its limit",
            || says("Much too").finishes("length"),
            "answer_too_long",
        ),
        (
            "an answer that is filtered",
            || says("Something bad").finishes("content_filter"),
            "content_filtered",
        ),
        (
            "too many calls",
            || (0..17).fold(stream(), |stream, _| stream.calls("look_up_item", "{}")),
            "model_too_large",
        ),
    ]
}

#[tokio::test]
pub(crate) async fn every_model_failure_ends_the_stream_with_an_error_line_and_a_done_line() {
    let by_name: HashMap<_, _> = faults()
        .into_iter()
        .map(|(name, answer, _)| (name, answer))
        .collect();
    let model = ScriptedModel::responding(move |asked| {
        let customer = asked.customer();
        by_name
            .get(customer.as_str())
            .map_or_else(|| says(&format!("echo {customer}")), |answer| answer())
    })
    .await;
    let mut setup = Setup::new(&model);
    setup.model.patience.first_byte = Duration::from_millis(1_500);
    setup.model.patience.silence = Duration::from_millis(1_500);
    let server = setup.open().await;
    let client = server.client();

    // All at once: no failure may hold up another conversation.
    let play = |(number, (name, _, code)): (usize, Fault)| {
        let client = client.clone();
        async move {
            let conversation = format!("fault-{number}");
            assert_eq!(
                client.say(&conversation, "before").await.answer(),
                "echo before"
            );
            let turn = client.say(&conversation, name).await;
            assert_eq!(
                (turn.error(), turn.status()),
                (Some(code), "failed"),
                "{name}: {turn:?}"
            );
            let error = turn
                .lines
                .iter()
                .find(|line| line.content.kind == "error")
                .unwrap();
            assert!(
                error.content.message.starts_with("Sorry, "),
                "{name}: {error:?}"
            );
            assert!(error.content.retryable.is_some(), "{name}: {error:?}");
            assert_eq!(
                client.say(&conversation, "after").await.answer(),
                "echo after",
                "{name}"
            );
            let ends = client.items_of(&conversation, "turn").await;
            assert_eq!(ends[1]["code"], code, "{name}");
            // What was streamed of the broken answer is kept, and marked.
            let partial: String = turn.text();
            let kept = client.items_of(&conversation, "message").await;
            let kept = kept
                .iter()
                .find(|item| item["partial"] == true)
                .map_or("", |item| item["text"].as_str().unwrap());
            assert_eq!(kept, partial, "{name}");
        }
    };
    join_all(faults().into_iter().enumerate().map(play)).await;
}

#[tokio::test]
async fn a_model_that_nobody_serves_ends_the_stream_too() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Setup::of_url(&format!("http://127.0.0.1:{port}/v1"))
        .open()
        .await;
    let turn = server.client().say("c", "hello").await;
    assert_eq!(turn.seen(), ["error: model_unreachable", "done: failed"]);
}

#[tokio::test]
async fn a_failure_says_nothing_of_its_cause_to_the_customer() {
    let secret = json(
        400,
        json!({ "error": { "message": "deployment acme-internal-7 has no quota" } }),
    );
    let model = ScriptedModel::start([secret]).await;
    let server = Setup::new(&model).open().await;
    let turn = server.client().say("c", "hello").await;
    assert_eq!(turn.error(), Some("model_refused"));
    assert!(!format!("{turn:?}").contains("acme-internal-7"));
}

#[tokio::test]
pub(crate) async fn malformed_arguments_and_unknown_tools_are_answered_to_the_model() {
    let wrong = stream()
        .calls("look_up_item", "{\"search_query\": ")
        .calls("look_up_item", "{\"query\": \"anvil\"}")
        .calls("open_the_vault", "{}")
        .calls("execute_refund", "{\"item_id\": 7}");
    let script = [
        stream().calls("transfer_to_issues_and_repairs", "{}"),
        wrong,
        says("I see."),
        says("Go on."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Setup::new(&model).open().await;
    let client = server.client();

    assert_eq!(client.say("c", "hello").await.answer(), "I see.");
    let results = model.requests()[2].results();
    assert_eq!(results.len(), 4);
    assert!(
        results[0].starts_with("look_up_item was not called: "),
        "{results:?}"
    );
    assert!(
        results[1].starts_with("look_up_item was not called: "),
        "{results:?}"
    );
    assert!(
        results[2].starts_with("There is no tool named \"open_the_vault\""),
        "{results:?}"
    );
    assert!(
        results[3].starts_with("execute_refund was not called: "),
        "{results:?}"
    );
    assert_eq!(server.desk().tries(), []);
    assert_eq!(client.say("c", "and?").await.answer(), "Go on.");
}

#[tokio::test]
async fn a_turn_that_loses_every_race_to_begin_is_left_to_others() {
    let model = ScriptedModel::start([says("First."), says("Second.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "hello").await;
    server.faults().let_commits(Commits::LoseLeases);
    let path = "/conversations/c/turns/1/regenerate";
    let left = client.post(path, &json!({})).await;
    assert_eq!(left.status, 200);
    assert!(left.body.contains("running"), "{left:?}");
    server.faults().let_commits(Commits::Work);
    assert_eq!(client.follow("c", 2, "").await.unwrap().answer(), "Second.");
}
