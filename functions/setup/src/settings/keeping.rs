//! Where records are kept, and for how long.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use baton_handoff::Retention;

use super::cloud::{self, Cloud};
use super::{BadSettings, Values, retention, seconds};

/// How long an owner keeps a conversation without a renewal, unless set. The least is the store's, see [`crate::Services`]; a
/// lease above ten minutes has no use.
const LEASE_SECONDS: u64 = 30;
const LEASE_BOUNDS: RangeInclusive<u64> = 1..=600;

/// The settings of the store.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// The SQLite file.
    pub data: PathBuf,
    /// A table and queues of AWS instead of the SQLite file.
    pub cloud: Option<Cloud>,
    /// How long records are kept.
    pub retention: Retention,
    /// How long an owner keeps a conversation without a renewal.
    pub lease: Duration,
}

/// Nothing if a value is unusable.
pub(super) fn read(values: &Values, bad: &mut BadSettings) -> Option<Keeping> {
    let lease = seconds(values, "BATON_LEASE_SECONDS", LEASE_SECONDS, &LEASE_BOUNDS);
    let lease = bad.note(lease);
    let retention = bad.note(retention::read(values));
    let cloud = bad.note(cloud::read(values));
    Some(Keeping {
        data: values.get("BATON_DATA").unwrap_or(".baton/baton.db").into(),
        cloud: cloud?,
        retention: retention?,
        lease: lease?,
    })
}
