//! Work from Lambda: batches of queue messages, and the schedule of the sweep.
//! Knows the shape of the events; never the work itself.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::Engine;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Lane, Queue};
use baton_handoff::team::ToolKind;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::{EngineWork, Verdict, Work};

/// How long before the deadline work is given up.
const GIVE_UP: Duration = Duration::from_secs(15);

/// The least time for a turn. A turn can be handed over at any moment, but its model call would be wasted.
const SHORTEST_TURN: Duration = Duration::from_secs(1);

/// The event of a worker function.
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
        /// The source, such as `aws.scheduler`.
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

/// The unfinished messages: SQS delivers them again, and removes all others.
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
    /// The longest time for one attempt of an action.
    longest_action: Duration,
}

impl Function {
    /// A function for this engine. The address of the queue of turns distinguishes the lanes.
    pub fn new(engine: Arc<Engine>, queue: Arc<dyn Queue>, turns_url: &str) -> Self {
        let longest_action = longest_action(&engine);
        Self {
            engine,
            queue,
            turns: last_part(turns_url, '/').to_owned(),
            longest_action,
        }
    }

    /// Handles an event to its end, or as far as the deadline allows.
    ///
    /// # Errors
    /// A sweep failed: the schedule's next one goes on.
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

    /// `None`: the message is finished.
    async fn work_on(&self, message: Message, give_up_at: Instant) -> Option<Failed> {
        let lane = if last_part(&message.queue_arn, ':') == self.turns {
            Lane::Turns
        } else {
            Lane::Actions
        };
        // Work that the deadline would cut must not begin: the outcome of an action would be unknown, and the attempt would
        // count.
        if Instant::now() + self.least(lane) > give_up_at {
            tracing::warn!(
                lane = lane.as_str(),
                "too little time is left for a message; the next invocation handles it"
            );
            return Some(self.put_off(lane, message, Duration::ZERO).await);
        }
        let (work, body) = (EngineWork(self.engine.clone()), message.body.clone());
        // A task of its own, so that a panic in it fails one message and not the batch.
        let mut task = tokio::spawn(async move { work.work(lane, &body).await });
        let verdict = tokio::select! {
            ended = &mut task => ended.ok(),
            () = sleep_until(give_up_at) => match (lane, ConversationId::parse(&message.body)) {
                (Lane::Turns, Ok(conversation)) => {
                    // Releases the lease and asks a worker to go on, so that this message is finished.
                    self.engine.give_up(&conversation);
                    task.await.ok()
                }
                (Lane::Turns, Err(_)) | (Lane::Actions, _) => None,
            },
        };
        match verdict {
            Some(Verdict::Ack) => None,
            Some(Verdict::Later(delay)) => Some(self.put_off(lane, message, delay).await),
            // Each delivery counts for the queue's rule for dead letters.
            Some(Verdict::Never) => Some(self.put_off(lane, message, Duration::ZERO).await),
            None => {
                tracing::error!(
                    lane = lane.as_str(),
                    "a message could not be handled to its end; the queue delivers it again"
                );
                Some(Failed {
                    item_identifier: message.id,
                })
            }
        }
    }
}

impl Function {
    /// The least time to begin with.
    fn least(&self, lane: Lane) -> Duration {
        match lane {
            Lane::Turns => SHORTEST_TURN,
            Lane::Actions => self.longest_action,
        }
    }

    /// Makes a message visible again after this time.
    async fn put_off(&self, lane: Lane, message: Message, delay: Duration) -> Failed {
        if let Err(error) = self.queue.defer(lane, &message.receipt_handle, delay).await {
            tracing::warn!(lane = lane.as_str(), %error, "a message could not be deferred; it comes again after its visibility time");
        }
        Failed {
            item_identifier: message.id,
        }
    }
}

fn longest_action(engine: &Engine) -> Duration {
    let actions = engine
        .team()
        .tools()
        .filter(|tool| tool.kind == ToolKind::Action);
    let times = actions
        .map(|tool| tool.timeout)
        .chain(engine.longest_notice());
    times.max().unwrap_or_default()
}

fn last_part(name: &str, separator: char) -> &str {
    name.rsplit(separator).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use baton_handoff::Ports;
    use baton_handoff::ports::{Env, Store};
    use baton_models::{Endpoint, ModelClient, ModelSettings};
    use baton_stores::env::SystemEnv;
    use baton_stores::memory::{MemoryQueue, MemoryStore};
    use baton_tools::office::BackOffice;

    use super::*;
    use baton_handoff::team::Team;

    /// A function without work except the queue's messages.
    struct Idle {
        function: Function,
        queue: Arc<MemoryQueue>,
    }

    impl Idle {
        fn new() -> Self {
            let env: Arc<dyn Env> = Arc::new(SystemEnv);
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
            let queue = Arc::new(MemoryQueue::new(env.clone()));
            let unreachable = ModelSettings::new(Endpoint::OpenAi {
                base_url: "http://127.0.0.1:9/v1".to_owned(),
                model: "none".to_owned(),
                key: None,
            });
            let ports = Ports {
                webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
                traces: None,
                tools: Arc::new(BackOffice::new(store.clone(), env.clone())),
                store,
                queue: queue.clone(),
                model: ModelClient::new(&unreachable, env.clone()).unwrap(),
                env,
            };
            let engine = Engine::new(Arc::new(Team::acme()), ports);
            Self {
                function: Function::new(engine, queue.clone(), "https://sqs/1/turns"),
                queue,
            }
        }

        /// Whether the lane's only message is visible now.
        async fn hands_out(&self, lane: Lane) -> Option<String> {
            let hidden = Duration::from_mins(15);
            let received = self.queue.receive(lane, 1, hidden, Duration::ZERO).await;
            received.unwrap().pop().map(|delivery| delivery.receipt)
        }

        /// The function's answer for a message in this lane with this much time left. True: it failed, and is visible again at
        /// once.
        async fn leaves(&self, lane: Lane, body: &str, left: Duration) -> bool {
            self.queue.send(lane, "o", body).await.unwrap();
            let receipt = self.hands_out(lane).await.unwrap();
            let batch = Event::Batch {
                records: vec![Message {
                    id: "m".to_owned(),
                    receipt_handle: receipt.clone(),
                    body: body.to_owned(),
                    queue_arn: format!("arn:aws:sqs:eu-central-1:1:{}", lane.as_str()),
                }],
            };
            let answer = self.function.handle(batch, Instant::now() + left).await;
            let is_left = !answer.unwrap().batch_item_failures.is_empty();
            let shown = self.hands_out(lane).await;
            assert_eq!(shown.is_some(), is_left, "{lane:?} {body}");
            // Lambda removes messages that did not fail.
            for receipt in shown.iter().chain([&receipt]) {
                self.queue.ack(lane, receipt).await.unwrap();
            }
            is_left
        }
    }

    const ACTION: &str = "c.1.00000000000000000000000000000000";

    #[tokio::test]
    async fn a_message_without_an_id_is_left_to_the_queues_rule_for_dead_letters() {
        let idle = Idle::new();
        let enough = Duration::from_mins(15);
        for lane in [Lane::Turns, Lane::Actions] {
            assert!(idle.leaves(lane, "no id/of anything", enough).await);
        }
        // Messages with ids are handled, though they have no work.
        assert!(!idle.leaves(Lane::Turns, "c", enough).await);
        assert!(!idle.leaves(Lane::Actions, ACTION, enough).await);
    }

    #[tokio::test]
    async fn a_worker_with_a_second_left_does_not_begin() {
        let idle = Idle::new();
        for left in [
            Duration::ZERO,
            GIVE_UP,
            GIVE_UP + Duration::from_millis(500),
        ] {
            assert!(idle.leaves(Lane::Turns, "c", left).await);
            assert!(idle.leaves(Lane::Actions, ACTION, left).await);
        }
        // A turn can be handed over; an action needs the time of one attempt.
        let some = GIVE_UP + Duration::from_secs(9);
        assert!(!idle.leaves(Lane::Turns, "c", some).await);
        assert!(idle.leaves(Lane::Actions, ACTION, some).await);
        let enough = GIVE_UP + Duration::from_secs(11);
        assert!(!idle.leaves(Lane::Actions, ACTION, enough).await);
    }

    #[test]
    fn events_of_queues_and_schedules_are_distinguished() {
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
