//! The state of a running turn.

use std::sync::Arc;

use super::begun::{Begun, EndAtOnce, Opening};
use super::narrator::Narrator;
use super::past::Past;
use super::request::{active_agent, first_speaker};
use super::reserve::Call;
use crate::drive::admission::Place;
use crate::drive::holder::Claim;
use crate::drive::lease::Lease;
use crate::engine::Engine;
use crate::engine::models::Chosen;
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ids::ActionId;
use crate::ports::Model;
use crate::record::journal::JournaledTurn;
use crate::record::{
    ActionRecord, CallResult, FailedCall, LateResult, Meta, StepRecord, TurnRecord,
};
use crate::team::{Agent, Mark};

pub(super) struct Play<'a> {
    pub(super) engine: &'a Engine,
    pub(super) lease: &'a Lease<'a>,
    pub(super) claim: Claim,
    pub(super) narrator: Narrator,
    pub(super) turn_version: u64,
    pub(super) record: TurnRecord,
    pub(super) number: u32,
    /// Earlier turns.
    pub(super) past: Past,
    /// The journal of this turn.
    pub(super) steps: Vec<StepRecord>,
    pub(super) actions: Vec<ActionRecord>,
    pub(super) agent: Arc<Agent>,
    pub(super) hand_offs: u32,
    /// Late results in the current request.
    pub(super) late_results: Vec<LateResult>,
    /// Results of the last step's calls; the next commit records them.
    pub(super) results: Vec<CallResult>,
    /// The actions with pending reports when those results were gathered.
    pub(super) pending_reports: Vec<ActionId>,
    /// Marks of successes that the next commit records.
    pub(super) new_marks: Vec<Mark>,
    /// The model call of the current step.
    pub(super) call: Call,
    /// The model that is asked.
    pub(super) model: Chosen,
    /// A request of this turn was too long: the next ones are made shorter at once.
    pub(super) short: bool,
    /// The calls that failed since the last response.
    pub(super) failed: Vec<FailedCall>,
    /// How often requests were sent since then.
    pub(super) tries: u32,
    /// The service refuses the turn's message.
    pub(super) refused: bool,
    /// The most tokens of the last request.
    pub(super) input: u64,
    pub(super) end_at_once: Option<EndAtOnce>,
    pub(super) kept: String,
    /// Left before the turn's last event: a client that has it may send its next message.
    pub(super) place: Option<Place>,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        lease: &'a Lease<'a>,
        begun: Box<Begun>,
    ) -> (Self, Option<Opening>) {
        let Begun {
            claim,
            meta,
            turn,
            past,
            log,
            opening,
            end_at_once,
            kept,
            place,
            suspect: _,
            meta_version: _,
        } = *begun;
        let agent = active_agent(engine, &meta, first_speaker(&turn, &past.turns));
        let model = match &opening {
            Some(opening) => opening.model.clone(),
            None => engine.first_model(&agent, turn.steps.last()),
        };
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
            late_results: Vec::new(),
            results: Vec::new(),
            pending_reports: Vec::new(),
            new_marks: Vec::new(),
            actions: turn.actions,
            record: turn.record,
            steps: Vec::with_capacity(turn.steps.len()),
            claim,
            past,
            call: if opening.is_some() {
                Call::Made
            } else {
                Call::NotMade
            },
            input: input_reserved(&*model.model, &meta),
            model,
            short: false,
            failed: Vec::new(),
            tries: 0,
            refused: false,
            end_at_once,
            kept,
            place,
        };
        for step in turn.steps {
            play.restore(step);
        }
        (play, opening)
    }

    /// Adds a step of the journal; its results complete the step before it.
    fn restore(&mut self, step: StepRecord) {
        if !self.steps.is_empty() {
            self.hand_offs += hand_offs_in(&step.results);
        }
        self.keep(step);
    }

    /// Adds a recorded step to the turn.
    pub(super) fn keep(&mut self, step: StepRecord) {
        self.record.add(&step);
        self.short |= step.asked.shortened;
        self.steps.push(step);
    }

    /// The text of this step by another owner, if there is any, is replaced.
    pub(super) fn begin_step(&mut self) {
        self.narrator
            .stand_at(self.next_step(), self.claim.fence, 0);
        self.narrator.results(&self.results);
        if std::mem::take(&mut self.claim.recovers) {
            self.narrator.reset();
        }
    }

    pub(super) fn limit_reached(&self) -> Option<FailureCode> {
        let limits = &self.engine.team.limits;
        if self.hand_offs > limits.hand_offs {
            Some(FailureCode::HandOffLimit)
        } else if self.steps.len() >= limits.steps as usize {
            Some(FailureCode::StepLimit)
        } else {
            None
        }
    }

    pub(super) fn next_step(&self) -> u32 {
        u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX)
    }

    /// The turns that the next message needs, this one included.
    pub(super) fn into_past(self) -> Past {
        let mut past = self.past;
        past.turns.push(JournaledTurn {
            number: self.number,
            version: self.turn_version,
            record: self.record,
            steps: self.steps,
            actions: self.actions,
        });
        let surplus = past
            .turns
            .len()
            .saturating_sub(self.engine.team.limits.window_turns);
        past.turns.drain(..surplus);
        past
    }

    pub(super) async fn give_up_lease(&mut self) {
        match self.lease.release().await {
            Ok(()) => {
                self.engine
                    .send_conversation(&self.claim.owner, &self.claim.conversation)
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

/// The most tokens of the request that the commit before this turn's first call was made for.
fn input_reserved(model: &dyn Model, meta: &Meta) -> u64 {
    let spending = meta.spending.as_ref();
    let reserved = spending.and_then(|spending| spending.reserved.as_ref());
    let output = u64::from(model.output_tokens());
    reserved.map_or(0, |reserved| reserved.amount.tokens.saturating_sub(output))
}

pub(super) fn hand_offs_in(results: &[CallResult]) -> u32 {
    results
        .iter()
        .map(|result| u32::from(result.handed_to.is_some()))
        .sum()
}
