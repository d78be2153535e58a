//! The commits of a turn's owner: a step with its accepted actions, and the turn's end.

use super::acceptance::{Acceptance, Accepted};
use super::calls::{self, Planned};
use super::conditions;
use super::draft::Begun;
use super::fill::{self, Filling};
use super::late::forget_reported;
use super::play::Play;
use super::replay;
use super::reserve::Call;
use crate::drive::lease::{Beside, Trouble};
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::notice::Told;
use crate::ports::{Change, Usage};
use crate::record::{
    AcceptedAction, ActionRecord, ActionState, CLIENT_WAIT, Meta, Origin, Partial, RECHECK,
    StepRecord, TurnRecord, TurnState, WaitingForClient, keys, recheck_after,
};
use crate::team::NoticeKind;

/// How a run of a turn ended.
pub(super) enum Ending {
    /// This step, and the turn is over.
    Committed(Box<StepRecord>),
    /// The calls of the last step are the client's, and the turn is over.
    WaitsForClient,
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
        let planned = self.plan(&step.calls).await;
        let owner = self.claim.owner.clone();
        let ends = self.ends(&step.results, &step.late_results).await?;
        let acceptance = Acceptance::of(self, &planned).await.with_ends(&ends);
        let posting = self.posting_of(&mut step).await;

        let number = self.next_step();
        let (keys, need) = acceptance.beside();
        let mut accepted = Accepted::default();
        let change = |meta: &mut Meta, beside: &Beside| {
            let mut till = acceptance.till(beside);
            forget_reported(
                meta,
                &mut till,
                &self.pending_reports,
                &step.results,
                &step.late_results,
            );
            let (decided, actions) = acceptance.decide(meta, &mut till, beside);
            accepted = decided;
            step.client = calls::clients(&step.calls, &planned);
            step.refused = accepted.refuse(&step.calls, &planned);
            step.actions = accepted_actions(&step, &planned, &self.actions, &accepted.new);
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
            let sums = till.close();
            let waiting = accepted
                .new
                .iter()
                .filter(|action| action.waits_for_operator());
            let notices: Vec<_> = waiting
                .flat_map(|action| {
                    self.engine
                        .notices(meta, &conversation, &Told::Waits(action))
                })
                .collect();
            let rest = actions.into_iter().chain(sums).chain(notices);
            std::iter::once(step).chain(rest).collect()
        };
        if sabotage!(SendBeforeRecord) {
            for id in acceptance.ids() {
                self.engine.send_action(&owner, id).await;
            }
        }
        let reserves = self
            .lease
            .commit_beside(&keys, need, Some(&posting), change)
            .await?;
        self.new_marks.clear();
        self.not_needed(&posting, reserves);
        self.call = Call::NotMade;
        let new = accepted.new.as_slice();

        self.narrator.text_is_recorded();
        let servers = step.calls.iter().filter(|call| !step.is_clients(call));
        servers
            .map(|call| replay::called(&self.engine.team, call))
            .for_each(|kind| self.narrator.tell(kind));
        replay::accepted(&step, new).for_each(|kind| self.narrator.tell(kind));
        // Before any await: a stop must find the recorded step.
        self.keep(step);
        self.actions.extend(new.iter().cloned());
        for action in new
            .iter()
            .filter(|action| action.state == ActionState::Queued)
        {
            self.engine.send_action(&owner, &action.id).await;
        }
        if new.iter().any(ActionRecord::waits_for_operator) {
            let kind = NoticeKind::ApprovalNeeded;
            self.engine.send_notices(&owner, &conversation, kind).await;
        }
        Ok(accepted.planned(planned))
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
        let waits = matches!(ending, Ending::WaitsForClient);
        let mut last = match ending {
            Ending::Committed(step) => {
                record.state = TurnState::Committed;
                Some(*step)
            }
            Ending::WaitsForClient => {
                record.state = TurnState::Committed;
                None
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
        record.refused = self.refused;
        record.add_failed(&self.failed);
        record.failed.clone_from(&self.failed);
        let posting = self.last_posting(last.as_mut()).await;
        match (&last, rest) {
            (Some(step), _) => record.add(step),
            (None, Rest::Kept) => {
                record.partial = self.partial();
                record.results.clone_from(&self.results);
            }
            (None, Rest::LeftOut) => {
                record.left_out = u32::try_from(self.narrator.text().len()).unwrap_or(u32::MAX);
            }
        }
        let clients = self.steps.last().filter(|_| waits);
        let clients = clients.map_or_else(Vec::new, |step| step.client.clone());
        let filling = self.filling(&mut record, last.as_ref());
        let number = self.next_step();
        let conversation = self.claim.conversation.clone();
        let (results, late): (&[_], &[_]) = match &last {
            Some(step) => (&step.results, &step.late_results),
            // The next request has them, whatever begins it.
            None if waits => (&self.results, &[]),
            // A failed or stopped turn ended before the model could answer its last results: those still need a report.
            None => (&[], &[]),
        };
        let acceptance = self.acceptance_of_nothing(&self.ends(results, late).await?);
        let answer = self.answer(last.as_ref());
        let (keys, need) = acceptance.beside();
        let change = |meta: &mut Meta, beside: &Beside| {
            let mut till = acceptance.till(beside);
            forget_reported(meta, &mut till, &self.pending_reports, results, late);
            conditions::remember(meta, &self.new_marks);
            if waits && meta.waiting.is_empty() {
                meta.waiting_for_client = Some(WaitingForClient {
                    turn: self.number,
                    calls: clients.clone(),
                    until: self.engine.env.now() + CLIENT_WAIT,
                });
            }
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
            if let Some(filling) = &filling {
                filling.mark(meta);
            }
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
            let sums = till.close();
            let told = Told::Ended(self.number, &record, &answer);
            let notices = self.engine.notices(meta, &conversation, &told);
            let rest = step.into_iter().chain(sums).chain(notices);
            std::iter::once(turn).chain(rest).collect()
        };
        self.lease
            .commit_beside(&keys, need, Some(&posting), change)
            .await?;
        self.turn_version += 1;
        if let Some(step) = self.steps.last().filter(|_| waits) {
            replay::client_called(step).for_each(|kind| self.narrator.tell(kind));
        }
        self.steps.extend(last);
        if record.usage != Usage::default() {
            self.narrator.tell(EventKind::Usage(Box::new(record.usage)));
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

    /// How full the turn leaves the window, and into its record how its service counted. None where nothing is summarised.
    fn filling(&self, record: &mut TurnRecord, last: Option<&StepRecord>) -> Option<Filling> {
        let engine = self.engine;
        if !engine.remembers() {
            return None;
        }
        if let (Some(step), Some(window)) = (last, &mut record.window) {
            let begun = Begun {
                record: &self.record,
                steps: &self.steps,
                results: &step.results,
                late: &step.late_results,
            };
            let request = self.request_of(&begun);
            window.rate = fill::rate_of(&request, step.usage).unwrap_or(0);
        }
        let steps = self.steps.iter().chain(last);
        let turn = (self.number, &*record);
        Some(Filling::of(&engine.team.limits, &self.past, turn, steps))
    }

    /// What the turn has said, for endpoints that are told.
    fn answer(&self, last: Option<&StepRecord>) -> String {
        if self.engine.team.webhooks().is_empty() {
            return String::new();
        }
        let steps = self.steps.iter().chain(last).map(|step| step.text.trim());
        let said: Vec<_> = steps.filter(|text| !text.is_empty()).collect();
        said.join("\n\n")
    }

    fn partial(&self) -> Option<Partial> {
        let text = self.narrator.text();
        (!text.is_empty()).then(|| Partial {
            agent: self.agent.name.clone(),
            text,
        })
    }
}

/// `before`: the actions that the turn had before.
fn accepted_actions(
    step: &StepRecord,
    planned: &[Planned],
    before: &[ActionRecord],
    new: &[ActionRecord],
) -> Vec<AcceptedAction> {
    let mut accepted: Vec<AcceptedAction> = Vec::new();
    for (call, plan) in step.calls.iter().zip(planned) {
        let Planned::Action(id, _) = plan else {
            continue;
        };
        let Some(action) = before.iter().chain(new).find(|action| action.id == *id) else {
            continue;
        };
        let is_first = !accepted.iter().any(|earlier| earlier.action == *id);
        let is_new = new.iter().any(|new| new.id == *id);
        accepted.push(AcceptedAction {
            call: call.id.clone(),
            action: id.clone(),
            state: action.state,
            asks: is_new && is_first && action.confirmation.is_some(),
        });
    }
    accepted
}
