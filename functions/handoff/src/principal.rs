//! In whose name a caller asks.

use std::borrow::Cow;

/// In whose name a caller asks. Until callers sign in there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Cow<'static, str>);

impl Principal {
    /// The one principal of today: conversations without sign-in are its own.
    pub const LOCAL: Self = Self(Cow::Borrowed("local"));

    /// A principal under the name by which records know their owner.
    pub fn named(owner: impl Into<Cow<'static, str>>) -> Self {
        Self(owner.into())
    }

    /// The owner that records of its conversations name.
    pub fn owner(&self) -> &str {
        &self.0
    }
}
