//! What must hold of owners: only they open their conversations, and a visitor becomes one customer.

use std::collections::BTreeMap;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Millis, Stored};
use baton_handoff::record::{Meta, Origin, TurnRecord, decode};
use baton_handoff::{Kind, Owner, Principal};

use super::{Audit, SKEW};
use crate::world::{TaskId, lock};

/// As the design says: for this long a process may believe that a visitor has not signed in.
const STAYS: Millis = 60_000;

/// As the design says: of one customer.
const MOST_VISITORS: usize = 16;

/// A request as it reached a server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) who: Principal,
    since: Millis,
}

/// The right that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To read, follow, stop or erase.
    Oversee,
    /// To speak.
    Speak,
}

#[derive(Default)]
pub(super) struct People {
    /// All requests. A task acts for one of them.
    requests: Vec<Asked>,
    /// The customer that a visitor became, and when.
    aliases: BTreeMap<Owner, (Owner, Millis)>,
    /// The visitors of a customer, as its own record has them.
    visitors: BTreeMap<Owner, Vec<Owner>>,
    /// The owner from whose name for a conversation its id was made.
    named: BTreeMap<ConversationId, Owner>,
}

impl People {
    /// Whether the request has this right, by the records. The engine's own rule in other words.
    pub(super) fn may(&self, owner: &Owner, asked: &Asked, need: Need) -> bool {
        let own = asked.who.owner();
        let signed_in = self.aliases.get(&own);
        if signed_in.is_some_and(|(_, at)| asked.since > at + STAYS + SKEW) {
            return false;
        }
        let became = self.aliases.get(owner).map(|(customer, _)| customer);
        let oversees = asked.who.kind() == Some(Kind::Operator)
            && asked.who.tenant().as_str() == owner.tenant();
        *owner == own || became == Some(&own) || (oversees && need == Need::Oversee)
    }
}

fn owner(text: &str) -> Option<Owner> {
    serde_json::from_value(serde_json::Value::from(text)).ok()
}

impl Audit {
    /// From now on this task, and every task that it begins, acts for a request of this principal.
    pub(crate) fn asks(&self, who: &Principal) -> Asked {
        let asked = Asked {
            who: who.clone(),
            since: self.world.now(),
        };
        let mut books = lock(&self.books);
        books.people.requests.push(asked.clone());
        self.world.wear(books.people.requests.len() - 1);
        asked
    }

    /// This id was made from a name in this owner's space.
    pub(crate) fn named(&self, id: &ConversationId, owner: &Owner) {
        let mut books = lock(&self.books);
        books.people.named.insert(id.clone(), owner.clone());
    }

    pub(crate) fn owner_of(&self, id: &ConversationId) -> Option<Owner> {
        let books = lock(&self.books);
        books.metas.get(id.as_str()).map(|meta| meta.owner.clone())
    }

    pub(crate) fn customer_of(&self, visitor: &Owner) -> Option<Owner> {
        let books = lock(&self.books);
        let alias = books.people.aliases.get(visitor);
        alias.map(|(customer, _)| customer.clone())
    }

    pub(crate) fn visitors_of(&self, customer: &Owner) -> usize {
        let books = lock(&self.books);
        books.people.visitors.get(customer).map_or(0, Vec::len)
    }

    /// Whether the conversation has turns, and the request this right.
    pub(crate) fn opens(&self, id: &ConversationId, asked: &Asked, need: Need) -> bool {
        let books = lock(&self.books);
        let meta = books.metas.get(id.as_str());
        meta.is_some_and(|meta| has_turns(meta) && books.people.may(&meta.owner, asked, need))
    }

    /// Whether the request may speak in this conversation, which exists.
    pub(crate) fn hears(&self, id: &ConversationId, asked: &Asked) -> bool {
        let books = lock(&self.books);
        let meta = books.metas.get(id.as_str());
        meta.is_some_and(|meta| books.people.may(&meta.owner, asked, Need::Speak))
    }

    /// A request was let in.
    pub(crate) fn let_in(&self, id: &ConversationId, asked: &Asked, need: Need, to: &str) {
        let books = lock(&self.books);
        let meta = books.metas.get(id.as_str());
        let may = meta.is_some_and(|meta| books.people.may(&meta.owner, asked, need));
        self.require(may, || {
            let owner = meta.map(|meta| &meta.owner);
            format!("{asked:?} was let in to {to} {id}, of {owner:?}")
        });
    }

    /// A request was turned away that had the right when it came. Only a visitor loses it, by a sign-in.
    pub(crate) fn turned_away(&self, id: &ConversationId, asked: &Asked, from: &str) {
        let books = lock(&self.books);
        let signed_in = books.people.aliases.contains_key(&asked.who.owner());
        self.require(signed_in, || {
            format!("{asked:?} was told that there is no {id}, its own, to {from}")
        });
    }

    /// The ids that this principal's list must have.
    pub(crate) fn list_of(&self, who: &Principal) -> Vec<ConversationId> {
        let books = lock(&self.books);
        let own = who.owner();
        let signed_in = books.people.aliases.contains_key(&own);
        if own.is_none() || signed_in {
            return Vec::new();
        }
        let is_theirs = |owner: &Owner| {
            let became = books.people.aliases.get(owner);
            *owner == own || became.is_some_and(|(customer, _)| *customer == own)
        };
        let theirs = books
            .metas
            .iter()
            .filter(|(_, meta)| has_turns(meta) && is_theirs(&meta.owner));
        theirs
            .filter_map(|(id, _)| ConversationId::parse(id).ok())
            .collect()
    }

    // --- the store ---

    /// A conversation is begun by its owner, which never changes. A stop or an erasure needs the right.
    pub(super) fn check_owner(
        &self,
        people: &People,
        task: TaskId,
        id: &str,
        before: Option<&Meta>,
        after: &Meta,
    ) {
        let asked = self.request_of(people, task);
        let Some(before) = before else {
            let named = ConversationId::parse(id).ok();
            let made = named.as_ref().is_some_and(ConversationId::is_made);
            let named = named.and_then(|id| people.named.get(&id));
            let own = after.owner == asked.who.owner();
            return self.require(own && (!made || named == Some(&after.owner)), || {
                format!("{asked:?} began {id}, of {}", after.owner)
            });
        };
        self.require(before.owner == after.owner, || {
            format!("{id} of {} became {}'s", before.owner, after.owner)
        });
        let stops = after.stop.is_some() && after.stop != before.stop;
        let erases = after.erased_below > before.erased_below;
        if stops || erases {
            let may = people.may(&after.owner, &asked, Need::Oversee);
            self.require(may, || {
                format!("{asked:?} stopped or erased {id}, of {}", after.owner)
            });
        }
    }

    /// Only its owner, or the customer that it became, speaks in a conversation.
    pub(super) fn check_author(
        &self,
        people: &People,
        task: TaskId,
        meta: Option<&Meta>,
        record: &Stored,
    ) {
        let Ok(turn) = decode::<TurnRecord>(record) else {
            return;
        };
        if matches!(turn.origin, Origin::LateResult) {
            return;
        }
        let asked = self.request_of(people, task);
        let may = meta.is_some_and(|meta| people.may(&meta.owner, &asked, Need::Speak));
        self.require(may, || {
            let owner = meta.map(|meta| &meta.owner);
            format!("{asked:?} wrote {:?}, of {owner:?}", record.key)
        });
    }

    pub(super) fn request_of(&self, people: &People, task: TaskId) -> Asked {
        let known = self.world.badge_of(task);
        let known = known.and_then(|badge| people.requests.get(badge).cloned());
        // In scenarios without principals all requests are without a credential.
        known.unwrap_or_else(|| Asked {
            who: Principal::Open,
            since: self.world.now(),
        })
    }

    /// `V#`: written once. `P#`: grows.
    pub(super) fn check_person(
        &self,
        people: &mut People,
        partition: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) {
        let body = after
            .and_then(|after| serde_json::from_str::<serde_json::Value>(&after.record.body).ok());
        if let Some((tenant, subject)) = partition
            .strip_prefix("V#")
            .and_then(|rest| rest.split_once('/'))
        {
            let customer = body
                .as_ref()
                .and_then(|body| body.get("customer")?.as_str());
            let (Some(visitor), Some(customer)) = (
                owner(&format!("{tenant}/visitor/{subject}")),
                customer.and_then(owner),
            ) else {
                return self.require(false, || format!("{partition} became {body:?}"));
            };
            let first = before.is_none() && !people.aliases.contains_key(&visitor);
            self.require(first, || {
                format!("{visitor} became a customer again: {customer}")
            });
            let together =
                customer.tenant() == visitor.tenant() && customer.subject(Kind::Customer).is_some();
            self.require(together, || format!("{visitor} became {customer}"));
            people.aliases.insert(visitor, (customer, self.world.now()));
        } else if let Some((tenant, subject)) = partition
            .strip_prefix("P#")
            .and_then(|rest| rest.split_once('#'))
        {
            let Some(customer) = owner(&format!("{tenant}/customer/{subject}")) else {
                return;
            };
            let visitors = body
                .as_ref()
                .and_then(|body| body.get("visitors")?.as_array());
            let visitors = visitors.into_iter().flatten().filter_map(|visitor| {
                let subject = visitor.as_str()?;
                owner(&format!("{tenant}/visitor/{subject}"))
            });
            people.visitors.insert(customer, visitors.collect());
        }
    }

    /// Both records say the same of a visitor and a customer, behind each commit.
    pub(super) fn check_agreement(&self, people: &People) {
        for (visitor, (customer, _)) in &people.aliases {
            let list = people.visitors.get(customer);
            let times = list.map_or(0, |list| list.iter().filter(|one| *one == visitor).count());
            self.require(times == 1, || {
                format!("{visitor} became {customer}, whose list has it {times} times")
            });
        }
        for (customer, visitors) in &people.visitors {
            self.require(visitors.len() <= MOST_VISITORS, || {
                format!("{customer} has {} visitors", visitors.len())
            });
            let stranger = visitors.iter().find(|visitor| {
                let alias = people.aliases.get(visitor);
                alias.is_none_or(|(known, _)| known != customer)
            });
            self.require(stranger.is_none(), || {
                format!("{customer} has the visitor {stranger:?}, which became another or none")
            });
        }
    }
}

fn has_turns(meta: &Meta) -> bool {
    meta.next_turn > meta.erased_below.max(1)
}
