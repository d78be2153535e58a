//! The identity behind a request.

use std::borrow::Cow;

/// The identity behind a request. Until callers sign in there is only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Cow<'static, str>);

impl Principal {
    /// The one principal of today: it owns all conversations.
    pub const LOCAL: Self = Self(Cow::Borrowed("local"));

    /// A principal with the owner name that records carry.
    pub fn named(owner: impl Into<Cow<'static, str>>) -> Self {
        Self(owner.into())
    }

    /// The owner named in the records of its conversations.
    pub fn owner(&self) -> &str {
        &self.0
    }
}
