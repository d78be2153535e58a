//! A pot: the budget that a tenant, its visitors or all share on one day, and its open slices. Written by plain conditional
//! writes only, never in a turn's commit.

use serde::{Deserialize, Serialize};

use crate::Day;
use crate::ports::{Key, Millis, Record};
use crate::record::{Amount, Limit, encode};

use super::{STAYS, end_of_day};

/// The most open slices of a pot. Each is of another instance, or of one that is gone.
const MOST_SLICES: usize = 1_000;

/// How long after the end of a slice it is settled: clocks differ a little.
const GRACE: Millis = 10_000;

/// `L#day#DAY#NAME`, `BUDGET`: a shared budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pot {
    /// Everything that was used, and all of every open slice.
    #[serde(default, skip_serializing_if = "Amount::is_nothing")]
    pub(crate) taken: Amount,
    /// The open slices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<OpenSlice>,
}

/// A slice that was not given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenSlice {
    /// 128 random bits.
    pub(crate) id: String,
    /// Its size.
    #[serde(flatten)]
    pub(crate) amount: Amount,
    /// After this moment nothing is reserved from it. Milliseconds since 1970.
    pub(crate) until: Millis,
}

/// The key of a pot on the day of this moment.
pub(crate) fn key(name: &str, at: Millis) -> Key {
    Key::new(format!("L#day#{}#{name}", Day::of(at)), "BUDGET")
}

impl OpenSlice {
    /// Whether it has ended for every clock.
    pub(super) fn has_ended(&self, now: Millis) -> bool {
        self.until + GRACE <= now
    }
}

impl Pot {
    /// What is left in it.
    pub(super) fn left(&self, limit: Limit) -> Amount {
        limit.less(self.taken)
    }

    /// Takes a slice out of the pot. `false`: it does not fit.
    pub(super) fn draw(&mut self, limit: Limit, slice: &OpenSlice) -> bool {
        let counted = limit.counted(slice.amount);
        if self.open.len() >= MOST_SLICES || !counted.fits(self.left(limit)) {
            return false;
        }
        self.taken = self.taken.plus(counted);
        self.open.push(OpenSlice {
            amount: counted,
            ..slice.clone()
        });
        true
    }

    /// Closes a slice of which this was used. `false`: that has happened before.
    pub(super) fn give_back(&mut self, slice: &str, used: Amount) -> bool {
        let Some(at) = self.open.iter().position(|open| open.id == slice) else {
            return false;
        };
        let closed = if sabotage!(SettledTwice) {
            self.open.get(at).cloned().unwrap_or_default()
        } else {
            self.open.remove(at)
        };
        self.taken = self.taken.minus(closed.amount.minus(used));
        true
    }

    /// The record to write. It is due when a slice must be settled, and at `not_before` at the earliest.
    pub(super) fn record(&self, at: Millis, not_before: Millis) -> Record {
        let ends = self.open.iter().map(|slice| slice.until + GRACE);
        Record {
            due_at: ends.min().map(|end| end.max(not_before)),
            expires_at: Some(end_of_day(at) + STAYS),
            ..encode(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        tokens: Some(100),
        cost: None,
    };

    fn slice(id: &str, tokens: u64, until: Millis) -> OpenSlice {
        OpenSlice {
            id: id.to_owned(),
            // What is not limited is not counted.
            amount: Amount { tokens, cost: 7 },
            until,
        }
    }

    fn tokens(tokens: u64) -> Amount {
        Amount { tokens, cost: 0 }
    }

    #[test]
    fn a_slice_is_drawn_if_it_fits_and_given_back_once() {
        let mut pot = Pot::default();
        assert!(pot.draw(LIMIT, &slice("a", 60, 5)));
        assert!(!pot.draw(LIMIT, &slice("b", 41, 5)));
        assert!(pot.draw(LIMIT, &slice("b", 40, 5)));
        assert_eq!(pot.taken, tokens(100));
        let used = Amount {
            tokens: 25,
            cost: 3,
        };
        assert!(pot.give_back("a", used));
        assert!(!pot.give_back("a", used));
        assert_eq!(pot.taken, tokens(65));
    }

    #[test]
    fn a_pot_is_due_when_its_first_slice_has_ended_for_every_clock() {
        let mut pot = Pot::default();
        assert_eq!(pot.record(0, 0).due_at, None);
        pot.draw(LIMIT, &slice("a", 1, 50_000));
        pot.draw(LIMIT, &slice("b", 1, 40_000));
        assert_eq!(pot.record(0, 0).due_at, Some(40_000 + GRACE));
        assert_eq!(pot.record(0, 90_000).due_at, Some(90_000));
        assert!(!pot.open.iter().any(|slice| slice.has_ended(49_999)));
    }

    #[test]
    fn a_pot_has_a_bounded_number_of_slices() {
        let mut pot = Pot::default();
        for number in 0..MOST_SLICES {
            assert!(pot.draw(Limit::default(), &slice(&format!("{number:032x}"), 1, 1)));
        }
        assert!(!pot.draw(Limit::default(), &slice("one more", 1, 1)));
        let bytes = pot.record(0, 0).body.len();
        assert!(bytes < 300 * 1024, "{bytes}");
    }
}
