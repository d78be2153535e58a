//! The clock, the random source and the tasks of a real process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_handoff::ports::{Env, Millis, millis};
use futures_util::future::BoxFuture;

/// This process, on tokio.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnv;

impl Env for SystemEnv {
    fn now(&self) -> Millis {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        millis(since)
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        // Sleeps by the monotonic clock: a change of the wall clock does not change waits that began before.
        let wait = Duration::from_millis(moment.saturating_sub(self.now()));
        Box::pin(tokio::time::sleep(wait))
    }

    #[expect(
        clippy::expect_used,
        reason = "without a random source no id is safe: better to stop the process"
    )]
    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has a random source");
        u128::from_ne_bytes(bytes)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // Outside of the caller's span: a task may outlive the request and serve others.
        tokio::spawn(task);
    }
}
