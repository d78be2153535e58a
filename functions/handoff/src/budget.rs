//! Budgets of tokens and money: an upper bound of each model call is reserved in the commit before the call, and settled in the
//! commit behind it. Knows amounts, limits and records; never a model, HTTP or what a turn says.
//!
//! | budget | where | written |
//! | --- | --- | --- |
//! | of a conversation | [`Spending`](crate::record::Spending) in META | in the turn's own commits |
//! | of an owner and a day | an [`Account`](account::Account) of its own | in the same commits |
//! | of a tenant, of its visitors, of all, and a day | a [`Pot`](pot::Pot) | by plain writes, a slice at a time |
//!
//! A shared record in every turn's commit would be hot, and transactions would cancel each other. So an instance draws a *slice*
//! of the shared budgets by a plain write and reserves from it in memory. What a conversation takes of a slice stands in an
//! account of its own, which is written in the turn's commits. An account that does not exist takes nothing: it is created before
//! its first use and before the slice's end. So after that end the accounts say what was used, and the sweep closes them and gives
//! back the rest, although the instance is dead or frozen.
//!
//! A slice is given back by whoever takes it out of its pot, which happens once. What is in doubt counts as used.

pub(crate) mod account;
mod bound;
mod first;
mod post;
mod pot;
mod settle;
mod slice;

use std::collections::BTreeMap;
use std::sync::Mutex;

pub(crate) use bound::{CALL_ALLOWANCE, most_input, step_bytes};
pub(crate) use first::{Reserved, Written};
pub(crate) use post::{Posted, Posting, Spent};
pub(crate) use slice::Ticket;

use crate::engine::Engine;
use crate::ports::{Key, Millis, Model, Usage};
use crate::record::Amount;

/// What a process remembers of budgets.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The slices that this process has drawn, by who takes from them.
    slices: Mutex<BTreeMap<String, Vec<slice::Slice>>>,
    /// Held while a slice is drawn, so that parallel turns do not draw one each.
    drawing: tokio::sync::Mutex<()>,
    /// Accounts as they were last written. A commit over an old version fails.
    accounts: Mutex<BTreeMap<Key, (u64, account::Account)>>,
}

/// Longer than the day that a record of budgets is about, so that what was begun on it can be settled.
const STAYS: Millis = 2 * DAY;

const DAY: Millis = 86_400_000;

/// When the day of this moment is over.
fn end_of_day(at: Millis) -> Millis {
    (at / DAY + 1) * DAY
}

impl Engine {
    /// What these tokens of a model cost, where the price is known.
    pub(crate) fn cost_of(&self, model: &dyn Model, usage: Usage) -> Option<u64> {
        if usage == Usage::default() {
            return None;
        }
        let price = self.team.price(model.name(), self.env.now())?;
        Some(price.of(usage))
    }

    /// The most that a call of this model with so many tokens of input takes. `None`: there are no budgets.
    pub(crate) fn most_of_call(&self, model: &dyn Model, input: u64) -> Option<Amount> {
        let budgets = &self.team.budgets;
        if budgets.are_off() {
            return None;
        }
        let output = u64::from(model.output_tokens());
        let price = self.team.price(model.name(), self.env.now());
        let cost = match price {
            Some(price) => price.most(input, output),
            // Money that cannot be counted fits no budget of money.
            None if budgets.count_money() => u64::MAX,
            None => 0,
        };
        Some(Amount {
            tokens: input.saturating_add(output),
            cost,
        })
    }
}
