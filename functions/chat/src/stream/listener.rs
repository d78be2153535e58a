//! A turn's events as a response body. It never yields an error, and it ends with exactly one event that ends the stream.
//! It only reads the turn's log: who hangs up or reads slowly stops nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use baton_handoff::Resume;
use baton_handoff::TurnLog;
use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::ids::{ConversationId, TurnNumber};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, timeout};

use crate::edge::deadline::stream_end;
use crate::stream::format::Format;

/// Well under the 30 s after which CloudFront and most clients give a silent stream up.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// No stream is longer; the turn goes on and the client may follow it.
pub(crate) const LONGEST_STREAM: Duration = Duration::from_hours(1);

/// A model that says many words at once is not written word by word: what comes within this time of the last write shares the
/// next one. Each write costs more than all else that is done for a word, and no eye sees the difference.
const PACE: Duration = Duration::from_millis(2);

struct Listener {
    log: Arc<TurnLog>,
    conversation: ConversationId,
    turn: TurnNumber,
    format: Format,
    seen: usize,
    /// Of a listener who comes back: what it has, and what it still misses.
    resume: Option<(Position, Resume)>,
    last: Position,
    until: Instant,
    ended: bool,
    wrote_at: Option<Instant>,
}

/// The events of a turn behind `after`, from now to its end.
pub(crate) fn events(
    log: Arc<TurnLog>,
    conversation: ConversationId,
    turn: TurnNumber,
    format: Format,
    after: Option<Position>,
) -> Body {
    let last = after.unwrap_or(Position {
        turn,
        step: 0,
        fence: 0,
        offset: 0,
    });
    let until = stream_end(LONGEST_STREAM);
    let resume = after.map(|after| (after, Resume::after(after)));
    let listener = Listener {
        log,
        conversation,
        turn,
        format,
        seen: 0,
        resume,
        last,
        until,
        ended: false,
        wrote_at: None,
    };
    Body::from_stream(stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next().await?;
        Some((Ok::<_, Infallible>(bytes), listener))
    }))
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            let silence = HEARTBEAT.min(self.until.saturating_duration_since(Instant::now()));
            if timeout(silence, self.log.news(self.seen)).await.is_err() {
                return Some(self.heartbeat());
            }
            self.keep_pace().await;
            let bytes = self.take();
            // Some events have no form in some formats.
            if !bytes.is_empty() {
                self.wrote_at = Some(Instant::now());
                return Some(bytes);
            }
        }
        None
    }

    /// Waits until the next write is due; the end of the stream does not wait.
    async fn keep_pace(&self) {
        let Some(wrote_at) = self.wrote_at else {
            return;
        };
        if wrote_at.elapsed() < PACE {
            tokio::select! {
                biased;
                () = self.log.ended() => {}
                () = tokio::time::sleep_until(wrote_at + PACE) => {}
            }
        }
    }

    fn take(&mut self) -> Bytes {
        let Self {
            log,
            resume,
            last,
            format,
            conversation,
            ..
        } = self;
        let (bytes, seen, ended) = log.read_now(self.seen, |events| {
            if let Some(newest) = events.last() {
                *last = newest.position;
            }
            encode(*format, conversation, resume, events)
        });
        self.seen = seen;
        self.ended = ended;
        bytes
    }

    fn heartbeat(&mut self) -> Bytes {
        if Instant::now() < self.until {
            return Bytes::from_static(self.format.heartbeat());
        }
        self.ended = true;
        let position = Position {
            turn: self.turn,
            ..self.last
        };
        let event = Event {
            position,
            agent: Arc::from(""),
            kind: EventKind::TurnContinues,
        };
        let mut out = BytesMut::new();
        self.format.write(&mut out, &self.conversation, &event);
        out.freeze()
    }
}

fn encode(
    format: Format,
    conversation: &ConversationId,
    resume: &mut Option<(Position, Resume)>,
    events: &[Event],
) -> Bytes {
    let mut out = BytesMut::with_capacity(events.len() * 128);
    match resume {
        None => events
            .iter()
            .for_each(|event| format.write(&mut out, conversation, event)),
        Some((after, resume)) => {
            let missing = events
                .iter()
                .flat_map(|event| resume.missing(event))
                .flatten();
            missing.for_each(|event| format.write_behind(&mut out, conversation, &event, *after));
        }
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// The pieces of the body of a turn in which nothing happens.
    async fn silence(format: Format) -> Vec<Bytes> {
        let log = Arc::new(TurnLog::default());
        let body = events(log, ConversationId::parse("c").unwrap(), 7, format, None);
        body.into_data_stream().map(Result::unwrap).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_kept_alive_until_it_tells_its_listener_to_follow() {
        let pieces = silence(Format::Ndjson { plain: false }).await;
        let (last, heartbeats) = pieces.split_last().unwrap();
        assert_eq!(
            heartbeats.len(),
            359,
            "one every 10 s of an hour but the last"
        );
        assert!(heartbeats.iter().all(|piece| piece == "\n"));
        assert_eq!(
            last,
            "{\"content\":{\"type\":\"done\",\"message\":\"\",\"turn\":7,\"status\":\"running\"},\"id\":\"7.0.0.0\"}\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_heartbeat_of_typed_events_is_a_comment() {
        let pieces = silence(Format::Sse).await;
        let (last, heartbeats) = pieces.split_last().unwrap();
        assert!(
            heartbeats
                .iter()
                .all(|piece| piece.starts_with(b":") && piece.ends_with(b"\n\n"))
        );
        assert!(
            last.starts_with(b"id: 7.0.0.0\nevent: turn_continues\n"),
            "{last:?}"
        );
    }
}
