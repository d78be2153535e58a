//! Time that a test can set ahead, so that nobody waits for a lease to run out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis};
use baton_stores::env::SystemEnv;
use futures_util::future::BoxFuture;

/// The system's clock, and how far it is ahead. Waits that have begun keep their length.
#[derive(Default)]
pub(crate) struct Clock {
    ahead: AtomicU64,
    long_waits_held: AtomicBool,
    broken_for: Mutex<Option<&'static str>>,
    dice_broken: AtomicBool,
}

/// The least that a test calls a long wait.
const LONG: Millis = 1_000;

impl Clock {
    pub(crate) fn set_ahead(&self, by: Duration) {
        self.ahead
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Waits of a second and more that begin from now on never end: who is to hear of something must be told.
    pub(crate) fn hold_long_waits(&self) {
        self.long_waits_held.store(true, Ordering::SeqCst);
    }
}

impl Clock {
    /// Whichever thread of this name asks for the time next panics.
    #[allow(dead_code, reason = "for stores that have a thread of their own")]
    pub(crate) fn break_for(&self, thread: &'static str) {
        *self.broken_for.lock().unwrap() = Some(thread);
    }

    /// Whoever asks for a random number next panics.
    pub(crate) fn break_dice(&self) {
        self.dice_broken.store(true, Ordering::SeqCst);
    }

    fn is_broken(&self) -> bool {
        let mut broken_for = self.broken_for.lock().unwrap();
        let thread = std::thread::current();
        broken_for
            .take_if(|name| thread.name() == Some(name))
            .is_some()
    }
}

impl Env for Clock {
    fn now(&self) -> Millis {
        assert!(!self.is_broken(), "made up");
        SystemEnv.now() + self.ahead.load(Ordering::SeqCst)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        let wait = moment.saturating_sub(self.now());
        if wait >= LONG && self.long_waits_held.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
    }

    fn random(&self) -> u128 {
        assert!(!self.dice_broken.swap(false, Ordering::SeqCst), "made up");
        SystemEnv.random()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        SystemEnv.spawn(task);
    }
}
