//! What a process leaves that ends while the clock is set back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::Tenant;
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{Lane, Queue, Store};
use baton_handoff::record::{ActionState, TurnRecord, TurnState, decode, keys};
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;

use super::engine::{Bench, Process};

/// Far more than any lease, and any pause before a retry.
const SET_BACK: Duration = Duration::from_hours(5);

async fn received(queue: &dyn Queue, lane: Lane) -> BTreeSet<String> {
    let hidden = Duration::from_hours(1);
    let taken = queue
        .receive(lane, 100, hidden, Duration::ZERO)
        .await
        .unwrap();
    taken.into_iter().map(|delivery| delivery.body).collect()
}

async fn first_action(bench: &Bench) -> ActionId {
    loop {
        if let Some(body) = received(&*bench.queue, Lane::Actions).await.first() {
            return ActionId::parse(body).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_an_ended_process_left_is_gone_on_with_though_the_clock_was_set_back_since() {
    let clock = Arc::new(TestClock::new());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    clock.advance(SET_BACK);
    let process = Process {
        clock,
        name: Some("first"),
        ended: None,
    };
    let first = Bench::new(store.clone(), process, false);
    first.submit("endless", "endless", false).await;
    first.submit("waits", "hello", true).await;
    for name in ["claimed", "queued"] {
        first.submit(name, "sales", false).await.log.ended().await;
        first.submit(name, "order", false).await;
        let action = first_action(&first).await;
        if name == "claimed" {
            let engine = first.engine.clone();
            tokio::spawn(async move { engine.action(&action).execute().await });
            while first
                .engine
                .actions(&Tenant::default(), ActionState::Running, None, 1)
                .await
                .unwrap()
                .actions
                .is_empty()
            {
                tokio::task::yield_now().await;
            }
        }
    }
    // Killed; and its successor finds another time on the wall.
    let process = Process {
        clock: Arc::new(TestClock::new()),
        name: Some("second one"),
        ended: Some("first"),
    };
    let second = Bench::new(store.clone(), process, true);
    let left = second.engine.inherit().await.unwrap();
    assert_eq!((left.conversations, left.actions), (4, 2), "{left:?}");
    for action in received(&*second.queue, Lane::Actions).await {
        let _executed = second
            .engine
            .action(&ActionId::parse(&action).unwrap())
            .execute()
            .await;
    }
    let done = second
        .engine
        .actions(&Tenant::default(), ActionState::Done, None, 10)
        .await
        .unwrap();
    assert_eq!(done.actions.len(), 2, "{done:?}");
    let turns = received(&*second.queue, Lane::Turns).await;
    let expected = ["claimed", "endless", "queued", "waits"].map(str::to_owned);
    assert_eq!(turns, BTreeSet::from(expected));
    for name in turns {
        let conversation = ConversationId::parse(&name).unwrap();
        second.engine.look_after(&conversation).await;
        let turn = if name == "endless" || name == "waits" {
            1
        } else {
            2
        };
        let stored = store.get(&keys::turn(&conversation, turn)).await.unwrap();
        let turn: TurnRecord = decode(&stored.unwrap()).unwrap();
        assert_eq!(turn.state, TurnState::Committed, "{name}");
    }
}
