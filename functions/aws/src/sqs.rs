//! The queue over two SQS standard queues, one a lane.
//!
//! A message carries its group, so that SQS can be fair between the owners of conversations ("fair queues": a standard queue with
//! message group ids). The SDK may repeat requests: a message sent twice is harmless by the port's contract.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use baton_handoff::ports::{Delivery, Lane, Queue, QueueError};
use sha2::{Digest, Sha256};

use crate::connect::timeouts;

/// The most messages that SQS hands out at once.
const MOST_RECEIVED: usize = 10;

/// The longest that SQS lets a receiver wait.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The time for a request beyond the wait in it.
const BEYOND_WAIT: Duration = Duration::from_secs(5);

/// The longest that SQS hides a message, counted from its receipt.
const LONGEST_HIDDEN: Duration = Duration::from_hours(12);

/// The longest group id of SQS.
const GROUP_CHARACTERS: usize = 128;

/// The addresses of the lanes' queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrls {
    /// The queue of actions.
    pub actions: String,
    /// The queue of turns.
    pub turns: String,
}

/// A [`Queue`] of two SQS queues.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    urls: QueueUrls,
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SqsQueue")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl SqsQueue {
    /// The queue over these two. Sends no request yet.
    pub fn new(config: &SdkConfig, urls: QueueUrls) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config)
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts())
            .build();
        Self {
            client: Client::from_conf(config),
            urls,
        }
    }

    fn url(&self, lane: Lane) -> &str {
        match lane {
            Lane::Actions => &self.urls.actions,
            Lane::Turns => &self.urls.turns,
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        let message = self
            .client
            .send_message()
            .queue_url(self.url(lane))
            .message_group_id(group_id(group));
        message
            .message_body(body)
            .send()
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let wait = wait.min(LONGEST_WAIT);
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(wait + BEYOND_WAIT)
            .build();
        let answer = self
            .client
            .receive_message()
            .queue_url(self.url(lane))
            .max_number_of_messages(i32::try_from(max.clamp(1, MOST_RECEIVED)).unwrap_or(1))
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(aws_sdk_sqs::config::Builder::new().timeout_config(patient))
            .send()
            .await
            .map_err(failed)?;
        Ok(answer
            .messages
            .into_iter()
            .flatten()
            .filter_map(delivery)
            .collect())
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        let delete = self
            .client
            .delete_message()
            .queue_url(self.url(lane))
            .receipt_handle(receipt);
        unless_gone(delete.send().await)
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        let change = self
            .client
            .change_message_visibility()
            .queue_url(self.url(lane))
            .receipt_handle(receipt);
        unless_gone(change.visibility_timeout(seconds(delay)).send().await)
    }

    /// As configured in `infra/template.yaml`.
    fn has_dead_letters(&self) -> bool {
        true
    }
}

/// Whole seconds, rounded up: a message hidden too long comes late, a message hidden too short is executed twice.
fn seconds(duration: Duration) -> i32 {
    let duration = duration.min(LONGEST_HIDDEN);
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// The group in a form that SQS accepts: unchanged where possible, its hash where it has spaces, is long or is not ASCII.
fn group_id(group: &str) -> String {
    let fits = (1..=GROUP_CHARACTERS).contains(&group.len())
        && group.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        group.to_owned()
    } else {
        format!("{:x}", Sha256::digest(group))
    }
}

fn delivery(message: Message) -> Option<Delivery> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    Some(Delivery {
        body: message.body?,
        receipt: message.receipt_handle?,
        receives,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn failed<E, R>(error: SdkError<E, R>) -> QueueError
where
    E: Error + 'static,
    R: fmt::Debug + 'static,
{
    QueueError(DisplayErrorContext(&error).to_string())
}

/// A missing message, or one delivered again, is settled already.
fn unless_gone<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<(), QueueError>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: fmt::Debug + 'static,
{
    let Err(error) = result else { return Ok(()) };
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default();
    match code {
        "ReceiptHandleIsInvalid"
        | "MessageNotInflight"
        | "InvalidParameterValue"
        | "MissingParameter" => Ok(()),
        code if code.ends_with(".MessageNotInflight") => Ok(()),
        _ => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_sqs_would_refuse_is_hashed() {
        assert_eq!(group_id("local"), "local");
        for odd in ["", "two words", "ß", &"x".repeat(129)] {
            let id = group_id(odd);
            assert_eq!(id.len(), 64);
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert_ne!(group_id("a b"), group_id("a c"));
    }

    #[test]
    fn a_part_of_a_second_hides_for_a_whole_one() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(30)), 30);
        assert_eq!(seconds(Duration::from_hours(25)), 43_200);
    }
}
