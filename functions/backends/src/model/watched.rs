//! A response's bytes under watch: silence, a response without end, an event without end.
//! The SSE parser buffers whatever comes; this is what keeps that bounded.

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

use super::settings::Patience;

/// How long a service that is done may take to say so: the turn has all that it needs, and waits only for the token counts
/// and for a connection that can be used again.
const GRACE: Duration = Duration::from_millis(500);

/// What the reader of the events tells the watch. Both sit in one task, so no ordering is needed between them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes since the last whole event.
    unparsed: AtomicUsize,
    finished: AtomicBool,
}

impl Progress {
    pub(super) fn event_ended(&self) {
        self.unparsed.store(0, Ordering::Relaxed);
    }

    /// From here on [`GRACE`] is all there is.
    pub(super) fn answer_finished(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Watched<S> {
    body: S,
    progress: Arc<Progress>,
    event_bound: usize,
    silence: Duration,
    last_bytes: Instant,
    response_until: Instant,
    response: Duration,
    // Set anew when it rings, not with every chunk: a timer costs more than a token.
    alarm: Pin<Box<Sleep>>,
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
            alarm: Box::pin(sleep_until(now + patience.silence.min(patience.response))),
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
        if self.last_bytes >= self.response_until {
            return Err(self.late());
        }
        let unparsed = self.progress.unparsed.load(Ordering::Relaxed);
        // Before the new bytes are counted: a network read may hold many events, and the parser has not seen it yet.
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

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<ModelError> {
        loop {
            let due = self.due();
            if Instant::now() >= due {
                return Poll::Ready(self.late());
            }
            if due < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(due);
            }
            ready!(self.alarm.as_mut().poll(cx));
        }
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
            Poll::Pending => self.poll_alarm(cx).map(|late| Some(Err(late))),
        }
    }
}
