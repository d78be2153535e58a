//! The deadline for the streams of a request, where the process has one.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    /// Set around the handling of a request.
    pub(crate) static STREAMS_END: Instant;
    /// Set around it where a gateway waits for a whole answer.
    pub(crate) static ANSWER_END: Instant;
}

/// The end of a stream that begins now and may take `longest`.
pub(crate) fn stream_end(longest: Duration) -> Instant {
    let end = Instant::now() + longest;
    STREAMS_END.try_with(|set| end.min(*set)).unwrap_or(end)
}

/// The longest time for an answer that does not stream, under the ten minutes after which the usual clients give up.
const LONGEST_ANSWER: Duration = Duration::from_mins(9);

/// The same behind an API gateway, which gives up after 29 s or more: the last second is for the way back.
#[cfg_attr(
    not(feature = "aws"),
    expect(dead_code, reason = "gateways are on AWS")
)]
pub(crate) const BEHIND_A_GATEWAY: Duration = Duration::from_secs(28);

/// When an answer must be sent that does not stream.
pub(crate) fn answer_end() -> Instant {
    let end = stream_end(LONGEST_ANSWER);
    ANSWER_END.try_with(|set| end.min(*set)).unwrap_or(end)
}

/// How long a stream may last in which nothing happens, where each stream holds an invocation, and the time of a function.
const LONGEST_IDLE: Duration = Duration::from_mins(1);

/// How long nothing has happened in a stream.
#[derive(Debug)]
pub(crate) struct Idle {
    /// How long it may be; `None` where an idle stream costs next to nothing.
    longest: Option<Duration>,
    until: Option<Instant>,
}

impl Idle {
    /// For a stream of this request.
    pub(crate) fn here() -> Self {
        Self {
            longest: STREAMS_END.try_with(|_| LONGEST_IDLE).ok(),
            until: None,
        }
    }

    /// Something happens.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// Whether nothing has happened for too long.
    pub(crate) fn is_over(&mut self) -> bool {
        let Some(longest) = self.longest else {
            return false;
        };
        let now = Instant::now();
        now >= *self.until.get_or_insert(now + longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_sent_before_the_first_of_all_deadlines() {
        let now = Instant::now();
        assert_eq!(answer_end(), now + LONGEST_ANSWER);
        let (soon, later) = (now + Duration::from_secs(28), now + Duration::from_mins(1));
        assert_eq!(STREAMS_END.sync_scope(later, answer_end), later);
        let both = || ANSWER_END.sync_scope(soon, answer_end);
        assert_eq!(STREAMS_END.sync_scope(later, both), soon);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_of_a_function_is_over_after_a_minute_and_one_of_a_server_never() {
        let end = Instant::now() + Duration::from_hours(1);
        let mut here = STREAMS_END.sync_scope(end, Idle::here);
        let mut server = Idle::here();
        for second in 0..60 {
            assert!(!here.is_over(), "{second}");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(here.is_over());
        assert!(!server.is_over());
        here.end();
        assert!(!here.is_over());
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(here.is_over());
    }
}
