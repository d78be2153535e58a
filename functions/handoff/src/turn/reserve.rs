//! The turn's side of budgets: how much its next call may take, and what its last one took.

use super::play::Play;
use crate::budget::{CALL_ALLOWANCE, Posting, Spent, Ticket, most_input, step_bytes};
use crate::drive::lease::{Beside, Need, Trouble};
use crate::failure::FailureCode;
use crate::ports::{ModelRequest, Usage};
use crate::record::{Amount, Meta, StepRecord};

/// The model call of the current step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// It was not made, or the service refused it.
    NotMade,
    /// It was made, and nobody has counted its tokens.
    Made,
}

impl Play<'_> {
    /// Makes sure that this request is reserved for. `false`: it does not fit a budget.
    pub(super) async fn cover(&mut self, request: &ModelRequest) -> Result<bool, Trouble> {
        self.input = most_input(request);
        let Some(amount) = self.engine.most_of_call(&*self.model.model, self.input) else {
            return Ok(true);
        };
        let reserved = self.reserved().await;
        if reserved.is_some_and(|reserved| amount.fits(reserved)) {
            return Ok(true);
        }
        let Some(ticket) = self.ticket(amount).await? else {
            return Ok(false);
        };
        self.commit_ticket(Spent::Nothing, Some(ticket)).await
    }

    /// A posting of its own: what a commit had reserved is not enough.
    async fn commit_ticket(&self, spent: Spent, reserve: Option<Ticket>) -> Result<bool, Trouble> {
        let posting = Posting { spent, reserve };
        let reserves = self.post_alone(&posting).await?;
        self.not_needed(&posting, reserves);
        Ok(reserves)
    }

    /// A commit for this posting alone.
    pub(super) async fn post_alone(&self, posting: &Posting) -> Result<bool, Trouble> {
        let nothing = |_: &mut Meta, _: &Beside| Vec::new();
        self.lease
            .commit_beside(&[], Need::Wanted, Some(posting), nothing)
            .await
    }

    /// What a step's commit does to budgets: settles the step's call, and reserves for the next one, as far as its request can be
    /// foreseen.
    pub(super) async fn posting_of(&self, step: &mut StepRecord) -> Posting {
        let spent = self.spent_by(step).await;
        let calls = CALL_ALLOWANCE.saturating_mul(step.calls.len() as u64);
        let input = self.input + step_bytes(step) + calls;
        let reserve = match self.engine.most_of_call(&*self.model.model, input) {
            // Where it fails, the call itself tries again.
            Some(amount) => self.ticket(amount).await.ok().flatten(),
            None => None,
        };
        Posting { spent, reserve }
    }

    /// What the turn's last commit does to budgets.
    pub(super) async fn last_posting(&self, last: Option<&mut StepRecord>) -> Posting {
        let spent = match last {
            Some(step) => self.spent_by(step).await,
            None => match self.call {
                Call::NotMade => Spent::Nothing,
                Call::Made => Spent::Unknown,
            },
        };
        Posting {
            spent,
            reserve: None,
        }
    }

    /// A ticket was not needed, since the budgets had no room when the commit was made.
    pub(super) fn not_needed(&self, posting: &Posting, reserves: bool) {
        if let Some(ticket) = posting.reserve.as_ref().filter(|_| !reserves) {
            self.engine.return_ticket(ticket);
        }
    }

    /// What a response has taken. Where the service did not count, that is what was reserved.
    async fn spent_by(&self, step: &mut StepRecord) -> Spent {
        if step.usage != Usage::default() {
            return Spent::Counted(Amount {
                tokens: step.usage.tokens(),
                cost: step.cost.unwrap_or(0),
            });
        }
        if let Some(reserved) = self.reserved().await.filter(|amount| amount.cost > 0) {
            step.cost = Some(reserved.cost);
        }
        Spent::Unknown
    }

    pub(super) async fn ticket(&self, amount: Amount) -> Result<Option<Ticket>, Trouble> {
        let claim = &self.claim;
        let ticket = self
            .engine
            .ticket(&claim.owner, &claim.conversation, amount);
        Ok(ticket.await?)
    }

    pub(super) async fn reserved(&self) -> Option<Amount> {
        let spending = self.lease.meta().await.spending?;
        Some(spending.reserved?.amount)
    }
}

/// Whether the service did no work for a call that failed so.
pub(crate) fn costs_nothing(code: FailureCode) -> bool {
    match code {
        FailureCode::ModelRefused
        | FailureCode::ModelUnauthorized
        | FailureCode::ModelRateLimited
        | FailureCode::ModelUnreachable
        | FailureCode::ConversationTooLong
        | FailureCode::BudgetExceeded => true,
        FailureCode::ModelUnavailable
        | FailureCode::ModelTimedOut
        | FailureCode::ModelCut
        | FailureCode::ModelBadStream
        | FailureCode::ModelTooLarge
        | FailureCode::ModelEmpty
        | FailureCode::AnswerMissing
        | FailureCode::AnswerTooLong
        | FailureCode::ContentFiltered
        | FailureCode::StepLimit
        | FailureCode::HandOffLimit
        | FailureCode::RecoveredTooOften
        | FailureCode::Internal => false,
    }
}
