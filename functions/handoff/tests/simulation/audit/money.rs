//! What must hold of limits on money and of customers' cards: counted here anew, from the actions alone.

use std::collections::{BTreeMap, BTreeSet};

use baton_handoff::ids::ActionId;
use baton_handoff::ports::{Change, Key};
use baton_handoff::record::{
    ActionRecord, ActionState, Answer, DaySpent, Meta, TurnRecord, decode, keys,
};
use baton_handoff::team::MoneyLimit;

use super::people::Need;
use super::{Audit, Books, SKEW};
use crate::town::TEAM;
use crate::world::{TaskId, lock};

/// An action whose amount counts.
#[derive(Debug, Clone)]
struct Paid {
    limit: &'static str,
    cents: u64,
    /// An operator approved it, and may pass the limit.
    approved: bool,
    owner: String,
    tenant: String,
    /// The day that its commit counted it on. None: the limit has no days.
    day: Option<String>,
}

#[derive(Default)]
pub(super) struct Purse {
    paid: BTreeMap<ActionId, Paid>,
    /// Cards that a newer one of the same tool has replaced.
    withdrawn: BTreeSet<ActionId>,
    /// What a customer's task answered, and to which arguments.
    answers: BTreeMap<TaskId, (ActionId, String, bool)>,
}

impl Audit {
    /// This task answers a card in a customer's name, as it was shown.
    pub(crate) fn answers(&self, action: &ActionId, hash: &str, yes: bool) {
        let answer = (action.clone(), hash.to_owned(), yes);
        let task = self.world.current_task();
        lock(&self.books).purse.answers.insert(task, answer);
    }

    /// An action with a card replaces the open ones of its tool.
    pub(super) fn check_card(&self, books: &mut Books, action: &ActionRecord, changes: &[Change]) {
        if action.confirmation.is_none() {
            return;
        }
        self.require(action.state == ActionState::Proposed, || {
            format!("{} was accepted without its customer's yes", action.id)
        });
        let is_new = |id: &ActionId| {
            let key = keys::action(id);
            changes
                .iter()
                .any(|change| matches!(change, Change::Create(created, _) if *created == key))
        };
        let older = books.actions.values().filter(|other| {
            other.id.conversation == action.id.conversation
                && other.tool == action.tool
                && other.waits_for_customer()
                && !is_new(&other.id)
        });
        let older: Vec<_> = older.map(|other| other.id.clone()).collect();
        books.purse.withdrawn.extend(older);
    }

    /// What a card asks never changes, and only its customer answers it, once, in time, and while it is open.
    pub(super) fn check_answer(
        &self,
        books: &Books,
        task: TaskId,
        before: &ActionRecord,
        after: &ActionRecord,
        changes: &[Change],
    ) -> bool {
        let id = &after.id;
        self.require(before.arguments == after.arguments, || {
            format!("{id} has other arguments than it was accepted with")
        });
        let (Some(asked), Some(card)) = (&before.confirmation, &after.confirmation) else {
            self.require(
                before.confirmation.is_none() && after.confirmation.is_none(),
                || format!("the card of {id} came or went"),
            );
            return false;
        };
        let question = (&asked.title, &asked.shown, asked.expires_at);
        self.require(
            question == (&card.title, &card.shown, card.expires_at),
            || format!("the card of {id} asks something else by now"),
        );
        self.require(
            asked.answer.is_none() || asked.answer == card.answer,
            || format!("the card of {id} was answered twice"),
        );
        let works = matches!(
            after.state,
            ActionState::Queued | ActionState::Running | ActionState::Done
        );
        self.require(!works || card.answer == Some(Answer::Yes), || {
            format!(
                "{id} is {} without its customer's yes",
                after.state.as_str()
            )
        });
        if asked.answer.is_some() || card.answer != Some(Answer::Yes) {
            return false;
        }
        let asked_by = self.request_of(&books.people, task);
        let meta = books.metas.get(id.conversation.as_str());
        let may = meta.is_some_and(|meta| books.people.may(&meta.owner, &asked_by, Need::Speak));
        self.require(may, || format!("{asked_by:?} confirmed {id}"));
        self.require(!books.purse.withdrawn.contains(id), || {
            format!("{id} was confirmed although its card was withdrawn")
        });
        self.require(self.world.now() <= card.expires_at + SKEW, || {
            format!("{id} was confirmed when its card was over")
        });
        let typed = changes.iter().any(|change| {
            let Change::Create(_, record) = change else {
                return false;
            };
            let turn = serde_json::from_str::<TurnRecord>(&record.body).ok();
            let card = turn.as_ref().and_then(|turn| turn.answers.as_ref());
            card.is_some_and(|card| card.yes && card.action == *id)
        });
        if typed {
            let open = books.actions.values().filter(|other| {
                other.id.conversation == id.conversation
                    && other.waits_for_customer()
                    && !books.purse.withdrawn.contains(&other.id)
                    && !Self::is_erased(books, id.conversation.as_str(), other.id.turn)
                    && other
                        .confirmation
                        .as_ref()
                        .is_some_and(|card| card.expires_at > self.world.now() + SKEW)
            });
            let open = open.filter(|other| other.id != *id).count();
            self.require(open == 0, || {
                format!("a word confirmed {id} beside {open} open cards")
            });
        } else {
            let said = books.purse.answers.get(&task);
            let hash = after.arguments_hash();
            let bound =
                said.is_some_and(|(action, shown, yes)| action == id && *shown == hash && *yes);
            self.require(bound, || {
                format!("{id} was confirmed by an answer to something else: {said:?}")
            });
        }
        let waits = card.approval || after.over.is_some();
        self.require(!waits || after.state == ActionState::Proposed, || {
            format!("{id} did not wait for the operator that it needs")
        });
        true
    }

    /// Counts an action that is sent on its way, and checks that what nobody approved fits its limit.
    pub(super) fn check_paid(
        &self,
        books: &mut Books,
        task: TaskId,
        action: &ActionRecord,
        changes: &[Change],
    ) {
        let Some(limit) = TEAM.money_limit(&action.tool) else {
            return;
        };
        let approved = books.operators.contains_key(&task);
        let Some(cents) = action.amount_cents else {
            return self.require(approved, || {
                format!("{} has no known amount and was accepted", action.id)
            });
        };
        let paid = Paid {
            limit: &limit.name,
            cents,
            approved,
            owner: action.owner.as_str().to_owned(),
            tenant: action.owner.tenant().to_owned(),
            day: day_of(limit, action, changes),
        };
        if !approved {
            self.check_fits(books, limit, action, &paid);
        }
        books.purse.paid.insert(action.id.clone(), paid);
    }

    fn check_fits(&self, books: &Books, limit: &MoneyLimit, action: &ActionRecord, paid: &Paid) {
        let id = &action.id;
        let sum = |counts: &dyn Fn(&ActionId, &Paid) -> bool| -> u64 {
            let all = books.purse.paid.iter();
            let same =
                all.filter(|(other, known)| known.limit == paid.limit && counts(other, known));
            same.map(|(_, known)| known.cents).sum::<u64>() + paid.cents
        };
        let fits = |most: Option<u64>, sum: u64, what: &str| {
            self.require(most.is_none_or(|most| sum <= most), || {
                format!(
                    "{id} is over the limit {} {what}: {sum} of {most:?}",
                    limit.name
                )
            });
        };
        fits(limit.action_cents, paid.cents, "of one action");
        let in_conversation = sum(&|other, _| other.conversation == id.conversation);
        fits(
            limit.conversation_cents,
            in_conversation,
            "of a conversation",
        );
        let day = |known: &Paid| known.day.is_some() && known.day == paid.day;
        if !action.owner.is_none() {
            let by_owner = sum(&|_, known| day(known) && known.owner == paid.owner);
            fits(limit.customer_day_cents, by_owner, "of a customer's day");
        }
        // Where an operator has passed it, the shares of others still have room.
        let in_tenant =
            sum(&|_, known| day(known) && known.tenant == paid.tenant && !known.approved);
        fits(limit.tenant_day_cents, in_tenant, "of a tenant's day");
    }

    /// What ended without effect counts no more.
    pub(super) fn forget_paid(books: &mut Books, action: &ActionRecord) {
        let erased = Self::is_erased(books, action.id.conversation.as_str(), action.id.turn);
        if action.state == ActionState::Rejected && !erased {
            books.purse.paid.remove(&action.id);
        }
    }

    /// At the end: the sums of conversations are those of the actions, and so are the sums of days within one day.
    pub(crate) fn check_sums(
        &self,
        days: &BTreeMap<Key, DaySpent>,
        within_a_day: bool,
    ) -> Result<(), String> {
        let books = lock(&self.books);
        for (id, meta) in &books.metas {
            // What an erasure took is not reported, and so not given back.
            if meta.erased_below == 0 {
                check_conversation(&books, id, meta)?;
            }
        }
        let erased = books.metas.values().any(|meta| meta.erased_below > 0);
        let mut shares: BTreeMap<(String, String, &str), (u64, i64)> = BTreeMap::new();
        let mut owners: BTreeMap<(String, String, &str), u64> = BTreeMap::new();
        for (key, spent) in days {
            let parts: Vec<_> = key.partition.split('#').collect();
            for (name, share) in &spent.0 {
                let place = (parts[1].to_owned(), parts[2].to_owned(), name.as_str());
                if parts.len() == 4 {
                    let sum = shares.entry(place).or_default();
                    *sum = (sum.0 + share.cents, sum.1 + share.moved);
                } else {
                    owners.insert(place, share.cents);
                }
            }
        }
        if let Some((place, (_, moved))) = shares.iter().find(|(_, (_, moved))| *moved != 0) {
            return Err(format!(
                "the shares of {place:?} have {moved} more than the limit"
            ));
        }
        if !within_a_day || erased {
            return Ok(());
        }
        let sum = |counts: &dyn Fn(&Paid) -> bool| -> u64 {
            books
                .purse
                .paid
                .values()
                .filter(|paid| counts(paid))
                .map(|paid| paid.cents)
                .sum()
        };
        for ((tenant, day, name), (cents, _)) in &shares {
            let paid = sum(&|paid| {
                paid.limit == *name && paid.tenant == *tenant && paid.day.as_ref() == Some(day)
            });
            if paid != *cents {
                return Err(format!(
                    "{tenant} has {cents} of {name} on day {day} and paid {paid}"
                ));
            }
        }
        for ((owner, day, name), cents) in &owners {
            let paid = sum(&|paid| {
                paid.limit == *name && paid.owner == *owner && paid.day.as_ref() == Some(day)
            });
            if paid != *cents {
                return Err(format!(
                    "{owner} has {cents} of {name} on day {day} and paid {paid}"
                ));
            }
        }
        Ok(())
    }
}

fn check_conversation(books: &Books, id: &str, meta: &Meta) -> Result<(), String> {
    let mut paid: BTreeMap<&str, u64> = BTreeMap::new();
    for (action, known) in &books.purse.paid {
        if action.conversation.as_str() == id {
            *paid.entry(known.limit).or_default() += known.cents;
        }
    }
    for (name, spent) in &meta.spent {
        let known = paid.remove(name.as_str()).unwrap_or_default();
        if known != spent.cents {
            return Err(format!(
                "{id} has {} of {name} and paid {known}",
                spent.cents
            ));
        }
        let left = spent.open.iter().find(|open| {
            let is = |action: &&ActionId| {
                action.conversation.as_str() == id
                    && action.turn == open.turn
                    && action.hash() == open.hash
            };
            let known = books.actions.keys().find(is);
            known.is_none_or(|known| books.actions[known].state != ActionState::Unknown)
        });
        if let Some(left) = left {
            return Err(format!("{id} still waits for the end of {left:?}"));
        }
    }
    match paid.iter().find(|(_, cents)| **cents > 0) {
        Some(left) => Err(format!("{id} has paid {left:?} and does not know")),
        None => Ok(()),
    }
}

/// The day of the sums in the commit.
fn day_of(limit: &MoneyLimit, action: &ActionRecord, changes: &[Change]) -> Option<String> {
    let by_owner = limit.customer_day_cents.is_some() && !action.owner.is_none();
    if !by_owner && limit.tenant_day_cents.is_none() {
        return None;
    }
    let days = changes.iter().filter_map(|change| {
        let (Change::Create(key, record) | Change::Replace(key, _, record)) = change else {
            return None;
        };
        let rest = key.partition.strip_prefix("L#")?;
        let names = serde_json::from_str::<DaySpent>(&record.body).ok()?;
        names
            .0
            .contains_key(&limit.name)
            .then(|| rest.split('#').nth(1).map(str::to_owned))?
    });
    // What is given back may be of the day before.
    days.max()
}

/// The sums of days among these records.
pub(crate) fn days<'a>(
    records: impl Iterator<Item = (&'a Key, &'a baton_handoff::ports::Stored)>,
) -> BTreeMap<Key, DaySpent> {
    let days = records.filter(|(key, _)| key.partition.starts_with("L#"));
    days.filter_map(|(key, stored)| Some((key.clone(), decode(stored).ok()?)))
        .collect()
}
