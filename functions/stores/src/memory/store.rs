//! The store as sorted maps behind one lock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Env, Index, IndexPage, Key, Listing, Millis, Order, Page, Range,
    Record, Store, StoreError, Stored,
};

use baton_handoff::ports::IndexPosition;
use baton_handoff::ports::limits::{self, Bounds};

/// How many expired records a commit removes: more than it usually writes, so that they cannot pile up.
const PURGED_PER_COMMIT: usize = 16;

/// A [`Store`] that forgets everything when it is dropped.
pub struct MemoryStore {
    env: Arc<dyn Env>,
    table: Mutex<Table>,
}

/// The lists of one index: group, rank, record.
type List = BTreeSet<(String, Reverse<u64>, Key)>;

#[derive(Default)]
struct Table {
    records: BTreeMap<Key, Stored>,
    due: BTreeSet<(Millis, Key)>,
    listed: List,
    work: List,
    expiring: BTreeSet<(Millis, Key)>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store whose records expire by this clock.
    pub fn new(env: Arc<dyn Env>) -> Self {
        Self {
            env,
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code in here panics between two writes, so a poisoned table is whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let now = self.env.now();
        Ok(self.table().visible(key, now).cloned())
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let now = self.env.now();
        let table = self.table();
        let found = keys.iter().map(|key| table.visible(key, now).cloned());
        Ok(found.collect())
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        let now = self.env.now();
        let limit = limits::page_size(range.limit);
        let table = self.table();
        let Some(keys) = keys_within(range) else {
            return Ok(Page::default());
        };
        let found = table
            .records
            .range(keys)
            .map(|(_, stored)| stored)
            .filter(|stored| is_visible(stored, now));
        let mut records: Vec<Stored> = match range.order {
            Order::Ascending => found.take(limit + 1).cloned().collect(),
            Order::Descending => found.rev().take(limit + 1).cloned().collect(),
        };
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page { records, more })
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        limits::check(&changes)?;
        let now = self.env.now();
        let mut table = self.table();
        if !changes.iter().all(|change| table.holds(change, now)) {
            return Err(CommitError::Conflict);
        }
        for change in changes {
            table.apply(change);
        }
        table.purge(now);
        Ok(())
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let now = self.env.now();
        let limit = limits::page_size(limit);
        let after = after
            .map(|cursor| IndexPosition::read(cursor, index))
            .transpose()?;
        let table = self.table();
        let mut records = match index {
            Index::Due(moment) => table.due_by(*moment, after.as_ref(), limit + 1, now),
            Index::Listed(list) => {
                table.in_list(&table.listed, list, after.as_ref(), limit + 1, now)
            }
            Index::Work(list) => table.in_list(&table.work, list, after.as_ref(), limit + 1, now),
        };
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records
            .last()
            .filter(|_| more)
            .and_then(|last| IndexPosition::of(last, index))
            .map(|position| position.cursor(index));
        Ok(IndexPage { records, next })
    }
}

impl Table {
    fn visible(&self, key: &Key, now: Millis) -> Option<&Stored> {
        self.records
            .get(key)
            .filter(|stored| is_visible(stored, now))
    }

    fn holds(&self, change: &Change, now: Millis) -> bool {
        let version = self.visible(change.key(), now).map(|stored| stored.version);
        match change {
            Change::Create(..) => version.is_none(),
            Change::Remove(_, None) => true,
            Change::Replace(_, expected, _) | Change::Remove(_, Some(expected)) => {
                version == Some(*expected)
            }
            Change::Require(_, expected) => version == *expected,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Create(key, record) => self.put(key, 1, record),
            Change::Replace(key, version, record) => self.put(key, version + 1, record),
            Change::Remove(key, _) => self.remove(&key),
            Change::Require(..) => {}
        }
    }

    fn put(&mut self, key: Key, version: u64, record: Record) {
        self.remove(&key);
        if let Some(due_at) = record.due_at {
            self.due.insert((due_at, key.clone()));
        }
        if let Some(listing) = &record.listed {
            self.listed.insert(entry(listing, &key));
        }
        if let Some(listing) = &record.work {
            self.work.insert(entry(listing, &key));
        }
        if let Some(expires_at) = record.expires_at {
            self.expiring.insert((expires_at, key.clone()));
        }
        self.records.insert(
            key.clone(),
            Stored {
                key,
                version,
                record,
            },
        );
    }

    fn remove(&mut self, key: &Key) {
        let Some(Stored { record, .. }) = self.records.remove(key) else {
            return;
        };
        if let Some(due_at) = record.due_at {
            self.due.remove(&(due_at, key.clone()));
        }
        if let Some(listing) = &record.listed {
            self.listed.remove(&entry(listing, key));
        }
        if let Some(listing) = &record.work {
            self.work.remove(&entry(listing, key));
        }
        if let Some(expires_at) = record.expires_at {
            self.expiring.remove(&(expires_at, key.clone()));
        }
    }

    fn purge(&mut self, now: Millis) {
        for _ in 0..PURGED_PER_COMMIT {
            match self.expiring.first() {
                Some((expires_at, key)) if *expires_at < now => {
                    let key = key.clone();
                    self.remove(&key);
                }
                Some(_) | None => return,
            }
        }
    }

    fn due_by(
        &self,
        moment: Millis,
        after: Option<&IndexPosition>,
        limit: usize,
        now: Millis,
    ) -> Vec<Stored> {
        let from = match after {
            Some(after) => Bound::Excluded((after.number, after.key.clone())),
            None => Bound::Unbounded,
        };
        self.due
            .range((from, Bound::Unbounded))
            .take_while(|(due_at, _)| *due_at <= moment)
            .filter_map(|(_, key)| self.visible(key, now))
            .take(limit)
            .cloned()
            .collect()
    }

    fn in_list(
        &self,
        lists: &List,
        list: &str,
        after: Option<&IndexPosition>,
        limit: usize,
        now: Millis,
    ) -> Vec<Stored> {
        let from = match after {
            Some(after) => {
                Bound::Excluded((list.to_owned(), Reverse(after.number), after.key.clone()))
            }
            None => Bound::Included((list.to_owned(), Reverse(u64::MAX), Key::new("", ""))),
        };
        lists
            .range((from, Bound::Unbounded))
            .take_while(|(group, _, _)| group == list)
            .filter_map(|(_, _, key)| self.visible(key, now))
            .take(limit)
            .cloned()
            .collect()
    }
}

fn entry(listing: &Listing, key: &Key) -> (String, Reverse<u64>, Key) {
    (listing.group.clone(), Reverse(listing.rank), key.clone())
}

fn is_visible(stored: &Stored, now: Millis) -> bool {
    stored
        .record
        .expires_at
        .is_none_or(|expires_at| now <= expires_at)
}

/// The keys in a range, or none if the range is empty.
fn keys_within(range: &Range) -> Option<(Bound<Key>, Bound<Key>)> {
    let Bounds { from, to } = Bounds::of(range);
    let end = match to {
        Some(to) if to <= from => return None,
        Some(to) => Key::new(range.partition.as_str(), to),
        // The least key of any later partition.
        None => Key::new(format!("{}\0", range.partition), ""),
    };
    Some((
        Bound::Included(Key::new(range.partition.as_str(), from)),
        Bound::Excluded(end),
    ))
}
