//! The SQS queue against a server that speaks SQS, through the SDK and over HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use baton_aws::{QueueUrls, SqsQueue, local_config};
use baton_handoff::ports::{Delivery, Env, Lane, Millis, Queue, QueueError};
use baton_kit::cloud::{Moto, Queues};
use baton_kit::conformance::queue_conformance;
use futures_util::FutureExt;
use tokio::sync::Mutex;

/// What SQS promises and moto does not do: fair queues, and that only the latest receipt settles a message.
const BEYOND_MOTO: &str =
    "failed: an_old_receipt_does_nothing, a_crowd_does_not_hold_up_a_single_message";

fn client(moto: &Moto) -> Client {
    Client::new(&local_config(&moto.url()).unwrap())
}

fn queue(moto: &Moto, queues: &Queues) -> SqsQueue {
    let urls = QueueUrls {
        actions: queues.actions.clone(),
        turns: queues.turns.clone(),
    };
    SqsQueue::new(&local_config(&moto.url()).unwrap(), urls)
}

/// A queue that keeps moto's clock where the test's is.
struct Synchronised {
    queue: SqsQueue,
    moto: Arc<Moto>,
    env: Arc<dyn Env>,
    known: Mutex<Millis>,
}

impl Synchronised {
    async fn synchronise(&self) {
        let mut known = self.known.lock().await;
        let now = self.env.now();
        if now > *known {
            self.moto.advance(now - *known).await;
            *known = now;
        }
    }
}

#[async_trait]
impl Queue for Synchronised {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.send(lane, group, body).await
    }

    /// Waits by the test's clock, a second of real time at once.
    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let until = self.env.now() + Millis::try_from(wait.as_millis()).unwrap();
        loop {
            self.synchronise().await;
            let wait = if wait.is_zero() {
                wait
            } else {
                Duration::from_secs(1)
            };
            let received = self.queue.receive(lane, max, visibility, wait).await?;
            if !received.is_empty() || self.env.now() >= until {
                return Ok(received);
            }
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.ack(lane, receipt).await
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.defer(lane, receipt, delay).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn the_sqs_queue_does_what_queues_do() {
    let moto = Arc::new(Moto::start());
    let number = AtomicUsize::new(0);
    let make = |env: Arc<dyn Env>| {
        let (moto, number) = (moto.clone(), number.fetch_add(1, Ordering::Relaxed));
        async move {
            let queues = moto.queues(&format!("suite-{number}"), None).await;
            let known = Mutex::new(env.now());
            Arc::new(Synchronised {
                queue: queue(&moto, &queues),
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
    let queues = moto.queues("redrive", Some(2)).await;
    let queue = queue(&moto, &queues);
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
    let dead = client(&moto)
        .receive_message()
        .queue_url(queues.dead)
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
    let queues = moto.queues("gone", None).await;
    let queue = queue(&moto, &queues);
    client(&moto)
        .delete_queue()
        .queue_url(queues.turns)
        .send()
        .await
        .unwrap();
    let error = queue.send(Lane::Turns, "owner", "id").await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    queue.send(Lane::Actions, "owner", "id").await.unwrap();
}
