//! Work that Lambda hands over: batches of queue messages, and the schedule that says when to sweep.
//! Knows the shape of the events; never what the work is.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::Engine;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Lane, Queue};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::{EngineWork, Verdict, Work};

/// When work is given up, before the deadline.
const GIVE_UP: Duration = Duration::from_secs(15);

/// What a worker function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// Messages of one queue.
    Batch {
        /// The messages.
        #[serde(rename = "Records")]
        records: Vec<Message>,
    },
    /// A schedule of EventBridge: sweep.
    Schedule {
        /// Who says so, such as `aws.scheduler`.
        #[serde(rename = "source")]
        _source: String,
    },
}

/// One message of SQS.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    #[serde(rename = "messageId")]
    id: String,
    receipt_handle: String,
    body: String,
    #[serde(rename = "eventSourceARN")]
    queue_arn: String,
}

/// The messages that were not worked on to their end: SQS hands them out again, and forgets all others.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    batch_item_failures: Vec<Failed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    item_identifier: String,
}

/// A worker function.
pub struct Function {
    engine: Arc<Engine>,
    queue: Arc<dyn Queue>,
    /// The name of the queue of turns; the other one is of actions.
    turns: String,
}

impl Function {
    /// A function that works for this engine. The address of the queue of turns tells the lanes apart.
    pub fn new(engine: Arc<Engine>, queue: Arc<dyn Queue>, turns_url: &str) -> Self {
        Self {
            engine,
            queue,
            turns: last_part(turns_url, '/').to_owned(),
        }
    }

    /// Works on an event to its end, or as far as the deadline lets it.
    ///
    /// # Errors
    /// When a sweep failed: the schedule's next one goes on.
    pub async fn handle(&self, event: Event, deadline: Instant) -> Result<Answer, String> {
        match event {
            Event::Batch { records } => {
                let give_up_at = deadline.checked_sub(GIVE_UP).unwrap_or(deadline);
                let worked = join_all(
                    records
                        .into_iter()
                        .map(|message| self.work_on(message, give_up_at)),
                )
                .await;
                Ok(Answer {
                    batch_item_failures: worked.into_iter().flatten().collect(),
                })
            }
            Event::Schedule { .. } => {
                let swept = self
                    .engine
                    .sweep()
                    .await
                    .map_err(|error| error.to_string())?;
                tracing::info!(
                    conversations = swept.conversations,
                    actions = swept.actions,
                    "swept"
                );
                Ok(Answer::default())
            }
        }
    }

    /// `None`: nothing is left to do about the message.
    async fn work_on(&self, message: Message, give_up_at: Instant) -> Option<Failed> {
        let lane = if last_part(&message.queue_arn, ':') == self.turns {
            Lane::Turns
        } else {
            Lane::Actions
        };
        let (work, body) = (EngineWork(self.engine.clone()), message.body.clone());
        // A task of its own, so that a panic in it fails one message and not the batch.
        let mut task = tokio::spawn(async move { work.work(lane, &body).await });
        let verdict = tokio::select! {
            ended = &mut task => ended.ok(),
            () = sleep_until(give_up_at) => match (lane, ConversationId::parse(&message.body)) {
                (Lane::Turns, Ok(conversation)) => {
                    // Lets the lease go and asks for a worker, so that this message is done.
                    self.engine.give_up(&conversation);
                    task.await.ok()
                }
                (Lane::Turns, Err(_)) | (Lane::Actions, _) => None,
            },
        };
        match verdict {
            Some(Verdict::Ack) => None,
            Some(Verdict::Later(delay)) => {
                if let Err(error) = self.queue.defer(lane, &message.receipt_handle, delay).await {
                    tracing::warn!(lane = lane.as_str(), %error, "a message could not be deferred; it comes when it was hidden for long enough");
                }
                Some(Failed {
                    item_identifier: message.id,
                })
            }
            None => {
                tracing::error!(
                    lane = lane.as_str(),
                    "a message was not worked on to its end"
                );
                Some(Failed {
                    item_identifier: message.id,
                })
            }
        }
    }
}

fn last_part(name: &str, separator: char) -> &str {
    name.rsplit(separator).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_queues_and_schedules_are_told_apart() {
        let batch = r#"{"Records": [{"messageId": "m", "receiptHandle": "r", "body": "b", "attributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:baton-turns"}]}"#;
        let schedule = r#"{"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        let Event::Batch { records } = serde_json::from_str(batch).unwrap() else {
            panic!("a batch")
        };
        assert_eq!(last_part(&records[0].queue_arn, ':'), "baton-turns");
        assert!(matches!(
            serde_json::from_str(schedule).unwrap(),
            Event::Schedule { .. }
        ));
        assert!(serde_json::from_str::<Event>("{}").is_err());
    }

    #[test]
    fn failures_are_named_as_lambda_reads_them() {
        let answer = Answer {
            batch_item_failures: vec![Failed {
                item_identifier: "m".to_owned(),
            }],
        };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#
        );
    }
}
