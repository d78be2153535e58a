//! What a decision of an operator is made of, and why one is not applied.

use std::fmt;

use crate::ports::{Millis, StoreError};
use crate::principal::Subject;
use crate::record::operator::Role;
use crate::record::{ActionRecord, ActionState, Decision};

/// A reason, in bytes; it is kept with the action and with the audit trail.
pub(crate) const LONGEST_REASON: usize = 2_000;

/// Why an operator decides so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons {
    /// For colleagues: kept with the action and the audit trail; no customer and no model gets it. An approval needs none.
    pub colleagues: Option<String>,
    /// For the customer: a part of the result of an action that is not carried out, or was settled.
    pub customer: Option<String>,
}

impl Reasons {
    /// The reasons without blank ones.
    pub(super) fn checked(self, decision: Decision) -> Result<Self, DecisionError> {
        let told = |reason: Option<String>| reason.filter(|reason| !reason.trim().is_empty());
        let reasons = Self {
            colleagues: told(self.colleagues),
            customer: told(self.customer),
        };
        let is_long = |reason: &Option<String>| {
            let bytes = reason.as_ref().map_or(0, String::len);
            bytes > LONGEST_REASON
        };
        let lacks = decision != Decision::Approve && reasons.colleagues.is_none();
        if lacks || is_long(&reasons.colleagues) || is_long(&reasons.customer) {
            return Err(DecisionError::Reasons);
        }
        Ok(reasons)
    }

    /// The result of an action that ends by the decision. `sentence` has no full stop.
    pub(super) fn result(&self, sentence: &str) -> String {
        match &self.customer {
            Some(reason) => format!("{sentence}: {reason}"),
            None => format!("{sentence}."),
        }
    }
}

/// Why a decision was not applied.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is no such action of the operator's tenant.
    #[error("no such action")]
    NotFound,
    /// The operator may not decide this.
    #[error("this needs the role {0}")]
    Role(Role),
    /// A reason for colleagues is missing, or one is too long.
    #[error(
        "a reason for colleagues is needed, unless the action is approved; it and the reason for the customer have at most \
         {LONGEST_REASON} bytes each"
    )]
    Reasons,
    /// The operator saw other arguments.
    #[error("the action has other arguments than those that the decision is about")]
    OtherArguments,
    /// It has changed after the operator saw it.
    #[error("the action has changed since it was shown: {0}. Look at it again.")]
    Changed(News),
    /// Its state does not allow this decision.
    #[error("this cannot be decided: {0}")]
    Decided(News),
    /// Its customer was asked and has not answered.
    #[error("the customer must confirm this first, and has not answered yet")]
    CustomerFirst,
    /// The operator's approval is one of two already.
    #[error("you have approved this already; another operator must approve it too")]
    ApprovedAlready,
    /// Its conversation has too many results to report.
    #[error(
        "the conversation has too many results to report to its model first; try again in a minute"
    )]
    TooManyReports,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What has become of an action, for an operator who comes too late: who decided what and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The state now.
    pub state: ActionState,
    /// How often a worker has claimed it.
    pub attempts: u32,
    /// The last decision, and how long ago it was taken.
    pub last: Option<(Subject, Decision, Millis)>,
    /// Whether that was the first of two approvals.
    pub lacks_approval: bool,
}

impl News {
    pub(super) fn of(action: &ActionRecord, now: Millis) -> Self {
        let decided = action.decided.as_ref();
        let ago = |at: Millis| now.saturating_sub(at);
        Self {
            state: action.state,
            attempts: action.attempts,
            last: decided.map(|last| (last.by.clone(), last.decision, ago(last.at))),
            lacks_approval: action.state == ActionState::Proposed && !action.approvals.is_empty(),
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.as_str();
        if let Some((by, decision, ago)) = &self.last {
            write!(out, "{by} {} {} ago, and ", decision.in_words(), Ago(*ago))?;
            if self.lacks_approval {
                return out.write_str("another operator must approve it too");
            }
            write!(out, "it is {state} now")?;
        } else {
            write!(out, "the action is {state}")?;
        }
        match self.attempts {
            0 => Ok(()),
            attempts => write!(out, " (attempts: {attempts})"),
        }
    }
}

/// A duration in its largest whole unit.
struct Ago(Millis);

impl fmt::Display for Ago {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        match seconds {
            0..120 => write!(out, "{seconds} s"),
            120..7_200 => write!(out, "{} min", seconds / 60),
            7_200..172_800 => write!(out, "{} h", seconds / 3_600),
            _ => write!(out, "{} days", seconds / 86_400),
        }
    }
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
