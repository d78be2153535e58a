//! A store written from nothing: what the port asks for, and that the suite of all stores says whether it is met.
//! A real one is a file in `functions/stores/src` (or a crate, as `functions/aws`), and an opener in `OPENERS` of
//! `functions/setup/src/records.rs`.
#![expect(clippy::unwrap_used, reason = "a broken promise fails the test")]

use std::cmp::Reverse;
use std::future::ready;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Env, Index, IndexPage, IndexPosition, Key, Millis, Order, Page,
    Range, Record, Store, StoreError, Stored, limits,
};
use baton_kit::conformance::{faulty_store_conformance, store_conformance};

/// All records in one list, searched from its beginning.
struct ListStore {
    records: Mutex<Vec<Stored>>,
    env: Arc<dyn Env>,
}

impl ListStore {
    fn find(&self, wanted: impl Fn(&Stored) -> bool) -> Vec<Stored> {
        let now = self.env.now();
        let records = self.records.lock().unwrap();
        let found = records
            .iter()
            .filter(|one| is_visible(one, now) && wanted(one));
        found.cloned().collect()
    }
}

fn is_visible(stored: &Stored, now: Millis) -> bool {
    stored
        .record
        .expires_at
        .is_none_or(|expires_at| now <= expires_at)
}

#[async_trait]
impl Store for ListStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.find(|stored| stored.key == *key).pop())
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let one = |key: &Key| self.find(|stored| stored.key == *key).pop();
        Ok(keys.iter().map(one).collect())
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        let bounds = limits::Bounds::of(range);
        let mut records = self.find(|Stored { key, .. }| {
            key.partition == range.partition
                && key.sort >= bounds.from
                && bounds.to.as_ref().is_none_or(|to| key.sort < *to)
        });
        records.sort_by(|one, other| one.key.sort.cmp(&other.key.sort));
        if range.order == Order::Descending {
            records.reverse();
        }
        let limit = limits::page_size(range.limit);
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page { records, more })
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let position = |stored: &Stored| IndexPosition::of(stored, index);
        let after = after
            .map(|cursor| IndexPosition::read(cursor, index))
            .transpose()?;
        let mut records = self.find(|stored| position(stored).is_some());
        // The due index begins with the earliest, a list with the highest rank.
        let rank = |at: &IndexPosition| match index {
            Index::Due(_) => (at.number, Reverse(0), at.key.clone()),
            Index::Listed(_) | Index::Work(_) => (0, Reverse(at.number), at.key.clone()),
        };
        records.sort_by_key(|stored| position(stored).as_ref().map(rank));
        if let Some(after) = &after {
            records.retain(|stored| position(stored).as_ref().map(rank) > Some(rank(after)));
        }
        let limit = limits::page_size(limit);
        let more = records.len() > limit;
        records.truncate(limit);
        let last = records.last().filter(|_| more);
        let next = last.and_then(position).map(|last| last.cursor(index));
        Ok(IndexPage { records, next })
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        limits::check(&changes)?;
        let now = self.env.now();
        let mut records = self.records.lock().unwrap();
        records.retain(|stored| is_visible(stored, now));
        let version = |key: &Key| {
            let found = records.iter().find(|stored| stored.key == *key);
            found.map(|stored| stored.version)
        };
        let holds = |change: &Change| match change {
            Change::Create(key, _) => version(key).is_none(),
            Change::Replace(key, expected, _) | Change::Remove(key, Some(expected)) => {
                version(key) == Some(*expected)
            }
            Change::Remove(_, None) => true,
            Change::Require(key, expected) => version(key) == *expected,
        };
        if !changes.iter().all(holds) {
            return Err(CommitError::Conflict);
        }
        let mut put = |key: Key, version: u64, record: Option<Record>| {
            records.retain(|stored| stored.key != key);
            records.extend(record.map(|record| Stored {
                key,
                version,
                record,
            }));
        };
        for change in changes {
            match change {
                Change::Create(key, record) => put(key, 1, Some(record)),
                Change::Replace(key, version, record) => put(key, version + 1, Some(record)),
                Change::Remove(key, _) => put(key, 0, None),
                Change::Require(..) => {}
            }
        }
        Ok(())
    }
}

fn store(env: Arc<dyn Env>) -> std::future::Ready<Arc<dyn Store>> {
    let records = Mutex::default();
    ready(Arc::new(ListStore { records, env }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_of_a_hundred_lines_does_what_stores_do() {
    store_conformance(store).await;
    faulty_store_conformance(1, store).await;
}
