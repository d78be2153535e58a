//! Encoding of records: JSON with a format number. Knows nothing of their content.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::{Millis, Record, StoreError, Stored};

/// The format of every record here and in these modules. Raise it with a change that an older Baton would misread.
const FORMAT: u16 = 1;

pub(crate) fn encode<T: Serialize>(value: &T) -> Record {
    // These types hold strings, numbers and lists of them, which serde_json can always write.
    let body = serde_json::to_string(value).unwrap_or_default();
    Record::new(FORMAT, body)
}

/// Reads a record of one of the types above.
pub fn decode<T: DeserializeOwned>(stored: &Stored) -> Result<T, StoreError> {
    if stored.record.format > FORMAT {
        return Err(StoreError::Damaged(format!(
            "the record {} {} has format {}, which is newer than this Baton's format {FORMAT}; use a newer Baton",
            stored.key.partition, stored.key.sort, stored.record.format
        )));
    }
    serde_json::from_str(&stored.record.body).map_err(|error| {
        StoreError::Damaged(format!(
            "the record {} {} cannot be read: {error}",
            stored.key.partition, stored.key.sort
        ))
    })
}

/// A list entry with an unreadable record: damaged, or written by a newer program. The record stays unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The conversation, the action, or the item of an order or a refund.
    pub id: String,
    /// The problem, and what an operator can do.
    pub reason: String,
    /// The rank of a conversation in the list. Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Millis>,
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
pub(super) fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
pub(super) fn is_zero_place(value: &u64) -> bool {
    *value == 0
}
