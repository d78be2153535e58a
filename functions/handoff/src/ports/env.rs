//! Time, randomness and tasks, so that a simulator can own all three.

use std::time::Duration;

use futures_util::future::BoxFuture;

/// Milliseconds since 1970, UTC.
pub type Millis = u64;

/// A duration in milliseconds, at most half of the highest number, so that a moment can be added to it.
pub fn millis(duration: Duration) -> Millis {
    const MOST: Millis = Millis::MAX / 2;
    Millis::try_from(duration.as_millis()).map_or(MOST, |millis| millis.min(MOST))
}

/// Full jitter: a random part of `ceiling`, from nothing to all of it, so that processes that failed together do not come back together.
pub fn jitter(ceiling: Duration, random: u128) -> Duration {
    let nanos = ceiling.as_nanos() + 1;
    Duration::from_nanos(u64::try_from(random % nanos).unwrap_or(u64::MAX))
}

/// What the domain may ask of the process that it runs in.
pub trait Env: Send + Sync {
    /// Now, by the wall clock. Leases of several processes are compared with it: keep clocks within a second.
    fn now(&self) -> Millis;

    /// Resolves at or after this moment.
    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()>;

    /// 128 random bits from a cryptographic source.
    fn random(&self) -> u128;

    /// Runs a task to its end, even when its caller stops waiting for it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// The unique name of this process, without an `@`. Leases carry it, so that other processes can ask [`Env::has_ended`] about
    /// it. `None` where that question has no answer.
    fn process(&self) -> Option<&str> {
        None
    }

    /// Whether the process of this name has certainly ended and writes no more. Its leases then need not be waited for. `false`
    /// where that is not certain: a process that is suspended or cut off has not ended.
    fn has_ended(&self, process: &str) -> bool {
        // Unknown for every process.
        let _ = process;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_at_most_its_ceiling() {
        let ceiling = Duration::from_millis(50);
        for random in [0, 1, 49_999_999, 50_000_000, u128::MAX] {
            assert!(jitter(ceiling, random) <= ceiling);
        }
        assert_eq!(jitter(ceiling, 50_000_008), Duration::from_nanos(7));
        assert_eq!(jitter(Duration::ZERO, u128::MAX), Duration::ZERO);
    }
}
