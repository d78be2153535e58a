//! What becomes of a failed model call: it is made once more, by a shorter request or by another model, or the turn fails. Before
//! anything was said nobody hears of it. Afterwards the step is taken back, once, and said anew under a new fence.

use std::sync::Arc;

use super::play::Play;
use super::reserve::{Call, costs_nothing};
use super::response::Broken;
use crate::budget::{Posting, Spent};
use crate::drive::lease::Trouble;
use crate::engine::models::Chosen;
use crate::failure::FailureCode;
use crate::ports::{ModelErrorKind, Usage};
use crate::record::{Amount, FailedCall, size};

/// What was tried for one response.
#[derive(Default)]
pub(super) struct Tried {
    /// The models that failed.
    models: Vec<Arc<str>>,
    /// The model of this name was asked once more.
    again: Option<Arc<str>>,
    taken_back: bool,
}

/// The next call for the same response.
enum Next {
    /// The same once more.
    Same,
    /// With less of the past, and shortened results.
    Shorter,
    Other(Chosen),
}

impl Play<'_> {
    /// Makes ready for a further call, or says why there is none.
    pub(super) async fn go_on(
        &mut self,
        tried: &mut Tried,
        broken: Broken,
    ) -> Result<Result<(), Broken>, Trouble> {
        let Some(next) = self.next(tried, broken.kind) else {
            self.note_failed(&broken).await;
            return Ok(Err(self.as_told(broken)));
        };
        tracing::warn!(
            code = broken.code.as_str(),
            detail = %broken.detail,
            model = &*self.model.name,
            "a model call failed; a further one is made"
        );
        let spent = self.note_failed(&broken).await;
        match next {
            Next::Same => tried.again = Some(self.model.name.clone()),
            Next::Shorter => self.short = true,
            Next::Other(model) => self.model = model,
        }
        let says_anew = self.narrator.has_said();
        tried.taken_back |= says_anew;
        if !self.afford(spent, says_anew).await? {
            return Ok(Err(Broken::over_budget()));
        }
        if says_anew && !sabotage!(MixedFallback) {
            self.narrator
                .stand_at(self.next_step(), self.claim.fence, 0);
            self.narrator.results(&self.results);
            if !sabotage!(ForgetReset) {
                self.narrator.reset();
            }
        }
        Ok(Ok(()))
    }

    fn next(&self, tried: &mut Tried, kind: Option<ModelErrorKind>) -> Option<Next> {
        let said = self.narrator.has_said();
        match kind? {
            // What one service may not answer is not offered to another.
            ModelErrorKind::Filtered | ModelErrorKind::TooLarge => return None,
            ModelErrorKind::TooLong if !self.short && !said => return Some(Next::Shorter),
            ModelErrorKind::Empty
            | ModelErrorKind::Slip
            | ModelErrorKind::BadStream
            | ModelErrorKind::Cut
                if !said && tried.again.as_ref() != Some(&self.model.name) =>
            {
                return Some(Next::Same);
            }
            ModelErrorKind::BadRequest
            | ModelErrorKind::Unauthorized
            | ModelErrorKind::RateLimited
            | ModelErrorKind::Unavailable
            | ModelErrorKind::Unreachable
            | ModelErrorKind::TimedOut
            | ModelErrorKind::Cut
            | ModelErrorKind::BadStream
            | ModelErrorKind::Empty
            | ModelErrorKind::Reported
            | ModelErrorKind::TooLong
            | ModelErrorKind::Slip => {}
        }
        if said && tried.taken_back {
            return None;
        }
        tried.models.push(self.model.name.clone());
        let other = self.engine.next_model(&self.agent, &tried.models);
        other.map(Next::Other)
    }

    /// Reserves for a further call, in a commit that settles the failed one; where something was said, this commit takes a new
    /// fence as well. `false`: it does not fit a budget.
    async fn afford(&mut self, spent: Spent, says_anew: bool) -> Result<bool, Trouble> {
        let amount = self.engine.most_of_call(&*self.model.model, self.input);
        let ticket = match amount {
            Some(amount) => match self.ticket(amount).await? {
                Some(ticket) => Some(ticket),
                None => return Ok(false),
            },
            None if !says_anew => return Ok(true),
            None => None,
        };
        let posting = Posting {
            spent,
            reserve: ticket,
        };
        let reserves = if says_anew && !sabotage!(MixedFallback) {
            let (fence, reserves) = self.lease.raise_fence(&posting).await?;
            self.claim.fence = fence;
            reserves
        } else {
            self.post_alone(&posting).await?
        };
        self.not_needed(&posting, reserves);
        self.call = Call::NotMade;
        Ok(amount.is_none() || reserves)
    }

    /// Remembers what a failed call took, for the record of its step or turn.
    async fn note_failed(&mut self, broken: &Broken) -> Spent {
        let Some(usage) = broken.usage else {
            return Spent::Nothing;
        };
        let mut cost = self.engine.cost_of(&*self.model.model, usage);
        // Of a response that broke off the service may not have counted all.
        let is_whole = broken.code == FailureCode::ModelEmpty && usage != Usage::default();
        let spent = if self.call == Call::NotMade || costs_nothing(broken.code) {
            Spent::Nothing
        } else if is_whole {
            Spent::Counted(Amount {
                tokens: usage.tokens(),
                cost: cost.unwrap_or(0),
            })
        } else {
            let reserved = self.reserved().await.filter(|amount| amount.cost > 0);
            cost = reserved.map(|amount| amount.cost).or(cost);
            Spent::Unknown
        };
        let call = FailedCall {
            model: self.model.name.to_string(),
            why: broken.code,
            usage,
            cost,
        };
        let is_full = self.failed.len() >= size::MOST_FAILED_CALLS;
        match self.failed.last_mut().filter(|_| is_full) {
            Some(last) => {
                last.usage += call.usage;
                let sum = last
                    .cost
                    .unwrap_or(0)
                    .saturating_add(call.cost.unwrap_or(0));
                last.cost = last.cost.or(call.cost).map(|_| sum);
            }
            None => self.failed.push(call),
        }
        spent
    }

    /// Where the turn has accepted an action, nobody is invited to say all of it again.
    fn as_told(&self, broken: Broken) -> Broken {
        let broke_off = match broken.code {
            FailureCode::ModelEmpty | FailureCode::ModelCut | FailureCode::ModelBadStream => true,
            FailureCode::ModelRefused
            | FailureCode::ModelUnauthorized
            | FailureCode::ModelRateLimited
            | FailureCode::ModelUnavailable
            | FailureCode::ModelUnreachable
            | FailureCode::ModelTimedOut
            | FailureCode::ModelTooLarge
            | FailureCode::AnswerMissing
            | FailureCode::AnswerTooLong
            | FailureCode::ConversationTooLong
            | FailureCode::ContentFiltered
            | FailureCode::StepLimit
            | FailureCode::HandOffLimit
            | FailureCode::BudgetExceeded
            | FailureCode::RecoveredTooOften
            | FailureCode::Internal => false,
        };
        if broke_off && self.steps.iter().any(|step| !step.actions.is_empty()) {
            let code = FailureCode::AnswerMissing;
            return Broken { code, ..broken };
        }
        broken
    }
}
