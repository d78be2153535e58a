//! A whole conversation as one stream: the events of its turns, one turn after the other, and between turns the ends of actions
//! and `conversation_deleted`. Turns end in it as they do in their own streams, and the stream goes on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::ids::{ActionId, TurnNumber};
use baton_handoff::ports::StoreError;
use baton_handoff::{Conversation, Engine, Followed, Pulse};
use bytes::{Bytes, BytesMut};
use futures_util::stream;

use super::encoder::Format;
use super::listener::{Listener, begin_of};
use super::sse;
use crate::edge::deadline::Idle;

/// How often the store is read for changes by other instances, in milliseconds.
const POLL: u64 = 2_000;

struct Follower {
    engine: Arc<Engine>,
    conversation: Conversation,
    listener: Listener,
    /// The next turn to follow.
    turn: TurnNumber,
    resume: Option<Position>,
    /// Turns below this number were erased, and the client knows that or never saw them.
    erased_below: TurnNumber,
    /// How long no turn has run.
    idle: Idle,
    /// Ended actions that the client knows of; most of them from the events of turns.
    ended: Vec<ActionId>,
}

/// The future events, as typed events: of the running turn and of later ones; or all after `after`.
pub(crate) fn events(
    engine: Arc<Engine>,
    conversation: Conversation,
    pulse: &Pulse,
    after: Option<Position>,
    format: &Format,
) -> Body {
    let turn = after.map_or_else(|| pulse.open.unwrap_or(pulse.next_turn), |after| after.turn);
    let encoder = (format.encoder)(conversation.id());
    let follower = Follower {
        engine,
        conversation,
        listener: Listener::new(encoder, after.unwrap_or_else(|| begin_of(turn))),
        turn,
        resume: after,
        idle: Idle::here(),
        // A client that saw events of turns erased since is told of that first.
        erased_below: after.map_or(pulse.erased_below, |after| {
            after.turn.min(pulse.erased_below)
        }),
        ended: pulse
            .ended
            .iter()
            .map(|ended| ended.action.clone())
            .collect(),
    };
    Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.listener.is_over() {
            if self.engine.is_draining() {
                return Some(self.listener.hand_over());
            }
            let bytes = if self.listener.is_listening() {
                self.idle.end();
                let ended = &mut self.ended;
                let read = |event: &Event| {
                    if let EventKind::ActionFinished(action) = &event.kind {
                        ended.push(action.action.clone());
                    }
                };
                self.listener.next(read).await
            } else {
                // The client comes back, names the last event that it has, and misses nothing.
                if self.idle.is_over() {
                    return Some(self.listener.hand_over());
                }
                match self.poll().await {
                    Ok(bytes) => bytes.or_else(|| self.listener.keep_alive()),
                    Err(error) => {
                        tracing::warn!(conversation = %self.conversation.id(), %error, "a conversation could not be followed");
                        Some(self.listener.hand_over())
                    }
                }
            };
            if bytes.is_some() {
                return bytes;
            }
        }
        None
    }

    /// Looks for a turn to follow, and for events outside of turns.
    async fn poll(&mut self) -> Result<Option<Bytes>, StoreError> {
        let watch = self.conversation.watch();
        let Some(pulse) = self.conversation.pulse().await? else {
            self.conversation.changed(watch, POLL).await;
            return Ok(None);
        };
        if pulse.erased_below > self.erased_below {
            drop(watch);
            // No more events until a new turn begins.
            return Ok(Some(self.erased(pulse.erased_below)));
        }
        if self.turn < pulse.next_turn {
            let after = self.resume.take().filter(|after| after.turn == self.turn);
            match self.conversation.follow(self.turn, after).await? {
                Followed::Log(log) => self.listener.listen_to(log, after),
                Followed::NothingLeft(_) | Followed::NoSuchTurn => {}
            }
            self.turn += 1;
            return Ok(None);
        }
        let news: Vec<_> = pulse
            .ended
            .into_iter()
            .filter(|ended| !self.ended.contains(&ended.action))
            .collect();
        if news.is_empty() {
            self.conversation.changed(watch, POLL).await;
            return Ok(None);
        }
        self.ended
            .extend(news.iter().map(|ended| ended.action.clone()));
        let ends = news
            .into_iter()
            .map(|ended| EventKind::ActionFinished(Box::new(ended)));
        Ok(Some(self.listener.write(ends)))
    }

    /// Continues after the erased turns, and reports them.
    fn erased(&mut self, below: TurnNumber) -> Bytes {
        self.erased_below = below;
        self.turn = self.turn.max(below);
        self.resume = None;
        let position = begin_of(self.turn);
        let mut out = BytesMut::new();
        sse::conversation_deleted(&mut out, self.conversation.id(), position);
        self.listener.skip_to(position, out)
    }
}
