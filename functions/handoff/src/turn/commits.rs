//! The commits of a turn's owner: a step with its accepted actions, and the turn's end.

use super::calls::{self, Planned};
use super::conditions;
use super::late::forget_reported;
use super::play::Play;
use super::replay;
use crate::bounds::Bound;
use crate::drive::lease::Trouble;
use crate::engine::Engine;
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ports::{Change, Usage};
use crate::record::{
    AcceptedAction, ActionRecord, ActionState, Meta, Origin, Partial, RECHECK, StepRecord,
    TurnState, keys, recheck_after, size,
};
use crate::team::ActionOrder;

/// How a run of a turn ended.
pub(super) enum Ending {
    /// This step, and the turn is over.
    Committed(StepRecord),
    /// A typed error for the customer.
    Failed(FailureCode),
    /// A stop was asked for.
    Stopped,
}

/// The remains of a failed or stopped turn: the text of an incomplete response, and unreported results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Kept,
    LeftOut,
}

impl Play<'_> {
    /// The commit that accepts the actions of a response. No action runs before it.
    pub(super) async fn record_step(
        &mut self,
        mut step: StepRecord,
    ) -> Result<Vec<Planned>, Trouble> {
        let conversation = self.claim.conversation.clone();
        let mut planned = self.plan(&step.calls).await;
        let meta = self.lease.meta().await;
        let owner = self.claim.owner.clone();
        let room = open_actions(self.engine).saturating_sub(meta.pending_reports.len());
        let new = calls::new_actions(
            self.engine,
            &self.agent,
            &owner,
            &mut planned,
            &self.actions,
            room,
        )
        .await;
        step.actions = accepted_actions(&step, &planned, &[&self.actions, &new]);

        let number = self.next_step();
        let change = |meta: &mut Meta| {
            forget_reported(
                meta,
                &self.pending_reports,
                &step.results,
                &step.late_results,
            );
            meta.pending_reports
                .extend(new.iter().map(|action| action.id.clone()));
            conditions::remember(meta, &self.new_marks);
            meta.due_at = self.engine.env.now() + RECHECK;
            if let Some(running) = &mut meta.running {
                running.recoveries = 0;
                running.handed_over = 0;
            }
            let step = Change::Create(
                keys::step(&conversation, self.number, number),
                step.record(),
            );
            let actions = new.iter().cloned().map(|mut action| {
                if action.state == ActionState::Queued && self.is_ordered(&action) {
                    meta.place(&mut action);
                }
                Change::Create(keys::action(&action.id), action.record())
            });
            std::iter::once(step).chain(actions).collect()
        };
        if sabotage!(SendBeforeRecord) {
            for action in &new {
                self.engine.send_action(&owner, &action.id).await;
            }
        }
        self.lease.commit(change).await?;
        self.new_marks.clear();

        self.narrator.text_is_recorded();
        step.calls
            .iter()
            .map(|call| replay::called(&self.engine.team, call))
            .for_each(|kind| self.narrator.tell(kind));
        replay::accepted(&step).for_each(|kind| self.narrator.tell(kind));
        // Before any await: a stop must find the recorded step.
        self.keep(step);
        self.actions.extend(new.iter().cloned());
        for action in new
            .iter()
            .filter(|action| action.state == ActionState::Queued)
        {
            self.engine.send_action(&owner, &action.id).await;
        }
        Ok(planned)
    }

    /// The commit that ends the turn, and its final event.
    pub(super) async fn record_ending(
        &mut self,
        ending: Ending,
        rest: Rest,
    ) -> Result<(), Trouble> {
        let mut record = self.record.clone();
        record.ended_at = Some(self.engine.env.now());
        record.fence = self.claim.fence;
        let last = match ending {
            Ending::Committed(step) => {
                record.state = TurnState::Committed;
                record.usage += step.usage;
                Some(step)
            }
            Ending::Failed(code) => {
                record.state = TurnState::Failed;
                record.failure = Some(code);
                None
            }
            Ending::Stopped => {
                record.state = TurnState::Stopped;
                None
            }
        };
        match (&last, rest) {
            (Some(_), _) => {}
            (None, Rest::Kept) => {
                record.partial = self.partial();
                record.results.clone_from(&self.results);
            }
            (None, Rest::LeftOut) => {
                record.left_out = u32::try_from(self.narrator.text().len()).unwrap_or(u32::MAX);
            }
        }
        let number = self.next_step();
        let conversation = self.claim.conversation.clone();
        let change = |meta: &mut Meta| {
            // A failed or stopped turn ended before the model could answer its last results: those still need a report.
            if let Some(step) = &last {
                forget_reported(
                    meta,
                    &self.pending_reports,
                    &step.results,
                    &step.late_results,
                );
            }
            conditions::remember(meta, &self.new_marks);
            meta.agent.clone_from(&self.agent.name);
            meta.stop = meta.stop.filter(|turn| *turn != self.number);
            meta.late_failures = match (record.origin, record.state) {
                (Origin::LateResult, TurnState::Failed) => meta.late_failures.saturating_add(1),
                (
                    Origin::LateResult,
                    TurnState::Accepted | TurnState::Committed | TurnState::Stopped,
                )
                | (Origin::Customer | Origin::Regenerated { .. }, _) => 0,
            };
            meta.due_at = self.engine.env.now() + recheck_after(meta.late_failures);
            meta.running = None;
            let turn = Change::Replace(
                keys::turn(&conversation, self.number),
                self.turn_version,
                record.record(),
            );
            let step = last.as_ref().map(|step| {
                Change::Create(
                    keys::step(&conversation, self.number, number),
                    step.record(),
                )
            });
            std::iter::once(turn).chain(step).collect()
        };
        self.lease.commit(change).await?;
        self.turn_version += 1;
        self.steps.extend(last);
        if record.usage != Usage::default() {
            self.narrator.tell(EventKind::Usage(record.usage));
        }
        self.place = None;
        self.narrator.tell(match (record.state, record.failure) {
            (TurnState::Stopped, _) => EventKind::TurnStopped,
            (_, Some(code)) => EventKind::TurnFailed(code),
            (_, None) => EventKind::TurnCompleted,
        });
        tracing::info!(
            state = record.state.as_str(),
            steps = self.steps.len(),
            prompt_tokens = record.usage.prompt_tokens,
            completion_tokens = record.usage.completion_tokens,
            duration_ms = record
                .ended_at
                .unwrap_or_default()
                .saturating_sub(record.accepted_at),
            "a turn ended"
        );
        self.record = record;
        Ok(())
    }

    fn is_ordered(&self, action: &ActionRecord) -> bool {
        let tool = self.engine.team.tool(&action.tool);
        tool.is_none_or(|tool| tool.order == ActionOrder::Kept)
    }

    fn partial(&self) -> Option<Partial> {
        let text = self.narrator.text();
        (!text.is_empty()).then(|| Partial {
            agent: self.agent.name.clone(),
            text,
        })
    }
}

/// How many actions of a conversation may be open. A record has room for so many at most.
fn open_actions(engine: &Engine) -> usize {
    let set = usize::try_from(engine.bounds.of(Bound::ActionsConversation));
    set.unwrap_or(size::OPEN_ACTIONS).min(size::OPEN_ACTIONS)
}

/// `actions`: the actions that the turn had before, and the new ones.
fn accepted_actions(
    step: &StepRecord,
    planned: &[Planned],
    actions: &[&[ActionRecord]],
) -> Vec<AcceptedAction> {
    let accepted = step.calls.iter().zip(planned).filter_map(|(call, plan)| {
        let Planned::Action(id, _) = plan else {
            return None;
        };
        let mut actions = actions.iter().copied().flatten();
        let action = actions.find(|action| action.id == *id)?;
        Some(AcceptedAction {
            call: call.id.clone(),
            action: id.clone(),
            state: action.state,
        })
    });
    accepted.collect()
}
