//! What a commit does to budgets: it settles the model call behind it and reserves for the one before it.

use super::account::{self, Account, change};
use super::slice::Ticket;
use super::{STAYS, end_of_day};
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Change, Key, Millis, StoreError};
use crate::principal::Owner;
use crate::record::{Amount, Caller, Meta, Reservation, Spending};

/// What the call that was reserved for has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// Nobody knows: what was reserved.
    Unknown,
    /// It was not made, or the service refused it.
    Nothing,
    /// As the service counted it.
    Counted(Amount),
}

/// What a commit is to do to budgets.
#[derive(Debug, Clone)]
pub(crate) struct Posting {
    /// What became of the reservation that META has. It is settled in any case.
    pub(crate) spent: Spent,
    /// The reservation for the next call.
    pub(crate) reserve: Option<Ticket>,
}

/// What a commit does to budgets.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// The changes of accounts, for the same commit as META.
    pub(crate) changes: Vec<Change>,
    /// Whether the next call is reserved.
    pub(crate) reserves: bool,
    accounts: Vec<(Key, u64, Account)>,
    settled: Vec<(String, Amount, Amount)>,
}

/// An account in this commit.
struct Line {
    key: Key,
    before: Option<u64>,
    account: Account,
    expires_at: Millis,
}

impl Posting {
    /// Settles what an owner that is gone, or a turn that ends without a call, has left.
    pub(crate) const SETTLES: Self = Self {
        spent: Spent::Unknown,
        reserve: None,
    };
}

impl Engine {
    /// Writes a turn's posting into META, and into the accounts that its commit must change with it.
    pub(crate) async fn post(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
        posting: &Posting,
    ) -> Result<Posted, StoreError> {
        self.post_for(&[Caller::Turn], conversation, meta, posting)
            .await
    }

    /// The same for these callers: what they have reserved is settled, and the first one reserves.
    pub(crate) async fn post_for(
        &self,
        callers: &[Caller],
        conversation: &ConversationId,
        meta: &mut Meta,
        posting: &Posting,
    ) -> Result<Posted, StoreError> {
        let mut posted = Posted::default();
        let mut spending = meta.spending.clone().unwrap_or_default();
        let open: Vec<_> = callers
            .iter()
            .filter_map(|caller| spending.reserved_by(*caller).take())
            .collect();
        if posting.reserve.is_none() && open.is_empty() {
            return Ok(posted);
        }
        let mut lines: Vec<Line> = Vec::new();
        for open in open {
            let used = match posting.spent {
                Spent::Unknown => open.amount,
                Spent::Nothing => Amount::default(),
                Spent::Counted(amount) => amount,
            };
            spending.used = spending.used.plus(used);
            for key in keys_of(&open, &meta.owner, conversation) {
                let so_far = match line_of(&lines, &key) {
                    Some(so_far) => Some(so_far),
                    // One that is gone is of a day that was over long ago.
                    None => self
                        .account_at(&key)
                        .await?
                        .map(|(version, account)| (Some(version), account)),
                };
                if let Some((before, mut account)) = so_far {
                    account.reserved = account.reserved.minus(open.amount);
                    account.used = account.used.plus(used);
                    lines.retain(|line| line.key != key);
                    lines.push(Line::new(key, before, account, open.at));
                }
            }
            let settled = open.slice.map(|slice| (slice, open.amount, used));
            posted.settled.extend(settled);
        }
        if let (Some(ticket), Some(caller)) = (&posting.reserve, callers.first()) {
            let made = self
                .reserve(conversation, &meta.owner, &spending, ticket, &mut lines)
                .await?;
            posted.reserves = made.is_some();
            *spending.reserved_by(*caller) = made.filter(|_| !sabotage!(ReservedAfterCall));
        }
        meta.spending = Some(spending);
        for line in lines {
            let after = line.before.unwrap_or(0) + 1;
            posted
                .accounts
                .push((line.key.clone(), after, line.account));
            posted.changes.push(change(
                line.key,
                line.before,
                &line.account,
                line.expires_at,
            ));
        }
        Ok(posted)
    }

    /// Reserves what a ticket stands for, if every budget has room for it.
    async fn reserve(
        &self,
        conversation: &ConversationId,
        owner: &Owner,
        spending: &Spending,
        ticket: &Ticket,
        lines: &mut Vec<Line>,
    ) -> Result<Option<Reservation>, StoreError> {
        let (budgets, amount) = (&self.team.budgets, ticket.amount);
        if budgets
            .conversation
            .is_some_and(|limit| !limit.counted(amount).fits(limit.less(spending.taken())))
        {
            return Ok(None);
        }
        let mut changed = Vec::new();
        let of_owner = budgets.of_owner(owner);
        if let Some(limit) = of_owner {
            let key = account::of_owner(owner, ticket.at);
            let own = match line_of(lines, &key) {
                Some(own) => Some(own),
                None => self.account_or_new(&key).await?,
            };
            let Some((before, mut account)) = own else {
                return Ok(None);
            };
            let taken = account.used.plus(account.reserved);
            let fits = limit.counted(amount).fits(limit.less(taken));
            if !fits && !sabotage!(CheckedOutsideOfCommit) {
                return Ok(None);
            }
            account.reserved = account.reserved.plus(amount);
            changed.push(Line::new(key, before, account, ticket.at));
        }
        if let Some((slice, until)) = &ticket.slice {
            if self.env.now() >= *until {
                return Ok(None);
            }
            let key = account::of_slice(slice, conversation);
            let own = if let Some(own) = line_of(lines, &key) {
                Some(own)
            } else {
                let stored = self.account_at(&key).await?;
                stored.map(|(version, account)| (Some(version), account))
            };
            match own {
                Some((before, mut account)) => {
                    account.reserved = account.reserved.plus(amount);
                    changed.push(Line::new(key, before, account, ticket.at));
                }
                None if sabotage!(SliceForgotten) => {}
                None => return Ok(None),
            }
        }
        lines.retain(|line| changed.iter().all(|other| other.key != line.key));
        lines.append(&mut changed);
        Ok(Some(Reservation {
            amount,
            at: ticket.at,
            owner: of_owner.is_some(),
            slice: ticket.slice.as_ref().map(|(slice, _)| slice.clone()),
        }))
    }

    /// The commit was made.
    pub(crate) fn posted(&self, posted: Posted) {
        for (key, version, account) in posted.accounts {
            self.ledger.keep_account(key, version, account);
        }
        for (slice, reserved, used) in posted.settled {
            self.ledger.settle(&slice, reserved, used);
        }
    }

    /// The commit was not made, or nobody knows: the accounts may be others by now.
    pub(crate) fn not_posted(&self, posted: &Posted) {
        for (key, _, _) in &posted.accounts {
            self.ledger.forget_account(key);
        }
    }
}

impl Line {
    fn new(key: Key, before: Option<u64>, account: Account, at: Millis) -> Self {
        Self {
            key,
            before,
            account,
            expires_at: end_of_day(at) + STAYS,
        }
    }
}

/// An account as the commit has it so far.
fn line_of(lines: &[Line], key: &Key) -> Option<(Option<u64>, Account)> {
    let line = lines.iter().find(|line| line.key == *key)?;
    Some((line.before, line.account))
}

/// The accounts that hold a reservation.
fn keys_of(open: &Reservation, owner: &Owner, conversation: &ConversationId) -> Vec<Key> {
    let of_owner = open.owner.then(|| account::of_owner(owner, open.at));
    let of_slice = open.slice.as_ref();
    let of_slice = of_slice.map(|slice| account::of_slice(slice, conversation));
    of_owner.into_iter().chain(of_slice).collect()
}
