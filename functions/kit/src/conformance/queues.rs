//! At-least-once delivery.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{Delivery, Lane, Queue};

use super::{Case, TestClock};

/// What a case works on: a fresh queue, and the clock that it goes by.
pub(super) struct Bench {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<TestClock>,
}

const VISIBILITY: Duration = Duration::from_secs(30);
const AT_ONCE: Duration = Duration::ZERO;

pub(super) fn cases() -> Vec<Case<Bench>> {
    cases![
        what_is_sent_is_received_once,
        an_acked_message_never_comes_again,
        a_message_that_nobody_acks_comes_again_and_counts,
        a_deferred_message_comes_when_it_was_asked_for,
        an_old_receipt_does_nothing,
        lanes_do_not_mix,
        a_crowd_does_not_hold_up_a_single_message,
        who_waits_is_woken_by_a_message,
        what_reaches_who_waits_comes_again_until_it_is_acked,
        who_stops_waiting_takes_nothing_along,
        those_who_wait_share_without_overlap,
        waiting_ends_without_a_message,
        many_receivers_share_without_overlap,
    ]
}

impl Bench {
    async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            self.queue.send(Lane::Actions, "owner", body).await.unwrap();
        }
    }

    async fn receive(&self, max: usize) -> Vec<Delivery> {
        self.queue
            .receive(Lane::Actions, max, VISIBILITY, AT_ONCE)
            .await
            .unwrap()
    }

    /// Receives in a task of its own, as soon as something comes.
    fn wait(&self) -> tokio::task::JoinHandle<Vec<Delivery>> {
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move {
            queue
                .receive(Lane::Actions, 10, VISIBILITY, Duration::from_secs(20))
                .await
                .unwrap()
        })
    }

    async fn receive_one(&self) -> Delivery {
        let mut deliveries = self.receive(1).await;
        assert_eq!(deliveries.len(), 1);
        deliveries.remove(0)
    }

    async fn ack(&self, delivery: &Delivery) {
        self.queue
            .ack(Lane::Actions, &delivery.receipt)
            .await
            .unwrap();
    }
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    let mut bodies: Vec<&str> = deliveries
        .iter()
        .map(|delivery| delivery.body.as_str())
        .collect();
    bodies.sort_unstable();
    bodies
}

async fn what_is_sent_is_received_once(bench: Bench) {
    assert_eq!(bench.receive(10).await, []);
    bench.send(&["a", "b", "Grüße 🐦", "a"]).await;
    let mut received = bench.receive(3).await;
    assert_eq!(received.len(), 3);
    received.extend(bench.receive(10).await);
    assert_eq!(bodies(&received), ["Grüße 🐦", "a", "a", "b"]);
    assert!(received.iter().all(|delivery| delivery.receives == 1));
    assert_eq!(bench.receive(10).await, []);
}

async fn an_acked_message_never_comes_again(bench: Bench) {
    bench.send(&["a"]).await;
    let delivery = bench.receive_one().await;
    bench.ack(&delivery).await;
    bench.ack(&delivery).await;
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive(10).await, []);
    // A receipt that was used must not reach a message that came later.
    bench.send(&["b"]).await;
    let other = bench.receive_one().await;
    bench.ack(&delivery).await;
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive_one().await.body, other.body);
}

async fn a_message_that_nobody_acks_comes_again_and_counts(bench: Bench) {
    bench.send(&["a"]).await;
    for receives in 1..=4 {
        let delivery = bench.receive_one().await;
        assert_eq!((delivery.body.as_str(), delivery.receives), ("a", receives));
        bench.clock.advance(Duration::from_secs(29));
        assert_eq!(bench.receive(10).await, []);
        bench.clock.advance(Duration::from_secs(2));
    }
}

async fn a_deferred_message_comes_when_it_was_asked_for(bench: Bench) {
    bench.send(&["a"]).await;
    let first = bench.receive_one().await;
    bench
        .queue
        .defer(Lane::Actions, &first.receipt, VISIBILITY * 10)
        .await
        .unwrap();
    bench.clock.advance(VISIBILITY * 9);
    assert_eq!(bench.receive(10).await, []);
    bench.clock.advance(VISIBILITY * 2);
    let second = bench.receive_one().await;
    bench
        .queue
        .defer(Lane::Actions, &second.receipt, AT_ONCE)
        .await
        .unwrap();
    let third = bench.receive_one().await;
    assert_eq!((third.body.as_str(), third.receives), ("a", 3));
    bench.ack(&third).await;
    bench
        .queue
        .defer(Lane::Actions, &third.receipt, AT_ONCE)
        .await
        .unwrap();
    assert_eq!(bench.receive(10).await, []);
}

async fn an_old_receipt_does_nothing(bench: Bench) {
    bench.send(&["a"]).await;
    let late = bench.receive_one().await;
    bench.clock.advance(VISIBILITY * 2);
    let current = bench.receive_one().await;
    bench.ack(&late).await;
    bench
        .queue
        .defer(Lane::Actions, &late.receipt, AT_ONCE)
        .await
        .unwrap();
    for nonsense in ["", "x", "1.2.3.4", "-1.0"] {
        bench.queue.ack(Lane::Actions, nonsense).await.unwrap();
    }
    assert_eq!(bench.receive(10).await, []);
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive_one().await.receives, current.receives + 1);
}

async fn lanes_do_not_mix(bench: Bench) {
    bench
        .queue
        .send(Lane::Turns, "owner", "turn")
        .await
        .unwrap();
    bench
        .queue
        .send(Lane::Actions, "owner", "action")
        .await
        .unwrap();
    let actions = bench.receive(10).await;
    assert_eq!(bodies(&actions), ["action"]);
    // A receipt belongs to its lane.
    let turns = bench
        .queue
        .receive(Lane::Turns, 10, VISIBILITY, AT_ONCE)
        .await
        .unwrap();
    assert_eq!(bodies(&turns), ["turn"]);
    bench.ack(&actions[0]).await;
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive(10).await, []);
    assert_eq!(
        bodies(
            &bench
                .queue
                .receive(Lane::Turns, 10, VISIBILITY, AT_ONCE)
                .await
                .unwrap()
        ),
        ["turn"]
    );
}

async fn a_crowd_does_not_hold_up_a_single_message(bench: Bench) {
    for n in 0..50 {
        bench
            .queue
            .send(Lane::Actions, "crowd", &format!("crowd {n}"))
            .await
            .unwrap();
    }
    bench
        .queue
        .send(Lane::Actions, "somebody", "single")
        .await
        .unwrap();
    let mut received = Vec::new();
    for _ in 0..10 {
        received.push(bench.receive_one().await);
    }
    assert!(
        bodies(&received).contains(&"single"),
        "{:?}",
        bodies(&received)
    );
}

async fn who_waits_is_woken_by_a_message(bench: Bench) {
    let waiting = bench.wait();
    // Whether the message comes before or after the wait begins, it ends the wait: the clock stands still.
    tokio::task::yield_now().await;
    bench.send(&["a"]).await;
    assert_eq!(bodies(&waiting.await.unwrap()), ["a"]);
}

async fn what_reaches_who_waits_comes_again_until_it_is_acked(bench: Bench) {
    let waiting = bench.wait();
    tokio::task::yield_now().await;
    bench.send(&["a"]).await;
    let [first] = waiting.await.unwrap().try_into().unwrap();
    assert_eq!((first.body.as_str(), first.receives), ("a", 1));
    assert_eq!(bench.receive(10).await, []);
    bench.clock.advance(VISIBILITY * 2);
    let second = bench.receive_one().await;
    assert_eq!((second.body.as_str(), second.receives), ("a", 2));
    bench.ack(&first).await;
    bench.ack(&second).await;
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive(10).await, []);
}

async fn who_stops_waiting_takes_nothing_along(bench: Bench) {
    let waiting = bench.wait();
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    bench.send(&["a"]).await;
    assert_eq!(bench.receive_one().await.body, "a");
}

async fn those_who_wait_share_without_overlap(bench: Bench) {
    let (found, mut all) = tokio::sync::mpsc::unbounded_channel();
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, found) = (Arc::clone(&bench.queue), found.clone());
            tokio::spawn(async move {
                loop {
                    let some = queue
                        .receive(Lane::Actions, 3, VISIBILITY, VISIBILITY)
                        .await;
                    for delivery in some.unwrap() {
                        queue.ack(Lane::Actions, &delivery.receipt).await.unwrap();
                        found.send(delivery).unwrap();
                    }
                }
            })
        })
        .collect();
    let expected: Vec<String> = (0..60).map(|n| format!("{n:02}")).collect();
    for some in expected.chunks(5) {
        let send = |body| bench.queue.send(Lane::Actions, "owner", body);
        futures_util::future::try_join_all(some.iter().map(|body| send(body)))
            .await
            .unwrap();
    }
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.push(all.recv().await.unwrap());
    }
    assert_eq!(bodies(&received), expected);
    for receiver in receivers {
        receiver.abort();
    }
    bench.clock.advance(VISIBILITY * 2);
    assert_eq!(bench.receive(10).await, []);
}

async fn waiting_ends_without_a_message(bench: Bench) {
    let queue = Arc::clone(&bench.queue);
    let waiting = tokio::spawn(async move {
        queue
            .receive(Lane::Turns, 10, VISIBILITY, Duration::from_secs(20))
            .await
    });
    while !waiting.is_finished() {
        bench.clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.unwrap().unwrap(), []);
}

async fn many_receivers_share_without_overlap(bench: Bench) {
    for n in 0..60 {
        bench
            .queue
            .send(
                Lane::Actions,
                &format!("owner {}", n % 7),
                &format!("{n:02}"),
            )
            .await
            .unwrap();
    }
    let receive = |_: usize| {
        let queue = Arc::clone(&bench.queue);
        tokio::spawn(async move {
            let mut received = Vec::new();
            loop {
                let some = queue
                    .receive(Lane::Actions, 4, VISIBILITY, AT_ONCE)
                    .await
                    .unwrap();
                if some.is_empty() {
                    return received;
                }
                received.extend(some);
            }
        })
    };
    let mut received = Vec::new();
    for share in futures_util::future::join_all((0..6).map(receive)).await {
        received.extend(share.unwrap());
    }
    let expected: Vec<String> = (0..60).map(|n| format!("{n:02}")).collect();
    assert_eq!(bodies(&received), expected);
}
