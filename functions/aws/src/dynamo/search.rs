//! Finds records across partitions, by the indexes of the table.
//!
//! Each index is spread over shards, by the record's partition, and holds keys only. A page reads all shards concurrently, takes
//! the foremost entries, and reads their records by key: an outdated entry is left out. Entries with the same number are ordered
//! by their shard first, so one position is valid in all shards at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use baton_handoff::ports::limits::HIGHEST_NUMBER;
use baton_handoff::ports::{Cursor, Index, IndexPage, Key, StoreError, Stored};
use futures_util::future::try_join_all;

use super::DynamoStore;
use super::item::{self, Item, SHARDS, number, text};
use crate::failure::Failure;
use crate::patience::Patience;
use baton_handoff::ports::IndexPosition;

/// The most keys of one BatchGetItem.
const BATCH: usize = 100;

/// The most pages of one shard: 1,000 keys of any length fit.
const MAX_PAGES: usize = 8;

/// An entry of an index.
struct Entry {
    shard: u8,
    place: IndexPosition,
}

/// The entries of one shard after a position.
struct Section {
    shard: u8,
    /// The index key of the shard.
    partition: String,
    lowest: u64,
    highest: u64,
    start: Option<Item>,
}

/// The attributes of an index.
struct Names {
    index: &'static str,
    shard: &'static str,
    number: &'static str,
}

fn names(index: &Index) -> Names {
    match index {
        Index::Due(_) => Names {
            index: "due",
            shard: "due_shard",
            number: "due_at",
        },
        Index::Listed(_) => Names {
            index: "listed",
            shard: "list_shard",
            number: "list_rank",
        },
        Index::Work(_) => Names {
            index: "work",
            shard: "work_shard",
            number: "work_rank",
        },
    }
}

impl DynamoStore {
    pub(super) async fn find(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let after = after
            .map(|cursor| IndexPosition::read(cursor, index))
            .transpose()?;
        let sections = (0..SHARDS).filter_map(|shard| Section::of(index, shard, after.as_ref()));
        let found =
            try_join_all(sections.map(|section| self.entries(index, section, limit + 1))).await?;
        let mut entries: Vec<Entry> = found.into_iter().flatten().collect();
        // Stable: within a shard, equal numbers stay in the index's own order, which pages follow.
        let rank = |number: u64| match index {
            Index::Due(_) => number,
            Index::Listed(_) | Index::Work(_) => u64::MAX - number,
        };
        entries.sort_by_key(|entry| (rank(entry.place.number), entry.shard));
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries
            .last()
            .filter(|_| more)
            .map(|last| last.place.cursor(index));
        let keys: Vec<Key> = entries.into_iter().map(|entry| entry.place.key).collect();
        let now = self.env.now();
        let mut found = self.read_all(&keys).await?;
        let mut records: Vec<Stored> = keys.iter().filter_map(|key| found.remove(key)).collect();
        records.retain(|stored| {
            item::is_visible(stored, now) && IndexPosition::of(stored, index).is_some()
        });
        Ok(IndexPage { records, next })
    }

    /// The foremost entries of one shard.
    async fn entries(
        &self,
        index: &Index,
        section: Section,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let names = names(index);
        let values = Item::from([
            text(":shard", &section.partition),
            number(":low", section.lowest),
            number(":high", section.highest),
        ]);
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(names.index)
            .key_condition_expression(format!(
                "{} = :shard AND {} BETWEEN :low AND :high",
                names.shard, names.number
            ))
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(matches!(index, Index::Due(_)));
        let mut entries = Vec::new();
        let mut start = section.start;
        for _ in 0..MAX_PAGES {
            let left = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let request = request.clone().limit(left).set_exclusive_start_key(start);
            let page = self
                .ask(|| {
                    let request = request.clone();
                    async move { request.send().await.map_err(Failure::of) }
                })
                .await?;
            for item in page.items.unwrap_or_default() {
                let number = item::number_in(&item, names.number).ok_or_else(|| {
                    StoreError::Damaged(format!(
                        "index {} has an item without {}",
                        names.index, names.number
                    ))
                })?;
                entries.push(Entry {
                    shard: section.shard,
                    place: IndexPosition {
                        number,
                        key: item::key_in(&item)?,
                    },
                });
            }
            start = page.last_evaluated_key;
            if start.is_none() || entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }

    /// The records at these keys, each named once; missing ones are left out.
    pub(super) async fn read_all(&self, keys: &[Key]) -> Result<HashMap<Key, Stored>, StoreError> {
        let batches = keys.chunks(BATCH).map(|keys| self.read_batch(keys));
        Ok(try_join_all(batches).await?.into_iter().flatten().collect())
    }

    async fn read_batch(&self, keys: &[Key]) -> Result<Vec<(Key, Stored)>, StoreError> {
        let mut keys: Vec<Item> = keys.iter().map(item::key).collect();
        let mut read = Vec::with_capacity(keys.len());
        let mut patience = Patience::new(self.env.as_ref());
        while !keys.is_empty() {
            let left = keys.len();
            let wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(keys))
                .build()
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let request = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted);
            let answer = self
                .ask(|| {
                    let request = request.clone();
                    async move { request.send().await.map_err(Failure::of) }
                })
                .await?;
            for item in answer
                .responses
                .into_iter()
                .flatten()
                .flat_map(|(_, items)| items)
            {
                let stored = item::read(item)?;
                read.push((stored.key.clone(), stored));
            }
            // An answer ends at 16 MB, or earlier if the table is busy.
            keys = answer
                .unprocessed_keys
                .into_iter()
                .flatten()
                .flat_map(|(_, rest)| rest.keys)
                .collect();
            if keys.len() == left && !patience.wait().await {
                return Err(StoreError::Unavailable(
                    "the table is too busy to read several records".to_owned(),
                ));
            }
        }
        Ok(read)
    }
}

impl Section {
    /// The range of a shard after a position; none if it is empty.
    fn of(index: &Index, shard: u8, after: Option<&IndexPosition>) -> Option<Self> {
        let place = after.map(|place| (place.number, item::shard_of(&place.key.partition)));
        // Earlier shards are finished for the position's own number, later ones have not started it.
        let (partition, lowest, highest) = match index {
            Index::Due(moment) => {
                let lowest = place.map_or(0, |(number, of)| number + u64::from(shard < of));
                (
                    item::due_shard(shard),
                    lowest,
                    (*moment).min(HIGHEST_NUMBER),
                )
            }
            Index::Listed(list) | Index::Work(list) => {
                let highest = match place {
                    Some((number, of)) => number.checked_sub(u64::from(shard < of))?,
                    None => HIGHEST_NUMBER,
                };
                (item::list_shard(shard, list), 0, highest)
            }
        };
        if lowest > highest {
            return None;
        }
        let start = after
            .filter(|place| item::shard_of(&place.key.partition) == shard)
            .map(|place| {
                let names = names(index);
                let mut start = item::key(&place.key);
                start.insert(names.shard.to_owned(), AttributeValue::S(partition.clone()));
                start.extend([number(names.number, place.number)]);
                start
            });
        Some(Self {
            shard,
            partition,
            lowest,
            highest,
            start,
        })
    }
}
