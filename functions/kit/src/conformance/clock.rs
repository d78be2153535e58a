//! A clock that only a test moves.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use std::{fmt, sync::Arc};

use baton_handoff::ports::{Env, Millis};
use futures_util::future::BoxFuture;

/// An [`Env`] whose time stands still until it is moved on; tasks run on the Tokio runtime of the test.
#[derive(Default)]
pub struct TestClock {
    state: Arc<Mutex<State>>,
}

struct State {
    now: Millis,
    sleepers: Vec<Waker>,
    /// Counts up, so that no two random numbers are the same and every run is.
    drawn: u64,
}

impl Default for State {
    fn default() -> Self {
        // Some moment in 2026: thirteen digits, like any real one.
        Self {
            now: 1_790_000_000_000,
            sleepers: Vec::new(),
            drawn: 0,
        }
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestClock")
            .field("now", &self.now())
            .finish()
    }
}

impl TestClock {
    /// A clock that stands.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves time on, and wakes who slept until then.
    pub fn advance(&self, by: Duration) {
        let mut state = lock(&self.state);
        state.now += Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX);
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        sleepers.into_iter().for_each(Waker::wake);
    }
}

impl Env for TestClock {
    fn now(&self) -> Millis {
        lock(&self.state).now
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        let state = Arc::clone(&self.state);
        Box::pin(poll_fn(move |context| {
            let mut state = lock(&state);
            if moment <= state.now {
                return Poll::Ready(());
            }
            state.sleepers.push(context.waker().clone());
            Poll::Pending
        }))
    }

    fn random(&self) -> u128 {
        let mut state = lock(&self.state);
        state.drawn += 1;
        // Spread over all bits by an odd multiplier.
        u128::from(state.drawn).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
