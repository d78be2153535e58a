//! The turn that a late result begins: for a client that has answered a card and waits for what comes of it. Knows events; never their
//! form.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use baton_handoff::event::EventKind;
use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::StoreError;
use baton_handoff::{Conversation, Engine, Followed, Seen, TurnLog};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::encoder::Encoder;
use super::listener::{Listener, begin_of};
use crate::edge::deadline::stream_end;

/// How long a result is waited for. An action that waits for an operator has none for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the store is read for changes by other instances, in milliseconds.
const POLL: u64 = 500;

/// Until when a result is waited for.
pub(crate) fn patience() -> Instant {
    stream_end(PATIENCE)
}

/// The first turn behind `asked` that a result began, as a stream; or a turn's end without anything, if none comes for a while.
pub(crate) fn results(
    engine: Arc<Engine>,
    conversation: Conversation,
    asked: TurnNumber,
    encoder: Box<dyn Encoder>,
) -> Body {
    let waiting = Waiting {
        engine,
        conversation,
        asked: Some(asked),
        until: patience(),
        listener: Listener::new(encoder, begin_of(asked.saturating_add(1))),
    };
    Body::from_stream(stream::unfold(waiting, |mut waiting| async move {
        let bytes = waiting.next().await?;
        Some((Ok::<_, Infallible>(bytes), waiting))
    }))
}

struct Waiting {
    engine: Arc<Engine>,
    conversation: Conversation,
    /// None once the turn was waited for.
    asked: Option<TurnNumber>,
    until: Instant,
    listener: Listener,
}

impl Waiting {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(asked) = self.asked.take() {
            match find(&self.engine, &self.conversation, asked, self.until).await {
                Ok(Some(log)) => self.listener.listen_to(log, None),
                Ok(None) => return Some(self.listener.write([EventKind::TurnCompleted])),
                Err(error) => {
                    tracing::warn!(conversation = %self.conversation.id(), %error, "a result could not be waited for");
                    return Some(self.listener.hand_over());
                }
            }
        }
        self.listener.next(|_| {}).await
    }
}

/// The first turn behind `asked` that a result began, once there is one. None if there is none at `until`.
pub(crate) async fn find(
    engine: &Engine,
    conversation: &Conversation,
    asked: TurnNumber,
    until: Instant,
) -> Result<Option<Arc<TurnLog>>, StoreError> {
    let mut turn = asked.saturating_add(1);
    loop {
        let watch = conversation.watch();
        let pulse = conversation.pulse().await?;
        if pulse.is_some_and(|pulse| turn < pulse.next_turn) {
            drop(watch);
            if let Followed::Log(log) = conversation.follow(turn, None).await?
                && is_of_a_result(&log, until).await
            {
                return Ok(Some(log));
            }
            turn += 1;
            continue;
        }
        if Instant::now() >= until || engine.is_draining() {
            return Ok(None);
        }
        conversation.changed(watch, POLL).await;
    }
}

/// Whether no message began the turn. One that does not begin in time is none.
async fn is_of_a_result(log: &TurnLog, until: Instant) -> bool {
    let begun = timeout_at(until, log.news(Seen::default())).await;
    let mut is_of_a_result = false;
    log.read_now(Seen::default(), |unread| {
        unread.for_each(|event| {
            if let EventKind::TurnStarted(started) = &event.kind {
                is_of_a_result = started.message.is_empty();
            }
        });
    });
    begun.is_ok() && is_of_a_result
}
