//! The number of attempts and the pauses between them. Knows time and randomness; never the operation.

use std::time::Duration;

use baton_handoff::ports::{Env, jitter};
use tokio::time::{Instant, sleep};

/// Tries of one read or write, the first included.
pub(crate) const TRIES: u32 = 8;

/// No attempt begins after this time: two renewals of a lease must fit into its 30 s.
pub(crate) const LONGEST: Duration = Duration::from_secs(8);

/// The limit of the first pause; it doubles with each further one.
pub(crate) const FIRST_CEILING: Duration = Duration::from_millis(10);

/// The limit of the last pauses.
pub(crate) const LAST_CEILING: Duration = Duration::from_secs(1);

/// The patience for one read or write.
///
/// It sleeps by the runtime's clock, not by [`Env`]'s: it is about the network, and a clock held by a test must not hang it.
pub(crate) struct Patience<'a> {
    env: &'a dyn Env,
    tried: u32,
    until: Instant,
}

impl<'a> Patience<'a> {
    /// Fresh patience.
    pub(crate) fn new(env: &'a dyn Env) -> Self {
        Self {
            env,
            tried: 0,
            until: Instant::now() + LONGEST,
        }
    }

    /// Waits a random part of a growing time ("full jitter"), so that conflicting writers do not meet again. `false`: the
    /// attempts or the time are used up.
    pub(crate) async fn wait(&mut self) -> bool {
        self.tried += 1;
        if self.tried >= TRIES {
            return false;
        }
        let ceiling = (FIRST_CEILING * (1 << self.tried.min(16))).min(LAST_CEILING);
        let wait = jitter(ceiling, self.env.random());
        if Instant::now() + wait >= self.until {
            return false;
        }
        sleep(wait).await;
        true
    }
}
