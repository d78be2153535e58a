//! Operators' decisions: approval of an action, and settlement of an action without a known outcome.
//! A decision is bound to the arguments and the state that the operator saw, and is applied once.

use super::Action;
pub use super::decision::{DecisionError, News, Reasons, Shown};
use crate::engine::{Engine, MAX_TRIES};
use crate::notice::Told;
use crate::ports::{Change, CommitError, Order, Range, StoreError};
use crate::record::audit::{AuditDetails, AuditEntry, Audited, AuditedDecision};
use crate::record::journal::{read_action, read_meta};
use crate::record::operator::{Operator, Role};
use crate::record::{
    ActionApproval, ActionRecord, ActionState, Decided, Decision, RESEND, Settlement, decode, keys,
    size,
};
use crate::team::{ActionOrder, NoticeKind};

/// How many pages of the conversation's records are searched for later actions.
const PAGES_SEARCHED: usize = 10;
const PAGE_SEARCHED: usize = 200;

/// The most later actions shown.
const MOST_DONE_AFTER: usize = 20;

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

    /// The action as an operator sees it. None: there is no such action of the operator's tenant.
    pub async fn shown_to(&self, operator: &Operator) -> Result<Option<ActionRecord>, StoreError> {
        let read = read_action(&*self.engine.store, &self.id).await?;
        let action = read.map(|(_, action)| action);
        Ok(action.filter(|action| operator.sees(action)))
    }

    /// Applies a decision, sends the action to a worker if it is to be executed, and lets the conversation go on. The decision
    /// holds for the action as `shown`, and is not applied to any later state. It is committed together with its entry in the
    /// audit trail.
    pub async fn decide(
        &self,
        decision: Decision,
        shown: &Shown,
        by: &Operator,
        reasons: Reasons,
    ) -> Result<ActionRecord, DecisionError> {
        let reasons = reasons.checked(decision)?;
        let random = self.engine.env.random();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 32 of 128 random bits are random"
        )]
        let receipt = random as u32;
        for attempt in 0..MAX_TRIES {
            let read = read_action(&*self.engine.store, &self.id).await?;
            let (version, before) = read
                .filter(|(_, action)| by.sees(action) || sabotage!(TenantIgnored))
                .ok_or(DecisionError::NotFound)?;
            if before.receipt == receipt {
                // Our earlier commit was written; a worker may have taken the action since.
                self.send_decided(&before).await;
                return Ok(before);
            }
            let mut action = self.decided(&before, decision, shown, by, &reasons)?;
            action.receipt = receipt;
            let mut changes = self.meta_after(&mut action, before.state).await?;
            changes.push(Change::Replace(
                keys::action(&self.id),
                version,
                action.record(),
            ));
            changes.extend(
                self.audited(&before, &action, random, reasons.clone())
                    .await?,
            );
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    tracing::info!(action = %self.id, from = before.state.as_str(), to = action.state.as_str(), "an operator decided");
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

    /// The action after the decision; or why the operator cannot decide so.
    fn decided(
        &self,
        before: &ActionRecord,
        decision: Decision,
        shown: &Shown,
        by: &Operator,
        reasons: &Reasons,
    ) -> Result<ActionRecord, DecisionError> {
        by.must_decide(decision, before)?;
        let now = self.engine.env.now();
        let mut action = before.clone();
        if before.arguments_hash() != shown.arguments_hash {
            return Err(DecisionError::OtherArguments);
        }
        let state = decided_state(before.state, decision)
            .ok_or_else(|| DecisionError::Decided(News::of(before, now)))?;
        if before.state.is_terminal() && state.is_terminal() {
            // It ended when nobody could tell how.
            action.state = state;
        } else {
            action.become_now(state, now);
        }
        let approves = decision == Decision::Approve;
        let approved_before = before.approvals.iter().any(|one| one.by == by.name);
        if approves && approved_before && !sabotage!(OneMayApproveTwice) {
            return Err(DecisionError::ApprovedAlready);
        }
        if before.waits_for_customer() && approves && !sabotage!(ApprovedBeforeCustomer) {
            return Err(DecisionError::CustomerFirst);
        }
        if before.fence != shown.fence && !sabotage!(DecisionNotBound) {
            return Err(DecisionError::Changed(News::of(before, now)));
        }
        action.decided = Some(Decided {
            decision,
            by: by.name.clone(),
            at: now,
        });
        action.reason.clone_from(&reasons.colleagues);
        action.reason_for_customer.clone_from(&reasons.customer);
        if approves && self.engine.approvals_needed(before) > 1 {
            action.approvals.push(ActionApproval {
                by: by.name.clone(),
                at: now,
            });
            if action.approvals.len() < 2 {
                // Still due when its time for approvals is over. What others were shown before is not what they decide on now.
                action.state = ActionState::Proposed;
                action.fence += 1;
                return Ok(action);
            }
        }
        action.due_at = now + RESEND;
        match action.state {
            ActionState::Rejected => {
                action.result = Some(reasons.result("A colleague decided against it"));
            }
            ActionState::Done => {
                action.result = Some(reasons.result("A colleague found it done"));
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
        Ok(action)
    }

    /// The parts of the commit that tell of the decision in the audit trail.
    async fn audited(
        &self,
        before: &ActionRecord,
        after: &ActionRecord,
        random: u128,
        reasons: Reasons,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(decided) = after.decided.clone().filter(|_| !sabotage!(NotAudited)) else {
            return Ok(Vec::new());
        };
        let tenant = after.owner.tenant();
        let pseudonyms = self.engine.pseudonyms(tenant).await?;
        let decision = AuditedDecision {
            decision: decided.decision,
            first_of_two: after.state == ActionState::Proposed,
            tool: after.tool.clone(),
            amount_cents: after.amount_cents,
            arguments_hash: after.arguments_hash(),
            fence: before.fence,
            customer: pseudonyms.of(after.owner.as_str()),
            conversation: pseudonyms.of(after.id.conversation.as_str()),
            action: pseudonyms.of(&after.id.to_string()),
            turn: after.id.turn,
        };
        let entry = AuditEntry {
            at: decided.at,
            by: Some(decided.by),
            event: Audited::Decided(decision),
        };
        let details = AuditDetails {
            action: after.id.clone(),
            arguments: after.arguments.clone(),
            reason: reasons.colleagues,
            reason_for_customer: reasons.customer,
        };
        let kept = self.engine.retention.audit;
        Ok(entry.added(tenant, random, Some(&details), kept))
    }

    /// The conversation's META after the decision. A queued action gets its place in the order now. An action with an unknown
    /// outcome is reported once more: the model has the unknown outcome already, or is receiving it right now.
    async fn meta_after(
        &self,
        action: &mut ActionRecord,
        before: ActionState,
    ) -> Result<Vec<Change>, DecisionError> {
        let ordered = action.state == ActionState::Queued
            && self
                .engine
                .team
                .tool(&action.tool)
                .is_none_or(|tool| tool.order == ActionOrder::Kept);
        let conversation = &action.id.conversation;
        let Some((version, mut meta)) = read_meta(&*self.engine.store, conversation).await? else {
            return Ok(Vec::new());
        };
        let told_again = before == ActionState::Unknown && action.id.turn >= meta.erased_below;
        let approved = before == ActionState::Proposed && action.state == ActionState::Queued;
        let mut changes = Vec::new();
        if approved {
            changes = self.engine.count_approved(&mut meta, action).await?;
        }
        let counted = approved && self.engine.team.money_limit(&action.tool).is_some();
        let told = match action.state {
            // The first of two approvals.
            ActionState::Proposed => Told::Waits(action),
            ActionState::Queued
            | ActionState::Running
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown => Told::Decided(action),
        };
        let notices = self.engine.notices(&mut meta, conversation, &told);
        if !ordered && !told_again && !counted && notices.is_empty() {
            return Ok(Vec::new());
        }
        changes.extend(notices);
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
        changes.push(Change::Replace(key, version, meta.record()));
        Ok(changes)
    }

    async fn send_decided(&self, action: &ActionRecord) {
        let kind = if action.state == ActionState::Proposed {
            NoticeKind::ApprovalNeeded
        } else {
            NoticeKind::ActionDecided
        };
        self.engine
            .send_notices(&action.owner, &action.id.conversation, kind)
            .await;
        match action.state {
            // The first of two approvals: nothing to do and nothing to report.
            ActionState::Proposed => {}
            ActionState::Queued => self.engine.send_action(&action.owner, &action.id).await,
            ActionState::Running
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown => {
                self.engine.send_turns(&action.owner, &action.id).await;
            }
        }
    }
}

impl Operator {
    /// Whether the action is one of the operator's tenant.
    fn sees(&self, action: &ActionRecord) -> bool {
        action.owner.tenant() == self.tenant.as_str()
    }

    /// Whether the operator may take this decision.
    fn must_decide(&self, decision: Decision, action: &ActionRecord) -> Result<(), DecisionError> {
        let (may, role) = match decision {
            Decision::Approve | Decision::Reject => {
                // The least role that is missing: in whole dollars, as roles are.
                let up_to = action.amount_cents.map(|cents| cents.div_ceil(100) * 100);
                (
                    self.may_approve(action.amount_cents),
                    Role::Approve { up_to },
                )
            }
            Decision::Settle(_) => (self.may(Role::Settle), Role::Settle),
        };
        if may || sabotage!(RolesIgnored) {
            Ok(())
        } else {
            Err(DecisionError::Role(role))
        }
    }
}

impl Engine {
    /// How many operators must approve this action: two above the setting's amount, and where the amount is unknown.
    pub fn approvals_needed(&self, action: &ActionRecord) -> usize {
        match (self.four_eyes_above_cents, action.amount_cents) {
            (None, _) => 1,
            (Some(above), Some(cents)) if cents <= above => 1,
            (Some(_), _) => 2,
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
