//! Limits on the money that actions move: whether an amount fits, counted in the commit that accepts or approves its action.
//! Knows sums and records; never a tool's price.

mod till;

use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Change, Key, StoreError};
use crate::principal::Owner;
use crate::record::{ActionRecord, Meta, keys};
use crate::team::MoneyLimit;

#[cfg(test)]
pub(crate) use till::MOST_OPEN;
pub(crate) use till::{Sums, Till};

/// Into how many records the sum of a tenant's day is divided, so that its conversations do not wait for each other.
const SHARES: u32 = 8;

/// How many days back a sum is still corrected.
const CORRECTED: u32 = 1;

/// Whose sums a commit is about, and on which day.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    owner: Owner,
    /// The tenant's share that this conversation draws on.
    share: u32,
    day: u32,
}

impl Engine {
    /// The account of a conversation now.
    pub(crate) fn account(&self, owner: &Owner, conversation: &ConversationId) -> Account {
        // Any hash will do: FNV-1a, for it needs four lines.
        let hash = conversation
            .as_str()
            .bytes()
            .fold(0x811c_9dc5, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        Account {
            owner: owner.clone(),
            share: hash % SHARES,
            day: crate::record::day_of(self.env.now()),
        }
    }

    /// Counts an action that a person has approved, whether or not it fits. Returns the changes of the day's sums.
    pub(crate) async fn count_approved(
        &self,
        meta: &mut Meta,
        action: &ActionRecord,
    ) -> Result<Vec<Change>, StoreError> {
        let Some((limit, cents)) = self.team.money_limit(&action.tool).zip(action.amount_cents)
        else {
            return Ok(Vec::new());
        };
        let account = self.account(&action.owner, &action.id.conversation);
        let sums = self.read_sums(account.keys([limit])).await?;
        let mut till = Till::open(&account, &sums);
        till.count(meta, limit, &action.id, cents);
        Ok(till.close())
    }

    /// Reads these sums. Records that cannot be decoded are left alone.
    pub(crate) async fn read_sums(&self, keys: Vec<Key>) -> Result<Sums, StoreError> {
        if keys.is_empty() {
            return Ok(Sums::default());
        }
        match self.store.get_many(&keys).await {
            Ok(read) => Ok(Sums::read(&keys, &read)),
            Err(StoreError::Damaged(_)) => Ok(Sums::default()),
            Err(error @ (StoreError::Unavailable(_) | StoreError::BadCursor)) => Err(error),
        }
    }
}

impl Account {
    /// The records of today's sums under these limits.
    pub(crate) fn keys<'a>(&self, limits: impl IntoIterator<Item = &'a MoneyLimit>) -> Vec<Key> {
        let (mut by_owner, mut in_tenant) = (false, false);
        for limit in limits {
            by_owner |= limit.customer_day_cents.is_some() && !self.owner.is_none();
            in_tenant |= limit.tenant_day_cents.is_some();
        }
        let shares = (0..SHARES).filter(|_| in_tenant);
        let shares = shares.map(|share| self.share_key(self.day, share));
        let owners = by_owner.then(|| self.owner_key(self.day));
        owners.into_iter().chain(shares).collect()
    }

    /// The records of the sums that these actions are counted in, as META has them.
    pub(crate) fn keys_of<'a>(
        &self,
        meta: &Meta,
        actions: impl Iterator<Item = &'a crate::ids::ActionId>,
    ) -> Vec<Key> {
        let mut keys = Vec::new();
        for action in actions {
            let counted = meta.spent.values().flat_map(|spent| &spent.open);
            for counted in counted.filter(|counted| counted.is(action)) {
                if !self.is_corrected(counted.day) {
                    continue;
                }
                keys.push(self.share_key(counted.day, self.share));
                if !self.owner.is_none() {
                    keys.push(self.owner_key(counted.day));
                }
            }
        }
        keys
    }

    /// Whether a sum of that day is still corrected: an older one decides nothing any more.
    fn is_corrected(&self, day: u32) -> bool {
        day > 0 && day + CORRECTED >= self.day
    }

    fn owner_key(&self, day: u32) -> Key {
        keys::spent_by(&self.owner, day)
    }

    fn share_key(&self, day: u32, share: u32) -> Key {
        keys::spent_in(self.owner.tenant(), day, share)
    }
}
