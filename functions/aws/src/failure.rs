//! What an answer of AWS that is not a success means for who asked. Knows error codes; never what was asked.

use std::error::Error;

use aws_sdk_dynamodb::error::{
    ConnectorError, DisplayErrorContext, ProvideErrorMetadata, SdkError,
};

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
                if connector.is_none_or(ConnectorError::is_user) {
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::https::Https;

    /// What comes of a write to this address.
    async fn write_to(endpoint: String) -> Failure {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(endpoint)
            .http_client(Https::new().unwrap())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let write = Client::new(&config)
            .put_item()
            .table_name("baton")
            .item("pk", AttributeValue::S("a".to_owned()));
        Failure::of(write.send().await.unwrap_err())
    }

    fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        (listener, address)
    }

    #[tokio::test]
    async fn what_was_never_sent_may_be_sent_again() {
        let (listener, address) = listener();
        drop(listener);
        let failure = write_to(address).await;
        assert!(
            matches!(failure, Failure::Busy(Busy::Throttled, _)),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn what_was_sent_and_not_answered_is_done_or_not() {
        let (listener, address) = listener();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 16];
            connection.read_exact(&mut request).unwrap();
        });
        let failure = write_to(address).await;
        server.join().unwrap();
        assert!(matches!(failure, Failure::Unanswered(_)), "{failure:?}");
    }
}
