//! A store in memory that keeps the port's promises to the letter, and breaks everything that they leave open.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, IndexPosition, Key, Order, Page, Range, Record,
    Store, StoreError, Stored,
};

use crate::audit::Audit;
use crate::records::Records;
use crate::script::{Fate, Script};
use crate::weather::Weather;
use crate::world::{OUTSIDE, TaskId, World, lock};

/// One process's way to the store.
#[derive(Clone)]
pub(crate) struct SimStore {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) records: Arc<Mutex<Records>>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) script: Arc<Mutex<Script>>,
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
    /// What a scenario wants to happen to this commit.
    async fn suffer(&self, fate: Fate, changes: &[Change]) -> Result<(), CommitError> {
        let task = self.world.current_task();
        match fate {
            Fate::WrittenButAmbiguous { asleep_for } => {
                drop(self.write(task, changes));
                self.world.pause(self.process, asleep_for);
                self.travel().await;
                Err(CommitError::Ambiguous("as the scenario says".to_owned()))
            }
            Fate::Delayed(milliseconds) => {
                self.world.sleep(milliseconds).await;
                self.write(task, changes)
            }
        }
    }

    fn page_of(
        &self,
        index: &Index,
        after: Option<&IndexPosition>,
        limit: usize,
        faults: bool,
    ) -> IndexPage {
        let mut records = lock(&self.records);
        records.forget_old(self.world.now());
        let records = &*records;
        let place = |IndexPosition { number, key }: &IndexPosition| {
            let number = match index {
                Index::Due(_) => *number,
                Index::Listed(_) | Index::Work(_) => u64::MAX - number,
            };
            (number, key.clone())
        };
        let after = after.map(place);
        let mut found: Vec<_> = records
            .as_indexed(&self.world, faults)
            .into_iter()
            .filter_map(|stored| Some((place(&IndexPosition::of(stored, index)?), stored)))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.and_then(|(_, stored)| IndexPosition::of(stored, index));
        IndexPage {
            next: next.map(|next| next.cursor(index)),
            records: found
                .into_iter()
                .map(|(_, stored)| records.show_in_index(stored))
                .collect(),
        }
    }

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

/// No store takes more in one commit.
const LARGEST_COMMIT: u64 = 4 << 20;

/// Whether a turn could end without this: a response, or what it said before it broke off, or results of its calls.
fn can_be_left_out(change: &Change) -> bool {
    match change {
        Change::Create(key, record) | Change::Replace(key, _, record) => {
            let says = |what: &str| record.body.contains(what);
            key.sort.contains("#S#") || says("\"partial\":{") || says("\"told\":[")
        }
        Change::Remove(..) | Change::Require(..) => false,
    }
}

/// All bytes of a commit.
fn size(changes: &[Change]) -> u64 {
    let bytes = |change: &Change| match change {
        Change::Create(_, record) | Change::Replace(_, _, record) => record.body.len(),
        Change::Remove(..) | Change::Require(..) => 0,
    };
    changes.iter().map(bytes).sum::<usize>() as u64
}

fn check(changes: &[Change], largest: u64) -> Result<(), CommitError> {
    let mut keys: Vec<_> = changes.iter().map(Change::key).collect();
    keys.sort();
    keys.dedup();
    let too_large = |record: &Record| record.body.len() > 350 * 1024;
    let large = changes.iter().any(|change| match change {
        Change::Create(_, record) | Change::Replace(_, _, record) => too_large(record),
        Change::Remove(..) | Change::Require(..) => false,
    });
    // What a turn needs to begin and to end is small, and no store refuses it.
    let heavy = changes.len() > 100
        || size(changes) > LARGEST_COMMIT
        || (largest > 0 && size(changes) > largest && changes.iter().any(can_be_left_out));
    if keys.len() < changes.len() || large || heavy {
        return Err(CommitError::Refused("not a commit".to_owned()));
    }
    Ok(())
}

#[async_trait]
impl Store for SimStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reach().await?;
        let found = {
            let records = lock(&self.records);
            records.now.get(key).map(|stored| records.show(stored))
        };
        let delay = lock(&self.script).delay_of(&key.partition);
        if let Some(delay) = delay {
            self.world.sleep(delay).await;
        }
        self.travel().await;
        found.transpose()
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.reach().await?;
        let found = {
            let records = lock(&self.records);
            keys.iter()
                .map(|key| records.now.get(key).map(|stored| records.show(stored)))
                .map(Option::transpose)
                .collect()
        };
        self.travel().await;
        found
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
                .map(|(_, stored)| stored)
                .collect();
            if range.order == Order::Descending {
                found.reverse();
            }
            let more = found.len() > range.limit;
            found.truncate(range.limit);
            let shown: Result<Vec<_>, _> = found
                .into_iter()
                .map(|stored| records.show(stored))
                .collect();
            shown.map(|records| Page { records, more })
        };
        self.travel().await;
        page
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let weather = self.weather();
        if let Err(error) = check(&changes, weather.largest_commit) {
            self.world
                .note(|| format!("p{} commit REFUSED {}", self.process, describe(&changes[0])));
            self.audit.refused(&changes);
            return Err(error);
        }
        self.travel().await;
        if self.is_away() {
            return Err(CommitError::Unavailable("simulated".to_owned()));
        }
        let fate = lock(&self.script).fate_of(self.process, &changes);
        if let Some(fate) = fate {
            return self.suffer(fate, &changes).await;
        }
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
        if self.world.happens(weather.dozes) {
            self.world
                .pause(self.process, self.world.between(1_000, 60_000));
        }
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
        let after = after.map(|after| IndexPosition::read(after, index));
        let page = self.page_of(index, after.transpose()?.as_ref(), limit, !weather.calm);
        self.travel().await;
        Ok(page)
    }
}
