//! The optional fields of a request that a service has refused, for as long as this process runs.
//! Knows names; what a field is for is the format's.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fault::Fault;

/// Which of these fields the service has refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// At most 32.
    optional: &'static [&'static str],
    refused: AtomicU32,
}

impl Refused {
    pub(crate) fn none_of(optional: &'static [&'static str]) -> Self {
        Self {
            optional,
            refused: AtomicU32::new(0),
        }
    }

    /// Whether the field may be sent.
    pub(crate) fn takes(&self, field: &str) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        let at = self.optional.iter().position(|name| *name == field);
        at.is_none_or(|at| refused & (1 << at) == 0)
    }

    /// Remembers the field that the fault names, if it is one of these, and returns it. A request that was under way meanwhile may
    /// name it once more.
    pub(crate) fn remember(&self, fault: &Fault) -> Option<&'static str> {
        let at = self.optional.iter().position(|name| fault.refuses(name))?;
        self.refused.fetch_or(1 << at, Ordering::Relaxed);
        self.optional.get(at).copied()
    }
}
