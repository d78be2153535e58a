//! What stays of an erased conversation in the books: amounts, and that an item was refunded. Words go, and a pseudonym stands for
//! the conversation, so that a search finds nothing of it and no item is refunded twice.

use baton_handoff::ports::{Change, CommitError, Forgotten, Record, StoreError, Stored};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::books::{self, Ended, Order, Refund};
use super::reach::Reach;
use super::{BackOffice, acme};

/// Stands for words that were erased.
pub(super) const ERASED: &str = "(erased)";

/// How often the records of an action are read anew because another writer was first.
const TRIES: usize = 16;

impl BackOffice {
    /// Removes the words of these actions. May be repeated.
    pub(super) async fn forget_all(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        let reach = self
            .reach_of(&forgotten.owner, &forgotten.conversation)
            .await?;
        for key in &forgotten.keys {
            self.forget_one(forgotten, &reach, key).await?;
        }
        Ok(())
    }

    async fn forget_one(
        &self,
        forgotten: &Forgotten,
        reach: &Reach,
        key: &str,
    ) -> Result<(), StoreError> {
        let mut reason = String::new();
        for _ in 0..TRIES {
            let changes = self.without_words(forgotten, reach, key).await?;
            if changes.is_empty() {
                return Ok(());
            }
            match self.store.commit(changes).await {
                Ok(()) => return Ok(()),
                Err(error @ (CommitError::Conflict | CommitError::Ambiguous(_))) => {
                    reason = error.to_string();
                }
                Err(CommitError::Unavailable(why) | CommitError::Refused(why)) => {
                    return Err(StoreError::Unavailable(why));
                }
            }
        }
        Err(StoreError::Unavailable(reason))
    }

    /// What must be written so that nothing of this action has words. The outcome names the item of every order and refund.
    async fn without_words(
        &self,
        forgotten: &Forgotten,
        reach: &Reach,
        key: &str,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(stored) = self.store.get(&books::effect_key(key)).await? else {
            return Ok(Vec::new());
        };
        let Some(ended) = readable::<Ended>(&stored) else {
            return Ok(Vec::new());
        };
        let (item, outcome) = outcome_without_words(&ended);
        let mut changes = Vec::new();
        if outcome != ended {
            changes.push(replaced(&stored, &outcome)?);
        }
        if let Some(item) = item {
            changes.extend(self.item_without_words(forgotten, reach, &item).await?);
        }
        Ok(changes)
    }

    async fn item_without_words(
        &self,
        forgotten: &Forgotten,
        reach: &Reach,
        item: &str,
    ) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        let is_example = acme::example(item).is_some();
        let order = self.store.get(&books::order_key(item)).await?;
        let order = order.and_then(|stored| Some((readable::<Order>(&stored)?, stored)));
        let order =
            order.filter(|(order, _)| order.conversation.as_ref() == Some(&forgotten.conversation));
        let is_ours = order.is_some();
        if let Some((order, stored)) = order {
            let copies = books::copy_keys(&order);
            let erased = Order {
                product: ERASED.to_owned(),
                conversation: Some(forgotten.pseudonym.clone()),
                ..order
            };
            changes.push(replaced(&stored, &erased)?);
            for copy in self.store.get_many(&copies).await?.into_iter().flatten() {
                changes.push(Change::Remove(copy.key, Some(copy.version)));
            }
            changes.extend(books::account(&erased)?);
        }
        let keys = books::all_refund_keys(item, is_example, reach);
        for stored in self.store.get_many(&keys).await?.into_iter().flatten() {
            let Some(refund) = readable::<Refund>(&stored) else {
                continue;
            };
            let mut erased = refund.clone();
            if is_ours {
                ERASED.clone_into(&mut erased.product);
            }
            if refund.conversation == forgotten.conversation {
                ERASED.clone_into(&mut erased.product);
                ERASED.clone_into(&mut erased.reason);
                // An earlier release refunded an example once for all: the conversation tells whose refund that was.
                if !(is_example && stored.key == books::refund_key(item)) {
                    erased.conversation = forgotten.pseudonym.clone();
                }
            }
            if erased != refund {
                changes.push(replaced(&stored, &erased)?);
            }
        }
        Ok(changes)
    }
}

/// The item of an outcome, and the outcome without words.
fn outcome_without_words(ended: &Ended) -> (Option<String>, Ended) {
    let Ended::Done(result) = ended else {
        return (None, Ended::Rejected(ERASED.to_owned()));
    };
    let Ok(Value::Object(mut fields)) = serde_json::from_str(result) else {
        return (None, Ended::Done(ERASED.to_owned()));
    };
    if let Some(product) = fields.get_mut("product") {
        *product = ERASED.into();
    }
    let item = fields.get("item_id").and_then(Value::as_str);
    let item = item
        .filter(|item| books::may_be_item(item))
        .map(str::to_owned);
    (item, Ended::Done(Value::Object(fields).to_string()))
}

/// An entry of the books. One that cannot be read is left as it is: it would hold up the erasure for ever.
fn readable<T: for<'a> Deserialize<'a>>(stored: &Stored) -> Option<T> {
    let read = books::read(stored);
    read.map_err(
        |error| tracing::error!(%error, "an entry of the books cannot be read; it is not erased"),
    )
    .ok()
}

/// The same record with another entry: lists and key stay.
pub(super) fn replaced<T: Serialize>(stored: &Stored, entry: &T) -> Result<Change, StoreError> {
    let record = Record {
        listed: stored.record.listed.clone(),
        ..books::record(entry)?
    };
    Ok(Change::Replace(stored.key.clone(), stored.version, record))
}
