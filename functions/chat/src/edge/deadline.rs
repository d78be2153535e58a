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
