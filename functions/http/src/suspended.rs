//! Time-outs that a suspended process does not mistake for silence.
//!
//! A process may stand still: stopped by a signal, frozen between two invocations, starved on a busy machine. When it goes on,
//! a timer rings at once, and what arrived meanwhile is still in the socket: other tasks have to read it before the waiting
//! task can see it. So a timer that rings is not believed until there was a last look, and the last look is longer where the
//! timer rang late.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The last look behind a timer that rang in time.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// The last look behind a long suspension. A runtime reads what thousands of sockets hold in less.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// It did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

/// When a deadline that is noticed now is believed.
pub fn believed_at(deadline: Instant, now: Instant) -> Instant {
    let lateness = now.saturating_duration_since(deadline);
    now + lateness.clamp(SHORTEST_LOOK, LONGEST_LOOK)
}

/// What comes of the future until the deadline, or behind it in the last look.
pub async fn until<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Late> {
    let mut future = pin!(future);
    if let Ok(came) = tokio::time::timeout_at(deadline, &mut future).await {
        return Ok(came);
    }
    let now = Instant::now();
    let look = believed_at(deadline, now).saturating_duration_since(now);
    timeout(look, future).await.map_err(|_| Late)
}

/// What comes of the future within this time from now on, or behind it in the last look.
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
    async fn what_arrived_while_the_process_stood_still_is_seen_behind_the_deadline() {
        let (arrive, arrived) = oneshot::channel();
        let waiting = tokio::spawn(within(PATIENCE, arrived));
        yield_now().await;
        tokio::time::advance(PATIENCE + Duration::from_secs(15)).await;
        // Both the waiting task and the one that reads the socket wake up. The waiting one is first.
        yield_now().await;
        assert!(
            !waiting.is_finished(),
            "it was given up without a last look"
        );
        arrive.send("read").unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Ok("read")));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_soon_after_the_deadline() {
        let began = Instant::now();
        assert_eq!(
            within(PATIENCE, std::future::pending::<()>()).await,
            Err(Late)
        );
        assert!(began.elapsed() < PATIENCE + Duration::from_millis(50));
    }
}
