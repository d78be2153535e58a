//! What the last test write of this process showed, shared by all callers that ask for its health.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::{CommitError, Millis, StoreError};

/// How long a write that worked speaks for those that come after it. A balancer that asks each second costs one small write in
/// this time.
const GOOD_FOR: Millis = 5_000;

/// The same of a write that failed: a store that is back is to be used again soon.
const BAD_FOR: Millis = 1_000;

/// Whether a process can take messages.
#[derive(Debug, Clone)]
pub enum Health {
    /// It can.
    Ready,
    /// It is ending.
    Draining,
    /// The store does not answer.
    StoreAway(StoreError),
    /// The store answers, and nothing can be written to it.
    ReadOnly(CommitError),
    /// A write has not ended for as long as an answer may take.
    Slow,
}

/// The last write, shared by all callers.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    state: Mutex<State>,
    pub(super) ended: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// When the last write ended, and what it showed.
    last: Option<(Millis, Health)>,
    running: bool,
    /// The name of this process's record.
    pub(super) name: Option<String>,
}

impl Probe {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last write showed, while it is young enough.
    pub(super) fn known(&self, now: Millis) -> Option<Health> {
        let state = self.lock();
        let (at, health) = state.last.as_ref()?;
        let good_for = match health {
            Health::Ready => GOOD_FOR,
            Health::Draining | Health::StoreAway(_) | Health::ReadOnly(_) | Health::Slow => BAD_FOR,
        };
        // A moment of the future is one of before the clock was set back.
        let age = now.checked_sub(*at)?;
        (age < good_for).then(|| health.clone())
    }

    /// Whether the caller is to write now.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut self.lock().running, true)
    }

    pub(super) fn end(&self, now: Millis, health: Health) {
        let mut state = self.lock();
        state.last = Some((now, health));
        state.running = false;
        drop(state);
        self.ended.notify_waiters();
    }
}
