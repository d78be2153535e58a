//! A whole conversation as one stream: the events of its turns, one turn after the other, and between turns the ends of actions
//! and the word that all was erased. Turns end in it as they do in their own streams, and the stream goes on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use baton_handoff::TurnLog;
use baton_handoff::event::{ActionFinished, Event, EventKind, Position};
use baton_handoff::ids::{ActionId, TurnNumber};
use baton_handoff::ports::StoreError;
use baton_handoff::{Conversation, Engine, Followed, Pulse, Resume};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::edge::deadline::stream_end;
use crate::stream::format::Format;
use crate::stream::listener::{HEARTBEAT, LONGEST_STREAM};

/// How often the store is read for changes by other instances, in milliseconds.
const POLL: u64 = 2_000;

struct Follower {
    engine: Arc<Engine>,
    conversation: Conversation,
    /// The next turn to follow.
    turn: TurnNumber,
    resume: Option<Position>,
    listening: Option<Listening>,
    /// Turns below were erased, and the listener was told so or never heard of them.
    erased_below: TurnNumber,
    /// Ends that were told already; turns tell most of them.
    ended: Vec<ActionId>,
    until: Instant,
    heard: Instant,
    last: Position,
    over: bool,
}

struct Listening {
    log: Arc<TurnLog>,
    seen: usize,
    resume: Option<Resume>,
}

/// What happens from now on: the turn that runs and those to come; or all behind `after`.
pub(crate) fn events(
    engine: Arc<Engine>,
    conversation: Conversation,
    pulse: &Pulse,
    after: Option<Position>,
) -> Body {
    let turn = after.map_or_else(|| pulse.open.unwrap_or(pulse.next_turn), |after| after.turn);
    let now = Instant::now();
    let follower = Follower {
        engine,
        conversation,
        turn,
        resume: after,
        listening: None,
        // Who heard something of what was erased since is told of that first.
        erased_below: after.map_or(pulse.erased_below, |after| {
            after.turn.min(pulse.erased_below)
        }),
        ended: pulse.ended.iter().map(|action| action.id.clone()).collect(),
        until: stream_end(LONGEST_STREAM),
        heard: now,
        last: after.unwrap_or(Position {
            turn,
            step: 0,
            fence: 0,
            offset: 0,
        }),
        over: false,
    };
    Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        while Instant::now() < self.until && !self.engine.is_draining() {
            let bytes = match self.listening.take() {
                Some(listening) => self.listen(listening).await,
                None => match self.look().await {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        tracing::warn!(conversation = %self.conversation.id(), %error, "a conversation could not be followed");
                        break;
                    }
                },
            };
            let quiet = self.heard.elapsed() >= HEARTBEAT;
            if let Some(bytes) =
                bytes.or_else(|| quiet.then(|| Bytes::from_static(Format::Sse.heartbeat())))
            {
                self.heard = Instant::now();
                return Some(bytes);
            }
        }
        self.over = true;
        Some(self.encode(&[self.event(EventKind::TurnContinues)]))
    }

    async fn listen(&mut self, mut listening: Listening) -> Option<Bytes> {
        let mut out = BytesMut::new();
        let Listening { log, seen, resume } = &mut listening;
        let read = log.read(*seen, |events| {
            for event in events {
                self.last = event.position;
                match resume.as_mut() {
                    None => Format::Sse.write(&mut out, self.conversation.id(), event),
                    Some(resume) => {
                        let missing = resume.missing(event).into_iter().flatten();
                        for event in missing {
                            Format::Sse.write(&mut out, self.conversation.id(), &event);
                        }
                    }
                }
                if let EventKind::ActionFinished(ended) = &event.kind {
                    self.ended.push(ended.action.clone());
                }
            }
        });
        let silence = HEARTBEAT.min(self.until.saturating_duration_since(Instant::now()));
        match timeout(silence, read).await {
            Ok(((), seen, ended)) => {
                listening.seen = seen;
                if ended {
                    self.turn += 1;
                } else {
                    self.listening = Some(listening);
                }
            }
            Err(_elapsed) => self.listening = Some(listening),
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    async fn look(&mut self) -> Result<Option<Bytes>, StoreError> {
        let watch = self.conversation.watch();
        let Some(pulse) = self.conversation.pulse().await? else {
            self.conversation.changed(watch, POLL).await;
            return Ok(None);
        };
        if pulse.erased_below > self.erased_below {
            drop(watch);
            // Nothing more to tell until somebody writes into it again.
            return Ok(Some(self.erased(pulse.erased_below)));
        }
        if self.turn < pulse.next_turn {
            let after = self.resume.take().filter(|after| after.turn == self.turn);
            match self.conversation.follow(self.turn, after).await? {
                Followed::Log(log) => {
                    self.listening = Some(Listening {
                        log,
                        seen: 0,
                        resume: after.map(Resume::after),
                    });
                }
                Followed::NothingLeft | Followed::NoSuchTurn => self.turn += 1,
            }
            return Ok(None);
        }
        let news: Vec<_> = pulse
            .ended
            .into_iter()
            .filter(|action| !self.ended.contains(&action.id))
            .collect();
        if news.is_empty() {
            self.conversation.changed(watch, POLL).await;
            return Ok(None);
        }
        self.ended
            .extend(news.iter().map(|action| action.id.clone()));
        let events: Vec<_> = news
            .into_iter()
            .map(|action| {
                self.event(EventKind::ActionFinished(Box::new(ActionFinished {
                    action: action.id,
                    name: action.tool,
                    state: action.state,
                    result: action.result.unwrap_or_default(),
                })))
            })
            .collect();
        Ok(Some(self.encode(&events)))
    }

    /// Goes on behind the turns that were erased, and tells so: that is of no turn, and stands in no journal.
    fn erased(&mut self, below: TurnNumber) -> Bytes {
        self.erased_below = below;
        self.turn = self.turn.max(below);
        self.resume = None;
        self.last = Position {
            turn: self.turn,
            step: 0,
            fence: 0,
            offset: 0,
        };
        let data = json!({
            "conversation": self.conversation.id().as_str(),
            "turn": self.turn,
            "step": 0,
        });
        let event = format!(
            "id: {}\nevent: conversation_deleted\ndata: {data}\n\n",
            self.last
        );
        Bytes::from(event)
    }

    fn event(&self, kind: EventKind) -> Event {
        Event {
            position: self.last,
            agent: Arc::from(""),
            kind,
        }
    }

    fn encode(&self, events: &[Event]) -> Bytes {
        let mut out = BytesMut::new();
        for event in events {
            Format::Sse.write(&mut out, self.conversation.id(), event);
        }
        out.freeze()
    }
}
