//! What comes of a response's calls: each gets its result, and the hand-off that wins happens.

use super::Play;
use crate::calls::{self, Planned, Scope};
use crate::ports::ToolCall;
use crate::record::{ActionState, Origin, Told};
use crate::replay;

impl Play<'_> {
    pub(super) fn plan(&self, calls: &[ToolCall]) -> Vec<Planned> {
        let known: Vec<_> = self.actions.iter().map(|action| &action.id).collect();
        let scope = match self.record.origin {
            Origin::Customer | Origin::LateResult => Scope {
                turn: self.number,
                only: None,
            },
            // What the old answer did is not done again, and what it did not do is not done either.
            Origin::Regenerated { of } => Scope {
                turn: of,
                only: Some(&known),
            },
        };
        calls::plan(
            self.engine,
            &self.agent,
            &self.claim.conversation,
            &scope,
            calls,
        )
    }

    /// Carries out the calls of the last step, and lets the hand-off happen that won.
    pub(super) async fn answer_calls(&mut self, planned: &[Planned]) {
        // Before any result is read: what is to be told from here on may be news that they do not have.
        self.untold = self.lease.meta().await.untold;
        let Some(step) = self.steps.last() else {
            return;
        };
        let engine = self.engine;
        let narrator = &mut self.narrator;
        let speaker = narrator.speaker();
        let told = calls::answer(engine, &step.calls, planned, &speaker, |kind| {
            narrator.tell(kind);
        })
        .await;
        self.hand_offs += hand_offs_in(&told);
        let winner = told.iter().find_map(|told| told.handed_to.as_deref());
        if let Some(to) = winner.and_then(|name| engine.team.agent(name)) {
            self.agent = to.clone();
            self.narrator.hand_to(&to.name);
        }
        self.told = told;
    }

    /// The owner before us recorded the last step, and what came of its calls is not known. They are answered again: lookups
    /// are looked up anew, actions are what their records say.
    pub(super) async fn resume_last_step(&mut self) {
        let Some(step) = self.steps.last() else {
            return;
        };
        self.narrator.stand_at(
            self.next_step() - 1,
            step.fence,
            replay::offset_behind_calls(step),
        );
        let planned = self.plan(&step.calls);
        let owner = self.lease.meta().await.owner;
        for accepted in step
            .actions
            .iter()
            .filter(|accepted| accepted.state == ActionState::Queued)
        {
            self.engine.send_action(&owner, &accepted.action).await;
        }
        self.answer_calls(&planned).await;
    }
}

pub(super) fn hand_offs_in(told: &[Told]) -> u32 {
    told.iter()
        .map(|told| u32::from(told.handed_to.is_some()))
        .sum()
}
