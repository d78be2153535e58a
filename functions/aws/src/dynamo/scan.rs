//! All items of the table, for work of an operator on the table itself. No function does this: its role has no right to.

use baton_handoff::ports::{Key, Listing, StoreError, Stored};

use super::DynamoStore;
use super::item::{self, Item, LISTED, WORK, list_shard, number, text};
use crate::failure::Failure;

/// A part of the table.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Its visible records, in DynamoDB's order.
    pub records: Vec<Stored>,
    /// Items that are no proper records.
    pub unreadable: Vec<StoreError>,
    /// All its items, also expired ones.
    pub items: usize,
    /// The last item's key, when more may follow.
    pub next: Option<Key>,
}

impl DynamoStore {
    /// At most `limit` items behind this key, whether or not it still exists. What was written before the call is seen.
    ///
    /// # Errors
    /// As those of a read; the table stays as it is.
    pub async fn scan(&self, after: Option<&Key>, limit: u32) -> Result<Scanned, StoreError> {
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .set_exclusive_start_key(after.map(item::key))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX).max(1));
        let page = self
            .ask(|| {
                let request = request.clone();
                async move { request.send().await.map_err(Failure::of) }
            })
            .await?;
        let now = self.env.now();
        let mut scanned = Scanned::default();
        for item in page.items.unwrap_or_default() {
            scanned.items += 1;
            match item::read(item) {
                Ok(stored) if item::is_visible(&stored, now) => scanned.records.push(stored),
                Ok(_) => {}
                Err(error) => scanned.unreadable.push(error),
            }
        }
        let last = page.last_evaluated_key;
        scanned.next = last.map(|last| item::key_in(&last)).transpose()?;
        Ok(scanned)
    }

    /// Moves a record into these lists, if it still has the version that was read, and changes nothing else. The version stays, so
    /// that no writer that has read the record loses its commit by this. False: a writer was first.
    ///
    /// # Errors
    /// As those of a read: the same call again is right.
    pub async fn move_to_lists(
        &self,
        read: &Stored,
        listed: Option<&Listing>,
        work: Option<&Listing>,
    ) -> Result<bool, StoreError> {
        let shard = item::shard_of(&read.key.partition);
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let mut values = Item::from([number(":version", read.version)]);
        for ([list, rank], listing) in [(LISTED, listed), (WORK, work)] {
            if let Some(listing) = listing {
                set.extend([format!("{list} = :{list}"), format!("{rank} = :{rank}")]);
                values.extend([
                    text(&format!(":{list}"), &list_shard(shard, &listing.group)),
                    number(&format!(":{rank}"), listing.rank),
                ]);
            } else {
                remove.extend([list, rank]);
            }
        }
        let clause = |word: &str, parts: String| match parts.as_str() {
            "" => String::new(),
            parts => format!("{word} {parts} "),
        };
        let update = clause("SET", set.join(", ")) + &clause("REMOVE", remove.join(", "));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(&read.key)))
            .update_expression(update.trim_end())
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .set_expression_attribute_values(Some(values));
        self.ask(|| {
            let request = request.clone();
            async move {
                match request.send().await.map_err(Failure::of) {
                    Ok(_) => Ok(true),
                    Err(Failure::Conflict) => Ok(false),
                    Err(failure) => Err(failure),
                }
            }
        })
        .await
    }
}
