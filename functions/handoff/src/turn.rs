//! One turn: from the user's message to the terminal event, step by step, each step recorded before anything comes of it.
//! Knows ports only; never HTTP, AWS or the clock.

mod answer;
mod ask;
pub(crate) mod calls;
mod commits;
mod late;
pub(crate) mod narrator;
pub(crate) mod recorder;
pub(crate) mod replay;
pub(crate) mod response;
pub(crate) mod window;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::drive::hub::TurnLog;
use crate::drive::lease::{Interrupted, Lease};
use crate::drive::warm::Warm;
use crate::engine::{Claim, Engine, Trouble};
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ids::ActionId;
use crate::ports::{ModelError, ModelStream};
use crate::record::journal::JournaledTurn;
use crate::record::{ActionRecord, LateResult, Meta, StepRecord, Told, TurnRecord};
use crate::team::Agent;
use crate::turn::narrator::Narrator;
use crate::turn::response::Broken;

use answer::hand_offs_in;
use ask::first_speaker;
use commits::add;

pub(crate) use ask::{active_agent, messages, request};
pub(crate) use late::ended_actions;

/// A model call that was started before the turn was recorded, so that the customer does not wait for both in a row.
pub(crate) type Opening = BoxFuture<'static, Result<ModelStream, ModelError>>;

/// A turn that this process has the lease for.
pub(crate) struct Begun {
    pub(crate) claim: Claim,
    pub(crate) meta: Meta,
    pub(crate) meta_version: u64,
    pub(crate) turn: JournaledTurn,
    pub(crate) past: Vec<JournaledTurn>,
    pub(crate) log: Arc<TurnLog>,
    pub(crate) opening: Option<Opening>,
    /// Why it must end without another step.
    pub(crate) end_at_once: Option<EndAtOnce>,
    /// What the owner before us said of the step that it did not finish, when that is to stay.
    pub(crate) kept: String,
    /// Owners of it died: no other such turn runs in this process meanwhile.
    pub(crate) suspect: Option<OwnedSemaphorePermit>,
}

/// Why a turn must end without another step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndAtOnce {
    /// It killed its owners.
    Failed(FailureCode),
    /// Its owner died before it could be stopped.
    Stopped,
}

/// How a run of a turn came to its end.
enum Ending {
    /// This step, and the turn is over.
    Committed(StepRecord),
    /// A typed error for the customer.
    Failed(FailureCode),
    /// Somebody asked for it.
    Stopped,
}

/// What becomes of what a turn leaves that failed or was stopped: the text of a response that is not whole, and results that
/// no model was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Kept,
    LeftOut,
}

/// Runs a begun turn to its end, or until it is lost or given up. Its listeners are told the end, except where somebody else
/// goes on with the turn: then whoever drives the conversation finds out what became of it. Returns the conversation as the
/// turn's end left it.
#[tracing::instrument(
    // A warning names its conversation whatever the level of the log is.
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
    let ended = tokio::select! {
       biased;
        result = &mut work => Ended::ByItself(result),
        interrupted = lease.keep(number) => Ended::Interrupted(interrupted),
        () = engine.given_up(&claim.conversation) => Ended::GivenUp,
        never = recorder.run(engine, &claim, number) => match never {},
    };
    drop(work);
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
            return Some(Warm {
                version,
                meta,
                past,
            });
        }
        Err(Trouble::Lost) => tracing::warn!("somebody else goes on with this turn"),
        Err(Trouble::Store(detail) | Trouble::Refused(detail)) => {
            tracing::error!(%detail, "a turn could not be recorded; the next owner goes on with it");
            // The store still has it as running, and so it will be continued: to say that it failed would be a lie, and a
            // customer who believes it orders twice.
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

struct Play<'a> {
    engine: &'a Engine,
    lease: &'a Lease<'a>,
    claim: Claim,
    narrator: Narrator,
    turn_version: u64,
    record: TurnRecord,
    number: u32,
    /// The turns before this one.
    past: Vec<JournaledTurn>,
    /// The journal of this turn.
    steps: Vec<StepRecord>,
    actions: Vec<ActionRecord>,
    agent: Arc<Agent>,
    hand_offs: u32,
    told_late: Vec<LateResult>,
    /// Late results that stand in the request that is being answered.
    late: Vec<LateResult>,
    /// Results of the last step; the next commit records them.
    told: Vec<Told>,
    /// Whose ends the model was still to be told when those results were gathered.
    untold: Vec<ActionId>,
    end_at_once: Option<EndAtOnce>,
    kept: String,
}

impl<'a> Play<'a> {
    fn new(engine: &'a Engine, lease: &'a Lease<'a>, begun: Box<Begun>) -> (Self, Option<Opening>) {
        let Begun {
            claim,
            meta,
            turn,
            past,
            log,
            opening,
            end_at_once,
            kept,
            suspect: _,
            meta_version: _,
        } = *begun;
        let agent = active_agent(engine, &meta, first_speaker(&turn, &past));
        let narrator = Narrator::new(
            log,
            turn.number,
            claim.fence,
            Arc::from(agent.name.as_str()),
        );
        let mut play = Self {
            engine,
            lease,
            narrator,
            number: turn.number,
            turn_version: turn.version,
            agent,
            hand_offs: 0,
            told_late: window::told_late(&past).cloned().collect(),
            late: Vec::new(),
            told: Vec::new(),
            untold: Vec::new(),
            actions: turn.actions,
            record: turn.record,
            steps: Vec::with_capacity(turn.steps.len()),
            claim,
            past,
            end_at_once,
            kept,
        };
        for step in turn.steps {
            play.restore(step);
        }
        (play, opening)
    }

    /// Takes a step from the journal; its `told` completes the one before it.
    fn restore(&mut self, step: StepRecord) {
        if !self.steps.is_empty() {
            self.hand_offs += hand_offs_in(&step.told);
        }
        self.keep(step);
    }

    /// Adds a recorded step to the turn.
    fn keep(&mut self, step: StepRecord) {
        self.record.usage = add(self.record.usage, step.usage);
        self.told_late.extend(step.late.iter().cloned());
        self.steps.push(step);
    }

    async fn run(&mut self, opening: Option<Opening>) -> Result<(), Trouble> {
        let ending = self.run_steps(opening).await?;
        Box::pin(self.record_end(ending)).await
    }

    /// Records the end, and where the store refuses one for what it holds, an end that holds less: a turn can always end.
    async fn record_end(&mut self, ending: Ending) -> Result<(), Trouble> {
        let lesser = match &ending {
            Ending::Committed(_) => Ending::Failed(FailureCode::ModelTooLarge),
            Ending::Failed(code) => Ending::Failed(*code),
            Ending::Stopped => Ending::Stopped,
        };
        match self.record_ending(ending, Rest::Kept).await {
            Err(Trouble::Refused(detail)) => {
                tracing::error!(%detail, "the end of a turn cannot be stored as it is");
                self.record_ending(lesser, Rest::LeftOut).await
            }
            other => other,
        }
    }

    /// Steps until the team waits for the customer again.
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
        } else if !self.claim.taken_over {
            // Who takes over has told the journal first, and the start is in it.
            self.narrator.tell(replay::started(&self.record));
        }
        loop {
            if let Some(code) = self.limit_reached() {
                return Ok(Ending::Failed(code));
            }
            self.begin_step();
            let step = match self.respond(opening.take()).await? {
                Ok(step) => step,
                Err(Broken { code, detail }) => {
                    tracing::warn!(code = code.as_str(), %detail, "a model call failed");
                    return Ok(Ending::Failed(code));
                }
            };
            if step.calls.is_empty() {
                return Ok(Ending::Committed(step));
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

    /// What another owner said of this step, if anything, is said anew.
    fn begin_step(&mut self) {
        self.narrator
            .stand_at(self.next_step(), self.claim.fence, 0);
        self.narrator.told(&self.told);
        if std::mem::take(&mut self.claim.taken_over) {
            self.narrator.reset();
        }
    }

    fn limit_reached(&self) -> Option<FailureCode> {
        let limits = &self.engine.team.limits;
        if self.hand_offs > limits.hand_offs {
            Some(FailureCode::HandOffLimit)
        } else if self.steps.len() >= limits.steps as usize {
            Some(FailureCode::StepLimit)
        } else {
            None
        }
    }

    fn next_step(&self) -> u32 {
        u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX)
    }

    /// The turns that the next message needs to know of, this one among them.
    fn into_past(self) -> Vec<JournaledTurn> {
        let mut past = self.past;
        past.push(JournaledTurn {
            number: self.number,
            version: self.turn_version,
            record: self.record,
            steps: self.steps,
            actions: self.actions,
        });
        let surplus = past
            .len()
            .saturating_sub(self.engine.team.limits.window_turns);
        past.drain(..surplus);
        past
    }

    async fn give_up_lease(&mut self) {
        match self.lease.release().await {
            Ok(()) => {
                let owner = self.lease.meta().await.owner;
                self.engine
                    .send_conversation(&owner, &self.claim.conversation)
                    .await;
            }
            Err(trouble) => tracing::warn!(
                ?trouble,
                "a turn could not be given up; its lease runs out by itself"
            ),
        }
        self.narrator.tell(EventKind::TurnContinues);
    }
}
