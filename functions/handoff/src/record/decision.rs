//! The decisions that only an operator takes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An operator's decision on an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A proposed action may be executed.
    Approve,
    /// A proposed action must not be executed.
    Reject,
    /// The outcome of an action without a known one.
    Settle(Settlement),
}

/// The outcome of an action without a known one, as an operator found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It has its effect.
    Done,
    /// It has none.
    Rejected,
    /// It has none yet, and may be tried again under the same key.
    Retry,
}

impl Decision {
    /// All decisions.
    pub const ALL: [Self; 5] = [
        Self::Approve,
        Self::Reject,
        Self::Settle(Settlement::Done),
        Self::Settle(Settlement::Rejected),
        Self::Settle(Settlement::Retry),
    ];

    /// The decision in records and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Settle(Settlement::Done) => "settle_done",
            Self::Settle(Settlement::Rejected) => "settle_rejected",
            Self::Settle(Settlement::Retry) => "settle_retry",
        }
    }

    /// The decision in a sentence, after the operator's name.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Approve => "approved it",
            Self::Reject => "rejected it",
            Self::Settle(Settlement::Done) => "settled it as done",
            Self::Settle(Settlement::Rejected) => "settled it as not done",
            Self::Settle(Settlement::Retry) => "had it tried again",
        }
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Decision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| serde::de::Error::custom("that is no decision"))
    }
}
