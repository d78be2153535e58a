//! The conversation's part of the budgets, in its META.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::ports::Millis;

/// What a conversation has used of its budget, and what is reserved for the model call that may be under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Used, from the moment when budgets were switched on.
    #[serde(default, skip_serializing_if = "Amount::is_nothing")]
    pub used: Amount,
    /// Reserved for one model call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reservation>,
    /// Reserved for the call that makes a summary, beside the turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Reservation>,
}

/// What a model call is made for. Each has its own reservation in META.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The running turn.
    Turn,
    /// A summary.
    Summary,
}

impl Spending {
    /// The reservation of a caller.
    pub(crate) fn reserved_by(&mut self, caller: Caller) -> &mut Option<Reservation> {
        match caller {
            Caller::Turn => &mut self.reserved,
            Caller::Summary => &mut self.summary,
        }
    }

    /// What is used, or reserved by anybody.
    pub(crate) fn taken(&self) -> Amount {
        let open = self.reserved.iter().chain(&self.summary);
        open.fold(self.used, |sum, open| sum.plus(open.amount))
    }
}

/// An upper bound of what one model call takes, reserved in the commit before the call and settled in the commit behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The upper bound.
    #[serde(flatten)]
    pub amount: Amount,
    /// When it was made: the day whose budgets it takes from. Milliseconds since 1970.
    pub at: Millis,
    /// The owner's budget of that day has a part of it.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub owner: bool,
    /// The slice that it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
}
