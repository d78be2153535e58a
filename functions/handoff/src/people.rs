//! The principals that the store knows: visitors that became customers, API keys, operators; all that an owner has; and the
//! audit trail of what operators do.

pub(crate) mod alias;
pub(crate) mod key;
pub(crate) mod operator;
pub(crate) mod possessions;
pub(crate) mod pseudonym;
pub(crate) mod remembered;
pub(crate) mod trail;

use crate::ports::{CommitError, Millis, StoreError};

/// How long an answer of the store is used: a revocation takes as long at most.
const STAYS: Millis = 60_000;

/// Why a key or an operator was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateError {
    /// Another writer was first, or the store failed. Whether it is written shows in the list.
    #[error("it may not have been written; look at the list: {0}")]
    Commit(#[from] CommitError),
    /// The store failed; nothing was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
