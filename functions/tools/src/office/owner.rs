//! The books of one owner: read for an export, and without the owner's name after an erasure.

use std::collections::BTreeSet;

use baton_handoff::Owner;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    Change, CommitError, Key, Order as Sorting, Range, Record, StoreError, Stored,
};
use serde::de::DeserializeOwned;

use super::BackOffice;
use super::books::{self, Order, Refund};
use super::erased::{ERASED, replaced};
use super::reach::Buyer;

/// Records that are read at once.
const PAGE: usize = 100;

/// The orders and refunds of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// The orders, oldest first.
    pub orders: Vec<Order>,
    /// The refunds, also of example orders.
    pub refunds: Vec<Refund>,
}

/// A record with its entry.
type Entry<T> = (Stored, T);

impl BackOffice {
    /// The orders and refunds of this owner alone. An entry that cannot be read is left out, and logged.
    ///
    /// # Errors
    /// The store's.
    pub async fn books_of(&self, owner: &Owner) -> Result<Books, StoreError> {
        let (orders, refunds) = self.entries_of(owner).await?;
        Ok(Books {
            orders: orders.into_iter().map(|(_, order)| order).collect(),
            refunds: refunds.into_iter().map(|(_, refund)| refund).collect(),
        })
    }

    /// Puts another owner into the orders and refunds of this one, and removes their words and the copies under its name. May be
    /// repeated. Returns how many entries have changed.
    ///
    /// # Errors
    /// The store's; a repetition goes on.
    pub async fn erase_owner(
        &self,
        owner: &Owner,
        stays: &Owner,
        pseudonym: &ConversationId,
    ) -> Result<usize, StoreError> {
        let (orders, refunds) = self.entries_of(owner).await?;
        let examples = books::refunded_by(&Buyer::named(owner));
        let mut count = 0;
        for (stored, order) in orders {
            let erased = Order {
                product: ERASED.to_owned(),
                // It has a pseudonym of its own if its conversation was erased with its words.
                conversation: order
                    .conversation
                    .filter(|_| order.product == ERASED)
                    .or_else(|| Some(pseudonym.clone())),
                owner: stays.clone(),
                ..order
            };
            self.write(vec![replaced(&stored, &erased)?]).await?;
            count += 1;
        }
        for (stored, refund) in refunds {
            let erased = Refund {
                product: ERASED.to_owned(),
                conversation: if refund.reason == ERASED {
                    refund.conversation
                } else {
                    pseudonym.clone()
                },
                reason: ERASED.to_owned(),
                owner: stays.clone(),
                ..refund
            };
            let mut changes = vec![replaced(&stored, &erased)?];
            // The refund of an example stands under the buyer's name.
            if stored.key.partition == examples {
                let item = &stored.key.sort;
                let key = books::example_refund_key(&Buyer::named(stays), item);
                let record = Record {
                    listed: stored.record.listed.clone(),
                    ..books::record(&erased)?
                };
                changes = vec![
                    Change::Remove(stored.key, Some(stored.version)),
                    Change::Create(key, record),
                ];
            }
            self.write(changes).await?;
            count += 1;
        }
        // The copies go last: they lead to the orders.
        for copy in self.all_in(&books::bought_by(&Buyer::named(owner))).await? {
            self.write(vec![Change::Remove(copy.key, None)]).await?;
        }
        Ok(count)
    }

    async fn entries_of(
        &self,
        owner: &Owner,
    ) -> Result<(Vec<Entry<Order>>, Vec<Entry<Refund>>), StoreError> {
        let copies = self.all_in(&books::bought_by(&Buyer::named(owner))).await?;
        let items: BTreeSet<String> = copies
            .iter()
            .filter_map(|copy| books::read::<Order>(copy).ok())
            .map(|order| order.item_id)
            .collect();
        let orders: Vec<Key> = items.iter().map(|item| books::order_key(item)).collect();
        let refunds: Vec<Key> = items.iter().map(|item| books::refund_key(item)).collect();
        let orders = self.found(&orders).await?;
        let mut refunds = self.found(&refunds).await?;
        let examples = books::refunded_by(&Buyer::named(owner));
        refunds.extend(self.all_in(&examples).await?);
        let mut orders: Vec<Entry<Order>> = entries(orders);
        orders.retain(|(_, order)| order.owner == *owner);
        orders.sort_by_key(|(_, order)| order.bought_at);
        let mut refunds: Vec<Entry<Refund>> = entries(refunds);
        refunds
            .retain(|(stored, refund)| refund.owner == *owner || stored.key.partition == examples);
        Ok((orders, refunds))
    }

    async fn found(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        let mut found = Vec::new();
        for keys in keys.chunks(PAGE) {
            found.extend(self.store.get_many(keys).await?.into_iter().flatten());
        }
        Ok(found)
    }

    async fn all_in(&self, partition: &str) -> Result<Vec<Stored>, StoreError> {
        let mut range = Range {
            partition: partition.to_owned(),
            prefix: String::new(),
            after: None,
            order: Sorting::Ascending,
            limit: PAGE,
        };
        let mut records = Vec::new();
        loop {
            let page = self.store.range(&range).await?;
            range.after = page.records.last().map(|last| last.key.sort.clone());
            records.extend(page.records);
            if !page.more || range.after.is_none() {
                return Ok(records);
            }
        }
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let written = self.store.commit(changes).await;
        written.map_err(|error: CommitError| StoreError::Unavailable(error.to_string()))
    }
}

fn entries<T: DeserializeOwned>(records: Vec<Stored>) -> Vec<Entry<T>> {
    let read = |stored: Stored| match books::read(&stored) {
        Ok(entry) => Some((stored, entry)),
        Err(error) => {
            tracing::error!(%error, "an entry of the books cannot be read");
            None
        }
    };
    records.into_iter().filter_map(read).collect()
}
