//! Where an index page ended, as text that a client may hold and hand back.
//! Knows that such text may be anything; never trusts it further than to look a place up.

use baton_handoff::ports::{Cursor, Index, Key, StoreError, Stored};
use serde::{Deserialize, Serialize};

use crate::limits::HIGHEST_NUMBER;

/// Longer than any cursor that we made: two keys and a list's name, escaped, in hexadecimal.
const LONGEST: usize = 32 * 1024;

/// A record's place in an index. It goes by value, so it stays right when the record itself moves or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The list; none for what is due.
    list: Option<String>,
    /// The moment that is due, or the rank.
    pub(crate) number: u64,
    partition: String,
    sort: String,
}

impl Place {
    /// Where this record stands in this index; none if it does not.
    pub(crate) fn of(record: &Stored, index: &Index) -> Option<Self> {
        let (list, number) = match index {
            Index::Due(_) => (None, record.record.due_at?),
            Index::Listed(list) => (Some(list.clone()), record.record.listed.as_ref()?.rank),
        };
        Some(Self {
            list,
            number,
            partition: record.key.partition.clone(),
            sort: record.key.sort.clone(),
        })
    }

    /// Reads a cursor that claims to be one of this index.
    pub(crate) fn read(cursor: &Cursor, index: &Index) -> Result<Self, StoreError> {
        let place = decode(&cursor.0).ok_or(StoreError::BadCursor)?;
        let list = match index {
            Index::Due(_) => None,
            Index::Listed(list) => Some(list),
        };
        if place.list.as_ref() != list || place.number > HIGHEST_NUMBER {
            return Err(StoreError::BadCursor);
        }
        Ok(place)
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.partition.as_str(), self.sort.as_str())
    }

    /// The place as a cursor.
    pub(crate) fn cursor(&self) -> Cursor {
        let json = serde_json::to_vec(self).unwrap_or_default();
        Cursor(
            json.iter()
                .flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)])
                .collect(),
        )
    }
}

fn hex_digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

fn decode(text: &str) -> Option<Place> {
    if text.len() > LONGEST || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes?).ok()
}
