//! One turn: from the user's message to the terminal event, step by step, each step recorded before its effects.
//! Knows ports only; never HTTP, AWS or the clock.

mod acceptance;
mod answer;
mod ask;
pub(crate) mod begun;
mod calls;
mod commits;
mod conditions;
pub(crate) mod draft;
pub(crate) mod fill;
mod further;
pub(crate) mod late;
mod narrator;
pub(crate) mod past;
mod play;
mod prefix;
mod price;
pub(crate) mod recorder;
pub(crate) mod replay;
pub(crate) mod request;
mod reserve;
pub(crate) mod response;
pub(crate) mod told;
pub(crate) mod window;

use std::panic::AssertUnwindSafe;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

pub(crate) use reserve::costs_nothing;

use begun::{Begun, EndAtOnce, Opening};
use commits::{Ending, Rest};
use play::Play;
use response::Broken;

use crate::drive::lease::{Interrupted, Lease, Trouble};
use crate::drive::warm::Warm;
use crate::engine::Engine;
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ports::ModelErrorKind;
use crate::record::Summarise;

/// Runs a begun turn until it ends, is lost or is handed over. Its listeners receive the end, unless another process goes on with
/// the turn: then the driver finds the outcome. Returns the conversation as the turn's end left it.
#[tracing::instrument(
    // A warning must name its conversation at every log level.
    level = "error",
    name = "turn",
    skip_all,
    fields(conversation = %begun.claim.conversation, turn = begun.turn.number)
)]
pub(crate) async fn run(engine: &Engine, begun: Box<Begun>) -> Option<Warm> {
    let lease = Lease::new(
        engine,
        begun.claim.clone(),
        begun.meta_version,
        begun.meta.clone(),
    );
    let number = begun.turn.number;
    let claim = begun.claim.clone();
    let mut begun = begun;
    let _alone_until_its_end = begun.suspect.take();
    let (mut play, opening) = Play::new(engine, &lease, begun);
    let recorder = play.narrator.recorder();
    let mut work = Box::pin(AssertUnwindSafe(play.run(opening)).catch_unwind());
    let beside = async {
        tokio::select! {
            biased;
            interrupted = lease.keep(number) => Ended::Interrupted(interrupted),
            () = engine.given_up(&claim.conversation) => Ended::GivenUp,
            never = recorder.run(engine, &claim, number) => match never {},
        }
    };
    // Polled only when it was woken itself: its timers and locks, polled with every word, cost as much as the word.
    let mut beside = FuturesUnordered::from_iter([beside]);
    let ended = tokio::select! {
        biased;
        result = &mut work => Ended::ByItself(result),
        Some(ended) = beside.next() => ended,
    };
    drop((work, beside));
    let result = match ended {
        Ended::ByItself(Ok(result)) => result,
        Ended::ByItself(Err(_panic)) => {
            tracing::error!("a turn panicked");
            Box::pin(play.record_end(Ending::Failed(FailureCode::Internal))).await
        }
        Ended::Interrupted(Interrupted::Stopped) => {
            Box::pin(play.record_end(Ending::Stopped)).await
        }
        Ended::Interrupted(Interrupted::Trouble(trouble)) => Err(trouble),
        Ended::GivenUp => {
            Box::pin(play.give_up_lease()).await;
            return None;
        }
    };
    match result {
        Ok(()) => {
            let past = play.into_past();
            let (version, meta) = lease.into_held();
            // Behind the last event, which nothing may come before once the end is recorded.
            if meta.summarise.as_ref().is_some_and(Summarise::is_open) {
                engine
                    .send_conversation(&claim.owner, &claim.conversation)
                    .await;
            }
            return Some(Warm {
                version,
                meta,
                past,
            });
        }
        Err(Trouble::Lost) => tracing::warn!("another process goes on with this turn"),
        Err(Trouble::Store(detail) | Trouble::Refused(detail)) => {
            tracing::error!(%detail, "a turn could not be recorded; the next owner goes on with it");
            // The store still has the turn as running, so another owner will continue it. Reporting a failure would be false, and
            // a customer that believes it orders twice.
            play.narrator.tell(EventKind::TurnContinues);
        }
    }
    None
}

enum Ended {
    ByItself(Result<Result<(), Trouble>, Box<dyn std::any::Any + Send>>),
    Interrupted(Interrupted),
    GivenUp,
}

impl Play<'_> {
    async fn run(&mut self, opening: Option<Opening>) -> Result<(), Trouble> {
        let ending = self.run_steps(opening).await?;
        Box::pin(self.record_end(ending)).await
    }

    /// Records the end. If the store refuses it, records a smaller end: a turn can always end.
    async fn record_end(&mut self, ending: Ending) -> Result<(), Trouble> {
        let lesser = match &ending {
            Ending::Committed(_) | Ending::WaitsForClient => {
                Ending::Failed(FailureCode::ModelTooLarge)
            }
            Ending::Failed(code) => Ending::Failed(*code),
            Ending::Stopped => Ending::Stopped,
        };
        match self.record_ending(ending, Rest::Kept).await {
            Err(Trouble::Refused(detail)) => {
                tracing::error!(%detail, "the store refused the end of a turn; a shorter one is stored");
                self.record_ending(lesser, Rest::LeftOut).await
            }
            other => other,
        }
    }

    /// Steps until the customer's next message is needed.
    async fn run_steps(&mut self, mut opening: Option<Opening>) -> Result<Ending, Trouble> {
        if let Some(end) = self.end_at_once {
            self.begin_step();
            let kept = std::mem::take(&mut self.kept);
            if !kept.is_empty() {
                self.narrator.say(kept);
            }
            return Ok(match end {
                EndAtOnce::Failed(code) => Ending::Failed(code),
                EndAtOnce::Stopped => Ending::Stopped,
            });
        }
        if !self.steps.is_empty() {
            Box::pin(self.resume_last_step()).await;
        } else if !self.claim.recovers {
            // A recovered turn begins with its journal, which contains the start.
            self.narrator.tell(replay::started(&self.record));
        }
        loop {
            if self
                .steps
                .last()
                .is_some_and(|step| !step.client.is_empty())
            {
                return Ok(Ending::WaitsForClient);
            }
            if let Some(code) = self.limit_reached() {
                return Ok(Ending::Failed(code));
            }
            self.begin_step();
            let step = match self.respond(opening.take()).await? {
                Ok(step) => step,
                Err(Broken {
                    code, kind, detail, ..
                }) => {
                    tracing::warn!(code = code.as_str(), %detail, "a model call failed");
                    self.refused = match kind {
                        Some(ModelErrorKind::Filtered) => true,
                        Some(ModelErrorKind::BadRequest) => self.steps.is_empty(),
                        Some(_) | None => false,
                    };
                    return Ok(Ending::Failed(code));
                }
            };
            if step.calls.is_empty() {
                return Ok(Ending::Committed(Box::new(step)));
            }
            match Box::pin(self.record_step(step)).await {
                Ok(planned) => self.answer_calls(&planned).await,
                Err(Trouble::Refused(detail)) => {
                    tracing::error!(%detail, "a response cannot be stored");
                    return Ok(Ending::Failed(FailureCode::ModelTooLarge));
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }
}
