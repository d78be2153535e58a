//! Executes a response's calls: each gets its result, and the winning hand-off happens.

use super::calls::{self, Accepted, Only, Planned, Scope};
use super::conditions::Conditions;
use super::play::{Play, hand_offs_in};
use super::replay;
use crate::ports::ToolCall;
use crate::record::{AcceptedAction, ActionState, Origin, StepRecord};
use crate::team::ActionOrder;

impl Play<'_> {
    pub(super) async fn plan(&self, calls: &[ToolCall]) -> Vec<Planned> {
        let conditions = self.conditions(&[]).await;
        self.plan_behind(&self.steps, calls, conditions)
    }

    /// Classifies these calls, which follow the steps that the turn had before.
    fn plan_behind(
        &self,
        steps: &[StepRecord],
        calls: &[ToolCall],
        conditions: Conditions<'_>,
    ) -> Vec<Planned> {
        let known: Vec<_> = self.actions.iter().map(|action| &action.id).collect();
        let (turn, only) = match self.record.origin {
            Origin::Customer | Origin::LateResult => {
                let none = self.record.lookups_only.then_some(Only::None);
                (self.number, none)
            }
            // A regenerated answer repeats no action of the old answer, and accepts none that the old answer did not.
            Origin::Regenerated { of } => (of, Some(Only::Known(known.as_slice()))),
        };
        let scope = Scope {
            turn,
            only,
            accepted: self.accepted_in(steps),
            context: self.context(),
            steps: steps.len(),
            client: &self.record.client.tools,
            conditions,
        };
        calls::plan(self.engine, &self.agent, &self.claim, scope, calls)
    }

    /// The actions of these steps, in the order of their acceptance.
    fn accepted_in(&self, steps: &[StepRecord]) -> Vec<Accepted> {
        let mut accepted: Vec<Accepted> = Vec::new();
        for AcceptedAction { action: id, .. } in steps.iter().flat_map(|step| &step.actions) {
            if accepted.iter().any(|known| known.id == *id) {
                continue;
            }
            let record = self.actions.iter().find(|action| action.id == *id);
            let tool = record.and_then(|record| self.engine.team.tool(&record.tool));
            accepted.push(Accepted {
                id: id.clone(),
                ordered: tool.is_none_or(|tool| tool.order == ActionOrder::Kept),
            });
        }
        accepted
    }

    /// Executes the calls of the last step, and then its winning hand-off.
    pub(super) async fn answer_calls(&mut self, planned: &[Planned]) {
        // Snapshot before reading results: later entries are newer than what we report.
        self.pending_reports = self.lease.meta().await.pending_reports;
        let Some(step) = self.steps.last() else {
            return;
        };
        let engine = self.engine;
        let narrator = &mut self.narrator;
        let speaker = narrator.speaker();
        let results = calls::answer(engine, &step.calls, planned, &speaker, |kind| {
            narrator.tell(kind);
        })
        .await;
        self.hand_offs += hand_offs_in(&results);
        let winner = results
            .iter()
            .find_map(|result| result.handed_to.as_deref());
        if let Some(to) = winner.and_then(|name| engine.team.agent(name)) {
            self.agent = to.clone();
            self.narrator.hand_to(&to.name);
        }
        self.results = results;
        self.note_successes();
    }

    /// Recovery: an earlier owner recorded the last step, and the results of its calls are unknown. They are answered again:
    /// lookups run again, actions have the state of their records.
    pub(super) async fn resume_last_step(&mut self) {
        let Some(step) = self.steps.last() else {
            return;
        };
        self.narrator.stand_at(
            self.next_step() - 1,
            step.fence,
            replay::offset_behind_calls(step),
        );
        let before = self.steps.get(..self.steps.len() - 1).unwrap_or_default();
        let conditions = self.conditions(&step.actions).await;
        let planned = self.plan_behind(before, &step.calls, conditions);
        let planned = calls::planned_by(step, planned);
        for accepted in step
            .actions
            .iter()
            .filter(|accepted| accepted.state == ActionState::Queued)
        {
            self.engine
                .send_action(&self.claim.owner, &accepted.action)
                .await;
        }
        self.answer_calls(&planned).await;
    }
}
