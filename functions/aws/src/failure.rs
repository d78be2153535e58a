//! The meaning of failed AWS requests for their caller. Knows error codes; never the request.

use std::error::Error;

use aws_sdk_dynamodb::error::{
    ConnectorError, DisplayErrorContext, ProvideErrorMetadata, SdkError,
};

use crate::https::was_not_sent;

/// Why a request failed, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A condition did not hold: nothing was written.
    Conflict,
    /// Nothing was done, because another request has the same records or the load is too high: try again soon.
    Busy(Busy, String),
    /// It is unknown whether it was done.
    Unanswered(String),
    /// Nothing was done, and the same request will never succeed.
    Refused(String),
    /// Nothing was done, and an immediate repeat will not help: no rights, no table.
    Unavailable(String),
}

/// Why a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Another transaction has the same record.
    Contended,
    /// More requests than the table, the account or the network allows.
    Throttled,
}

impl Failure {
    /// The meaning of this error.
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
                    // No credentials, no endpoint: no connection was tried.
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

    /// The meaning of an error code of a request, or of one part of a cancelled transaction.
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
            // A token that another request has used: tokens are 128 random bits, so the random source is broken.
            | "IdempotentParameterMismatchException" => Self::Refused(text),
            "AccessDeniedException"
            | "ResourceNotFoundException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException" => Self::Unavailable(text),
            // Errors of the service itself: AWS does not report whether a write was done.
            _ => Self::Unanswered(text),
        }
    }

    /// The error with its causes, for logs.
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

    /// The failure of a write to this address.
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
    async fn an_unsent_request_may_be_sent_again() {
        let (listener, address) = listener();
        drop(listener);
        let failure = write_to(address).await;
        assert!(
            matches!(failure, Failure::Busy(Busy::Throttled, _)),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn an_unanswered_request_has_an_unknown_outcome() {
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
