//! The end of an index page, as text that a client may hold and send back.
//! The text may be anything by then: it is trusted only to find a position.

use crate::ids::hex;

use super::limits::{HIGHEST_NUMBER, PARTITION_BYTES, SORT_BYTES};
use super::store::{Cursor, Index, Key, Listing, Record, StoreError, Stored};

/// A position in an index. It is a value, so it stays right when the record itself moves or is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPosition {
    /// The due time, or the rank.
    pub number: u64,
    /// The record at this position.
    pub key: Key,
}

impl IndexPosition {
    /// The position of this record in this index; `None` if the index does not have it.
    pub fn of(stored: &Stored, index: &Index) -> Option<Self> {
        Some(Self {
            number: number(&stored.record, index)?,
            key: stored.key.clone(),
        })
    }

    /// The position as a cursor of this index: `LIST.NUMBER.PARTITION.SORT`, names and keys in hexadecimal.
    pub fn cursor(&self, index: &Index) -> Cursor {
        Cursor(format!("{}.{}", name(index), self.text()))
    }

    /// The position alone: `NUMBER.PARTITION.SORT`, keys in hexadecimal.
    pub fn text(&self) -> String {
        let (partition, sort) = (
            hex(self.key.partition.as_bytes()),
            hex(self.key.sort.as_bytes()),
        );
        format!("{}.{partition}.{sort}", self.number)
    }

    /// Reads what [`Self::text`] has made.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let number = parts
            .next()?
            .parse()
            .ok()
            .filter(|number| *number <= HIGHEST_NUMBER)?;
        let key = Key::new(
            unhex(parts.next()?, PARTITION_BYTES)?,
            unhex(parts.next()?, SORT_BYTES)?,
        );
        parts.next().is_none().then_some(Self { number, key })
    }

    /// Reads a cursor that claims to be one of this index.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for text that [`Self::cursor`] never made, and for a cursor of another index.
    pub fn read(cursor: &Cursor, index: &Index) -> Result<Self, StoreError> {
        let of_this = cursor.0.split_once('.');
        of_this
            .filter(|(list, _)| *list == name(index))
            .and_then(|(_, position)| Self::parse(position))
            .ok_or(StoreError::BadCursor)
    }
}

fn number(record: &Record, index: &Index) -> Option<u64> {
    let rank = |listing: &Option<Listing>, list: &str| {
        let listing = listing.as_ref().filter(|listing| listing.group == list);
        listing.map(|listing| listing.rank)
    };
    match index {
        Index::Due(moment) => record.due_at.filter(|due_at| due_at <= moment),
        Index::Listed(list) => rank(&record.listed, list),
        Index::Work(list) => rank(&record.work, list),
    }
}

/// No two indexes have one name: a list's name is hexadecimal behind the letter of its index.
fn name(index: &Index) -> String {
    match index {
        Index::Due(_) => "due".to_owned(),
        Index::Listed(list) => format!("l{}", hex(list.as_bytes())),
        Index::Work(list) => format!("w{}", hex(list.as_bytes())),
    }
}

/// Text of 1 to `longest` bytes.
fn unhex(text: &str, longest: usize) -> Option<String> {
    if text.is_empty()
        || text.len() > 2 * longest
        || !text.len().is_multiple_of(2)
        || !text.is_ascii()
    {
        return None;
    }
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}
