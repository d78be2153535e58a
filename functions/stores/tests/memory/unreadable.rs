//! Records that this program cannot read, and records that nobody gets to, hold up nothing and hide nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::Tenant;
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{Change, Env as _, Key, Lane, Listing, Queue as _, Record, Store};
use baton_handoff::record::{
    ActionState, DEFAULT_TENANT, actions_in, conversations_with_agents, decode, keys,
};
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use baton_tools::office::BackOffice;

use super::engine::Bench;

/// More than a sweep sees to.
const MANY: usize = 600;

fn bench() -> (Bench, Arc<MemoryStore>) {
    let clock = Arc::new(TestClock::new());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (Bench::on(store.clone(), clock), store)
}

/// A record as a newer program might write it.
fn newer() -> Record {
    Record::new(2, r#"{"owner":7}"#)
}

fn at(rank: u64, group: String) -> Listing {
    Listing { group, rank }
}

/// What the lane of turns holds.
async fn sent(bench: &Bench) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    loop {
        let hidden = Duration::from_hours(1);
        let taken = bench
            .queue
            .receive(Lane::Turns, 100, hidden, Duration::ZERO);
        let taken = taken.await.unwrap();
        if taken.is_empty() {
            return bodies;
        }
        bodies.extend(taken.into_iter().map(|delivery| delivery.body));
    }
}

#[tokio::test]
async fn what_is_due_behind_records_that_cannot_be_read_is_swept() {
    let (bench, store) = bench();
    let due = bench.clock.now() - 10_000;
    for n in 0..MANY {
        let key = Key::new(format!("C#newer-{n}"), "META");
        let record = Record {
            due_at: Some(due),
            work: Some(at(due, conversations_with_agents(DEFAULT_TENANT))),
            ..newer()
        };
        store
            .commit(vec![Change::Create(key, record)])
            .await
            .unwrap();
    }
    bench.submit("behind", "hello", true).await;
    let before = sent(&bench).await;
    assert_eq!(before, BTreeSet::from(["behind".to_owned()]));
    bench.clock.advance(Duration::from_secs(2));
    let swept = bench.engine.sweep().await.unwrap();
    assert_eq!(
        (swept.conversations, swept.unreadable),
        (1, MANY),
        "{swept:?}"
    );
    assert_eq!(sent(&bench).await, BTreeSet::from(["behind".to_owned()]));
    assert_eq!(bench.engine.unreadable(), MANY);
    // They stay as they are: the program that can read them finds them so.
    let kept = store
        .get(&Key::new("C#newer-0", "META"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((kept.version, kept.record.due_at), (1, Some(due)));
}

#[tokio::test]
async fn what_is_due_behind_conversations_that_nobody_gets_to_is_swept() {
    let (bench, _) = bench();
    for n in 0..MANY {
        bench.submit(&format!("waits-{n}"), "hello", true).await;
    }
    assert_eq!(sent(&bench).await.len(), MANY);
    bench.clock.advance(Duration::from_secs(2));
    // All workers are busy: nothing of what is sent is taken.
    for _ in 0..2 {
        bench.engine.sweep().await.unwrap();
    }
    assert_eq!(sent(&bench).await.len(), MANY, "some were never sent again");
    let swept = bench.engine.sweep().await.unwrap();
    assert_eq!(
        swept.conversations, 0,
        "one was sent and is due at once again"
    );
    bench.clock.advance(Duration::from_secs(6));
    let swept = bench.engine.sweep().await.unwrap();
    assert!(
        swept.conversations > 0,
        "a message that was lost is sent again"
    );
}

#[tokio::test]
async fn a_conversation_that_cannot_be_read_hides_none_beside_it() {
    let (bench, store) = bench();
    for name in ["one", "two", "three"] {
        bench.submit(name, "hello", false).await.log.ended().await;
        bench.clock.advance(Duration::from_secs(1));
    }
    let key = keys::meta(&ConversationId::parse("two").unwrap());
    let version = store.get(&key).await.unwrap().unwrap().version;
    let record = Record {
        work: Some(at(
            bench.clock.now(),
            conversations_with_agents(DEFAULT_TENANT),
        )),
        ..newer()
    };
    store
        .commit(vec![Change::Replace(key, version, record)])
        .await
        .unwrap();
    let page = bench
        .engine
        .conversations_in(&Tenant::default(), None, 10)
        .await
        .unwrap();
    let ids: Vec<_> = page
        .conversations
        .iter()
        .map(|line| line.id.as_str())
        .collect();
    assert_eq!(ids, ["three", "one"]);
    let [unreadable] = page.unreadable.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(unreadable.id, "two");
    assert_eq!(unreadable.last_activity, Some(bench.clock.now()));
    assert!(unreadable.reason.contains("format 2"), "{unreadable:?}");
}

#[tokio::test]
async fn an_action_that_cannot_be_read_hides_none_beside_it() {
    let (bench, store) = bench();
    bench.submit("one", "sales", false).await.log.ended().await;
    let ordered = bench.submit("one", "order", false).await;
    let mut taken = Vec::new();
    while taken.is_empty() {
        let hidden = Duration::from_hours(1);
        taken = bench
            .queue
            .receive(Lane::Actions, 1, hidden, Duration::ZERO)
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    let done = ActionId::parse(&taken[0].body).unwrap();
    let _executed = bench.engine.action(&done).execute().await;
    ordered.log.ended().await;
    let damaged = ActionId::new(
        ConversationId::parse("two").unwrap(),
        4,
        "execute_order",
        "{}",
        0,
    );
    let key = keys::action(&damaged);
    let record = Record {
        work: Some(at(1, actions_in(DEFAULT_TENANT, ActionState::Done))),
        ..newer()
    };
    store
        .commit(vec![Change::Create(key, record)])
        .await
        .unwrap();

    let page = bench
        .engine
        .actions(&Tenant::default(), ActionState::Done, None, 10)
        .await
        .unwrap();
    let ids: Vec<_> = page.actions.iter().map(|action| &action.id).collect();
    assert_eq!(ids, [&done]);
    let unreadable: Vec<_> = page.unreadable.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(unreadable, [damaged.to_string()]);
    let summary = bench
        .engine
        .action_summary(&Tenant::default())
        .await
        .unwrap();
    assert_eq!(summary.counts["done"], 2);
    let kept = store.get(&keys::action(&damaged)).await.unwrap().unwrap();
    assert!(decode::<serde_json::Value>(&kept).is_err());
}

#[tokio::test]
async fn an_order_that_cannot_be_read_hides_none_beside_it() {
    let (bench, store) = bench();
    let office = BackOffice::new(store.clone(), bench.clock.clone());
    let before = office.orders(&Tenant::default(), None, 10).await.unwrap();
    let damaged = &before.entries[1].item_id;
    let key = Key::new(format!("B#{damaged}"), "ORDER");
    let stored = store.get(&key).await.unwrap().unwrap();
    let record = Record {
        format: 2,
        ..stored.record
    };
    store
        .commit(vec![Change::Replace(key, stored.version, record)])
        .await
        .unwrap();
    let after = office.orders(&Tenant::default(), None, 10).await.unwrap();
    assert_eq!(after.entries.len(), before.entries.len() - 1);
    let unreadable: Vec<_> = after.unreadable.iter().map(|one| &one.id).collect();
    assert_eq!(unreadable, [damaged]);
}
