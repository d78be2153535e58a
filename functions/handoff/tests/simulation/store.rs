//! A store in memory that keeps the port's promises to the letter, and breaks everything that they leave open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Millis, Order, Page, Range, Record, Store,
    StoreError, Stored,
};

use crate::audit::Audit;
use crate::weather::Weather;
use crate::world::{OUTSIDE, TaskId, World, lock};

/// How long an index may show what a record was before.
const LAG: Millis = 2_000;

/// The records, as all processes share them.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) now: BTreeMap<Key, Stored>,
    /// What a record was before its last change, and when that was.
    before: BTreeMap<Key, (Millis, Option<Stored>)>,
    /// Until when nobody can reach the store.
    pub(crate) away_until: Millis,
}

impl Records {
    fn holds(&self, change: &Change) -> bool {
        let version = self.now.get(change.key()).map(|stored| stored.version);
        match change {
            Change::Create(..) => version.is_none(),
            Change::Replace(_, expected, _) => version == Some(*expected),
            Change::Remove(_, expected) => {
                expected.is_none_or(|expected| version == Some(expected))
            }
            Change::Require(_, expected) => version == *expected,
        }
    }

    fn apply(&mut self, change: &Change, now: Millis) {
        let (key, record) = match change {
            Change::Create(key, record) | Change::Replace(key, _, record) => (key, Some(record)),
            Change::Remove(key, _) => (key, None),
            Change::Require(..) => return,
        };
        let before = self.now.remove(key);
        let version = before.as_ref().map_or(0, |before| before.version) + 1;
        self.before.insert(key.clone(), (now, before));
        if let Some(record) = record {
            self.now.insert(
                key.clone(),
                Stored {
                    key: key.clone(),
                    version,
                    record: record.clone(),
                },
            );
        }
    }

    /// The index may show any record as it was before a recent change.
    fn as_indexed(&self, world: &World, faults: bool) -> Vec<Stored> {
        let mut seen = self.now.clone();
        for (key, (at, before)) in &self.before {
            if faults && at + LAG > world.now() && world.happens(300) {
                match before {
                    Some(before) => seen.insert(key.clone(), before.clone()),
                    None => seen.remove(key),
                };
            }
        }
        seen.into_values().collect()
    }
}

/// One process's way to the store.
#[derive(Clone)]
pub(crate) struct SimStore {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) records: Arc<Mutex<Records>>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) process: usize,
}

impl SimStore {
    fn weather(&self) -> Weather {
        lock(&self.weather).clone()
    }

    /// One way over the network.
    async fn travel(&self) {
        let slow = lock(&self.weather).slow_store;
        let delay = if self.world.happens(slow) {
            if self.world.happens(100) {
                self.world.between(10_000, 45_000)
            } else {
                self.world.below(3_000)
            }
        } else {
            self.world.below(4)
        };
        if delay > 0 {
            self.world.sleep(delay).await;
        }
    }

    fn is_away(&self) -> bool {
        lock(&self.records).away_until > self.world.now()
            || self.world.happens(lock(&self.weather).unavailable)
    }

    async fn reach(&self) -> Result<(), StoreError> {
        self.travel().await;
        if self.is_away() {
            Err(StoreError::Unavailable("simulated".to_owned()))
        } else {
            Ok(())
        }
    }

    /// All or nothing, at one moment, on behalf of the task that asked for it.
    fn write(&self, task: TaskId, changes: &[Change]) -> Result<(), CommitError> {
        let mut records = lock(&self.records);
        let holds = changes.iter().all(|change| records.holds(change));
        self.world.note(|| {
            let parts: Vec<_> = changes.iter().map(describe).collect();
            format!(
                "p{} commit {} {}",
                self.process,
                if holds { "ok" } else { "CONFLICT" },
                parts.join("\n                     ")
            )
        });
        self.world.mix(u64::from(holds) + changes.len() as u64);
        if !holds {
            return Err(CommitError::Conflict);
        }
        let before: Vec<_> = changes
            .iter()
            .map(|change| records.now.get(change.key()).cloned())
            .collect();
        for change in changes {
            records.apply(change, self.world.now());
        }
        drop(records);
        self.audit.committed(self.process, task, changes, &before);
        Ok(())
    }
}

impl SimStore {
    /// What was asked for is still on its way when the caller is told that nobody knows, and when it looks.
    fn write_late(&self, changes: Vec<Change>) {
        let (store, task) = (self.clone(), self.world.current_task());
        let delay = if self.world.happens(200) {
            self.world.below(60_000)
        } else {
            self.world.below(200)
        };
        self.world.clone().spawn(OUTSIDE, async move {
            store.world.sleep(delay).await;
            let _nobody_hears = store.write(task, &changes);
        });
    }
}

fn describe(change: &Change) -> String {
    match change {
        Change::Create(key, record) => format!("+{}/{} {}", key.partition, key.sort, record.body),
        Change::Replace(key, version, record) => {
            format!("={}/{} v{version} {}", key.partition, key.sort, record.body)
        }
        Change::Remove(key, version) => format!("-{}/{} v{version:?}", key.partition, key.sort),
        Change::Require(key, version) => format!("?{}/{} v{version:?}", key.partition, key.sort),
    }
}

fn check(changes: &[Change]) -> Result<(), CommitError> {
    let mut keys: Vec<_> = changes.iter().map(Change::key).collect();
    keys.sort();
    keys.dedup();
    let too_large = |record: &Record| record.body.len() > 350 * 1024;
    let large = changes.iter().any(|change| match change {
        Change::Create(_, record) | Change::Replace(_, _, record) => too_large(record),
        Change::Remove(..) | Change::Require(..) => false,
    });
    if keys.len() < changes.len() || changes.len() > 100 || large {
        return Err(CommitError::Refused("not a commit".to_owned()));
    }
    Ok(())
}

#[async_trait]
impl Store for SimStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reach().await?;
        let found = lock(&self.records).now.get(key).cloned();
        self.travel().await;
        Ok(found)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.reach().await?;
        let found = {
            let records = lock(&self.records);
            keys.iter()
                .map(|key| records.now.get(key).cloned())
                .collect()
        };
        self.travel().await;
        Ok(found)
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.reach().await?;
        let page = {
            let records = lock(&self.records);
            let within = |key: &Key| {
                let behind = range.after.as_ref().is_none_or(|after| match range.order {
                    Order::Ascending => key.sort > *after,
                    Order::Descending => key.sort < *after,
                });
                key.partition == range.partition && key.sort.starts_with(&range.prefix) && behind
            };
            let first = Key::new(range.partition.clone(), range.prefix.clone());
            let in_partition = records
                .now
                .range(first..)
                .take_while(|(key, _)| key.partition == range.partition);
            let mut found: Vec<_> = in_partition
                .filter(|(key, _)| within(key))
                .map(|(_, stored)| stored.clone())
                .collect();
            if range.order == Order::Descending {
                found.reverse();
            }
            let more = found.len() > range.limit;
            found.truncate(range.limit);
            Page {
                records: found,
                more,
            }
        };
        self.travel().await;
        Ok(page)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        check(&changes)?;
        self.travel().await;
        if self.is_away() {
            return Err(CommitError::Unavailable("simulated".to_owned()));
        }
        let weather = self.weather();
        if self.world.happens(weather.conflict) {
            self.world
                .note(|| format!("p{} commit refused as a conflict", self.process));
            return Err(CommitError::Conflict);
        }
        if !self.world.happens(weather.ambiguous) {
            let written = self.write(self.world.current_task(), &changes);
            self.travel().await;
            return written;
        }
        match self.world.below(3) {
            // A condition that did not hold is lost on the way back as well.
            0 => drop(self.write(self.world.current_task(), &changes)),
            1 => self.write_late(changes.clone()),
            _ => {}
        }
        self.world.note(|| {
            format!(
                "p{} commit answered as ambiguous: {}",
                self.process,
                describe(&changes[0])
            )
        });
        self.travel().await;
        Err(CommitError::Ambiguous("simulated".to_owned()))
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.reach().await?;
        let weather = self.weather();
        let seen = lock(&self.records).as_indexed(&self.world, !weather.calm);
        let rank = |stored: &Stored| -> Option<u64> {
            match index {
                Index::Due(moment) => stored.record.due_at.filter(|due| due <= moment),
                Index::Listed(group) => stored
                    .record
                    .listed
                    .as_ref()
                    .filter(|listed| listed.group == *group)
                    .map(|listed| u64::MAX - listed.rank),
            }
        };
        let mut found: Vec<(String, Stored)> = seen
            .into_iter()
            .filter_map(|stored| {
                let place = format!(
                    "{:020}|{}|{}",
                    rank(&stored)?,
                    stored.key.partition,
                    stored.key.sort
                );
                Some((place, stored))
            })
            .filter(|(place, _)| after.is_none_or(|after| *place > after.0))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = if more {
            found.last().map(|(place, _)| Cursor(place.clone()))
        } else {
            None
        };
        self.travel().await;
        Ok(IndexPage {
            records: found.into_iter().map(|(_, stored)| stored).collect(),
            next,
        })
    }
}
