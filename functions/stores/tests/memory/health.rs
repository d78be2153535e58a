//! What an engine says of a store that takes no writes, or takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::Health;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Page, Range, Store, StoreError, Stored,
};
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::engine::Bench;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Work,
    /// As those of a role that may read only, of a table that throttles, or of a full disk do.
    Fail,
    /// Until they are let go on.
    Hang,
}

/// A store that can be read all the time.
struct Writable {
    inner: MemoryStore,
    writes: watch::Sender<Writes>,
    made: AtomicUsize,
}

#[async_trait]
impl Store for Writable {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.inner.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.inner.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let mut writes = self.writes.subscribe();
        let goes_on = writes.wait_for(|writes| *writes != Writes::Hang).await;
        if *goes_on.unwrap() == Writes::Fail {
            return Err(CommitError::Unavailable("made up".to_owned()));
        }
        self.inner.commit(changes).await
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.inner.index(index, after, limit).await
    }
}

fn bench(writes: Writes) -> (Bench, Arc<Writable>) {
    let clock = Arc::new(TestClock::new());
    let store = Arc::new(Writable {
        inner: MemoryStore::new(clock.clone()),
        writes: watch::Sender::new(writes),
        made: AtomicUsize::new(0),
    });
    (Bench::on(store.clone(), clock), store)
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_not_ready_though_it_can_be_read() {
    let (bench, store) = bench(Writes::Fail);
    for _ in 0..3 {
        let health = bench.engine.health().await;
        assert!(
            matches!(health, Health::ReadOnly(CommitError::Unavailable(_))),
            "{health:?}"
        );
    }
    store.writes.send_replace(Writes::Work);
    bench.clock.advance(Duration::from_secs(1));
    assert!(matches!(bench.engine.health().await, Health::Ready));
}

#[tokio::test]
async fn a_write_that_takes_long_is_told_after_two_seconds_and_goes_on() {
    let (bench, store) = bench(Writes::Hang);
    for _ in 0..2 {
        let mut asked = Box::pin(bench.engine.health());
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        while store.made.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        bench.clock.advance(Duration::from_millis(1_999));
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        bench.clock.advance(Duration::from_millis(1));
        let health = asked.await;
        assert!(matches!(health, Health::Slow), "{health:?}");
    }
    assert_eq!(
        store.made.load(Ordering::Relaxed),
        1,
        "a store that is slow is not written to once more by everybody who asks"
    );
    store.writes.send_replace(Writes::Work);
    assert!(matches!(bench.engine.health().await, Health::Ready));
}

#[tokio::test]
async fn all_who_ask_share_one_write_in_five_seconds() {
    let (bench, store) = bench(Writes::Work);
    let made = || store.made.load(Ordering::Relaxed);
    let answers = join_all((0..100).map(|_| bench.engine.health())).await;
    assert!(answers.iter().all(|health| matches!(health, Health::Ready)));
    assert_eq!(made(), 1);
    bench.clock.advance(Duration::from_millis(4_999));
    assert!(matches!(bench.engine.health().await, Health::Ready));
    assert_eq!(made(), 1);
    bench.clock.advance(Duration::from_millis(1));
    assert!(matches!(bench.engine.health().await, Health::Ready));
    assert_eq!(made(), 2);
}

#[tokio::test]
async fn a_process_that_ends_writes_nothing_to_say_so() {
    let (bench, store) = bench(Writes::Hang);
    bench.engine.drain();
    assert!(matches!(bench.engine.health().await, Health::Draining));
    assert_eq!(store.made.load(Ordering::Relaxed), 0);
}
