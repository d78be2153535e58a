//! Where an index page ended, as text that a client may hold and hand back.
//! Knows that such text may be anything; never trusts it further than to look a place up.

use std::fmt::Write as _;

use baton_backends::limits::{HIGHEST_NUMBER, PARTITION_BYTES, SORT_BYTES};
use baton_handoff::ports::{Cursor, Index, Key, StoreError};

/// A place in an index. It goes by value, so it stays right when the record itself moves or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The moment that is due, or the rank.
    pub(super) number: u64,
    /// The record that stood there.
    pub(super) key: Key,
}

impl Place {
    /// The place as a cursor of this index: `LIST.NUMBER.PARTITION.SORT`, text in hexadecimal.
    pub(super) fn cursor(&self, index: &Index) -> Cursor {
        let (partition, sort) = (hex(&self.key.partition), hex(&self.key.sort));
        Cursor(format!(
            "{}.{}.{partition}.{sort}",
            name(index),
            self.number
        ))
    }

    /// Reads a cursor that claims to be one of this index.
    pub(super) fn read(cursor: &Cursor, index: &Index) -> Result<Self, StoreError> {
        parse(&cursor.0, index).ok_or(StoreError::BadCursor)
    }
}

fn parse(text: &str, index: &Index) -> Option<Place> {
    let mut parts = text.split('.');
    if parts.next()? != name(index) {
        return None;
    }
    let number = parts
        .next()?
        .parse()
        .ok()
        .filter(|number| *number <= HIGHEST_NUMBER)?;
    let key = Key::new(
        unhex(parts.next()?, PARTITION_BYTES)?,
        unhex(parts.next()?, SORT_BYTES)?,
    );
    parts.next().is_none().then_some(Place { number, key })
}

/// No list has the name of what is due: its name is hexadecimal behind an `l`.
fn name(index: &Index) -> String {
    match index {
        Index::Due(_) => "due".to_owned(),
        Index::Listed(list) => format!("l{}", hex(list)),
    }
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(2 * text.len()), |mut hex, byte| {
            // Writing into text cannot fail.
            let _written = write!(hex, "{byte:02x}");
            hex
        })
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
