//! The SQS queue against a server that speaks SQS, through the SDK and over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise fails the test that relies on it"
)]

#[expect(dead_code, reason = "only its configuration is used here")]
mod engine;
mod moto;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton_handoff::ports::{Env, Lane, Queue};
use baton_kit::conformance::queue_conformance;
use futures_util::FutureExt;
use tokio::sync::Mutex;

use moto::{Moto, Synchronised};

/// What SQS promises and moto does not do: fair queues, and that only the latest receipt settles a message.
const BEYOND_MOTO: &str =
    "failed: an_old_receipt_does_nothing, a_crowd_does_not_hold_up_a_single_message";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn the_sqs_queue_does_what_queues_do() {
    let moto = Arc::new(Moto::start());
    let number = AtomicUsize::new(0);
    let make = |env: Arc<dyn Env>| {
        let (moto, number) = (moto.clone(), number.fetch_add(1, Ordering::Relaxed));
        async move {
            let (queue, _, _) = moto.queue(&format!("suite-{number}"), None).await;
            let known = Mutex::new(env.now());
            Arc::new(Synchronised {
                queue,
                moto,
                env,
                known,
            }) as Arc<dyn Queue>
        }
    };
    let failed = AssertUnwindSafe(queue_conformance(make))
        .catch_unwind()
        .await
        .err();
    let failed = failed
        .map(|panic| {
            *panic
                .downcast::<String>()
                .expect("the suite says what failed")
        })
        .unwrap_or_default();
    assert_eq!(failed, BEYOND_MOTO);
}

#[tokio::test]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn a_message_that_nobody_can_work_on_goes_to_the_dead_letters() {
    let moto = Moto::start();
    let (queue, _, dead_url) = moto.queue("redrive", Some(2)).await;
    let receive = || queue.receive(Lane::Actions, 10, Duration::ZERO, Duration::ZERO);
    queue.send(Lane::Actions, "owner", "poison").await.unwrap();
    for receives in 1..=2 {
        let received = receive().await.unwrap();
        assert_eq!(
            received
                .iter()
                .map(|delivery| delivery.receives)
                .collect::<Vec<_>>(),
            [receives]
        );
    }
    assert_eq!(receive().await.unwrap(), []);
    let dead = moto
        .client()
        .receive_message()
        .queue_url(dead_url)
        .send()
        .await
        .unwrap();
    assert_eq!(
        dead.messages()
            .iter()
            .filter_map(|message| message.body())
            .collect::<Vec<_>>(),
        ["poison"]
    );
}

#[tokio::test]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn a_queue_that_is_not_there_is_said_to_be_away() {
    let moto = Moto::start();
    let (queue, urls, _) = moto.queue("gone", None).await;
    moto.client()
        .delete_queue()
        .queue_url(urls.turns)
        .send()
        .await
        .unwrap();
    let error = queue.send(Lane::Turns, "owner", "id").await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    queue.send(Lane::Actions, "owner", "id").await.unwrap();
}
