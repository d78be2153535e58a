//! Advances a conversation: begins the next turn, recovers the turn of a dead owner, and stops when no turn waits.
//! Each process has at most one driver for a conversation; the lease decides between processes.

pub(crate) mod admission;
mod begin;
pub(crate) mod catch_up;
mod driver;
mod erased;
pub(crate) mod holder;
pub(crate) mod hub;
pub(crate) mod lease;
mod left_out;
pub(crate) mod log;
mod next;
pub(crate) mod progress;
pub(crate) mod retention;
mod send;
pub(crate) mod sweep;
pub(crate) mod warm;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use admission::Place;
use driver::{Driver, LONGEST_PAUSE, Next};

use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ConversationId;
use crate::ports::Millis;
use crate::record::journal::read_meta;
use crate::turn;
use crate::turn::begun::Begun;

use self::warm::Warm;

/// The first pause before a conversation that another process owns is read again.
const FIRST_PAUSE: Millis = 100;

/// When a worker looks again after a conversation whose turn found no place.
const NO_PLACE: Duration = Duration::from_secs(2);

/// Why a driver has left its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing is left to do here, or others do it.
    Done,
    /// Too many turns run here, and nobody listens.
    Full,
}

/// How many store failures in a row end the logs of the listeners.
const MAX_FAILURES: u32 = 6;

impl Engine {
    /// Advances a conversation unless a driver of this process does. For workers, and after a change of the conversation. `Some`:
    /// too many turns run here; it wants to be looked after again after this time.
    pub async fn look_after(self: &Arc<Self>, conversation: &ConversationId) -> Option<Duration> {
        let later = self.advance(conversation).await;
        if later.is_none() && self.remembers() {
            // Beside the turns of others: no message waits for it.
            self.summarise(conversation).await;
        }
        later
    }

    /// The same without what can be done beside turns.
    pub(crate) async fn advance(
        self: &Arc<Self>,
        conversation: &ConversationId,
    ) -> Option<Duration> {
        if !self.hub.start_driving(conversation) {
            return None;
        }
        match drive(self.clone(), conversation.clone(), None, None).await {
            Left::Done => None,
            Left::Full => Some(NO_PLACE),
        }
    }
}

/// Works until nothing is left to do. The caller has marked itself as the driver. `place`: for the next turn.
pub(crate) async fn drive(
    engine: Arc<Engine>,
    conversation: ConversationId,
    begun: Option<Box<Begun>>,
    place: Option<Place>,
) -> Left {
    let driver = Driver {
        engine: &engine,
        conversation: &conversation,
    };
    let work = AssertUnwindSafe(driver.run(begun, place)).catch_unwind();
    work.await.unwrap_or_else(|_panic| {
        tracing::error!(%conversation, "a driver panicked; the sweeper will find the conversation");
        engine.hub.abandon(&conversation);
        Left::Done
    })
}

impl Driver<'_> {
    async fn run(&self, mut begun: Option<Box<Begun>>, mut place: Option<Place>) -> Left {
        let (engine, conversation) = (self.engine, self.conversation);
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        let mut lost = 0;
        loop {
            let seen = engine.hub.pokes(conversation);
            if let Some(begun) = begun.take() {
                let turn = begun.turn.number;
                let warm = turn::run(engine, begun).await;
                engine.hub.forget_ended_log(conversation, turn);
                if let Some(warm) = &warm {
                    engine.send_ended(&warm.meta, conversation, &[turn]).await;
                }
                if warm.is_some_and(|warm| self.rests(warm, seen)) {
                    return Left::Done;
                }
            }
            if engine.is_draining() || engine.hub.is_given_up(conversation) {
                self.leave().await;
                return Left::Done;
            }
            let seen = engine.hub.pokes(conversation);
            match Box::pin(self.next(&mut place)).await {
                Ok(Next::Run(next)) => {
                    begun = Some(next);
                    (pause, failures, lost) = (FIRST_PAUSE, 0, 0);
                }
                Ok(Next::Recheck) if lost >= MAX_TRIES => {
                    tracing::error!(%conversation, "a conversation was left after too many lost races; the sweeper will find it");
                    engine.hub.abandon(conversation);
                    return Left::Done;
                }
                Ok(Next::Recheck) => {
                    engine.back_off(lost).await;
                    lost += 1;
                }
                // No listener here: the owner does the work, and the sweep finds a dead owner. A worker that waited would hold up
                // the messages behind it.
                Ok(Next::Wait(_))
                    if engine.hub.logs_of(conversation).is_empty()
                        && engine.hub.stop_driving(conversation, seen) =>
                {
                    return Left::Done;
                }
                // Nor here: a worker that waited for a place would hold up the messages of other owners.
                Ok(Next::Full(_))
                    if engine.hub.logs_of(conversation).is_empty()
                        && engine.hub.stop_driving(conversation, seen) =>
                {
                    if sabotage!(FullForgotten) {
                        return Left::Done;
                    }
                    return Left::Full;
                }
                Ok(Next::Full(party)) => {
                    tokio::select! {
                        biased;
                        () = engine.given_up(conversation) => {}
                        free = engine.admission.wait(&party) => place = Some(free),
                    }
                }
                Ok(Next::Wait(until)) => {
                    self.wait(until.min(engine.env.now() + pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    lost = 0;
                }
                Ok(Next::Nothing) => {
                    if engine.hub.stop_driving(conversation, seen) {
                        return Left::Done;
                    }
                }
                Err(error) if failures >= MAX_FAILURES => {
                    tracing::error!(%conversation, %error, "a conversation was given up; the sweeper will find it");
                    // Accepted turns stay accepted, and the next owner goes on with them.
                    engine.hub.abandon(conversation);
                    return Left::Done;
                }
                Err(error) => {
                    tracing::warn!(%conversation, %error, "a conversation could not be advanced; its driver tries again");
                    engine.back_off(failures + 4).await;
                    failures += 1;
                }
            }
        }
    }

    /// Stops without reading META again if nothing waits and no task has poked the driver since.
    fn rests(&self, warm: Warm, seen: u64) -> bool {
        let (engine, conversation) = (self.engine, self.conversation);
        let meta = &warm.meta;
        let idle = meta.waiting.is_empty() && meta.pending_reports.is_empty() && !meta.erasing;
        if !idle || !engine.hub.logs_of(conversation).is_empty() {
            return false;
        }
        // Stored first, for the next driver. While a summary is made, META is about to change. Of a turn that another process
        // accepted and stopped meanwhile this one knows nothing: the next request would lack its message.
        if meta.summarise.is_none() && warm.past.reaches(meta.next_turn) {
            engine.memory.keep(conversation, warm);
        }
        engine.hub.stop_driving(conversation, seen)
    }

    /// Leaves the conversation to another process. Listeners of waiting turns are asked to follow them there.
    async fn leave(&self) {
        let (engine, conversation) = (self.engine, self.conversation);
        // The sweeper finds the conversations of a process that ends. Its own workers must not be asked.
        if !engine.is_draining() {
            self.hand_over().await;
        }
        engine.hub.abandon(conversation);
    }

    /// Asks a worker to go on, before listeners are asked to follow elsewhere: this process may be frozen from then on. The lease
    /// of a running turn was handed over before.
    async fn hand_over(&self) {
        let (engine, conversation) = (self.engine, self.conversation);
        match read_meta(&*engine.store, conversation).await {
            Ok(Some((_, meta)))
                if meta.running.is_none() && (!meta.waiting.is_empty() || meta.erasing) =>
            {
                engine.send_conversation(&meta.owner, conversation).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%conversation, %error, "a conversation could not be handed over; the sweeper will find it");
            }
        }
    }

    async fn wait(&self, until: Millis) {
        let (engine, conversation) = (self.engine, self.conversation);
        let poked = engine.hub.poked(conversation);
        tokio::select! {
           biased;
            () = poked.notified() => {}
            () = engine.given_up(conversation) => {}
            () = engine.env.sleep_until(until) => {}
        }
    }
}
