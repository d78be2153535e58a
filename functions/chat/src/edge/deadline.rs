//! The deadline for the streams of a request, where the process has one.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    /// Set around the handling of a request.
    pub(crate) static STREAMS_END: Instant;
}

/// The end of a stream that begins now and may take `longest`.
pub(crate) fn stream_end(longest: Duration) -> Instant {
    let end = Instant::now() + longest;
    STREAMS_END.try_with(|set| end.min(*set)).unwrap_or(end)
}

/// How long a stream may last in which nothing happens, where each stream holds an invocation, and the time of a function.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// How long a stream of this request may last in which nothing happens; `None` where it costs next to nothing.
pub(crate) fn longest_idle() -> Option<Duration> {
    STREAMS_END.try_with(|_| LONGEST_IDLE).ok()
}
