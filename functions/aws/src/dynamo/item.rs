//! A record as an item of the table, and back. Knows attribute names; never requests.
//!
//! | attribute | what |
//! | --- | --- |
//! | `pk`, `sk` | the key |
//! | `version`, `format`, `body` | the record |
//! | `due_shard`, `due_at` | the key of index `due`, where the record is due |
//! | `list_shard`, `list_rank` | the key of index `listed`, where it is listed; the shard's number, `#`, the list's name |
//! | `work_shard`, `work_rank` | the same for index `work` |
//! | `expires_at` | milliseconds, for readers |
//! | `ttl` | seconds, for DynamoDB, which deletes some time later |

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use baton_handoff::ports::limits::{PARTITION_BYTES, SORT_BYTES};
use baton_handoff::ports::{Key, Listing, Millis, Record, StoreError, Stored};

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The number of index partitions for the records: a partition takes 1,000 writes a second, and a conversation moves in its
/// indexes with most of its commits. Fixed: an index is read shard by shard, and records stay in their shards.
pub(super) const SHARDS: u8 = 8;

/// The attributes of a position in each list: the key of the list's index.
pub(super) const LISTED: [&str; 2] = ["list_shard", "list_rank"];
pub(super) const WORK: [&str; 2] = ["work_shard", "work_rank"];

/// Whether DynamoDB accepts such a key.
pub(super) fn can_be(key: &Key) -> bool {
    (1..=PARTITION_BYTES).contains(&key.partition.len())
        && (1..=SORT_BYTES).contains(&key.sort.len())
}

/// The item's key.
pub(super) fn key(key: &Key) -> Item {
    Item::from([text("pk", &key.partition), text("sk", &key.sort)])
}

/// The whole item.
pub(super) fn write(key: &Key, version: u64, record: &Record) -> Item {
    let mut item = self::key(key);
    let shard = shard_of(&key.partition);
    item.extend([
        number("version", version),
        number("format", record.format),
        text("body", &record.body),
    ]);
    if let Some(due_at) = record.due_at {
        item.extend([
            text("due_shard", &due_shard(shard)),
            number("due_at", due_at),
        ]);
    }
    for ([list, rank], listing) in [(LISTED, &record.listed), (WORK, &record.work)] {
        if let Some(listing) = listing {
            item.extend([
                text(list, &list_shard(shard, &listing.group)),
                number(rank, listing.rank),
            ]);
        }
    }
    if let Some(expires_at) = record.expires_at {
        // Rounded up: it must not be deleted while it is visible.
        item.extend([
            number("expires_at", expires_at),
            number("ttl", expires_at.div_ceil(1000)),
        ]);
    }
    item
}

/// The record in an item.
///
/// # Errors
/// [`StoreError::Damaged`], naming the item.
pub(super) fn read(mut item: Item) -> Result<Stored, StoreError> {
    let key = key_in(&item)?;
    let damaged = |attribute: &str| {
        StoreError::Damaged(format!(
            "the item {} {} has no proper {attribute}",
            key.partition, key.sort
        ))
    };
    let Some(AttributeValue::S(body)) = item.remove("body") else {
        return Err(damaged("body"));
    };
    let listing = |[list, rank]: [&str; 2]| {
        let Some(shard) = text_in(&item, list) else {
            return Ok(None);
        };
        let group = list_of(shard).ok_or_else(|| damaged(list))?.to_owned();
        let rank = number_in(&item, rank).ok_or_else(|| damaged(rank))?;
        Ok(Some(Listing { group, rank }))
    };
    let record = Record {
        format: number_in(&item, "format").ok_or_else(|| damaged("format"))?,
        body,
        due_at: number_in(&item, "due_at"),
        listed: listing(LISTED)?,
        work: listing(WORK)?,
        expires_at: number_in(&item, "expires_at"),
    };
    let version = number_in(&item, "version").ok_or_else(|| damaged("version"))?;
    Ok(Stored {
        key,
        version,
        record,
    })
}

/// The key in an item, or in an entry of an index.
pub(super) fn key_in(item: &Item) -> Result<Key, StoreError> {
    match (text_in(item, "pk"), text_in(item, "sk")) {
        (Some(partition), Some(sort)) => Ok(Key::new(partition, sort)),
        (_, _) => Err(StoreError::Damaged("an item has no key of text".to_owned())),
    }
}

/// A number in an item.
pub(super) fn number_in<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Whether the item is visible at this moment. DynamoDB deletes expired items up to days later.
pub(super) fn is_visible(stored: &Stored, now: Millis) -> bool {
    stored
        .record
        .expires_at
        .is_none_or(|expires_at| now <= expires_at)
}

/// The shard of everything in a partition: FNV-1a, since it must never change.
pub(super) fn shard_of(partition: &str) -> u8 {
    let hash = partition.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    u8::try_from(hash % u32::from(SHARDS)).unwrap_or_default()
}

/// The partition key of index `due`.
pub(super) fn due_shard(shard: u8) -> String {
    shard.to_string()
}

/// The partition key of the indexes `listed` and `work`.
pub(super) fn list_shard(shard: u8, list: &str) -> String {
    format!("{shard}#{list}")
}

fn list_of(list_shard: &str) -> Option<&str> {
    list_shard.split_once('#').map(|(_, list)| list)
}

fn text_in<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// An attribute of text.
pub(super) fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

/// An attribute with a number.
pub(super) fn number(name: &str, value: impl Into<u64>) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::N(value.into().to_string()))
}
