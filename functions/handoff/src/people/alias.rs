//! A visitor who signs in: from then on its conversations are the customer's, and the visitor opens nothing. The owner in META
//! never changes; a record says once and for ever which customer a visitor became.

use serde::{Deserialize, Serialize};

use super::STAYS;
use crate::engine::{Engine, MAX_TRIES};
use crate::ports::{Change, CommitError, Key, Millis, Order, Range, Store, StoreError, Stored};
use crate::principal::{Kind, Owner, Principal, Subject};
use crate::record::{decode, encode};

/// Visitors of one customer.
const MOST_VISITORS: usize = 16;

/// Records of one owner that are read at once.
const PAGE: usize = 100;

/// Why a visitor did not become a customer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInError {
    /// The visitor has signed in as another customer.
    #[error("this visitor has signed in as another customer")]
    Taken,
    /// The customer has 16 visitors already.
    #[error("this customer has signed in as {MOST_VISITORS} visitors, and more are not kept")]
    TooMany,
    /// Only a visitor becomes a customer, and only in its own tenant.
    #[error("a visitor becomes a customer of its own tenant only")]
    NotTogether,
    /// The store failed; a later attempt may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `V#tenant/visitor`, `ALIAS`: the customer that a visitor became. Written once.
#[derive(Debug, Serialize, Deserialize)]
struct Alias {
    customer: Owner,
    at: Millis,
}

/// `P#tenant#subject`, `VISITORS`: the visitors that became this customer.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Visitors {
    visitors: Vec<Subject>,
}

fn alias_key(visitor: &Owner) -> Option<Key> {
    let subject = visitor.subject(Kind::Visitor)?;
    let partition = format!("V#{}/{subject}", visitor.tenant());
    Some(Key::new(partition, "ALIAS"))
}

fn visitors_key(customer: &Owner) -> Option<Key> {
    let subject = customer.subject(Kind::Customer)?;
    let partition = format!("P#{}#{subject}", customer.tenant());
    Some(Key::new(partition, "VISITORS"))
}

/// The records under an owner's own name: which customer a visitor became, and all of a customer's partition.
pub(super) async fn records_of(
    store: &dyn Store,
    owner: &Owner,
) -> Result<Vec<Stored>, StoreError> {
    let Some(key) = alias_key(owner).or_else(|| visitors_key(owner)) else {
        return Ok(Vec::new());
    };
    let mut range = Range {
        partition: key.partition,
        prefix: String::new(),
        after: None,
        order: Order::Ascending,
        limit: PAGE,
    };
    let mut records = Vec::new();
    loop {
        let page = store.range(&range).await?;
        range.after = page.records.last().map(|last| last.key.sort.clone());
        records.extend(page.records);
        if !page.more || range.after.is_none() {
            return Ok(records);
        }
    }
}

/// The owners whose conversations and orders are this owner's: itself, and for a customer the visitors that it was.
///
/// # Errors
/// The store's.
pub async fn same_owners(store: &dyn Store, owner: &Owner) -> Result<Vec<Owner>, StoreError> {
    let customer = match customer_of(store, owner).await? {
        Some(customer) => customer,
        None => owner.clone(),
    };
    let mut owners = vec![customer.clone()];
    if let Some(key) = visitors_key(&customer)
        && let Some(stored) = store.get(&key).await?
    {
        let known: Visitors = decode(&stored)?;
        let visitors = known.visitors.into_iter();
        owners.extend(visitors.map(|visitor| Owner::visitor(customer.tenant(), &visitor)));
    }
    Ok(owners)
}

/// The customer that this owner became; `None` if it is no visitor, or has not signed in.
async fn customer_of(store: &dyn Store, owner: &Owner) -> Result<Option<Owner>, StoreError> {
    let Some(key) = alias_key(owner) else {
        return Ok(None);
    };
    let stored = store.get(&key).await?;
    let alias: Option<Alias> = stored.as_ref().map(decode).transpose()?;
    Ok(alias.map(|alias| alias.customer))
}

impl Engine {
    /// Makes the visitor this customer, once: repeated, it changes nothing. From then on the visitor opens nothing.
    ///
    /// # Errors
    /// See [`SignInError`]; nothing has changed then.
    pub async fn sign_in(
        &self,
        visitor: &Principal,
        customer: &Principal,
    ) -> Result<(), SignInError> {
        let (from, to) = (visitor.owner(), customer.owner());
        let together = from.tenant() == to.tenant();
        let (Some(alias), Some(visitors), true) = (alias_key(&from), visitors_key(&to), together)
        else {
            return Err(SignInError::NotTogether);
        };
        let Some(subject) = from
            .subject(Kind::Visitor)
            .and_then(|subject| Subject::parse(subject).ok())
        else {
            return Err(SignInError::NotTogether);
        };
        for attempt in 0..MAX_TRIES {
            let keys = [alias.clone(), visitors.clone()];
            let mut stored = self.store.get_many(&keys).await?.into_iter();
            let (before, known) = (stored.next().flatten(), stored.next().flatten());
            let overwrites = sabotage!(AliasUnconditional) && attempt > 0;
            if let Some(before) = before.as_ref().filter(|_| !overwrites) {
                let before: Alias = decode(before)?;
                let is_same = before.customer == to;
                self.remember_alias(&from, Some(before.customer), self.env.now());
                return if is_same {
                    Ok(())
                } else {
                    Err(SignInError::Taken)
                };
            }
            let mut list: Visitors = known.as_ref().map(decode).transpose()?.unwrap_or_default();
            if list.visitors.len() >= MOST_VISITORS {
                return Err(SignInError::TooMany);
            }
            list.visitors.push(subject.clone());
            let record = Alias {
                customer: to.clone(),
                at: self.env.now(),
            };
            let list = encode(&list);
            let mut changes = vec![
                match &before {
                    None => Change::Create(alias.clone(), encode(&record)),
                    // Only a sign-in that overwrites gets here.
                    Some(other) => Change::Replace(alias.clone(), other.version, encode(&record)),
                },
                match known {
                    Some(known) => Change::Replace(visitors.clone(), known.version, list),
                    None => Change::Create(visitors.clone(), list),
                },
            ];
            let second_half = changes.split_off(if sabotage!(AliasHalf) { 1 } else { 2 });
            let mut committed = self.store.commit(changes).await;
            if committed.is_ok() && !second_half.is_empty() {
                committed = self.store.commit(second_half).await;
            }
            match committed {
                Ok(()) => {
                    self.remember_alias(&from, Some(to), self.env.now());
                    return Ok(());
                }
                // Written or not: the next read shows it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(StoreError::Unavailable("the visitor is written to all the time".to_owned()).into())
    }

    /// Whether this principal is a visitor that has signed in. The answer may be a minute old.
    pub(crate) async fn has_signed_in(&self, principal: &Principal) -> Result<bool, StoreError> {
        let owner = principal.owner();
        if owner.subject(Kind::Visitor).is_none() || sabotage!(VisitorStays) {
            return Ok(false);
        }
        // An answer that comes late is as old as the question.
        let asked_at = self.env.now();
        if let Some(known) = self.aliases.get(&owner, asked_at) {
            return Ok(known.is_some());
        }
        let customer = customer_of(&*self.store, &owner).await?;
        let signed_in = customer.is_some();
        self.remember_alias(&owner, customer, asked_at);
        Ok(signed_in)
    }

    /// Whether this process knows, without a read, that the principal is no visitor that has signed in.
    pub(crate) fn surely_present(&self, principal: &Principal) -> bool {
        let owner = principal.owner();
        owner.subject(Kind::Visitor).is_none()
            || self.aliases.get(&owner, self.env.now()) == Some(None)
    }

    /// Whether `owner` is a visitor that became this customer. An answer "no" is never an old one.
    pub(crate) async fn became(
        &self,
        owner: &Owner,
        customer: &Principal,
    ) -> Result<bool, StoreError> {
        let to = customer.owner();
        if to.subject(Kind::Customer).is_none() || owner.tenant() != to.tenant() {
            return Ok(false);
        }
        match self.aliases.get(owner, self.env.now()) {
            Some(Some(known)) => return Ok(known == to),
            Some(None) if sabotage!(OldNoBelieved) => return Ok(false),
            Some(None) | None => {}
        }
        let known = customer_of(&*self.store, owner).await?;
        let same = known.as_ref() == Some(&to);
        if known.is_some() {
            self.remember_alias(owner, known, self.env.now());
        }
        Ok(same)
    }

    /// Whether this process knows, without a read, that `owner` is a visitor that became this customer.
    pub(crate) fn surely_became(&self, owner: &Owner, customer: &Principal) -> bool {
        let known = self.aliases.get(owner, self.env.now()).flatten();
        known.is_some_and(|known| known == customer.owner())
    }

    /// What a visitor became never changes; that it became nothing may change at any time, also while the answer is on its way.
    fn remember_alias(&self, visitor: &Owner, customer: Option<Owner>, asked_at: Millis) {
        let now = self.env.now();
        let until = if customer.is_some() {
            Millis::MAX
        } else if self.aliases.get(visitor, now).flatten().is_some() {
            return;
        } else {
            asked_at + STAYS
        };
        self.aliases.keep(visitor.clone(), customer, until, now);
    }
}
