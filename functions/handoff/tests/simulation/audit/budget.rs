//! What must hold of budgets at every commit: none is ever passed, and the accounts say what the conversations have taken.

use std::collections::{BTreeMap, BTreeSet};

use baton_handoff::ports::{Change, Millis, Stored};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{Amount, Limit, Meta, Reservation, Spending, StepRecord, decode};
use baton_handoff::team::Budgets;
use baton_handoff::{Day, Kind, Owner};

use super::Audit;
use crate::world::lock;

/// What conversations have taken, by what their METAs say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    used: Amount,
    reserved: Amount,
}

impl Taken {
    fn all(self) -> Amount {
        self.used.plus(self.reserved)
    }
}

#[derive(Default)]
pub(super) struct Accounts {
    limits: Budgets,
    /// By day and owner.
    owners: BTreeMap<(String, Owner), Taken>,
    /// By day and the name of a pot.
    shared: BTreeMap<(String, String), Taken>,
    slices: BTreeMap<String, Taken>,
    /// The slices that a pot has had, with what they took of it, and those that are open.
    pots: BTreeMap<String, (BTreeMap<String, Amount>, BTreeSet<String>)>,
}

fn amount_in(body: &serde_json::Value) -> Amount {
    let number = |name: &str| body.get(name).and_then(serde_json::Value::as_u64);
    Amount {
        tokens: number("tokens").unwrap_or(0),
        cost: number("cost").unwrap_or(0),
    }
}

fn fits(amount: Amount, limit: Limit) -> bool {
    limit.tokens.is_none_or(|most| amount.tokens <= most)
        && limit.cost.is_none_or(|most| amount.cost <= most)
}

fn day(at: Millis) -> String {
    Day::of(at).to_string()
}

/// The pots that an owner takes from. The engine's own rule in other words.
fn pots_of(owner: &Owner, limits: &Budgets) -> Vec<(String, Limit)> {
    let mut pots = Vec::new();
    if let Some(limit) = limits.tenant_day {
        pots.push((format!("tenant/{}", owner.tenant()), limit));
        if owner.subject(Kind::Visitor).is_some() {
            let half = Limit {
                tokens: limit.tokens.map(|tokens| tokens / 2),
                cost: limit.cost.map(|cost| cost / 2),
            };
            pots.push((format!("visitors/{}", owner.tenant()), half));
        }
    }
    pots.extend(limits.all_day.map(|limit| ("all".to_owned(), limit)));
    pots
}

impl Audit {
    /// The budgets that hold from now on.
    pub(crate) fn limit(&self, limits: &Budgets) {
        lock(&self.books).accounts.limits = limits.clone();
    }

    /// What is reserved, or drawn and not given back.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let books = lock(&self.books);
        let reserved = |meta: &Meta| {
            let spending = meta.spending.as_ref();
            spending
                .is_some_and(|spending| spending.reserved.is_some() || spending.summary.is_some())
        };
        if let Some((id, meta)) = books.metas.iter().find(|(_, meta)| reserved(meta)) {
            return Some(format!("{id} has {:?}", meta.spending));
        }
        let mut pots = books.accounts.pots.iter();
        let (pot, (_, open)) = pots.find(|(_, (_, open))| !open.is_empty())?;
        Some(format!("{pot} has the open slices {open:?}"))
    }

    /// The budgets' part of a change of META. Called before the books know of it.
    pub(super) fn check_spending(
        &self,
        accounts: &mut Accounts,
        id: &str,
        before: Option<&Meta>,
        after: &Meta,
        changes: &[Change],
    ) {
        let none = Spending::default();
        let old = before
            .and_then(|before| before.spending.as_ref())
            .unwrap_or(&none);
        let new = after.spending.as_ref().unwrap_or(&none);
        let more = new.used.minus(old.used);
        self.require(old.used.fits(new.used), || {
            format!("{id} has used {:?} and then {:?}", old.used, new.used)
        });
        self.check_step_cost(id, old, new, changes);
        let calls = [(&old.reserved, &new.reserved), (&old.summary, &new.summary)];
        // A call of its own kind alone, unless an erasure ends both: then all that was reserved counts.
        let open: Vec<_> = calls
            .iter()
            .filter(|(old, new)| old != new || (old.is_some() && !more.is_nothing()))
            .filter_map(|(old, new)| Some((old.as_ref()?, old != new)))
            .collect();
        let ended: Vec<_> = open
            .iter()
            .filter(|(_, ends)| *ends)
            .map(|(open, _)| *open)
            .collect();
        let settled: Vec<_> = if ended.is_empty() {
            open.iter().map(|(open, _)| *open).take(1).collect()
        } else {
            ended
        };
        let all = settled
            .iter()
            .fold(Amount::default(), |sum, open| sum.plus(open.amount));
        self.require(more.fits(all), || {
            format!("{id} has used {more:?} of {settled:?}")
        });
        for open in &settled {
            let used = if settled.len() > 1 { open.amount } else { more };
            accounts.each(&after.owner, open, |taken| {
                taken.reserved = taken.reserved.minus(open.amount);
                taken.used = taken.used.plus(used);
            });
        }
        for (old, new_call) in calls {
            let Some(next) = new_call else { continue };
            let is_settled = old.as_ref().is_some_and(|old| settled.contains(&old));
            if old.as_ref() == Some(next) && !is_settled {
                continue;
            }
            accounts.each(&after.owner, next, |taken| {
                taken.reserved = taken.reserved.plus(next.amount);
            });
            self.check_room(accounts, id, after, new, next);
        }
    }

    /// Nothing is over its limit with this reservation.
    fn check_room(
        &self,
        accounts: &Accounts,
        id: &str,
        meta: &Meta,
        spending: &Spending,
        next: &Reservation,
    ) {
        let limits = &accounts.limits;
        let open = spending.reserved.iter().chain(&spending.summary);
        let own = open.fold(spending.used, |sum, open| sum.plus(open.amount));
        let own_fits = limits.conversation.is_none_or(|limit| fits(own, limit));
        self.require(own_fits, || format!("{id} passes its budget with {own:?}"));
        let owner = &meta.owner;
        let today = day(next.at);
        if next.owner
            && let Some(limit) = limits.customer_day
        {
            let taken = accounts.owners.get(&(today.clone(), owner.clone()));
            let taken = taken.copied().unwrap_or_default().all();
            self.require(fits(taken, limit), || {
                format!("{owner} passes its budget of {today} with {taken:?}")
            });
        }
        let Some(slice) = &next.slice else { return };
        for (pot, limit) in pots_of(owner, limits) {
            let taken = accounts.shared.get(&(today.clone(), pot.clone()));
            let taken = taken.copied().unwrap_or_default().all();
            self.require(fits(taken, limit), || {
                format!("{pot} passes its budget of {today} with {taken:?}")
            });
        }
        let open = accounts.pots.values().any(|(_, open)| open.contains(slice));
        self.require(open, || {
            format!("{id} reserves from the slice {slice}, which is not open")
        });
    }

    /// A step is the answer of a call that was reserved for, and its cost is what was used.
    fn check_step_cost(&self, id: &str, old: &Spending, new: &Spending, changes: &[Change]) {
        let step = changes.iter().find_map(|change| match change {
            Change::Create(key, record) => match parse_turn_part(&key.sort)?.1 {
                TurnPart::Step(_) => Some(Stored {
                    key: key.clone(),
                    version: 1,
                    record: record.clone(),
                }),
                TurnPart::Turn | TurnPart::Action(_) => None,
            },
            Change::Replace(..) | Change::Remove(..) | Change::Require(..) => None,
        });
        let Some(step) = step.and_then(|step| decode::<StepRecord>(&step).ok()) else {
            return;
        };
        let limited = new != &Spending::default() || old != &Spending::default();
        let (reserved, more) = (old.reserved.as_ref(), new.used.minus(old.used));
        self.require(!limited || reserved.is_some(), || {
            format!("{id} has a step whose call was not reserved for")
        });
        let Some(reserved) = reserved else { return };
        let tokens = match step.usage.tokens() {
            0 => reserved.amount.tokens,
            counted => counted,
        };
        let cost = step.cost.unwrap_or(0);
        self.require(more == Amount { tokens, cost }, || {
            format!("{id} has used {more:?} for a step of {tokens} tokens, {cost}")
        });
    }

    /// `L#`: pots and their slices.
    pub(super) fn check_pot(
        &self,
        accounts: &mut Accounts,
        partition: &str,
        after: Option<&Stored>,
    ) {
        let Some((today, name)) = partition
            .strip_prefix("L#day#")
            .and_then(|rest| rest.split_once('#'))
        else {
            return;
        };
        if name.starts_with("owner/") {
            return;
        }
        let body: serde_json::Value = after
            .and_then(|after| serde_json::from_str(&after.record.body).ok())
            .unwrap_or_default();
        let taken = amount_in(&body["taken"]);
        let limit = accounts.limit_of(name);
        self.require(fits(taken, limit), || {
            format!("{partition} has given out {taken:?} of {limit:?}")
        });
        let (known, open) = accounts.pots.entry(partition.to_owned()).or_default();
        open.clear();
        let mut sum = Amount::default();
        for slice in body["open"].as_array().into_iter().flatten() {
            let (id, amount) = (slice["id"].as_str().unwrap_or_default(), amount_in(slice));
            known.insert(id.to_owned(), amount);
            open.insert(id.to_owned());
            sum = sum.plus(amount);
        }
        for (id, amount) in known.iter().filter(|(id, _)| !open.contains(*id)) {
            let taken = accounts.slices.get(id).copied().unwrap_or_default();
            self.require(taken.reserved.is_nothing(), || {
                format!("{partition} has closed {id}, of which {taken:?} is taken")
            });
            // What was not limited when the slice was drawn is not counted.
            let counted = Limit {
                tokens: Some(amount.tokens).filter(|tokens| *tokens > 0),
                cost: Some(amount.cost).filter(|cost| *cost > 0),
            };
            sum = sum.plus(counted.counted(taken.used));
        }
        self.require(sum == taken, || {
            format!("{partition} of {today} has given out {taken:?}, and {sum:?} is open or used")
        });
    }
}

impl Accounts {
    fn limit_of(&self, pot: &str) -> Limit {
        let limit = if pot == "all" {
            self.limits.all_day
        } else {
            self.limits.tenant_day
        };
        let limit = limit.unwrap_or_default();
        if pot.starts_with("visitors/") {
            limit.divided(2)
        } else {
            limit
        }
    }

    /// Everything that has a part of a reservation.
    fn each(&mut self, owner: &Owner, part: &Reservation, change: impl Fn(&mut Taken)) {
        let today = day(part.at);
        if part.owner {
            change(
                self.owners
                    .entry((today.clone(), owner.clone()))
                    .or_default(),
            );
        }
        let Some(slice) = &part.slice else { return };
        change(self.slices.entry(slice.clone()).or_default());
        // What is not limited by now was perhaps limited when it was reserved: all are counted.
        let every = Budgets {
            tenant_day: Some(Limit::default()),
            all_day: Some(Limit::default()),
            ..Budgets::default()
        };
        for (pot, _) in pots_of(owner, &every) {
            change(self.shared.entry((today.clone(), pot)).or_default());
        }
    }
}
