//! The result of this process's last test write, shared by all callers of its health check.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::{CommitError, Millis, StoreError};

/// How long a successful write answers later callers. A balancer that asks each second then costs one small write in this time.
const GOOD_FOR: Millis = 5_000;

/// The same for a failed write: a recovered store should be used soon.
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
    /// The store can be read, and no write succeeds.
    ReadOnly(CommitError),
    /// A write has taken longer than an answer may.
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
    /// The end of the last write, and its result.
    last: Option<(Millis, Health)>,
    running: bool,
    /// The name of this process's record.
    pub(super) name: Option<String>,
}

impl Probe {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of the last write, while it is recent enough.
    pub(super) fn known(&self, now: Millis) -> Option<Health> {
        let state = self.lock();
        let (at, health) = state.last.as_ref()?;
        let good_for = match health {
            Health::Ready => GOOD_FOR,
            Health::Draining | Health::StoreAway(_) | Health::ReadOnly(_) | Health::Slow => BAD_FOR,
        };
        // A time in the future comes from before the clock was set back.
        let age = now.checked_sub(*at)?;
        (age < good_for).then(|| health.clone())
    }

    /// Whether the caller must write now.
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
