//! Time, chance and tasks, so that a simulator can own all three.

use futures_util::future::BoxFuture;

/// Milliseconds since 1970, UTC.
pub type Millis = u64;

/// What the domain may ask of the process that it runs in.
pub trait Env: Send + Sync {
    /// Now, by the wall clock. Leases of several processes are compared with it: keep clocks within a second.
    fn now(&self) -> Millis;

    /// Resolves at or after this moment.
    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()>;

    /// 128 random bits from a cryptographic source.
    fn random(&self) -> u128;

    /// Runs a task to its end, also when its caller stops waiting for it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// The name of this process, without an `@`, which no other process ever has. Leases carry it, so that others can ask
    /// [`Env::has_ended`] about it. None where that cannot be answered.
    fn process(&self) -> Option<&str> {
        None
    }

    /// Whether the process of this name has certainly ended, so that nothing it began is written any more. Its leases then
    /// need not be waited for. `false` where that is not certain: a process that is only stopped or cut off has not ended.
    fn has_ended(&self, process: &str) -> bool {
        // Unknown for every process.
        let _ = process;
        false
    }
}
