//! Slices of the shared budgets: drawn by plain writes, reserved from in memory.

use std::sync::PoisonError;

use super::account::{self, Account};
use super::pot::{self, OpenSlice, Pot};
use super::{Ledger, STAYS, end_of_day};
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ConversationId;
use crate::ports::{Change, CommitError, Key, Millis, StoreError};
use crate::principal::Owner;
use crate::record::{Amount, Limit, decode};

/// The part of what is left that a slice takes.
const PART: u64 = 64;

/// How long a slice is reserved from. What a frozen instance has drawn is out of use for that long.
const LIFE: Millis = 5 * 60_000;

/// How long a slice is kept without use.
const IDLE: Millis = 60_000;

/// A slice of this process.
#[derive(Debug)]
pub(super) struct Slice {
    id: String,
    /// The pots that it was drawn from, by name.
    pots: Vec<(String, Limit)>,
    /// What it was at the beginning, as far as it is limited.
    amount: Amount,
    /// What is neither used nor reserved.
    free: Amount,
    /// Reservations that are not settled, and those in doubt.
    open: u32,
    drawn_at: Millis,
    used_at: Millis,
    until: Millis,
}

impl Slice {
    /// The parts of an amount that some of its pots limit.
    fn counted(&self, amount: Amount) -> Amount {
        counted(&self.pots, amount)
    }
}

fn counted(pots: &[(String, Limit)], amount: Amount) -> Amount {
    pots.iter().fold(Amount::default(), |sum, (_, limit)| {
        sum.at_least(limit.counted(amount))
    })
}

/// A reservation that no commit has written yet.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// The upper bound of the call.
    pub(crate) amount: Amount,
    /// When it was given out: the day whose budgets it takes from.
    pub(super) at: Millis,
    /// The slice that has it, with the moment until which it may be written.
    pub(super) slice: Option<(String, Millis)>,
}

/// Who takes from the same slices: owners that share the same pots.
fn scope_of(pots: &[(String, Limit)]) -> String {
    pots.first()
        .map(|(name, _)| name.clone())
        .unwrap_or_default()
}

impl Ledger {
    /// Takes the amount from a slice that is open now.
    fn take(&self, scope: &str, amount: Amount, now: Millis) -> Option<(String, Millis)> {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let slice = slices
            .get_mut(scope)?
            .iter_mut()
            .find(|slice| now < slice.until && slice.counted(amount).fits(slice.free))?;
        slice.free = slice.free.minus(slice.counted(amount));
        slice.open += 1;
        slice.used_at = now;
        Some((slice.id.clone(), slice.until))
    }

    /// A reservation of this amount has used that much of the slice. Nothing for a slice of another process.
    pub(super) fn settle(&self, id: &str, reserved: Amount, used: Amount) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = slices.values_mut().flatten();
        if let Some(slice) = all.find(|slice| slice.id == id) {
            let rest = slice.free.plus(slice.counted(reserved));
            slice.free = rest.minus(slice.counted(used));
            slice.open = slice.open.saturating_sub(1);
        }
    }

    /// Takes out the slices for which this holds and which have no open reservation.
    fn take_out(&self, which: impl Fn(&str, &Slice) -> bool) -> Vec<Slice> {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        for (scope, of_scope) in slices.iter_mut() {
            let goes = |slice: &mut Slice| slice.open == 0 && which(scope, slice);
            out.extend(of_scope.extract_if(.., goes));
        }
        slices.retain(|_, of_scope| !of_scope.is_empty());
        out
    }

    /// Forgets slices that the sweep has to settle, because a reservation is in doubt.
    fn forget_ended(&self, now: Millis) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        for of_scope in slices.values_mut() {
            of_scope.retain(|slice| now < slice.until + STAYS);
        }
    }

    fn keep(&self, scope: &str, slice: Slice) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        slices.entry(scope.to_owned()).or_default().push(slice);
    }
}

impl Engine {
    /// A reservation of this amount from the shared budgets, in memory. `None`: it does not fit.
    pub(crate) async fn ticket(
        &self,
        owner: &Owner,
        conversation: &ConversationId,
        amount: Amount,
    ) -> Result<Option<Ticket>, StoreError> {
        let pots = self.team.budgets.shared_by(owner);
        if sabotage!(CheckedOutsideOfCommit)
            && let Some(limit) = self.team.budgets.of_owner(owner)
        {
            let known = self
                .account_at(&account::of_owner(owner, self.env.now()))
                .await?;
            let (_, account) = known.unwrap_or_default();
            let left = limit.less(account.used.plus(account.reserved));
            if !limit.counted(amount).fits(left) {
                return Ok(None);
            }
        }
        for _ in 0..MAX_TRIES {
            let now = self.env.now();
            let ticket = |slice| Ticket {
                amount,
                at: now,
                slice,
            };
            if pots.is_empty() {
                return Ok(Some(ticket(None)));
            }
            let scope = scope_of(&pots);
            let Some((id, until)) = self.ledger.take(&scope, amount, now) else {
                if self.draw(&scope, &pots, amount).await? {
                    continue;
                }
                return Ok(None);
            };
            let ticket = ticket(Some((id.clone(), until)));
            let registered = self.register(&id, conversation, until).await;
            // Created before the slice's end for certain: then the sweep finds it.
            if matches!(registered, Ok(true)) && self.env.now() < until {
                return Ok(Some(ticket));
            }
            self.return_ticket(&ticket);
            registered?;
        }
        Ok(None)
    }

    /// Has a slice ready for a call of ordinary size of this conversation, so that its commit waits for nothing.
    pub(crate) async fn draw_ahead(&self, owner: &Owner, conversation: &ConversationId) {
        let Some(amount) = self.most_of_call(&*self.model, ORDINARY_INPUT) else {
            return;
        };
        if self.team.budgets.shared_by(owner).is_empty() {
            return;
        }
        // Where it fails, the turn tries again.
        if let Ok(Some(ticket)) = self.ticket(owner, conversation, amount).await {
            self.return_ticket(&ticket);
        }
    }

    /// The reservation was not written, and will not be.
    pub(crate) fn return_ticket(&self, ticket: &Ticket) {
        if let Some((slice, _)) = &ticket.slice {
            self.ledger.settle(slice, ticket.amount, Amount::default());
        }
    }

    /// Creates the account of a conversation under a slice. `false`: try again.
    async fn register(
        &self,
        slice: &str,
        conversation: &ConversationId,
        until: Millis,
    ) -> Result<bool, StoreError> {
        let key = account::of_slice(slice, conversation);
        let known = self.ledger.known_account(&key);
        if known.is_some_and(|(version, _)| version > 0) || sabotage!(SliceForgotten) {
            return Ok(true);
        }
        let record = Account::default().record(end_of_day(until) + STAYS);
        match self
            .store
            .commit(vec![Change::Create(key.clone(), record)])
            .await
        {
            Ok(()) => self.ledger.keep_account(key, 1, Account::default()),
            // It is there, or this is tried again.
            Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                return Ok(self.account_at(&key).await?.is_some());
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                return Err(StoreError::Unavailable(error.to_string()));
            }
        }
        Ok(true)
    }

    /// Draws a slice that holds at least this amount. `false`: the budgets do not have it.
    async fn draw(
        &self,
        scope: &str,
        pots: &[(String, Limit)],
        least: Amount,
    ) -> Result<bool, StoreError> {
        let _one_at_a_time = self.ledger.drawing.lock().await;
        let now = self.env.now();
        if let Some((id, _)) = self.ledger.take(scope, least, now) {
            // Another turn has drawn it meanwhile.
            self.ledger.settle(&id, least, Amount::default());
            return Ok(true);
        }
        // What is too small for this call, or ended, is of no use here.
        for old in self.ledger.take_out(|of, _| of == scope) {
            self.give_back(old).await?;
        }
        self.ledger.forget_ended(now);
        let until = (now + LIFE).min(end_of_day(now));
        let keys: Vec<Key> = pots.iter().map(|(name, _)| pot::key(name, now)).collect();
        let stored = self.store.get_many(&keys).await?;
        let mut part = Amount {
            tokens: u64::MAX,
            cost: u64::MAX,
        };
        for (stored, (_, limit)) in stored.iter().zip(pots) {
            let pot: Pot = stored.as_ref().map(decode).transpose()?.unwrap_or_default();
            let left = pot.left(*limit);
            if !limit.counted(least).fits(left) {
                return Ok(false);
            }
            part = part.at_most(left.divided(PART));
        }
        let slice = OpenSlice {
            id: self.random_id(),
            amount: counted(pots, part.at_least(least)),
            until,
        };
        for (at, (name, limit)) in pots.iter().enumerate() {
            if self.draw_from(name, *limit, now, &slice).await? {
                continue;
            }
            for (name, _) in pots.iter().take(at) {
                self.give_back_to(name, now, &slice.id, Amount::default())
                    .await?;
            }
            return Ok(false);
        }
        self.ledger.keep(
            scope,
            Slice {
                id: slice.id,
                pots: pots.to_vec(),
                amount: slice.amount,
                free: slice.amount,
                open: 0,
                drawn_at: now,
                used_at: now,
                until,
            },
        );
        Ok(true)
    }

    /// Takes a slice out of a pot. `false`: it does not fit.
    async fn draw_from(
        &self,
        name: &str,
        limit: Limit,
        day: Millis,
        slice: &OpenSlice,
    ) -> Result<bool, StoreError> {
        self.change_pot(name, day, |pot| {
            if pot.open.iter().any(|open| open.id == slice.id) {
                return Verdict::Done(true);
            }
            if pot.draw(limit, slice) {
                Verdict::Write
            } else {
                Verdict::Done(false)
            }
        })
        .await
    }

    /// Puts what is left of a slice back into a pot, once.
    async fn give_back_to(
        &self,
        name: &str,
        day: Millis,
        slice: &str,
        used: Amount,
    ) -> Result<bool, StoreError> {
        self.change_pot(name, day, |pot| {
            if pot.give_back(slice, used) {
                Verdict::Write
            } else {
                Verdict::Done(true)
            }
        })
        .await
    }

    /// Reads a pot, changes it and writes it over what was read, until that succeeds.
    async fn change_pot(
        &self,
        name: &str,
        day: Millis,
        change: impl Fn(&mut Pot) -> Verdict,
    ) -> Result<bool, StoreError> {
        let key = pot::key(name, day);
        for attempt in 0..MAX_TRIES {
            let stored = self.store.get(&key).await?;
            let mut pot: Pot = stored.as_ref().map(decode).transpose()?.unwrap_or_default();
            match change(&mut pot) {
                Verdict::Done(done) => return Ok(done),
                Verdict::Write => {}
            }
            let record = pot.record(day, 0);
            let change = match stored {
                Some(stored) => Change::Replace(key.clone(), stored.version, record),
                None => Change::Create(key.clone(), record),
            };
            match self.store.commit(vec![change]).await {
                Ok(()) => return Ok(true),
                // Written or not: the next read shows it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
        }
        Err(StoreError::Unavailable(
            "a budget is written to all the time".to_owned(),
        ))
    }

    /// Gives a slice of this process back. Nothing is reserved from it, and nothing will be: it was taken out of memory.
    async fn give_back(&self, slice: Slice) -> Result<(), StoreError> {
        let used = slice.amount.minus(slice.free);
        for (name, limit) in &slice.pots {
            let used = limit.counted(used);
            self.give_back_to(name, slice.drawn_at, &slice.id, used)
                .await?;
        }
        Ok(())
    }

    /// Gives back the slices of this process that nobody has used for a minute.
    pub(crate) async fn give_back_idle(&self) -> Result<(), StoreError> {
        let now = self.env.now();
        let idle = |_: &str, slice: &Slice| slice.used_at + IDLE <= now;
        for slice in self.ledger.take_out(idle) {
            // What fails here is settled by the sweep.
            self.give_back(slice).await?;
        }
        Ok(())
    }
}

/// The tokens of a request of ordinary size, at most.
const ORDINARY_INPUT: u64 = 16 * 1024;

enum Verdict {
    Write,
    Done(bool),
}
