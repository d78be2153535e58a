//! The audit trail: who decided what and when. Entries are only created, each in the commit of what it tells.
//!
//! An entry holds no text of a customer or an operator, and names customer, conversation and action by a keyed pseudonym. What
//! was shown and the reasons stand in a record of their own, which an erasure removes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, TurnNumber};
use crate::ports::{Change, Key, Millis, Record};
use crate::principal::Subject;
use crate::record::api_key::Scope;
use crate::record::operator::Role;
use crate::record::{Decision, encode};

const DAY: Millis = 86_400_000;

/// A day in UTC, as `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day(String);

/// Text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as 2026-01-31")]
pub struct BadDay;

impl Day {
    /// The day of a moment.
    pub fn of(at: Millis) -> Self {
        // Days to a date in the proleptic Gregorian calendar: Howard Hinnant, chrono-compatible low-level date algorithms.
        let days = at / DAY + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self(format!("{year:04}-{month:02}-{day:02}"))
    }

    /// Reads `YYYY-MM-DD`. A day that the calendar does not have is an empty one.
    ///
    /// # Errors
    /// [`BadDay`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BadDay> {
        let fits = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| {
                if at == 4 || at == 7 {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadDay)
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// `A#tenant#day`, time and 128 random bits: something that an operator, or a person at a terminal, has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When. Milliseconds since 1970.
    pub at: Millis,
    /// The operator's name; none: a person at a terminal of the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Subject>,
    /// What.
    #[serde(flatten)]
    pub event: Audited,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Audited {
    /// An operator decided on an action.
    Decided(AuditedDecision),
    /// An API key was made.
    KeyCreated {
        /// Its name.
        name: Subject,
        /// What it may be used for.
        scopes: Vec<Scope>,
        /// When it ends. Milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Millis>,
    },
    /// An API key was revoked.
    KeyRevoked {
        /// Its name.
        name: Subject,
    },
    /// An operator was added, or got other roles and a new token.
    OperatorAdded {
        /// The name.
        name: Subject,
        /// What the operator may do.
        roles: Vec<Role>,
    },
    /// An operator was removed.
    OperatorRemoved {
        /// The name.
        name: Subject,
    },
}

/// An operator's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedDecision {
    /// The decision.
    pub decision: Decision,
    /// An approval that another operator's must follow.
    #[serde(default)]
    pub first_of_two: bool,
    /// The tool.
    pub tool: String,
    /// The amount, in US cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<u64>,
    /// The hash of the arguments that were shown.
    pub arguments_hash: String,
    /// The fence that was shown.
    pub fence: u64,
    /// The owner, by a pseudonym.
    pub customer: String,
    /// The conversation, by a pseudonym.
    pub conversation: String,
    /// The action, by a pseudonym.
    pub action: String,
    /// The turn of the action.
    pub turn: TurnNumber,
}

/// `A#tenant#conversation` by its pseudonym, turn and the sort key of the entry: what an erasure removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDetails {
    /// The action.
    pub action: ActionId,
    /// The arguments that were shown, JSON.
    pub arguments: String,
    /// The reason for colleagues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_customer: Option<String>,
}

/// The partition of a day.
pub(crate) fn partition(tenant: &str, day: &Day) -> String {
    format!("A#{tenant}#{}", day.0)
}

/// The partition of the details of a conversation.
pub(crate) fn details_partition(tenant: &str, conversation: &str) -> String {
    format!("A#{tenant}#{conversation}")
}

/// The key of the details that belong to an entry.
pub(crate) fn details_key(tenant: &str, decision: &AuditedDecision, sort: &str) -> Key {
    let partition = details_partition(tenant, &decision.conversation);
    Key::new(partition, format!("{:010}#{sort}", decision.turn))
}

/// The turn in the sort key of details.
pub(crate) fn turn_of_details(sort: &str) -> Option<TurnNumber> {
    sort.split_once('#')?.0.parse().ok()
}

impl AuditEntry {
    /// The parts of a commit that add the entry to its tenant's trail, where it is kept for so long.
    pub(crate) fn added(
        &self,
        tenant: &str,
        random: u128,
        details: Option<&AuditDetails>,
        kept: Option<Millis>,
    ) -> Vec<Change> {
        let expires_at = kept.map(|kept| self.at + kept);
        let sort = format!("{:015}-{random:032x}", self.at);
        let key = Key::new(partition(tenant, &Day::of(self.at)), sort.clone());
        let record = Record {
            expires_at,
            ..encode(self)
        };
        let mut changes = vec![Change::Create(key, record)];
        if let (Audited::Decided(decision), Some(details)) = (&self.event, details) {
            let key = details_key(tenant, decision, &sort);
            let record = Record {
                expires_at,
                ..encode(details)
            };
            changes.push(Change::Create(key, record));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_calendar() {
        for (at, day) in [
            (0, "1970-01-01"),
            (86_399_999, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_735_689_599_999, "2024-12-31"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(Day::of(at).0, day, "{at}");
            assert_eq!(Day::parse(day), Ok(Day::of(at)));
        }
        for bad in ["", "2026-1-01", "2026-01-01#", "2026_01_01", "20260-1-01"] {
            assert_eq!(Day::parse(bad), Err(BadDay), "{bad:?}");
        }
    }
}
