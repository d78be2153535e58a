//! Tokens and money, as records and limits have them.

use serde::{Deserialize, Serialize};

use super::stored::is_zero_place as is_zero;

/// Tokens, and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Tokens of requests and answers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// In units of 10^-12 US dollars: tokens times the price of a million of them in millionths of a dollar. A whole number, so
    /// that sums are exact.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost: u64,
}

/// The most of an amount. What is not limited is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Tokens.
    pub tokens: Option<u64>,
    /// Cost, in units of 10^-12 US dollars.
    pub cost: Option<u64>,
}

impl Amount {
    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(more.tokens),
            cost: self.cost.saturating_add(more.cost),
        }
    }

    /// What is left without the other, at least nothing.
    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(less.tokens),
            cost: self.cost.saturating_sub(less.cost),
        }
    }

    /// Whether neither part is larger.
    pub fn fits(self, room: Self) -> bool {
        self.tokens <= room.tokens && self.cost <= room.cost
    }

    /// A part of it.
    #[must_use]
    pub fn divided(self, by: u64) -> Self {
        Self {
            tokens: self.tokens / by.max(1),
            cost: self.cost / by.max(1),
        }
    }

    /// The larger of each part.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.max(other.tokens),
            cost: self.cost.max(other.cost),
        }
    }

    /// The smaller of each part.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.min(other.tokens),
            cost: self.cost.min(other.cost),
        }
    }

    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Limit {
    /// What is left of it. What is not limited is without end.
    pub fn less(self, taken: Amount) -> Amount {
        Amount {
            tokens: self
                .tokens
                .map_or(u64::MAX, |most| most.saturating_sub(taken.tokens)),
            cost: self
                .cost
                .map_or(u64::MAX, |most| most.saturating_sub(taken.cost)),
        }
    }

    /// The parts of an amount that are limited; the others are nothing.
    pub fn counted(self, amount: Amount) -> Amount {
        Amount {
            tokens: self.tokens.map_or(0, |_| amount.tokens),
            cost: self.cost.map_or(0, |_| amount.cost),
        }
    }

    /// A part of it.
    #[must_use]
    pub fn divided(self, by: u64) -> Self {
        Self {
            tokens: self.tokens.map(|tokens| tokens / by.max(1)),
            cost: self.cost.map(|cost| cost / by.max(1)),
        }
    }
}
