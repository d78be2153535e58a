//! An action after its acceptance: a worker claims it, tries it and records the outcome. The turn waits for that for a while.
//! The record decides; a queue message is only a hint to read it.

pub(crate) mod confirm;
mod decision;
pub(crate) mod list;
pub(crate) mod operate;
pub(crate) mod report;
pub(crate) mod tries;
pub(crate) mod wait;

use std::sync::Arc;
use std::time::Duration;

use self::tries::{Ended, FIRST_RETRY};
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ActionId;
use crate::ports::{CallContext, Change, CommitError, Millis, Outcome, StoreError, ToolRequest};
use crate::record::journal::{read_action, read_actions, read_meta};
use crate::record::{ActionRecord, ActionState, Meta, RESEND, keys, size};
use crate::trace::SpanContext;

/// When the sweeper rechecks an action that waits for an earlier one. The end of the earlier action sends it at once; this covers
/// a lost message.
const HELD_UP: Millis = 30_000;

/// When the message of an action comes again for which its tool had no place.
const NO_PLACE: Duration = Duration::from_secs(2);

/// The result of a queue message of an action, for its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    /// Nothing is left to do: forget the message.
    Over,
    /// Hand the message out again after this time.
    Later(Duration),
}

/// One action, for the worker that executes it and the operator that decides on it. It need not exist.
#[derive(Clone)]
pub struct Action {
    engine: Arc<Engine>,
    id: ActionId,
}

impl Engine {
    /// The action of this id.
    pub fn action(self: &Arc<Self>, id: &ActionId) -> Action {
        Action {
            engine: self.clone(),
            id: id.clone(),
        }
    }
}

impl Action {
    /// Takes the next step of the action. Any number of workers may call this for one action at any time.
    #[tracing::instrument(level = "error", name = "action", skip_all, fields(action = %self.id))]
    pub async fn execute(&self) -> Executed {
        match self.claim_and_try().await {
            Ok(executed) => executed,
            Err(error) => {
                tracing::warn!(%error, "an action could not be read or written; its message comes again");
                Executed::Later(Duration::from_secs(1))
            }
        }
    }

    async fn claim_and_try(&self) -> Result<Executed, StoreError> {
        let Some((version, action)) = read_action(&*self.engine.store, &self.id).await? else {
            tracing::warn!("a queue message names an action that is not recorded");
            return Ok(Executed::Over);
        };
        let now = self.engine.env.now();
        match action.state {
            ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown
            | ActionState::Proposed => {
                return Ok(Executed::Over);
            }
            ActionState::Running if let Some(until) = action.awaited_until => {
                return self.await_report(version, action, until).await;
            }
            // As far as this process can tell, the worker of this action is alive.
            ActionState::Running
                if action.due_at > now
                    && !self.engine.has_ended(&action.holder)
                    && !sabotage!(LeaseIgnored) =>
            {
                return Ok(later(action.due_at - now));
            }
            // Waits for its retry. A new action is due at once: its `due_at` only says when its message counts as lost.
            ActionState::Queued if action.attempts > 0 && action.due_at > now => {
                return Ok(later(action.due_at - now));
            }
            ActionState::Queued | ActionState::Running => {}
        }
        if !sabotage!(OrderIgnored) && self.is_held_up(&action).await? {
            return self.wait_for_turn(version, action).await;
        }
        let Some(request) = self.request_of(&action) else {
            let reason = "the team has no such tool any more, or it takes other arguments now";
            return self
                .finish(version, action, ActionState::Unknown, reason)
                .await;
        };
        let Some(_place) = self
            .engine
            .tool_places
            .enter(&self.engine.bounds, &action.tool)
        else {
            return Ok(Executed::Later(NO_PLACE));
        };
        // Reads the clock again: the read of the earlier action may have taken longer than the key lives.
        let now = self.engine.env.now();
        if let Some((state, reason)) =
            tries::spent(&action, &request, now, self.engine.claim_margin())
        {
            return self.finish(version, action, state, &reason).await;
        }
        let reached = action.first_try_at.is_some();
        let first_try = !reached && !action.tried_before;
        let Some((version, mut action)) = self.claim_action(version, action, &request).await?
        else {
            return Ok(later(FIRST_RETRY));
        };
        if self.engine.env.now() + tries::given_up_after(&request) > action.due_at {
            if !reached {
                action.first_try_at = None;
            }
            return self.hand_back(version, action).await;
        }
        let outcome = self.try_once(&request, &action).await;
        if !reached && matches!(outcome, Outcome::NotSent(_) | Outcome::Busy(..)) {
            // Recorded before the call as an attempt that might have an effect. It certainly had none.
            action.first_try_at = None;
        }
        // After an operator's "try again" the refusal may be an earlier one, which the service is about to forget.
        let retries = request.tool.runs.retries;
        let may_forget = action.tried_before && retries.key_life.is_some();
        let remembers_refusals = retries.remembers_refusals && !may_forget;
        let ended = tries::ended(outcome, first_try, remembers_refusals);
        self.record_outcome(version, action, &request, ended).await
    }

    /// Whether an earlier action of the conversation has not ended.
    async fn is_held_up(&self, action: &ActionRecord) -> Result<bool, StoreError> {
        let Some(before) = &action.after else {
            return Ok(false);
        };
        let before = read_action(&*self.engine.store, before).await?;
        Ok(before.is_some_and(|(_, before)| before.holds_up(action.place)))
    }

    /// The worker that ends the earlier action sends this one again. If that message is lost, the sweeper sends it.
    async fn wait_for_turn(
        &self,
        version: u64,
        mut action: ActionRecord,
    ) -> Result<Executed, StoreError> {
        action.due_at = self.engine.env.now() + HELD_UP;
        // If this is not written, another worker has handled the action, or the sweep comes sooner.
        let _moved = self
            .engine
            .store
            .commit(vec![Change::Replace(
                keys::action(&action.id),
                version,
                action.record(),
            )])
            .await;
        Ok(Executed::Over)
    }

    /// Returns a claim that was confirmed too late: the call could outlast it, and another worker would claim the action
    /// meanwhile.
    async fn hand_back(
        &self,
        version: u64,
        mut action: ActionRecord,
    ) -> Result<Executed, StoreError> {
        action.state = ActionState::Queued;
        action.attempts -= 1;
        action.due_at = self.engine.env.now() + RESEND;
        // If this is not written, another worker owns the action.
        let _ours = self.write(version, &action).await?;
        Ok(later(FIRST_RETRY))
    }

    async fn claim_action(
        &self,
        version: u64,
        mut action: ActionRecord,
        request: &ToolRequest,
    ) -> Result<Option<(u64, ActionRecord)>, StoreError> {
        action.state = ActionState::Running;
        let now = self.engine.env.now();
        action.attempts += 1;
        action.first_try_at.get_or_insert(now);
        action.fence += 1;
        action.holder = self.engine.new_holder();
        action.due_at = now + tries::claim_of(request, self.engine.claim_margin());
        let change = Change::Replace(keys::action(&action.id), version, action.record());
        match self.engine.store.commit(vec![change]).await {
            Ok(()) => Ok(Some((version + 1, action))),
            Err(CommitError::Ambiguous(_)) => {
                let now = read_action(&*self.engine.store, &action.id).await?;
                // The holder is ours and the claim still holds. After a late read another worker may have claimed and ended the
                // action.
                Ok(now.filter(|(_, now)| {
                    now.holder == action.holder
                        && now.fence == action.fence
                        && (now.state == ActionState::Running || sabotage!(EndedClaimTaken))
                }))
            }
            Err(CommitError::Conflict | CommitError::Unavailable(_) | CommitError::Refused(_)) => {
                Ok(None)
            }
        }
    }

    async fn try_once(&self, request: &ToolRequest, action: &ActionRecord) -> Outcome {
        let key = if sabotage!(NoKey) {
            String::new()
        } else {
            action.idempotency_key()
        };
        tokio::select! {
           biased;
            outcome = self.engine.tools.act(request, &key) => outcome,
            () = self.engine.sleep(tries::given_up_after(request)) => {
                let reason = "the call took too long".to_owned();
                if request.tool.runs.retries.has_keys { Outcome::Retry(reason, None) } else { Outcome::Unknown(reason) }
            }
        }
    }

    async fn record_outcome(
        &self,
        version: u64,
        action: ActionRecord,
        request: &ToolRequest,
        ended: Ended,
    ) -> Result<Executed, StoreError> {
        if sabotage!(RecordDeletedOnError) && !matches!(ended, Ended::For(ActionState::Done, _)) {
            let _gone = self
                .engine
                .store
                .commit(vec![Change::Remove(keys::action(&action.id), None)])
                .await;
            return Ok(Executed::Over);
        }
        match ended {
            Ended::For(state, result) => self.finish(version, action, state, &result).await,
            Ended::Reported(within) => self.begin_awaiting(version, action, within).await,
            Ended::Again(reason, after) => {
                self.retry_later(version, action, request, &reason, after)
                    .await
            }
        }
    }

    async fn retry_later(
        &self,
        version: u64,
        mut action: ActionRecord,
        request: &ToolRequest,
        reason: &str,
        after: Option<Duration>,
    ) -> Result<Executed, StoreError> {
        let wait = tries::wait(action.attempts, after, self.engine.env.random());
        let then = self.engine.env.now() + wait;
        if let Some((state, why)) = tries::spent(&action, request, then, self.engine.claim_margin())
        {
            // The retry could not start in time, so the action ends now.
            let result = format!("{why}; the last try: {reason}");
            return self.finish(version, action, state, &result).await;
        }
        tracing::info!(attempt = action.attempts, wait_ms = wait, %reason, "an action is tried again later");
        action.state = ActionState::Queued;
        action.due_at = then;
        // If this is not written, another worker has claimed the action and sets the retry of this message.
        let _ours = self.write(version, &action).await?;
        Ok(later(wait))
    }

    async fn finish(
        &self,
        version: u64,
        mut action: ActionRecord,
        state: ActionState,
        result: &str,
    ) -> Result<Executed, StoreError> {
        self.end(&mut action, state, result);
        log_end(&action);
        if !self.write(version, &action).await? {
            // Another worker has the action. Only the message of an ended action may be forgotten.
            return Ok(later(FIRST_RETRY));
        }
        self.tell_turn(&action).await;
        Ok(Executed::Over)
    }

    /// Puts its end into the record.
    fn end(&self, action: &mut ActionRecord, state: ActionState, result: &str) {
        action.become_now(state, self.engine.env.now());
        action.awaited_until = None;
        let result = match self.engine.team.tool(&action.tool) {
            Some(tool) if state == ActionState::Done => tool.result.of(result.to_owned()),
            Some(_) | None => result.to_owned(),
        };
        action.result = Some(size::shorten(&result, size::result_bound(1)));
    }

    /// Writes over the version that we claimed. A later claim has raised the version: then nothing is written, and this is
    /// `false`.
    async fn write(&self, version: u64, action: &ActionRecord) -> Result<bool, StoreError> {
        let key = keys::action(&action.id);
        let version = if sabotage!(NoFence) {
            read_action(&*self.engine.store, &action.id)
                .await?
                .map_or(version, |(now, _)| now)
        } else {
            version
        };
        for attempt in 0..MAX_TRIES {
            match self
                .engine
                .store
                .commit(vec![Change::Replace(key.clone(), version, action.record())])
                .await
            {
                Ok(()) => return Ok(true),
                Err(CommitError::Ambiguous(_)) if sabotage!(AmbiguousIsSuccess) => return Ok(true),
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    match read_action(&*self.engine.store, &action.id).await {
                        Ok(Some((_, now))) if now == *action => return Ok(true),
                        Ok(Some((now, _))) if now == version => self.engine.back_off(attempt).await,
                        Ok(_) => {
                            tracing::info!(
                                "another worker has claimed the action; this outcome is not recorded"
                            );
                            return Ok(false);
                        }
                        Err(_) => self.engine.back_off(attempt).await,
                    }
                }
                Err(CommitError::Unavailable(_)) => self.engine.back_off(attempt).await,
                Err(CommitError::Refused(reason)) => return Err(StoreError::Unavailable(reason)),
            }
        }
        Err(StoreError::Unavailable(
            "the outcome of an action could not be recorded".to_owned(),
        ))
    }

    /// Wakes the turn of this process that waits for the action. If no turn runs, a driver begins one to report the end. A turn
    /// of another process polls the record, and its driver rechecks at the end of the turn. Sends the next action that waits for
    /// this one.
    async fn tell_turn(&self, action: &ActionRecord) {
        self.engine.hub.poke(&action.id.conversation);
        let meta = read_meta(&*self.engine.store, &action.id.conversation).await;
        let runs = match &meta {
            Ok(meta) => meta.as_ref().is_none_or(|(_, meta)| {
                meta.running.is_some() || !meta.pending_reports.contains(&action.id)
            }),
            Err(_) => false,
        };
        if !runs {
            self.engine.send_turns(&action.owner, &action.id).await;
        }
        if let Ok(Some((_, meta))) = meta
            && action.place > 0
            && action.place < meta.places
        {
            self.send_next(action, &meta).await;
        }
    }

    /// Sends the action that waits for the end of this one. When that fails the sweeper finds it.
    async fn send_next(&self, ended: &ActionRecord, meta: &Meta) {
        let open: Vec<_> = meta
            .pending_reports
            .iter()
            .filter(|id| **id != ended.id)
            .cloned()
            .collect();
        match read_actions(&*self.engine.store, &open).await {
            Ok(open) => {
                let waits = |action: &&ActionRecord| {
                    action.state == ActionState::Queued && action.after.as_ref() == Some(&ended.id)
                };
                for next in open.iter().filter(waits) {
                    self.engine.send_action(&next.owner, &next.id).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the next action could not be read; the sweeper will send it");
            }
        }
    }

    fn request_of(&self, action: &ActionRecord) -> Option<ToolRequest> {
        let tool = self.engine.team.tool(&action.tool)?.clone();
        let arguments = Arc::new(tool.check(&action.arguments).ok()?);
        let (conversation, turn) = (action.id.conversation.clone(), action.id.turn);
        Some(ToolRequest {
            tool,
            arguments,
            context: CallContext {
                speaker: action.speaker.clone(),
                action: Some(action.id.clone()),
                approved_by: action.approved_by().cloned(),
                span: SpanContext::of_action(&action.id),
                ..CallContext::new(action.owner.clone(), conversation, turn)
            },
        })
    }
}

fn log_end(action: &ActionRecord) {
    let result = action.result.as_deref().unwrap_or_default();
    match action.state {
        ActionState::Unknown => {
            tracing::error!(attempts = action.attempts, %result, "the outcome of an action is unknown; an operator must check it");
        }
        ActionState::Done | ActionState::Rejected => {
            tracing::info!(
                state = action.state.as_str(),
                attempts = action.attempts,
                "an action ended"
            );
        }
        ActionState::Proposed | ActionState::Queued | ActionState::Running => {}
    }
}

fn later(milliseconds: Millis) -> Executed {
    Executed::Later(Duration::from_millis(milliseconds))
}
