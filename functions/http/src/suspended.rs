//! Time-outs that allow for a suspended process.
//!
//! A process may be suspended: stopped by a signal, frozen between two invocations, starved on a busy machine. When it resumes,
//! its timers fire at once, while arrived data is still in the socket: other tasks must read it before the waiting task can see
//! it. So an expired timer only counts after one last poll, and that poll lasts longer if the timer fired late.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The last poll after a timer that fired in time.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// The last poll after a long suspension. A runtime reads thousands of sockets in less.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The future did not finish in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

/// When a deadline that is noticed now counts as passed.
pub fn believed_at(deadline: Instant, now: Instant) -> Instant {
    let lateness = now.saturating_duration_since(deadline);
    now + lateness.clamp(SHORTEST_LOOK, LONGEST_LOOK)
}

/// The result of the future if it finishes by the deadline, or in the last poll after it.
pub async fn until<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Late> {
    let mut future = pin!(future);
    if let Ok(came) = tokio::time::timeout_at(deadline, &mut future).await {
        return Ok(came);
    }
    let now = Instant::now();
    let rest = believed_at(deadline, now).saturating_duration_since(now);
    timeout(rest, future).await.map_err(|_| Late)
}

/// The result of the future if it finishes within this time from now, or in the last poll after it.
pub async fn within<F: Future>(patience: Duration, future: F) -> Result<F::Output, Late> {
    until(Instant::now() + patience, future).await
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn data_that_arrived_during_a_suspension_is_read_after_the_deadline() {
        let (arrive, arrived) = oneshot::channel();
        let waiting = tokio::spawn(within(PATIENCE, arrived));
        yield_now().await;
        tokio::time::advance(PATIENCE + Duration::from_secs(15)).await;
        // Both the waiting task and the task that reads the socket wake up. The waiting one runs first.
        yield_now().await;
        assert!(
            !waiting.is_finished(),
            "it was given up without a last look"
        );
        arrive.send("read").unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Ok("read")));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_reported_soon_after_the_deadline() {
        let began = Instant::now();
        assert_eq!(
            within(PATIENCE, std::future::pending::<()>()).await,
            Err(Late)
        );
        assert!(began.elapsed() < PATIENCE + Duration::from_millis(50));
    }
}
