//! One listener of turns, and the body that it makes of one turn. The body never yields an error, and it ends with exactly one
//! event that ends the stream. It only reads the turn's log: a listener that hangs up or reads slowly stops nothing.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::ids::TurnNumber;
use baton_handoff::{Resume, Seen, TurnLog};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::encoder::Encoder;
use crate::edge::deadline::stream_end;

/// Well under the 30 s after which CloudFront and most clients give a silent stream up.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// No stream is longer; the turn goes on and the client may follow it.
pub(crate) const LONGEST_STREAM: Duration = Duration::from_hours(1);

/// A model that says many words at once is not written word by word: words within this time of the last write share the next
/// one. Each write costs more than all else that is done for a word, and no eye sees the difference.
const PACE: Duration = Duration::from_millis(2);

/// The events of a turn behind `after`, from now to its end.
pub fn turn(
    log: Arc<TurnLog>,
    turn: TurnNumber,
    encoder: Box<dyn Encoder>,
    after: Option<Position>,
) -> Body {
    let mut listener = Listener::new(encoder, after.unwrap_or_else(|| begin_of(turn)));
    listener.listen_to(log, after);
    Body::from_stream(stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next(|_| {}).await?;
        Some((Ok::<_, Infallible>(bytes), listener))
    }))
}

/// The position before all events of a turn.
pub(super) fn begin_of(turn: TurnNumber) -> Position {
    Position {
        turn,
        step: 0,
        fence: 0,
        offset: 0,
    }
}

/// A client that is written the events of a turn, or of one turn after the other.
pub(super) struct Listener {
    encoder: Box<dyn Encoder>,
    turn: Option<Reading>,
    /// The position of the newest event.
    last: Position,
    until: Instant,
    /// When events were written last.
    wrote_at: Option<Instant>,
    quiet_since: Instant,
    /// Rings when the stream may have been quiet for too long.
    alarm: Pin<Box<Sleep>>,
    is_over: bool,
}

/// A turn's log, and how far it is read.
struct Reading {
    log: Arc<TurnLog>,
    seen: Seen,
    /// Of a listener that came back: the position that it has, and what it lacks.
    resume: Option<(Position, Resume)>,
}

impl Listener {
    /// A listener that has everything up to `last`.
    pub(super) fn new(mut encoder: Box<dyn Encoder>, last: Position) -> Self {
        encoder.begin(last);
        let now = Instant::now();
        Self {
            encoder,
            turn: None,
            last,
            until: stream_end(LONGEST_STREAM),
            wrote_at: None,
            quiet_since: now,
            alarm: Box::pin(sleep_until(now + HEARTBEAT)),
            is_over: false,
        }
    }

    /// Goes on with the events of a turn behind `after`.
    pub(super) fn listen_to(&mut self, log: Arc<TurnLog>, after: Option<Position>) {
        self.turn = Some(Reading {
            log,
            seen: Seen::default(),
            resume: after.map(|after| (after, Resume::after(after))),
        });
    }

    /// Whether the end of the turn was not read yet.
    pub(super) fn is_listening(&self) -> bool {
        self.turn.is_some()
    }

    /// Whether the client was told to follow anew: nothing comes behind that.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next bytes of the turn; `None` at its end. `read` is shown every event of the log.
    pub(super) async fn next(&mut self, mut read: impl FnMut(&Event)) -> Option<Bytes> {
        while let Some(turn) = &self.turn {
            let quiet_until = (self.quiet_since + HEARTBEAT).min(self.until);
            if !comes_before(quiet_until, &mut self.alarm, turn.log.news(turn.seen)).await {
                if let Some(bytes) = self.keep_alive() {
                    return Some(bytes);
                }
                continue;
            }
            keep_pace(&turn.log, self.wrote_at).await;
            let out = self.take(&mut read);
            // Some events have no form in some formats.
            if !out.is_empty() {
                let bytes = self.wrote(out);
                self.wrote_at = Some(self.quiet_since);
                return Some(bytes);
            }
        }
        None
    }

    /// Encodes the events of the log that are new.
    fn take(&mut self, read: &mut impl FnMut(&Event)) -> BytesMut {
        let Some(Reading { log, seen, resume }) = &mut self.turn else {
            return BytesMut::new();
        };
        let encoder = &mut *self.encoder;
        let (last, is_over) = (&mut self.last, &mut self.is_over);
        let (out, now_seen, has_ended) = log.read_now(*seen, |unread| {
            let mut out = BytesMut::with_capacity(unread.count() * 128);
            unread.for_each(|event| {
                read(event);
                match resume {
                    None => encoder.event(&mut out, event),
                    Some((after, resume)) => {
                        encode_missing(encoder, &mut out, resume, event, *after);
                    }
                }
                *last = event.position;
                *is_over = matches!(event.kind, EventKind::TurnContinues);
            });
            out
        });
        *seen = now_seen;
        if has_ended {
            self.turn = None;
        }
        out
    }

    /// What is due while nothing happens: a heartbeat, or the end of a stream that has lasted long enough.
    pub(super) fn keep_alive(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        if now >= self.until {
            return Some(self.hand_over());
        }
        (now >= self.quiet_since + HEARTBEAT).then(|| {
            self.quiet_since = now;
            Bytes::from_static(self.encoder.heartbeat())
        })
    }

    /// Ends the stream before the turn: the client is to follow it anew.
    pub(super) fn hand_over(&mut self) -> Bytes {
        self.turn = None;
        self.is_over = true;
        self.write([EventKind::TurnContinues])
    }

    /// Writes events that stand in no log.
    pub(super) fn write(&mut self, kinds: impl IntoIterator<Item = EventKind>) -> Bytes {
        let mut out = BytesMut::new();
        for kind in kinds {
            let event = Event {
                position: self.last,
                agent: Arc::from(""),
                kind,
            };
            self.encoder.event(&mut out, &event);
        }
        self.wrote(out)
    }

    /// Goes on at this position, with bytes that say why.
    pub(super) fn skip_to(&mut self, position: Position, why: BytesMut) -> Bytes {
        self.last = position;
        self.encoder.begin(position);
        self.wrote(why)
    }

    fn wrote(&mut self, out: BytesMut) -> Bytes {
        self.quiet_since = Instant::now();
        out.freeze()
    }
}

/// Whether there is news before this moment. The alarm is set anew when it rings too early, not with every event: a timer costs more
/// than a word.
async fn comes_before(
    moment: Instant,
    alarm: &mut Pin<Box<Sleep>>,
    news: impl Future<Output = ()>,
) -> bool {
    let mut news = pin!(news);
    loop {
        tokio::select! {
            biased;
            () = &mut news => return true,
            () = alarm.as_mut() => {}
        }
        if Instant::now() >= moment {
            return false;
        }
        alarm.as_mut().reset(moment);
    }
}

/// Waits until the next write is due; the end of the stream does not wait.
async fn keep_pace(log: &TurnLog, wrote_at: Option<Instant>) {
    let Some(wrote_at) = wrote_at else {
        return;
    };
    if wrote_at.elapsed() < PACE {
        tokio::select! {
            biased;
            () = log.ended() => {}
            () = sleep_until(wrote_at + PACE) => {}
        }
    }
}

/// What of an event is missing to a listener that has everything up to `after`.
fn encode_missing(
    encoder: &mut dyn Encoder,
    out: &mut BytesMut,
    resume: &mut Resume,
    event: &Event,
    after: Position,
) {
    let missing = resume.missing(event);
    missing
        .iter()
        .flatten()
        .for_each(|event| encoder.event(out, event));
    if missing == [None, None] {
        encode_rest(encoder, out, event, after);
    }
}

/// What of a turn's last event is missing to a listener that names this position.
pub(crate) fn encode_rest(
    encoder: &mut dyn Encoder,
    out: &mut BytesMut,
    end: &Event,
    after: Position,
) {
    if end.position == after && end.kind.ends_stream() {
        encoder.rest(out, end);
    }
}

#[cfg(test)]
mod tests {
    use baton_handoff::ids::ConversationId;
    use futures_util::StreamExt;

    use super::*;
    use crate::stream::{Format, ndjson, sse};

    /// The pieces of the body of a turn in which nothing happens.
    async fn silence(format: &Format) -> Vec<Bytes> {
        let log = Arc::new(TurnLog::default());
        let encoder = (format.encoder)(&ConversationId::parse("c").unwrap());
        let body = turn(log, 7, encoder, None);
        body.into_data_stream().map(Result::unwrap).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_kept_alive_until_it_tells_its_listener_to_follow() {
        let pieces = silence(&ndjson::FORMAT).await;
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
        let pieces = silence(&sse::FORMAT).await;
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
