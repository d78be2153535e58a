//! What an answer of AWS that is not a success means for who asked. Knows error codes; never what was asked.

use std::error::Error;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::https::was_not_sent;

/// Why a request did not succeed, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A condition did not hold: nothing was written.
    Conflict,
    /// Nothing was done, because somebody else was at the same records or too much is going on: try again soon.
    Busy(Busy, String),
    /// It was done or not; nobody knows.
    Unanswered(String),
    /// Nothing was done, and the same request will never do.
    Refused(String),
    /// Nothing was done, and trying at once will not help: no rights, no table.
    Unavailable(String),
}

/// What a request was turned away for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Another transaction is at the same record.
    Contended,
    /// More requests than the table, the account or the network takes.
    Throttled,
}

impl Failure {
    /// What this error means.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is what `map_err` hands over"
    )]
    pub(crate) fn of<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let text = DisplayErrorContext(&error).to_string();
        match &error {
            SdkError::ConstructionFailure(_) => Self::Unavailable(text),
            SdkError::DispatchFailure(failure) => {
                let connector = failure.as_connector_error();
                if connector.is_none() {
                    // No credentials, no endpoint: it never came as far as a connection.
                    Self::Unavailable(text)
                } else if connector.is_some_and(|error| was_not_sent(error)) {
                    Self::Busy(Busy::Throttled, text)
                } else {
                    Self::Unanswered(text)
                }
            }
            SdkError::ServiceError(answer) => {
                Self::by_code(answer.err().code().unwrap_or_default(), text)
            }
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) | _ => Self::Unanswered(text),
        }
    }

    /// What an error code of a request, or of one part of a cancelled transaction, means.
    pub(crate) fn by_code(code: &str, text: String) -> Self {
        match code {
            "ConditionalCheckFailedException" | "ConditionalCheckFailed" => Self::Conflict,
            "TransactionConflictException" | "TransactionConflict" | "TransactionInProgressException" => {
                Self::Busy(Busy::Contended, text)
            }
            "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "RequestLimitExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "Throttling"
            | "RequestThrottled" => Self::Busy(Busy::Throttled, text),
            "ValidationException"
            | "ValidationError"
            | "ItemCollectionSizeLimitExceededException"
            | "ItemCollectionSizeLimitExceeded"
            // A token that was used for something else: tokens are 128 random bits, so chance is broken.
            | "IdempotentParameterMismatchException" => Self::Refused(text),
            "AccessDeniedException"
            | "ResourceNotFoundException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException" => Self::Unavailable(text),
            // Errors of the service itself: AWS does not say whether a write was done.
            _ => Self::Unanswered(text),
        }
    }

    /// The story behind it, for logs.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Conflict => "a condition did not hold".to_owned(),
            Self::Busy(_, text)
            | Self::Unanswered(text)
            | Self::Refused(text)
            | Self::Unavailable(text) => text,
        }
    }
}
