//! A response's bytes under time and size limits: silence, an endless response, an endless event. The SSE parser buffers
//! everything; these limits bound it.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use baton_handoff::ports::{ModelError, ModelErrorKind};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::Patience;
use baton_http::suspended::believed_at;

/// How long a service may be silent behind an answer's end: mostly the turn has everything it needs, and waits only for the token
/// counts and for a reusable connection. But some services bring further calls.
const GRACE: Duration = Duration::from_millis(500);

/// Shared by the reader of the frames and the watch. Both run in one task, so no ordering is needed between them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes since the last whole frame.
    unparsed: AtomicUsize,
    finished: AtomicBool,
    /// The body ended, in the middle of an event perhaps.
    body_ended: AtomicBool,
}

impl Progress {
    pub(super) fn body_ended(&self) {
        self.body_ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_body_ended(&self) -> bool {
        self.body_ended.load(Ordering::Relaxed)
    }

    pub(super) fn event_ended(&self) {
        self.unparsed.store(0, Ordering::Relaxed);
    }

    /// The answer has an end: only [`GRACE`] is left for what comes behind it.
    pub(super) fn answer_finished(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }
}

pub(crate) struct Watched<S> {
    body: S,
    progress: Arc<Progress>,
    event_bound: usize,
    silence: Duration,
    last_bytes: Instant,
    response_until: Instant,
    response: Duration,
    /// When a passed deadline counts: after a suspension of this process, arrived data may be unread.
    last_poll: Option<Instant>,
    // Set again when it fires, not with every chunk: a timer costs more than a token.
    alarm: Pin<Box<Sleep>>,
    /// The end of a complete answer was given the chance to come without an alarm.
    has_stood_back: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(
        body: S,
        patience: &Patience,
        event_bound: usize,
        progress: Arc<Progress>,
    ) -> Self {
        let now = Instant::now();
        Self {
            body,
            progress,
            event_bound,
            silence: patience.silence,
            last_bytes: now,
            response_until: now + patience.response,
            response: patience.response,
            last_poll: None,
            alarm: Box::pin(sleep_until(now + patience.silence.min(patience.response))),
            has_stood_back: false,
        }
    }

    fn due(&self) -> Instant {
        let finished = self.progress.finished.load(Ordering::Relaxed);
        let silence = if finished {
            self.silence.min(GRACE)
        } else {
            self.silence
        };
        self.response_until.min(self.last_bytes + silence)
    }

    fn accept(&mut self, bytes: Bytes) -> Result<Bytes, ModelError> {
        self.last_bytes = Instant::now();
        if self.is_late(self.last_bytes) {
            return Err(self.late());
        }
        let unparsed = self.progress.unparsed.load(Ordering::Relaxed);
        // Before the new bytes are counted: a network read may hold many events that the parser has not seen yet.
        if unparsed > self.event_bound {
            return Err(ModelError::new(
                ModelErrorKind::TooLarge,
                format!("one event has more than {} bytes", self.event_bound),
            ));
        }
        self.progress
            .unparsed
            .store(unparsed + bytes.len(), Ordering::Relaxed);
        Ok(bytes)
    }

    /// Once, when the answer is complete: its end is mostly read already, and the task that reads the connection only has to run for
    /// it. An alarm set earlier than all others interrupts the runtime's sleep.
    fn stands_back(&mut self) -> bool {
        let finished = self.progress.finished.load(Ordering::Relaxed);
        finished && !std::mem::replace(&mut self.has_stood_back, true)
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<ModelError> {
        loop {
            if self.is_late(Instant::now()) {
                return Poll::Ready(self.late());
            }
            let rings = self.last_poll.unwrap_or_else(|| self.due());
            if rings < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(rings);
            }
            ready!(self.alarm.as_mut().poll(cx));
        }
    }

    /// Whether the deadline has passed, and the last poll after it found nothing.
    fn is_late(&mut self, now: Instant) -> bool {
        let due = self.due();
        if now < due {
            self.last_poll = None;
            return false;
        }
        now >= *self.last_poll.get_or_insert_with(|| believed_at(due, now))
    }

    fn late(&self) -> ModelError {
        let detail = if Instant::now() >= self.response_until {
            format!("the response was not whole after {:?}", self.response)
        } else {
            format!("nothing came for {:?}", self.silence)
        };
        ModelError::new(ModelErrorKind::TimedOut, detail)
    }
}

impl<S, E> Stream for Watched<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    type Item = Result<Bytes, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.body.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(self.accept(bytes))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(ModelError::new(
                ModelErrorKind::Cut,
                error.to_string(),
            )))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.stands_back() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => self.poll_alarm(cx).map(|late| Some(Err(late))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, stream};
    use tokio::sync::mpsc;
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Patience = Patience {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(30),
        silence: Duration::from_secs(30),
        response: Duration::from_mins(10),
    };

    fn watched<S>(body: S) -> Watched<S> {
        Watched::new(body, &PATIENCE, 1024, Arc::default())
    }

    /// Data in the socket reaches this stream one task after the timer that fired: the first poll finds nothing.
    async fn heard_after_standing_still(still: Duration) -> Result<Bytes, ModelError> {
        let (socket, mut unread) = mpsc::unbounded_channel::<Result<Bytes, Infallible>>();
        let mut watched = watched(stream::poll_fn(move |cx| unread.poll_recv(cx)));
        assert!(watched.next().now_or_never().is_none());
        advance(still).await;
        assert!(
            watched.next().now_or_never().is_none(),
            "the stream was given up without a last look"
        );
        socket.send(Ok(Bytes::from_static(b"data"))).unwrap();
        watched.next().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn data_that_arrived_during_a_suspension_is_read() {
        // Past the silence, and past all of the response's time.
        for still in [Duration::from_secs(45), Duration::from_mins(11)] {
            assert_eq!(heard_after_standing_still(still).await.unwrap(), "data");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_given_up_soon_after_its_time() {
        let began = Instant::now();
        let error = watched(stream::pending::<Result<Bytes, Infallible>>())
            .next()
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::TimedOut);
        assert!(began.elapsed() < PATIENCE.silence + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_falls_silent_is_given_up() {
        let comments = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b":\n")));
        let mut watched = watched(comments);
        let began = Instant::now();
        let error = loop {
            match watched.next().await.unwrap() {
                Ok(_comment) => {
                    watched.progress.event_ended();
                    advance(Duration::from_secs(7)).await;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ModelErrorKind::TimedOut);
        assert!(began.elapsed() < PATIENCE.response + Duration::from_secs(20));
    }
}
