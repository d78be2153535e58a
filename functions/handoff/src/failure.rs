//! Why a turn failed: a code for programs, a fixed sentence for the customer. The cause itself goes to the log only.

use serde::{Deserialize, Serialize};

use crate::ports::ModelErrorKind;

/// Why a turn failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The model service refused the request (400).
    ModelRefused,
    /// The model service does not accept our key (401, 403).
    ModelUnauthorized,
    /// The model service is at its limit (429).
    ModelRateLimited,
    /// The model service has an error (5xx) or reported one midway.
    ModelUnavailable,
    /// The model service cannot be reached.
    ModelUnreachable,
    /// The model service was silent for too long.
    ModelTimedOut,
    /// The answer broke off.
    ModelCut,
    /// The model service's stream was not understood.
    ModelBadStream,
    /// The answer, or a part of it, exceeds its limit.
    ModelTooLarge,
    /// The model answered nothing.
    ModelEmpty,
    /// The answer broke off, or there was none, after the turn had accepted an action.
    AnswerMissing,
    /// The model reached its limit of output tokens.
    AnswerTooLong,
    /// The request got longer than the model takes.
    ConversationTooLong,
    /// The service's content filter stopped the answer.
    ContentFiltered,
    /// More model responses than the team allows in one turn.
    StepLimit,
    /// More hand-offs than the team allows in one turn.
    HandOffLimit,
    /// A further model call does not fit a budget.
    BudgetExceeded,
    /// The turn's owner died several times at the same step.
    #[serde(rename = "taken_over_too_often")]
    RecoveredTooOften,
    /// A defect of ours.
    Internal,
}

impl FailureCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelRefused => "model_refused",
            Self::ModelUnauthorized => "model_unauthorized",
            Self::ModelRateLimited => "model_rate_limited",
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelUnreachable => "model_unreachable",
            Self::ModelTimedOut => "model_timed_out",
            Self::ModelCut => "model_cut",
            Self::ModelBadStream => "model_bad_stream",
            Self::ModelTooLarge => "model_too_large",
            Self::ModelEmpty => "model_empty",
            Self::AnswerMissing => "answer_missing",
            Self::AnswerTooLong => "answer_too_long",
            Self::ConversationTooLong => "conversation_too_long",
            Self::ContentFiltered => "content_filtered",
            Self::StepLimit => "step_limit",
            Self::HandOffLimit => "hand_off_limit",
            Self::BudgetExceeded => "budget_exceeded",
            Self::RecoveredTooOften => "taken_over_too_often",
            Self::Internal => "internal",
        }
    }

    /// The sentence for the customer.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ModelRefused | Self::ModelUnauthorized => {
                "Sorry, our assistant is not set up correctly right now. We have been told about it."
            }
            Self::ModelRateLimited => {
                "Sorry, our assistant is very busy right now. Please try again in a moment."
            }
            Self::ModelUnavailable | Self::ModelUnreachable => {
                "Sorry, our assistant cannot be reached right now. Please try again in a moment."
            }
            Self::ModelTimedOut => {
                "Sorry, our assistant took too long to answer. Please try again."
            }
            Self::ModelCut | Self::ModelBadStream | Self::ModelEmpty => {
                "Sorry, the answer broke off. Please try again."
            }
            Self::AnswerMissing => {
                "Sorry, the answer broke off, but what you asked for was accepted. Please do not send it again; ask us how it stands."
            }
            Self::ModelTooLarge | Self::AnswerTooLong => {
                "Sorry, the answer got too long and was cut here. Please ask for a shorter one."
            }
            Self::ConversationTooLong => {
                "Sorry, this got too long for our assistant. Please ask for less at once."
            }
            Self::ContentFiltered => "Sorry, we cannot answer that. Please put it another way.",
            Self::StepLimit | Self::HandOffLimit => {
                "Sorry, this took more steps than we allow for one answer. Please say in one sentence what you need."
            }
            Self::BudgetExceeded => {
                "Sorry, our assistant has reached its limit for now. Please try again later."
            }
            Self::RecoveredTooOften | Self::Internal => {
                "Sorry, something went wrong on our side. Please try again."
            }
        }
    }

    /// Whether sending the same message again may succeed.
    pub fn retryable(self) -> bool {
        match self {
            Self::ModelRateLimited
            | Self::ModelUnavailable
            | Self::ModelUnreachable
            | Self::ModelTimedOut
            | Self::ModelCut
            | Self::ModelBadStream
            | Self::ModelEmpty
            | Self::RecoveredTooOften
            | Self::Internal => true,
            Self::ModelRefused
            | Self::ModelUnauthorized
            | Self::ModelTooLarge
            | Self::AnswerMissing
            | Self::AnswerTooLong
            | Self::ConversationTooLong
            | Self::ContentFiltered
            | Self::StepLimit
            | Self::HandOffLimit
            | Self::BudgetExceeded => false,
        }
    }
}

impl From<ModelErrorKind> for FailureCode {
    fn from(kind: ModelErrorKind) -> Self {
        match kind {
            ModelErrorKind::BadRequest => Self::ModelRefused,
            ModelErrorKind::Unauthorized => Self::ModelUnauthorized,
            ModelErrorKind::RateLimited => Self::ModelRateLimited,
            ModelErrorKind::Unavailable | ModelErrorKind::Reported => Self::ModelUnavailable,
            ModelErrorKind::Unreachable => Self::ModelUnreachable,
            ModelErrorKind::TimedOut => Self::ModelTimedOut,
            ModelErrorKind::Cut | ModelErrorKind::Slip => Self::ModelCut,
            ModelErrorKind::BadStream => Self::ModelBadStream,
            ModelErrorKind::TooLarge => Self::ModelTooLarge,
            ModelErrorKind::Empty => Self::ModelEmpty,
            ModelErrorKind::TooLong => Self::ConversationTooLong,
            ModelErrorKind::Filtered => Self::ContentFiltered,
        }
    }
}
