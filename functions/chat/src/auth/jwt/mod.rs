//! JWTs: those of an issuer, checked with its keys, and Baton's own, which it signs and checks itself.
//!
//! ```text
//! verifier ─▶ token    the parts of a token, before anything is believed
//!     │  └──▶ claims   what the settings demand of the claims, and what they say
//!     └─────▶ keys     the issuer's keys: cached, refreshed, by id
//!               └─▶ fetch ─▶ key_set   discovery and key set over HTTP; the keys that may be used
//! mint ─────▶ token    tokens of visitors and widgets
//! provider             signatures by ring, for both
//! ```
//!
//! Knows nothing of requests, conversations or the store. The header of a token chooses among the allowed algorithms and known
//! keys, and decides nothing else: addresses, keys and certificates in it are ignored (RFC 8725, 3.1 and 3.10).

mod claims;
mod fetch;
mod key_set;
mod keys;
mod mint;
mod provider;
mod token;
mod verifier;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value};

pub use mint::{Claims, Kind, Mint, NotSigned, WeakSecret};
pub use verifier::{Verifier, Verifiers};

/// The content of a good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The customer or operator, unique at its issuer: 1 to 255 bytes without control characters.
    pub subject: String,
    /// The tenant, where the settings name a claim for it: 1 to 255 bytes without control characters.
    pub tenant: Option<String>,
    /// A display name without control characters, cut to 100 characters.
    pub name: Option<String>,
    /// The claims for tools: those that the settings name, of those that the token has.
    pub claims: Map<String, Value>,
    /// The roles; none unless the settings name a claim for them.
    pub roles: Vec<String>,
    /// The end of the token, in seconds since 1970.
    pub expires: u64,
    /// The only origin that may use the token. Tokens of issuers have none.
    pub origin: Option<String>,
}

/// The reason why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A bad token: 401. The reason is a fixed sentence for the log and for `error_description` (RFC 6750, 3), never a part of
    /// the token.
    #[error("{0}")]
    Invalid(&'static str),
    /// The keys cannot be fetched now: 503 with `Retry-After`.
    #[error("the keys of the issuer cannot be fetched now")]
    Unavailable {
        /// When it is worth another attempt; whole seconds.
        retry_after: Duration,
    },
}
