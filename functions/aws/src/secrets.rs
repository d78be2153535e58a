//! Reads secrets of AWS Secrets Manager when a program starts.
//!
//! By the service's SDK, not by the "Parameters and Secrets" extension: that one does not answer before a function has started.
//! Knows the operation and its errors; never the use of the secrets.

use std::collections::BTreeMap;
use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use futures_util::future::try_join_all;
use http::StatusCode;

use crate::patience::{FIRST_CEILING, LAST_CEILING, LONGEST, TRIES};

/// One attempt: the service answers within tens of milliseconds.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why a secret cannot be read. The program cannot go on without it. The sentence is for the operator, and never contains the
/// secret.
#[derive(Debug, thiserror::Error)]
#[error("the secret {id} cannot be read: {why}")]
pub struct SecretError {
    id: String,
    why: String,
}

/// Reads these secrets (names or ARNs) concurrently. Each is a JSON object of strings; the result is one map of all.
///
/// # Errors
/// A secret does not exist, is not ours to read, is not such an object, or was not answered in time.
pub async fn read_secrets(
    config: &SdkConfig,
    ids: &[String],
) -> Result<BTreeMap<String, String>, SecretError> {
    let client = &client(config);
    let secrets = try_join_all(ids.iter().map(|id| async move {
        let failed = |why| SecretError {
            id: id.clone(),
            why,
        };
        let request = client.get_secret_value().secret_id(id);
        let answer = request.send().await.map_err(|error| failed(why(&error)))?;
        let text = answer
            .secret_string()
            .ok_or_else(|| failed("it has no text".to_owned()))?;
        serde_json::from_str::<BTreeMap<String, String>>(text)
            // The parser's own message would quote it.
            .map_err(|_| failed("it is not a JSON object of strings".to_owned()))
    }))
    .await?;
    Ok(secrets.into_iter().flatten().collect())
}

/// The SDK may retry by itself: a read changes nothing. A start has 10 s in all.
fn client(config: &SdkConfig) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(FIRST_CEILING)
        .with_max_backoff(LAST_CEILING);
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(LONGEST);
    let config = Builder::from(config)
        .retry_config(retries)
        .timeout_config(timeouts.build());
    Client::from_conf(config.build())
}

fn why(error: &SdkError<GetSecretValueError>) -> String {
    match error {
        SdkError::ServiceError(answer) => {
            let status = StatusCode::from_u16(answer.raw().status().as_u16()).unwrap_or_default();
            let code = answer.err().code().unwrap_or_default();
            format!("{status} {code}").trim_end().to_owned()
        }
        // The SDK's message about an unreadable answer might quote it.
        SdkError::ResponseError(_) => "the answer is not one of Secrets Manager".to_owned(),
        // No region, no credentials: no request was sent.
        SdkError::ConstructionFailure(_) => chain(error),
        SdkError::DispatchFailure(failure)
            if failure
                .as_connector_error()
                .is_none_or(ConnectorError::is_user) =>
        {
            chain(error)
        }
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | _ => {
            format!("no answer: {}", chain(error))
        }
    }
}

/// The error and its causes in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error), |&error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
