//! An action that a service has begun, and whose end the service reports later.
//! Knows the record; who may report is checked before.

use std::time::Duration;

use super::tries::{self, Ended, FIRST_RETRY};
use super::{Action, Executed, later, log_end};
use crate::engine::MAX_TRIES;
use crate::ports::{Change, CommitError, Millis, Outcome, StoreError, millis};
use crate::principal::Tenant;
use crate::record::journal::read_action;
use crate::record::{ActionRecord, ActionState, keys};

/// The end of an action, as its service reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It took effect; this is the result.
    Done(String),
    /// It has no effect and never will; this is the reason.
    Rejected(String),
}

/// Why a report was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum CannotReport {
    /// There is no such action of the tenant.
    #[error("no such action")]
    NotFound,
    /// Nothing was sent to a service yet.
    #[error("the action was not begun")]
    NotBegun,
    /// It has another end already.
    #[error("the action is over: it is {}", .0.as_str())]
    Over(ActionState),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Action {
    /// Records what the service of the action reports, once: the same report again is no mistake. It may come before the answer by
    /// which the service says that it has begun.
    pub async fn report(&self, tenant: &Tenant, report: &Report) -> Result<(), CannotReport> {
        for attempt in 0..MAX_TRIES {
            let read = read_action(&*self.engine.store, &self.id).await?;
            let (version, before) = read
                .filter(|(_, action)| action.owner.tenant() == tenant.as_str())
                .ok_or(CannotReport::NotFound)?;
            let mut action = before.clone();
            let (state, text) = self.judged(&before, report);
            self.end(&mut action, state, &text);
            match before.state {
                ActionState::Done | ActionState::Rejected | ActionState::Unknown => {
                    let is_repeat = before.state == action.state && before.result == action.result;
                    return is_repeat
                        .then_some(())
                        .ok_or(CannotReport::Over(before.state));
                }
                ActionState::Proposed => return Err(CannotReport::NotBegun),
                // Also where an operator has it tried again and it waits for its turn: its end would let later actions pass earlier
                // ones. The service tells what it knows when it is asked again.
                ActionState::Queued | ActionState::Running if before.first_try_at.is_none() => {
                    return Err(CannotReport::NotBegun);
                }
                ActionState::Queued | ActionState::Running => {}
            }
            let change = Change::Replace(keys::action(&self.id), version, action.record());
            match self.engine.store.commit(vec![change]).await {
                Ok(()) => {
                    log_end(&action);
                    self.tell_turn(&action).await;
                    return Ok(());
                }
                // A worker has written it, or this was written: the next read shows it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.engine.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(StoreError::Unavailable("the action is written to all the time".to_owned()).into())
    }

    /// What the report says, and of a refusal whether it is the last word: an attempt that is still on its way may take effect.
    fn judged(&self, action: &ActionRecord, report: &Report) -> (ActionState, String) {
        let outcome = match report {
            Report::Done(result) => return (ActionState::Done, result.clone()),
            Report::Rejected(reason) => Outcome::Rejected(reason.clone()),
        };
        let only_try = action.attempts == 1 && !action.tried_before;
        let tool = self.engine.team.tool(&action.tool);
        let remembers = tool.is_some_and(|tool| tool.runs.retries.remembers_refusals);
        match tries::ended(outcome, only_try, remembers) {
            Ended::For(state, text) => (state, text),
            Ended::Reported(_) | Ended::Again(..) => (ActionState::Unknown, String::new()),
        }
    }

    /// The service has begun: no worker keeps the action until the service reports its end, or the time for that is over.
    pub(super) async fn begin_awaiting(
        &self,
        version: u64,
        mut action: ActionRecord,
        within: Duration,
    ) -> Result<Executed, StoreError> {
        let until = self.engine.env.now() + millis(within);
        action.awaited_until = Some(until);
        action.due_at = until;
        action.holder = String::new();
        if !self.write(version, &action).await? {
            // The report was first, or another worker has claimed the action. Only the message of what has ended may be forgotten.
            return Ok(later(FIRST_RETRY));
        }
        tracing::info!("a service has begun an action and will report its end");
        Ok(Executed::Over)
    }

    /// The sweep sends the action when the time is over.
    pub(super) async fn await_report(
        &self,
        version: u64,
        action: ActionRecord,
        until: Millis,
    ) -> Result<Executed, StoreError> {
        if until > self.engine.env.now() && !sabotage!(ReportNotAwaited) {
            return Ok(Executed::Over);
        }
        let reason = "the service began it and has not reported its end in time";
        self.finish(version, action, ActionState::Unknown, reason)
            .await
    }
}
