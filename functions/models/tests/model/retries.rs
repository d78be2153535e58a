//! What is tried again, how often, and after which wait.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use baton_handoff::ports::{Env, ModelErrorKind};
use baton_models::{ModelClient, ModelSettings, Retries};
use baton_rehearsal::scripted::{Answer, ScriptedModel, drops, json, says, status};
use serde_json::json;

use crate::support::{Clock, Reply, ask, openai};

/// The reply, how many requests it took, and the waits between them in milliseconds.
async fn play_all(clock: &Arc<Clock>, answers: Vec<Answer>) -> (Reply, usize, Vec<u64>) {
    let model = ScriptedModel::start(answers).await;
    let client = ModelClient::new(&openai(model.url()), Arc::clone(clock) as Arc<dyn Env>).unwrap();
    let reply = ask(&client).await;
    (reply, model.requests().len(), clock.slept())
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for code in [408, 409, 429, 500, 502, 503, 504] {
        let (reply, requests, _) = play_all(&Clock::new(), vec![status(code), says("Here")]).await;
        assert_eq!((reply.text().as_str(), requests), ("Here", 2), "{code}");
    }
    let (reply, requests, _) = play_all(&Clock::new(), vec![drops(), says("Here")]).await;
    assert_eq!((reply.text().as_str(), requests), ("Here", 2));
}

#[tokio::test]
async fn what_stays_wrong_is_not_tried_again() {
    for (code, kind) in [
        (400, ModelErrorKind::BadRequest),
        (401, ModelErrorKind::Unauthorized),
        (403, ModelErrorKind::Unauthorized),
        (404, ModelErrorKind::BadRequest),
        (422, ModelErrorKind::BadRequest),
        (307, ModelErrorKind::BadRequest),
        (501, ModelErrorKind::Unavailable),
    ] {
        let answer = status(code).header("location", "/elsewhere");
        let (reply, requests, _) = play_all(&Clock::new(), vec![answer, says("Here")]).await;
        assert_eq!((reply.kind(), requests), (Some(kind), 1), "{code}");
    }
}

#[tokio::test]
async fn three_tries_are_all() {
    for (answer, kind) in [
        (status as fn(u16) -> Answer, ModelErrorKind::Unavailable),
        (|_| status(429), ModelErrorKind::RateLimited),
        (|_| drops(), ModelErrorKind::Unavailable),
    ] {
        let answers = vec![answer(500), answer(500), answer(500), says("Too late")];
        let (reply, requests, waits) = play_all(&Clock::new(), answers).await;
        assert_eq!((reply.kind(), requests, waits.len()), (Some(kind), 3, 2));
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let clock = Clock::new();
    let client = ModelClient::new(
        &openai(format!("http://{address}/v1")),
        Arc::clone(&clock) as Arc<dyn Env>,
    )
    .unwrap();
    assert_eq!(ask(&client).await.kind(), Some(ModelErrorKind::Unreachable));
    assert_eq!(clock.slept().len(), 2);
}

#[tokio::test]
async fn waits_are_a_random_part_of_a_doubling_span() {
    let failing = || vec![status(500), status(500), status(500)];
    let (_, _, least) = play_all(&Clock::with_random(0), failing()).await;
    assert_eq!(least, [0, 0]);
    // The largest remainder of each span, a nanosecond more than the span itself.
    let (_, _, first) = play_all(&Clock::with_random(500_000_000), failing()).await;
    assert_eq!(first, [500, 500]);
    let (_, _, second) = play_all(&Clock::with_random(1_000_000_000), failing()).await;
    assert_eq!(second, [499, 1000]);
}

#[tokio::test]
async fn retry_after_is_obeyed_in_seconds_in_milliseconds_and_as_a_date() {
    let clock = Clock::new();
    let date = httpdate::fmt_http_date(
        UNIX_EPOCH + Duration::from_millis(clock.now()) + Duration::from_secs(7),
    );
    for (name, value, wait) in [
        ("retry-after", "3", 3000),
        ("retry-after-ms", "1500", 1500),
        ("Retry-After", date.as_str(), 7000),
    ] {
        let refused = status(429).header(name, value);
        let (reply, _, waits) = play_all(&Clock::new(), vec![refused, says("Here")]).await;
        assert_eq!(
            (reply.text().as_str(), waits.as_slice()),
            ("Here", [wait].as_slice()),
            "{name}: {value}"
        );
    }
    // A date that has passed, and one that is none: as if nothing had been asked.
    for value in ["Sun, 06 Nov 1994 08:49:37 GMT", "soon"] {
        let refused = status(503).header("retry-after", value);
        let (reply, _, waits) = play_all(&Clock::new(), vec![refused, says("Here")]).await;
        assert_eq!(
            (reply.text().as_str(), waits.as_slice()),
            ("Here", [0].as_slice()),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_service_that_asks_for_too_long_a_wait_gets_no_further_try() {
    let refused = status(429).header("retry-after", "21");
    let (reply, requests, waits) = play_all(&Clock::new(), vec![refused, says("Too late")]).await;
    assert_eq!(
        (reply.kind(), requests, waits.len()),
        (Some(ModelErrorKind::RateLimited), 1, 0)
    );
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_not_asked_again() {
    let refused = json(
        429,
        json!({"error": {"message": "You exceeded …", "type": "insufficient_quota"}}),
    );
    let (reply, requests, _) = play_all(&Clock::new(), vec![refused, says("Never")]).await;
    assert_eq!(
        (reply.kind(), requests),
        (Some(ModelErrorKind::RateLimited), 1)
    );
}

#[tokio::test]
async fn no_try_begins_after_the_total() {
    let model =
        ScriptedModel::start([status(503).header("retry-after", "15"), says("Too late")]).await;
    let retries = Retries {
        total: Duration::from_secs(10),
        ..Retries::default()
    };
    let settings = ModelSettings {
        retries,
        ..openai(model.url())
    };
    let reply = ask(&ModelClient::new(&settings, Clock::new()).unwrap()).await;
    assert_eq!(
        (reply.kind(), model.requests().len()),
        (Some(ModelErrorKind::Unavailable), 1)
    );
}

#[tokio::test]
async fn an_error_is_told_by_its_codes_and_never_by_its_words() {
    let refused = json(
        400,
        json!({"error": {"message": "my card is 4242 and the key sk-very-secret-key", "code": "context_length_exceeded",
            "type": "my card is 4242", "param": "messages.[0].content"}}),
    );
    let (reply, _, _) = play_all(&Clock::new(), vec![refused]).await;
    let detail = reply.error.unwrap().detail;
    assert_eq!(
        detail,
        "the model answered 400 Bad Request, code context_length_exceeded, param messages.[0].content"
    );
}
