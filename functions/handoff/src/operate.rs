//! What operators see and decide: actions by state, approval, and the settling of what nobody knows.
//! A decision is bound to the arguments that the operator was shown and is taken once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::action::RESEND;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ActionId;
use crate::journal::read_meta;
use crate::ports::{Change, CommitError, Cursor, Index, Millis, StoreError};
use crate::record::{ActionRecord, ActionState, actions_in, decode, keys};

/// Actions that are counted of a state in which they wait; more are reported as this many.
const MOST_WAITING: usize = 1_000;

/// The same of a state that is an end: those become ever more, nobody has to see to them, and each look would read them all.
const MOST_OVER: usize = 50;

/// Actions in one state.
#[derive(Debug)]
pub struct ActionPage {
    /// Newest first.
    pub actions: Vec<ActionRecord>,
    /// Where to go on.
    pub next: Option<String>,
}

/// All actions at a glance.
#[derive(Debug, Default)]
pub struct ActionSummary {
    /// How many there are by state: 1,000 at most of those that wait for a person or a worker, 50 at most of the others.
    pub counts: BTreeMap<&'static str, usize>,
    /// Milliseconds since the acceptance of the oldest by state, where an action in that state waits for a person or a worker. Of
    /// the newest 1,000 where there are more.
    pub oldest_waiting: BTreeMap<&'static str, Millis>,
}

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A proposed action may be executed.
    Approve,
    /// A proposed action must not be executed.
    Reject,
    /// What became of an action that nobody knew about.
    Settle(Settlement),
}

/// What became of an action that nobody knew about.
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

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is no such action.
    #[error("no such action")]
    NotFound,
    /// The operator was shown something else.
    #[error("the action has other arguments than those that the decision is about")]
    OtherArguments,
    /// It is not in a state in which this can be decided.
    #[error("this cannot be decided: the action is {}", .0.as_str())]
    Decided(ActionState),
    /// The store does not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// A page of the actions in a state.
    pub async fn actions(
        &self,
        state: ActionState,
        after: Option<String>,
        limit: usize,
    ) -> Result<ActionPage, StoreError> {
        let index = Index::Listed(actions_in(state));
        let page = self
            .store
            .index(&index, after.map(Cursor).as_ref(), limit)
            .await?;
        let actions = page.records.iter().map(decode).collect::<Result<_, _>>()?;
        Ok(ActionPage {
            actions,
            next: page.next.map(|cursor| cursor.0),
        })
    }

    /// How many actions are in each state, and how long the oldest waits of those that somebody or something must still see to.
    pub async fn action_summary(&self) -> Result<ActionSummary, StoreError> {
        let mut summary = ActionSummary::default();
        for state in ActionState::ALL {
            let waits = match state {
                ActionState::Proposed
                | ActionState::Queued
                | ActionState::Running
                | ActionState::Unknown => true,
                ActionState::Done | ActionState::Rejected => false,
            };
            let most = if waits { MOST_WAITING } else { MOST_OVER };
            let (count, oldest) = self.count_actions(state, most).await?;
            summary.counts.insert(state.as_str(), count);
            if let Some(oldest) = oldest.filter(|_| waits) {
                let age = self.env.now().saturating_sub(oldest.accepted_at);
                summary.oldest_waiting.insert(state.as_str(), age);
            }
        }
        Ok(summary)
    }

    /// How many, up to `most`, and the oldest of those that were counted.
    async fn count_actions(
        &self,
        state: ActionState,
        most: usize,
    ) -> Result<(usize, Option<ActionRecord>), StoreError> {
        let index = Index::Listed(actions_in(state));
        let (mut count, mut oldest, mut after) = (0, None, None);
        while count < most {
            let left = most - count;
            let page = self.store.index(&index, after.as_ref(), left).await?;
            count += page.records.len();
            // Newest first, so the last one is the oldest.
            oldest = page.records.last().map(decode).transpose()?.or(oldest);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok((count, oldest))
    }

    /// Takes a decision, sends the action on its way if it is to be done, and lets the conversation go on.
    pub async fn decide(
        self: &Arc<Self>,
        id: &ActionId,
        decision: Decision,
        arguments_hash: &str,
        reason: &str,
    ) -> Result<ActionRecord, DecisionError> {
        for attempt in 0..MAX_TRIES {
            let (version, mut action) =
                self.read_action(id).await?.ok_or(DecisionError::NotFound)?;
            if action.arguments_hash() != arguments_hash {
                return Err(DecisionError::OtherArguments);
            }
            let before = action.state;
            action.state = decided_state(before, decision).ok_or(DecisionError::Decided(before))?;
            action.reason = Some(reason.to_owned());
            action.look_at = self.env.now() + RESEND;
            match action.state {
                ActionState::Rejected => {
                    action.result = Some(format!("A colleague decided against it: {reason}"));
                }
                ActionState::Done => {
                    action.result = Some(format!("A colleague found it done: {reason}"));
                }
                ActionState::Queued => {
                    // Whatever was tried before had no effect, as somebody found out: the next try is a first one.
                    action.attempts = 0;
                    action.first_try_at = None;
                    action.result = None;
                }
                ActionState::Proposed | ActionState::Running | ActionState::Unknown => {}
            }
            let mut changes = vec![Change::Replace(keys::action(id), version, action.record())];
            changes.extend(self.tell_again(id, before).await?);
            match self.store.commit(changes).await {
                Ok(()) => {
                    tracing::info!(action = %id, from = before.as_str(), to = action.state.as_str(), "an operator decided");
                    self.send_decided(&action).await;
                    return Ok(action);
                }
                Err(CommitError::Conflict) => self.back_off(attempt).await,
                Err(CommitError::Ambiguous(_)) => {
                    if self
                        .read_action(id)
                        .await?
                        .is_some_and(|(_, now)| now == action)
                    {
                        self.send_decided(&action).await;
                        return Ok(action);
                    }
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(StoreError::Unavailable("the action is written to all the time".to_owned()).into())
    }

    /// The model was told that nobody knows, or is being told right now; now somebody does, and it is to be told once more.
    async fn tell_again(
        &self,
        id: &ActionId,
        before: ActionState,
    ) -> Result<Option<Change>, StoreError> {
        if before != ActionState::Unknown {
            return Ok(None);
        }
        let Some((version, mut meta)) = read_meta(&*self.store, &id.conversation).await? else {
            return Ok(None);
        };
        if id.turn < meta.erased_below {
            return Ok(None);
        }
        meta.untold.push(id.clone());
        meta.look_at = self.env.now();
        Ok(Some(Change::Replace(
            keys::meta(&id.conversation),
            version,
            meta.record(),
        )))
    }

    async fn send_decided(&self, action: &ActionRecord) {
        if action.state == ActionState::Queued {
            self.send_action(&action.owner, &action.id).await;
        } else {
            self.send_turns(&action.owner, &action.id).await;
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
