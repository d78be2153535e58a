//! Pseudonyms in the audit trail of a tenant.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::ids::hex;

/// Hexadecimal digits of a pseudonym: 128 bits.
const DIGITS: usize = 32;

/// Makes pseudonyms of one tenant.
#[derive(Clone)]
pub(crate) struct Pseudonyms(pub(super) Arc<str>);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// The pseudonym of a name: the same each time, and of use to nobody without the key.
    pub(crate) fn of(&self, name: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.0.as_bytes());
        hasher.update([0]);
        hasher.update(name.as_bytes());
        let mut digits = hex(&hasher.finalize());
        digits.truncate(DIGITS);
        digits
    }
}
