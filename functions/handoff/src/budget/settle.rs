//! Settles slices whose instance is gone, by the accounts of the conversations that took from them. Part of the sweep.

use super::account::{Account, change, partition_of_slice};
use super::pot::Pot;
use super::{STAYS, end_of_day};
use crate::engine::Engine;
use crate::ports::{Change, Key, Millis, Order, Range, StoreError, Stored};
use crate::record::{Amount, decode};

/// When a pot is due again whose slice cannot be settled yet.
const LATER: Millis = 60_000;

/// Accounts read at once.
const PAGE: usize = 200;

impl Engine {
    /// Gives back what is left of the ended slices of a pot. A slice with an open reservation waits.
    pub(crate) async fn settle_pot(&self, key: &Key) -> Result<(), StoreError> {
        let Some(stored) = self.store.get(key).await? else {
            return Ok(());
        };
        let mut pot: Pot = decode(&stored)?;
        let now = self.env.now();
        let ended: Vec<_> = pot
            .open
            .iter()
            .filter(|slice| slice.has_ended(now))
            .collect();
        let mut settled = Vec::new();
        let mut waits = false;
        for slice in ended {
            match self.used_of(&slice.id, slice.until).await? {
                Some(used) => settled.push((slice.id.clone(), used)),
                None => waits = true,
            }
        }
        let not_before = if waits { now + LATER } else { 0 };
        for (slice, used) in &settled {
            pot.give_back(slice, *used);
        }
        let Some(expires_at) = stored.record.expires_at else {
            return Ok(());
        };
        let day = expires_at.saturating_sub(STAYS + 1);
        let record = pot.record(day, not_before);
        let change = Change::Replace(key.clone(), stored.version, record);
        // Where another writer was first, the next sweep settles it.
        let _settled = self.store.commit(vec![change]).await;
        Ok(())
    }

    /// What was used of an ended slice, once nothing more can be: each account is written once more, so that no commit over an
    /// earlier version succeeds. `None`: something is still reserved, or was just now.
    async fn used_of(&self, slice: &str, until: Millis) -> Result<Option<Amount>, StoreError> {
        let mut used = Amount::default();
        let mut after = None;
        loop {
            let range = Range {
                partition: partition_of_slice(slice),
                prefix: String::new(),
                after,
                order: Order::Ascending,
                limit: PAGE,
            };
            let page = self.store.range(&range).await?;
            for stored in &page.records {
                let account: Account = decode(stored)?;
                if !account.reserved.is_nothing() || !self.close(stored, &account, until).await {
                    return Ok(None);
                }
                used = used.plus(account.used);
            }
            after = page.records.last().map(|last| last.key.sort.clone());
            if !page.more || after.is_none() {
                return Ok(Some(used));
            }
        }
    }

    async fn close(&self, stored: &Stored, account: &Account, until: Millis) -> bool {
        let expires_at = end_of_day(until) + STAYS;
        let change = change(
            stored.key.clone(),
            Some(stored.version),
            account,
            expires_at,
        );
        self.store.commit(vec![change]).await.is_ok()
    }
}
