//! Moves records of a table that an earlier release wrote into the lists of this one. Records move by themselves when they are next
//! written; this moves those that may never be. See `infra/docs/operation.md`, "Update".
//!
//! A record's body and version stay, so no server notices that a record was moved beside it. All steps may be repeated.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use baton_aws::DynamoStore;
use baton_handoff::ports::{Env, IndexPosition, Key, Store as _, StoreError, Stored};
use baton_handoff::record::{Lists, lists_of};
use baton_stores::env::SystemEnv;
use baton_tools::office::renamed_list;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use crate::records;
use crate::settings::Cloud;

/// The most records that one request reads.
const PAGE: u32 = 100;

/// Records that are moved at the same time.
const AT_ONCE: usize = 16;

/// Attempts to move a record that is being written.
const TRIES: u32 = 5;

/// The counts of a migration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read, those before the position included with which it began.
    pub looked_at: u64,
    /// Records moved.
    pub moved: u64,
    /// Records that were written each time they were to be moved.
    pub busy: u64,
    /// Records that cannot be read. Those in a list of before were moved by the list's name.
    pub unreadable: u64,
}

/// A migration of the lists of a table, page by page.
#[derive(Debug)]
pub struct ListMigration {
    store: DynamoStore,
    a_second: NonZeroU32,
    after: Option<Key>,
    counts: Counts,
    unreadable: Vec<StoreError>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Right,
    Moved,
    Busy,
}

impl ListMigration {
    /// The migration of the table in these settings, at most this many records a second, from a position of an earlier one on.
    ///
    /// # Errors
    /// A sentence for the operator: no region, or not a position.
    pub fn new(cloud: &Cloud, a_second: NonZeroU32, from: Option<&str>) -> anyhow::Result<Self> {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        Self::of(records::table(cloud, env)?, a_second, from)
    }

    /// The migration of this table.
    ///
    /// # Errors
    /// A sentence for the operator: not a position.
    pub fn of(
        store: DynamoStore,
        a_second: NonZeroU32,
        from: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut counts = Counts::default();
        let after = match from {
            Some(text) => {
                let position = IndexPosition::parse(text)
                    .context("this is not a position that `baton migrate` has printed")?;
                counts.looked_at = position.number;
                Some(position.key)
            }
            None => None,
        };
        Ok(Self {
            store,
            a_second,
            after,
            counts,
            unreadable: Vec::new(),
        })
    }

    /// The records of the last page that cannot be read.
    pub fn unreadable(&self) -> &[StoreError] {
        &self.unreadable
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where another migration may go on; none at the beginning.
    pub fn position(&self) -> Option<String> {
        let key = self.after.clone()?;
        let position = IndexPosition {
            number: self.counts.looked_at,
            key,
        };
        Some(position.text())
    }

    /// Moves the records of one page, and waits so long that the rate holds. False: this was the last page. The position is behind
    /// the last page that was moved as a whole.
    ///
    /// # Errors
    /// The table does not answer, or refuses: then the same page is next.
    pub async fn page(&mut self) -> Result<bool, StoreError> {
        let started = Instant::now();
        let limit = self.a_second.get().min(PAGE);
        let page = Box::pin(self.store.scan(self.after.as_ref(), limit)).await?;
        let mut counts = self.counts;
        counts.looked_at += page.items as u64;
        self.unreadable = page.unreadable;
        let fates: Vec<(Fate, Option<StoreError>)> = stream::iter(page.records)
            .map(|stored| Box::pin(self.settle(stored)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (fate, unreadable) in fates {
            counts.moved += u64::from(fate == Fate::Moved);
            counts.busy += u64::from(fate == Fate::Busy);
            self.unreadable.extend(unreadable);
        }
        counts.unreadable += self.unreadable.len() as u64;
        self.counts = counts;
        if page.next.is_none() {
            return Ok(false);
        }
        self.after = page.next;
        let least = at_least(page.items, self.a_second);
        tokio::time::sleep(least.saturating_sub(started.elapsed())).await;
        Ok(true)
    }

    /// Moves a record if it stands in other lists than it should; and why its body cannot be read.
    async fn settle(&self, mut stored: Stored) -> Result<(Fate, Option<StoreError>), StoreError> {
        let mut unreadable = None;
        for _ in 0..TRIES {
            let found = Lists::from(stored.record.clone());
            let right = match lists_of(&stored) {
                Ok(Some(lists)) => lists,
                Ok(None) => renamed(found.clone()),
                Err(error) => {
                    unreadable = Some(error);
                    found.clone().renamed()
                }
            };
            if right.have_names_of(&found) {
                return Ok((Fate::Right, unreadable));
            }
            let (listed, work) = (right.listed.as_ref(), right.work.as_ref());
            if self.store.move_to_lists(&stored, listed, work).await? {
                return Ok((Fate::Moved, unreadable));
            }
            // A server of before may have written it, so it is not sure to be right now.
            let Some(newer) = self.store.get(&stored.key).await? else {
                return Ok((Fate::Right, unreadable));
            };
            stored = newer;
        }
        Ok((Fate::Busy, unreadable))
    }
}

/// Orders and refunds have their own list in both releases, under another name.
fn renamed(mut lists: Lists) -> Lists {
    if let Some(listed) = &mut lists.listed
        && let Some(name) = renamed_list(&listed.group)
    {
        listed.group = name;
    }
    lists
}

/// The least time for so many records.
fn at_least(records: usize, a_second: NonZeroU32) -> Duration {
    let records = u32::try_from(records).unwrap_or(u32::MAX);
    Duration::from_secs(1) * records / a_second.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_at_least_the_time_that_the_rate_gives_it() {
        let rate = |a_second| NonZeroU32::new(a_second).unwrap();
        assert_eq!(at_least(100, rate(200)), Duration::from_millis(500));
        assert_eq!(at_least(1, rate(1)), Duration::from_secs(1));
        assert_eq!(at_least(0, rate(5)), Duration::ZERO);
    }
}
