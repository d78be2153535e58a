//! What actions have moved under limits on money: a part of META, and records of a day. Knows sums; never the limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stored::{encode, is_zero};
use crate::ids::{ActionId, TurnNumber};
use crate::ports::{Millis, Record};

/// Milliseconds of a UTC day.
const DAY: Millis = 24 * 3_600_000;

/// How long a record of a day is kept after its day.
const KEPT: Millis = 2 * DAY;

/// The UTC day of a moment, counted from 1970.
pub(crate) fn day_of(moment: Millis) -> u32 {
    u32::try_from(moment / DAY).unwrap_or(u32::MAX)
}

/// What the actions of a conversation have moved under one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// In US cents, with the actions below.
    pub cents: u64,
    /// Actions of which the model was not told yet that they are done. If one ends without effect, its amount is given back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Counted>,
}

/// An action whose amount is in a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The turn that accepted it.
    pub turn: TurnNumber,
    /// The rest of its id.
    pub hash: String,
    /// Its amount.
    pub cents: u64,
    /// The day whose sums have it too, counted from 1970. 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub day: u32,
}

impl Counted {
    /// Whether this is the action.
    pub(crate) fn is(&self, action: &ActionId) -> bool {
        self.turn == action.turn && self.hash == action.hash()
    }
}

/// `L#OWNER#day`, `L#TENANT#day#share`: what actions have moved on a day, by the name of the limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DaySpent(pub BTreeMap<String, Share>);

/// A sum of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// In US cents.
    pub cents: u64,
    /// What this share of the tenant's limit has from the other shares; less than 0 if they have it.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub moved: i64,
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_nothing(value: &i64) -> bool {
    *value == 0
}

impl DaySpent {
    /// The record to write, for this day.
    pub(crate) fn record(&self, day: u32) -> Record {
        Record {
            expires_at: Some((Millis::from(day) + 1) * DAY + KEPT),
            ..encode(self)
        }
    }
}
