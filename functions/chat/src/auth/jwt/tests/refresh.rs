//! When keys are fetched, and what happens while they cannot be.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::http::StatusCode;
use baton_handoff::ports::Env;
use baton_setup::settings::Issuers;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::super::{Refusal, Verifier, Verifiers};
use super::support::{Clock, Issuer, Mood, NOW, TestKey};

const MINUTE: Duration = Duration::from_mins(1);
const UNAVAILABLE: Refusal = Refusal::Unavailable {
    retry_after: Duration::from_secs(10),
};
const UNKNOWN: Refusal = Refusal::Invalid("the key of the token is not known");

/// A good token of any moment in the next days.
fn token(key: &TestKey, issuer: &Issuer) -> String {
    let mut claims = issuer.good();
    claims["exp"] = (NOW + 10 * 86_400).into();
    key.token("ES256", &claims)
}

/// Verifies until the background fetch has brought what is expected. Each attempt gives the fetch's task its turn.
async fn until(verifier: &Verifier, token: &str, expected: impl Fn(bool) -> bool) {
    while !expected(verifier.verify(token).await.is_ok()) {
        tokio::task::yield_now().await;
    }
}

/// Lets a background fetch reach the issuer.
async fn fetched(issuer: &Issuer, times: usize) {
    while issuer.fetches() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_requests() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier();
    let token = token(&key, &issuer);
    let first = join_all((0..50).map(|_| verifier.verify(&token))).await;
    assert!(first.iter().all(Result::is_ok));
    for _ in 0..50 {
        assert!(verifier.verify(&token).await.is_ok());
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn the_start_fetches_them_before_the_first_request() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.hasty_verifier();
    let patient = issuer.verifier();
    patient.ready().await;
    assert_eq!(issuer.fetches(), 1);
    assert!(patient.verify(&token(&key, &issuer)).await.is_ok());
    patient.ready().await;
    assert_eq!(issuer.fetches(), 1);
    // And an issuer that hangs holds the start up no longer than its patience.
    issuer.becomes(Mood::Hangs(Arc::default()));
    verifier.ready().await;
    let answer = verifier.verify(&token(&key, &issuer)).await;
    assert_eq!(answer, Err(UNAVAILABLE));
}

#[tokio::test]
async fn one_issuer_of_customers_and_operators_is_asked_once() {
    let (key, new) = (TestKey::p256("k"), TestKey::p256("new"));
    let issuer = Issuer::start(&[&key]).await;
    let mut of_operators = issuer.settings();
    of_operators.audiences = vec!["desk".to_owned()];
    let issuers = Issuers {
        customers: Some(issuer.settings()),
        operators: Some(of_operators),
    };
    let env: Arc<dyn Env> = issuer.clock.clone();
    let verifiers = Verifiers::new(issuers, &env);
    verifiers.ready().await;
    assert_eq!(issuer.fetches(), 1);
    issuer.publish(&[&key, &new]);
    let (customers, operators) = (verifiers.customers.unwrap(), verifiers.operators.unwrap());
    let mut claims = issuer.good();
    assert!(customers.verify(&new.token("ES256", &claims)).await.is_ok());
    claims["aud"] = "desk".into();
    assert!(operators.verify(&new.token("ES256", &claims)).await.is_ok());
    assert_eq!(issuer.fetches(), 2);
}

#[test]
fn a_runtime_that_shuts_down_holds_up_no_request() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let key = TestKey::p256("k");
    let issuer = runtime.block_on(Issuer::start(&[&key]));
    let verifier = issuer.verifier();
    let good = token(&key, &issuer);
    let handle = runtime.handle().clone();
    drop(runtime);
    // The task of the fetch is dropped as it is spawned. On a thread of its own, so that a deadlock fails the test.
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let _entered = handle.enter();
        answer.send(verifier.verify(&good).now_or_never()).unwrap();
    });
    let answer = answered.recv_timeout(Duration::from_mins(1));
    assert_eq!(answer, Ok(Some(Err(UNAVAILABLE))));
}

#[tokio::test]
async fn a_new_key_is_known_with_its_first_token() {
    let (old, new) = (TestKey::p256("old"), TestKey::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = issuer.verifier();
    assert!(verifier.verify(&token(&old, &issuer)).await.is_ok());
    issuer.publish(&[&old, &new]);
    let first = token(&new, &issuer);
    let at_once = join_all((0..20).map(|_| verifier.verify(&first))).await;
    assert!(at_once.iter().all(Result::is_ok), "{at_once:?}");
    assert!(verifier.verify(&token(&old, &issuer)).await.is_ok());
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_ids_costs_one_fetch_a_minute() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier();
    let good = token(&key, &issuer);
    assert!(verifier.verify(&good).await.is_ok());
    let flood: Vec<_> = (0..200)
        .map(|n| token(&TestKey::p256(&format!("unknown-{n}")), &issuer))
        .collect();
    for minute in 1..=3 {
        let refused = join_all(flood.iter().map(|token| verifier.verify(token))).await;
        assert!(refused.iter().all(|one| *one == Err(UNKNOWN)));
        // Nor do those that come after the fetch.
        issuer.clock.advance(MINUTE / 2);
        for token in flood.iter().take(20) {
            assert_eq!(verifier.verify(token).await, Err(UNKNOWN));
        }
        assert_eq!(issuer.fetches(), 1 + minute);
        assert!(verifier.verify(&good).await.is_ok());
        issuer.clock.advance(MINUTE);
    }
}

#[tokio::test]
async fn due_keys_are_used_while_new_ones_are_fetched() {
    let (old, new) = (TestKey::p256("old"), TestKey::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = issuer.verifier();
    let of_old = token(&old, &issuer);
    assert!(verifier.verify(&of_old).await.is_ok());
    issuer.clock.advance(9 * MINUTE);
    assert!(verifier.verify(&of_old).await.is_ok());
    assert_eq!(issuer.fetches(), 1);
    issuer.publish(&[&new]);
    let released = Arc::new(Notify::new());
    issuer.becomes(Mood::Hangs(released.clone()));
    issuer.clock.advance(MINUTE);
    // Does not wait for the issuer, which hangs.
    assert!(verifier.verify(&of_old).await.is_ok());
    assert!(verifier.verify(&of_old).await.is_ok());
    issuer.becomes(Mood::Answers);
    released.notify_one();
    // A key that was taken back is refused from then on.
    until(&verifier, &of_old, |is_good| !is_good).await;
    assert!(verifier.verify(&token(&new, &issuer)).await.is_ok());
    // One fetch for the due keys; the old key's token is now one of an unknown id and costs another.
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn old_keys_are_used_for_a_day_while_the_issuer_is_down() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier();
    let good = token(&key, &issuer);
    let unknown = token(&TestKey::p256("unknown"), &issuer);
    assert!(verifier.verify(&good).await.is_ok());
    issuer.becomes(Mood::Fails(StatusCode::SERVICE_UNAVAILABLE));
    issuer.clock.advance(10 * MINUTE);
    for _ in 0..23 {
        assert!(verifier.verify(&good).await.is_ok());
        // Nobody can say whether this one is good.
        assert_eq!(verifier.verify(&unknown).await, Err(UNAVAILABLE));
        issuer.clock.advance(60 * MINUTE);
    }
    issuer.clock.advance(59 * MINUTE);
    assert!(verifier.verify(&good).await.is_ok());
    issuer.clock.advance(MINUTE);
    assert_eq!(verifier.verify(&good).await, Err(UNAVAILABLE));
    issuer.becomes(Mood::Answers);
    issuer.clock.advance(Duration::from_secs(10));
    assert!(verifier.verify(&good).await.is_ok());
}

#[tokio::test]
async fn keys_that_nobody_used_for_hours_are_renewed_before_they_are_used() {
    let (old, new) = (TestKey::p256("old"), TestKey::p256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = issuer.verifier();
    let of_old = token(&old, &issuer);
    assert!(verifier.verify(&of_old).await.is_ok());
    issuer.publish(&[&new]);
    issuer.clock.advance(90 * MINUTE);
    assert_eq!(verifier.verify(&of_old).await, Err(UNKNOWN));
    // But if the issuer does not answer, they are used.
    issuer.clock.advance(90 * MINUTE);
    issuer.becomes(Mood::Fails(StatusCode::SERVICE_UNAVAILABLE));
    assert!(verifier.verify(&token(&new, &issuer)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_every_ten_seconds_and_stops_no_other() {
    let key = TestKey::p256("k");
    let (down, up) = (Issuer::start(&[&key]).await, Issuer::start(&[&key]).await);
    down.becomes(Mood::Fails(StatusCode::INTERNAL_SERVER_ERROR));
    let (of_down, of_up) = (down.verifier(), up.verifier());
    let (good_of_down, good_of_up) = (token(&key, &down), token(&key, &up));
    let both = async || {
        let requests = (0..20).map(async |_| {
            assert_eq!(of_down.verify(&good_of_down).await, Err(UNAVAILABLE));
            assert!(of_up.verify(&good_of_up).await.is_ok());
        });
        join_all(requests).await;
    };
    both().await;
    both().await;
    assert_eq!(down.attempts(), 1);
    down.clock.advance(Duration::from_secs(10));
    both().await;
    assert_eq!(down.attempts(), 2);
    down.becomes(Mood::Answers);
    down.clock.advance(Duration::from_secs(10));
    assert!(of_down.verify(&good_of_down).await.is_ok());
}

#[tokio::test]
async fn a_caller_that_hangs_up_ends_no_fetch() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    let released = Arc::new(Notify::new());
    issuer.becomes(Mood::Hangs(released.clone()));
    let verifier = Arc::new(issuer.verifier());
    let good = token(&key, &issuer);
    let caller = {
        let (verifier, good) = (verifier.clone(), good.clone());
        tokio::spawn(async move { verifier.verify(&good).await })
    };
    while issuer.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    issuer.becomes(Mood::Answers);
    released.notify_one();
    fetched(&issuer, 1).await;
    assert!(verifier.verify(&good).await.is_ok());
    assert_eq!((issuer.attempts(), issuer.fetches()), (1, 1));
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_no_fetch() {
    let key = TestKey::p256("k");
    let issuer = Issuer::start(&[&key]).await;
    issuer.becomes(Mood::Fails(StatusCode::INTERNAL_SERVER_ERROR));
    let clock = Arc::new(Clock::default());
    clock.advance(600 * MINUTE);
    let verifier = Verifier::new(issuer.settings(), clock.clone());
    let good = token(&key, &issuer);
    assert_eq!(verifier.verify(&good).await, Err(UNAVAILABLE));
    issuer.becomes(Mood::Answers);
    clock.set_back(60 * MINUTE);
    assert!(verifier.verify(&good).await.is_ok());
}
