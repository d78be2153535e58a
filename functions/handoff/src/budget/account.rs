//! Accounts: what an owner has used on a day, and what a conversation has used of a slice. Each is written in the commits of
//! turns, over the version that was read.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::Day;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Change, Key, Millis, Record, StoreError};
use crate::principal::Owner;
use crate::record::{Amount, decode, encode};

/// The most accounts that a process remembers.
const MOST: usize = 4_096;

/// `L#day#DAY#owner/OWNER`, `BUDGET`: what an owner has used on a day. `L#slice#ID`, the conversation: what a conversation has used
/// of a slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Used.
    #[serde(default, skip_serializing_if = "Amount::is_nothing")]
    pub(crate) used: Amount,
    /// Reserved for model calls that may be under way.
    #[serde(default, skip_serializing_if = "Amount::is_nothing")]
    pub(crate) reserved: Amount,
}

impl Account {
    pub(crate) fn record(&self, expires_at: Millis) -> Record {
        Record {
            expires_at: Some(expires_at),
            ..encode(self)
        }
    }
}

/// The account of an owner's day.
pub(crate) fn of_owner(owner: &Owner, at: Millis) -> Key {
    Key::new(format!("L#day#{}#owner/{owner}", Day::of(at)), "BUDGET")
}

/// The partition of the accounts of a slice.
pub(crate) fn partition_of_slice(slice: &str) -> String {
    format!("L#slice#{slice}")
}

/// The account of a conversation under a slice.
pub(crate) fn of_slice(slice: &str, conversation: &ConversationId) -> Key {
    Key::new(partition_of_slice(slice), conversation.as_str())
}

impl Ledger {
    /// The account, if this process remembers it.
    pub(super) fn known_account(&self, key: &Key) -> Option<(u64, Account)> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(key).copied()
    }

    pub(super) fn keep_account(&self, key: Key, version: u64, account: Account) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MOST && !accounts.contains_key(&key) {
            accounts.pop_first();
        }
        accounts.insert(key, (version, account));
    }

    pub(super) fn forget_account(&self, key: &Key) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.remove(key);
    }
}

impl Engine {
    /// The account with its version; none where it does not exist, or cannot be read.
    pub(super) async fn account_at(&self, key: &Key) -> Result<Option<(u64, Account)>, StoreError> {
        // That it did not exist once says nothing of now.
        let known = self.ledger.known_account(key);
        if let Some((version, account)) = known.filter(|(version, _)| *version > 0) {
            return Ok(Some((version, account)));
        }
        match self.read_account(key).await? {
            Read::Found(version, account) => Ok(Some((version, account))),
            Read::Absent | Read::Unreadable => Ok(None),
        }
    }

    /// The account with its version, or a new one. None: it cannot be read, and nothing may be reserved.
    pub(super) async fn account_or_new(
        &self,
        key: &Key,
    ) -> Result<Option<(Option<u64>, Account)>, StoreError> {
        let (version, account) = match self.ledger.known_account(key) {
            Some(known) => known,
            None => match self.read_account(key).await? {
                Read::Found(version, account) => (version, account),
                Read::Absent => (0, Account::default()),
                Read::Unreadable => return Ok(None),
            },
        };
        Ok(Some((
            Some(version).filter(|version| *version > 0),
            account,
        )))
    }

    /// Reads the account and remembers it. One that does not exist is remembered with version 0.
    async fn read_account(&self, key: &Key) -> Result<Read, StoreError> {
        let Some(stored) = self.store.get(key).await? else {
            self.ledger.keep_account(key.clone(), 0, Account::default());
            return Ok(Read::Absent);
        };
        match decode::<Account>(&stored) {
            Ok(account) => {
                self.ledger
                    .keep_account(key.clone(), stored.version, account);
                Ok(Read::Found(stored.version, account))
            }
            Err(error) => {
                tracing::error!(%error, "an account of a budget cannot be read; nothing is reserved from it");
                Ok(Read::Unreadable)
            }
        }
    }

    /// Reads the account of an owner's day, so that the next commit need not.
    pub(crate) async fn read_ahead(&self, owner: &Owner) {
        if self.team.budgets.of_owner(owner).is_some() {
            // Where it fails, the commit reads it.
            let _known = self.account_or_new(&of_owner(owner, self.env.now())).await;
        }
    }
}

enum Read {
    Found(u64, Account),
    Absent,
    Unreadable,
}

/// The change that writes an account over what was read.
pub(super) fn change(
    key: Key,
    before: Option<u64>,
    account: &Account,
    expires_at: Millis,
) -> Change {
    let record = account.record(expires_at);
    match before {
        Some(version) => Change::Replace(key, version, record),
        None => Change::Create(key, record),
    }
}
