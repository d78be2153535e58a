//! Records in memory, as all processes of a play share them, and one process's way to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, IndexPosition, Key, Order, Page, Range, Store,
    StoreError, Stored,
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// All records.
#[derive(Default)]
pub(crate) struct Records(Mutex<BTreeMap<Key, Stored>>);

impl Records {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Stored>> {
        self.0.lock().unwrap()
    }

    /// The sort keys of this conversation's records.
    pub(crate) fn keys_of(&self, conversation: &str) -> Vec<String> {
        let partition = format!("C#{conversation}");
        let records = self.lock();
        let keys = records.keys().filter(|key| key.partition == partition);
        keys.map(|key| key.sort.clone()).collect()
    }

    /// Keys and bodies of all records.
    pub(crate) fn texts(&self) -> Vec<String> {
        let records = self.lock();
        let texts = records.values().map(|stored| {
            let Key { partition, sort } = &stored.key;
            format!("{partition} {sort} {}", stored.record.body)
        });
        texts.collect()
    }

    /// The partitions whose names begin so.
    pub(crate) fn partitions(&self, begin: &str) -> Vec<String> {
        let records = self.lock();
        let names = records.keys().map(|key| key.partition.clone());
        names.filter(|name| name.starts_with(begin)).collect()
    }

    /// The record at this key.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &Key) -> T {
        serde_json::from_str(&self.body(key)).unwrap()
    }

    /// The text of the record at this key.
    pub(crate) fn body(&self, key: &Key) -> String {
        self.lock().get(key).unwrap().record.body.clone()
    }

    /// The texts of the records in partitions that begin so.
    pub(crate) fn bodies(&self, prefix: &str) -> Vec<String> {
        let records = self.lock();
        let all = records
            .iter()
            .filter(|(key, _)| key.partition.starts_with(prefix));
        all.map(|(_, stored)| stored.record.body.clone()).collect()
    }

    fn holds(records: &BTreeMap<Key, Stored>, change: &Change) -> bool {
        let version = records.get(change.key()).map(|stored| stored.version);
        match change {
            Change::Create(..) => version.is_none(),
            Change::Replace(_, expected, _) => version == Some(*expected),
            Change::Remove(_, expected) => {
                expected.is_none_or(|expected| version == Some(expected))
            }
            Change::Require(_, expected) => version == *expected,
        }
    }

    fn apply(records: &mut BTreeMap<Key, Stored>, change: Change) {
        match change {
            Change::Create(key, record) | Change::Replace(key, _, record) => {
                let version = records.get(&key).map_or(1, |stored| stored.version + 1);
                let stored = Stored {
                    key: key.clone(),
                    version,
                    record,
                };
                records.insert(key, stored);
            }
            Change::Remove(key, _) => drop(records.remove(&key)),
            Change::Require(..) => {}
        }
    }
}

/// One process's way to the records. While it is frozen nothing comes through, as when a machine sleeps.
pub(crate) struct Way {
    records: Arc<Records>,
    frozen: watch::Sender<bool>,
    /// Reads by key wait, and others pass them.
    gets_wait: watch::Sender<bool>,
    /// What its ranges began with, and how many records it was asked for by their keys.
    ranges: Mutex<Vec<String>>,
    gets: Mutex<usize>,
}

impl Way {
    pub(crate) fn to(records: Arc<Records>) -> Self {
        Self {
            records,
            frozen: watch::Sender::new(false),
            gets_wait: watch::Sender::new(false),
            ranges: Mutex::default(),
            gets: Mutex::default(),
        }
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Reads by key wait, until this is taken back.
    pub(crate) fn delay_gets(&self, delay: bool) {
        self.gets_wait.send_replace(delay);
    }

    /// The ranges that were read, by the begin of their keys, and how many records beside them.
    pub(crate) fn reads(&self) -> (Vec<String>, usize) {
        let ranges = self.ranges.lock().unwrap().clone();
        (ranges, *self.gets.lock().unwrap())
    }

    async fn pass(&self) {
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !frozen).await.unwrap();
    }
}

#[async_trait]
impl Store for Way {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.pass().await;
        let mut gets_wait = self.gets_wait.subscribe();
        gets_wait.wait_for(|wait| !wait).await.unwrap();
        *self.gets.lock().unwrap() += 1;
        Ok(self.records.lock().get(key).cloned())
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.pass().await;
        let records = self.records.lock();
        Ok(keys.iter().map(|key| records.get(key).cloned()).collect())
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.pass().await;
        self.ranges.lock().unwrap().push(range.prefix.clone());
        let mut found: Vec<_> = {
            let records = self.records.lock();
            let of_range = records.values().filter(|stored| {
                stored.key.partition == range.partition
                    && stored.key.sort.starts_with(&range.prefix)
            });
            of_range.cloned().collect()
        };
        if range.order == Order::Descending {
            found.reverse();
        }
        if let Some(after) = &range.after {
            found.retain(|stored| match range.order {
                Order::Ascending => stored.key.sort > *after,
                Order::Descending => stored.key.sort < *after,
            });
        }
        let more = found.len() > range.limit;
        found.truncate(range.limit);
        Ok(Page {
            records: found,
            more,
        })
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.pass().await;
        let mut records = self.records.lock();
        if !changes
            .iter()
            .all(|change| Records::holds(&records, change))
        {
            return Err(CommitError::Conflict);
        }
        for change in changes {
            Records::apply(&mut records, change);
        }
        Ok(())
    }

    /// One page of everything: plays are short.
    async fn index(
        &self,
        index: &Index,
        _after: Option<&Cursor>,
        _limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.pass().await;
        let mut records: Vec<_> = self.records.lock().values().cloned().collect();
        let number = |stored: &Stored| IndexPosition::of(stored, index).map(|at| at.number);
        records.retain(|stored| number(stored).is_some());
        records.sort_by_key(number);
        match index {
            Index::Due(_) => {}
            Index::Listed(_) | Index::Work(_) => records.reverse(),
        }
        Ok(IndexPage {
            records,
            next: None,
        })
    }
}
