//! Operators' decisions: approval of an action, and settlement of an action without a known outcome.
//! A decision is bound to the arguments that the operator saw, and is applied once.

use serde::Deserialize;

use super::Action;
use crate::engine::MAX_TRIES;
use crate::ports::{Change, CommitError, Order, Range, StoreError};
use crate::record::journal::{read_action, read_meta};
use crate::record::{ActionRecord, ActionState, RESEND, decode, keys, size};
use crate::team::ActionOrder;

/// How many pages of the conversation's records are searched for later actions.
const PAGES_SEARCHED: usize = 10;
const PAGE_SEARCHED: usize = 200;

/// The most later actions shown.
const MOST_DONE_AFTER: usize = 20;

/// Begins the result of an action that an operator decided against. The operator's reason follows.
pub(crate) const REJECTED: &str = "A colleague decided against it";

/// Begins the result of an action that an operator found done. The operator's reason follows.
pub(crate) const FOUND_DONE: &str = "A colleague found it done";

/// An operator's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A proposed action may be executed.
    Approve,
    /// A proposed action must not be executed.
    Reject,
    /// The outcome of an action without a known one.
    Settle(Settlement),
}

/// The outcome of an action without a known one, as an operator found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It has its effect.
    Done,
    /// It has none.
    Rejected,
    /// It has none yet, and may be tried again under the same key.
    Retry,
}

/// Why a decision was not applied.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is no such action.
    #[error("no such action")]
    NotFound,
    /// The operator saw other arguments.
    #[error("the action has other arguments than those that the decision is about")]
    OtherArguments,
    /// It was tried after the operator saw it.
    #[error(
        "the action has changed since it was shown: it was tried again and is {} once more ({} attempts). Look at it again.",
        .0.as_str(),
        .1
    )]
    Changed(ActionState, u32),
    /// Its state does not allow this decision.
    #[error("this cannot be decided: the action is {}", .0.as_str())]
    Decided(ActionState),
    /// Its conversation has too many results to report.
    #[error(
        "the conversation has too many results to report to its model first; try again in a minute"
    )]
    TooManyReports,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An action as an operator saw it. A decision holds for this state only: another operator may have had the action tried again
/// since, with another outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The value of [`ActionRecord::arguments_hash`].
    pub arguments_hash: String,
    /// The fence of the last claim: [`ActionRecord::fence`].
    pub fence: u64,
}

impl Shown {
    /// Identifies the state of this record.
    pub fn of(action: &ActionRecord) -> Self {
        Self {
            arguments_hash: action.arguments_hash(),
            fence: action.fence,
        }
    }
}

impl Action {
    /// Later actions of the same conversation that are done, although this one ended without a known outcome. An operator should
    /// see them before trying this action again. The first few, in the order of their turns.
    pub async fn done_after(&self, action: &ActionRecord) -> Result<Vec<ActionRecord>, StoreError> {
        let mut done = Vec::new();
        if action.state != ActionState::Unknown || action.place == 0 {
            return Ok(done);
        }
        let mut after = None;
        for _ in 0..PAGES_SEARCHED {
            let range = Range {
                partition: keys::partition(&action.id.conversation),
                prefix: "T#".to_owned(),
                // Sort keys of this turn and of later turns sort after the bare number of the turn before.
                after: after
                    .or_else(|| Some(keys::turn_prefix(action.id.turn.saturating_sub(1)) + "~")),
                order: Order::Ascending,
                limit: PAGE_SEARCHED,
            };
            let page = self.engine.store.range(&range).await?;
            let actions = page
                .records
                .iter()
                .filter(|stored| keys::is_action(&stored.key.sort));
            let later = actions.filter_map(|stored| decode::<ActionRecord>(stored).ok());
            done.extend(
                later
                    .filter(|later| later.state == ActionState::Done && later.place > action.place),
            );
            after = page.records.last().map(|last| last.key.sort.clone());
            if !page.more || after.is_none() || done.len() >= MOST_DONE_AFTER {
                break;
            }
        }
        done.truncate(MOST_DONE_AFTER);
        Ok(done)
    }

    /// Applies a decision, sends the action to a worker if it is to be executed, and lets the conversation go on. The decision
    /// holds for the action as `shown`, and is not applied to any later state.
    pub async fn decide(
        &self,
        decision: Decision,
        shown: &Shown,
        reason: &str,
    ) -> Result<ActionRecord, DecisionError> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 32 of 128 random bits are random"
        )]
        let receipt = self.engine.env.random() as u32;
        for attempt in 0..MAX_TRIES {
            let (version, mut action) = read_action(&*self.engine.store, &self.id)
                .await?
                .ok_or(DecisionError::NotFound)?;
            if action.receipt == receipt {
                // Our earlier commit was written; a worker may have taken the action since.
                self.send_decided(&action).await;
                return Ok(action);
            }
            if action.arguments_hash() != shown.arguments_hash {
                return Err(DecisionError::OtherArguments);
            }
            let before = action.state;
            action.state = decided_state(before, decision).ok_or(DecisionError::Decided(before))?;
            if action.fence != shown.fence && !sabotage!(DecisionNotBound) {
                return Err(DecisionError::Changed(before, action.attempts));
            }
            action.receipt = receipt;
            action.reason = Some(reason.to_owned());
            action.due_at = self.engine.env.now() + RESEND;
            match action.state {
                ActionState::Rejected => {
                    action.result = Some(format!("{REJECTED}: {reason}"));
                }
                ActionState::Done => {
                    action.result = Some(format!("{FOUND_DONE}: {reason}"));
                }
                ActionState::Queued => {
                    // The operator found no effect of earlier attempts so far. They may still arrive.
                    action.tried_before |= action.first_try_at.is_some();
                    action.attempts = 0;
                    action.first_try_at = None;
                    action.result = None;
                }
                ActionState::Proposed | ActionState::Running | ActionState::Unknown => {}
            }
            let meta = self.meta_after(&mut action, before).await?;
            let mut changes = vec![Change::Replace(
                keys::action(&self.id),
                version,
                action.record(),
            )];
            changes.extend(meta);
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    tracing::info!(action = %self.id, from = before.as_str(), to = action.state.as_str(), "an operator decided");
                    self.send_decided(&action).await;
                    return Ok(action);
                }
                // Written or not: the receipt in the record shows it on the next read.
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

    /// The conversation's META after the decision. A queued action gets its place in the order now. An action with an unknown
    /// outcome is reported once more: the model has the unknown outcome already, or is receiving it right now.
    async fn meta_after(
        &self,
        action: &mut ActionRecord,
        before: ActionState,
    ) -> Result<Option<Change>, DecisionError> {
        let ordered = action.state == ActionState::Queued
            && self
                .engine
                .team
                .tool(&action.tool)
                .is_none_or(|tool| tool.order == ActionOrder::Kept);
        let conversation = &action.id.conversation;
        let Some((version, mut meta)) = read_meta(&*self.engine.store, conversation).await? else {
            return Ok(None);
        };
        let told_again = before == ActionState::Unknown && action.id.turn >= meta.erased_below;
        if !ordered && !told_again {
            return Ok(None);
        }
        let key = keys::meta(conversation);
        if told_again {
            if meta.pending_reports.len() >= size::PENDING_REPORTS {
                return Err(DecisionError::TooManyReports);
            }
            meta.pending_reports.push(action.id.clone());
            meta.due_at = self.engine.env.now();
        }
        if ordered {
            meta.place(action);
        }
        Ok(Some(Change::Replace(key, version, meta.record())))
    }

    async fn send_decided(&self, action: &ActionRecord) {
        if action.state == ActionState::Queued {
            self.engine.send_action(&action.owner, &action.id).await;
        } else {
            self.engine.send_turns(&action.owner, &action.id).await;
        }
    }
}

fn decided_state(before: ActionState, decision: Decision) -> Option<ActionState> {
    match (before, decision) {
        (ActionState::Proposed, Decision::Approve)
        | (ActionState::Unknown, Decision::Settle(Settlement::Retry)) => Some(ActionState::Queued),
        (ActionState::Proposed, Decision::Reject)
        | (ActionState::Unknown, Decision::Settle(Settlement::Rejected)) => {
            Some(ActionState::Rejected)
        }
        (ActionState::Unknown, Decision::Settle(Settlement::Done)) => Some(ActionState::Done),
        (
            ActionState::Proposed
            | ActionState::Queued
            | ActionState::Running
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown,
            Decision::Approve | Decision::Reject | Decision::Settle(_),
        ) => None,
    }
}
