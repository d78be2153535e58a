//! An accepted call of an action tool.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::confirmation::{Answer, Confirmation};
use super::decision::{Decision, Settlement};
use super::stored::encode;
use crate::ids::{ActionId, hex};
use crate::ports::{Listing, Millis, Record};
use crate::principal::{Owner, Subject};
use crate::speaker::Speaker;

/// When a queue message that no worker took counts as lost.
pub(crate) const RESEND: Millis = 5_000;

/// How long a colleague may take to approve an action: 72 h.
pub(crate) const APPROVAL_LIFE: Millis = 72 * 3_600_000;

/// The list of a tenant's actions in a state, newest first.
pub fn actions_in(tenant: &str, state: ActionState) -> String {
    format!("{tenant}/actions/{}", state.as_str())
}

/// An operator's approval of an action that needs two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionApproval {
    /// The operator's name.
    pub by: Subject,
    /// When. Milliseconds since 1970.
    pub at: Millis,
}

/// The last decision of an operator on an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// The operator's name.
    pub by: Subject,
    /// When. Milliseconds since 1970.
    pub at: Millis,
}

/// The state of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// A person must approve it.
    Proposed,
    /// Waits for a worker.
    Queued,
    /// A worker has it, or died with it.
    Running,
    /// It took effect.
    Done,
    /// It has no effect and never will.
    Rejected,
    /// Its outcome is unknown; an operator must check.
    Unknown,
}

impl ActionState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Proposed,
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Rejected,
        Self::Unknown,
    ];

    /// The state on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the action stays in this state unless an operator changes it.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Done | Self::Rejected | Self::Unknown => true,
            Self::Proposed | Self::Queued | Self::Running => false,
        }
    }
}

/// `T#turn#A#action`: one accepted call of an action tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The action.
    pub id: ActionId,
    /// The owner of the conversation.
    pub owner: Owner,
    /// The principal in whose name it was accepted, where the owner does not say it all: the turn's, kept here because an erasure
    /// removes the turn first, and because a worker reads nothing else.
    #[serde(default, skip_serializing_if = "Speaker::is_owner")]
    pub speaker: Speaker,
    /// The tool.
    pub tool: String,
    /// Canonical arguments, JSON.
    pub arguments: String,
    /// The amount it moves, in US cents, where it has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<u64>,
    /// Why a limit on money wants an operator's approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// The customer's yes that it needs, or needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Box<Confirmation>>,
    /// The agent that called.
    pub agent: String,
    /// Its state.
    pub state: ActionState,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it ended, as far as it has, and this was kept. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// When it may be tried again, or must be rechecked.
    #[serde(rename = "look_at")]
    pub due_at: Millis,
    /// How often a worker claimed it.
    pub attempts: u32,
    /// The start of the first attempt that may have reached the service. The service knows the idempotency key since then at the
    /// earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_try_at: Option<Millis>,
    /// An attempt from before an operator's "try again" may still arrive at the service.
    #[serde(default, skip_serializing_if = "super::stored::is_false")]
    pub tried_before: bool,
    /// Its service has begun it and reports the end by itself, until then. Meanwhile no worker has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited_until: Option<Millis>,
    /// Its place in the order of the conversation's actions, assigned when it is queued. 0: none.
    #[serde(default, skip_serializing_if = "super::stored::is_zero_place")]
    pub place: u64,
    /// The action at the previous place, unless that one was known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ActionId>,
    /// The fence of the last claim. A first approval raises it too, so that a decision on what was shown before is refused.
    pub fence: u64,
    /// The worker that claimed it last.
    pub holder: String,
    /// The result or the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The operator's reason for the decision, for colleagues only. No customer and no model gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operator's reason for the customer. It stands in the result where the decision is the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_customer: Option<String>,
    /// The approvals of an action that still needs another one, or needed two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ActionApproval>,
    /// The last decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// A random number of the last decision; lets its process recognise its own unconfirmed commit.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub receipt: u32,
}

impl ActionRecord {
    /// The record to write. Due until the action has ended; META and the journal know whether the end was reported to the model.
    pub fn record(&self) -> Record {
        let open = !self.state.is_terminal();
        Record {
            due_at: open.then_some(self.due_at),
            work: Some(Listing {
                group: actions_in(self.owner.tenant(), self.state),
                rank: self.accepted_at,
            }),
            ..encode(self)
        }
    }

    /// Whether the customer must confirm it first. No operator approves it before.
    pub fn waits_for_customer(&self) -> bool {
        let card = self.confirmation.as_ref();
        self.state == ActionState::Proposed && card.is_some_and(|card| card.answer.is_none())
    }

    /// Whether an operator must approve it next.
    pub(crate) fn waits_for_operator(&self) -> bool {
        self.state == ActionState::Proposed && !self.waits_for_customer()
    }

    /// Its state from now on.
    pub(crate) fn become_now(&mut self, state: ActionState, now: Millis) {
        self.state = state;
        self.ended_at = state.is_terminal().then_some(now);
    }

    /// The end of an action that nobody agreed to in time, or whose card was declined or withdrawn.
    pub(crate) fn end_by(&mut self, answer: Answer, now: Millis) {
        self.become_now(ActionState::Rejected, now);
        self.result = Some(answer.result().to_owned());
        if let Some(card) = &mut self.confirmation {
            card.answer = Some(answer);
            card.answered_at = Some(now);
        }
    }

    /// Whether later actions of the conversation wait for it.
    pub(crate) fn holds_up(&self, place: u64) -> bool {
        match self.state {
            ActionState::Queued | ActionState::Running => self.place < place,
            ActionState::Proposed
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown => false,
        }
    }

    /// The first part of the identity of an action for an operator's decision; the second is the fence.
    pub fn arguments_hash(&self) -> String {
        hex(&Sha256::digest(self.arguments.as_bytes()))
    }

    /// For a store restored from a copy: an action that is open in the copy may have been tried since the copy was made, at the
    /// earliest when it was accepted. So it is tried only while its service is sure to remember the key; otherwise an operator
    /// must check.
    pub fn restore(&mut self) {
        if !self.state.is_terminal() {
            self.tried_before = true;
            self.first_try_at.get_or_insert(self.accepted_at);
        }
    }

    /// The operator by whose decision it runs.
    pub(crate) fn approved_by(&self) -> Option<&Subject> {
        let decided = self.decided.as_ref()?;
        match decided.decision {
            Decision::Approve | Decision::Settle(Settlement::Retry) => Some(&decided.by),
            Decision::Reject | Decision::Settle(Settlement::Done | Settlement::Rejected) => None,
        }
    }

    /// The idempotency key of this effect: the same for every attempt.
    pub fn idempotency_key(&self) -> String {
        hex(&Sha256::digest(self.id.to_string().as_bytes()))
    }
}
