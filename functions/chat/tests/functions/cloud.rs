//! A small AWS: a table, two queues, functions, and what hands the queues' messages to the worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use baton_aws::{DynamoStore, QueueUrls, SqsQueue, local_config};
use baton_handoff::ports::{Delivery, Lane, Queue};
use baton_kit::cloud::{Dynamo, Moto};
use baton_kit::lambda::process::Process;
use baton_kit::lambda::{Answer, Api};
use baton_stores::env::SystemEnv;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::store;

/// The queues' visibility time-out, as the template has it.
const VISIBILITY: Duration = Duration::from_mins(15);

/// Between two looks at a queue: a long poll would hold up whoever sends, for moto does one thing at a time.
const LOOK: Duration = Duration::from_millis(20);

/// Invocations at once in one process of `chat`.
pub(crate) const CROWD: usize = 16;

pub(crate) struct Cloud {
    table: Dynamo,
    moto: Moto,
    pub(crate) queue: SqsQueue,
    urls: QueueUrls,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let table = Dynamo::start();
        // Makes the table.
        store(&table, Arc::new(SystemEnv)).await;
        let moto = Moto::start();
        let queues = moto.queues("baton", None).await;
        let urls = QueueUrls {
            actions: queues.actions,
            turns: queues.turns,
        };
        let queue = SqsQueue::new(&local_config(&moto.url()).unwrap(), urls.clone());
        Self {
            table,
            moto,
            queue,
            urls,
        }
    }

    /// What the functions keep, seen from outside.
    pub(crate) async fn store(&self) -> DynamoStore {
        store(&self.table, Arc::new(SystemEnv)).await
    }

    /// A process of a function.
    pub(crate) fn process(&self, name: &str, api: &Api, model: &str) -> Process {
        let mut settings = self.settings(model);
        if name == "chat" {
            settings.push(("AWS_LAMBDA_MAX_CONCURRENCY", CROWD.to_string()));
        }
        Process::start(&binary(name), api, &settings)
    }

    /// What a process on this table and these queues is told.
    pub(crate) fn settings(&self, model: &str) -> Vec<(&'static str, String)> {
        let settings = [
            ("BATON_QUEUE_URL", self.urls.actions.clone()),
            ("BATON_TURNS_QUEUE_URL", self.urls.turns.clone()),
            ("AWS_ENDPOINT_URL_SQS", self.moto.url()),
            (
                "BATON_OPERATOR_TOKEN",
                "an operator of the tests".to_owned(),
            ),
        ];
        [settings.as_slice(), &on_table(&self.table, model)].concat()
    }

    /// Hands the messages of both queues to the worker from now on.
    pub(crate) fn map(&self, worker: &Arc<Api>, life: Duration) -> [Mapping; 2] {
        [Lane::Turns, Lane::Actions].map(|lane| self.map_lane(lane, worker, life))
    }

    /// Hands the messages of one queue to the worker from now on.
    pub(crate) fn map_lane(&self, lane: Lane, worker: &Arc<Api>, life: Duration) -> Mapping {
        let count = Arc::new(watch::Sender::new(0));
        let source = Source {
            lane,
            queue: self.queue.clone(),
            name: self.name(lane),
            worker: worker.clone(),
            life,
            worked: count.clone(),
        };
        Mapping {
            source: tokio::spawn(source.run()),
            worked: count,
        }
    }

    fn name(&self, lane: Lane) -> String {
        let url = match lane {
            Lane::Turns => &self.urls.turns,
            Lane::Actions => &self.urls.actions,
        };
        url.rsplit('/').next().unwrap().to_owned()
    }
}

/// What a function on this table is told.
pub(crate) fn on_table(table: &Dynamo, model: &str) -> Vec<(&'static str, String)> {
    let settings = [
        ("BATON_TABLE", "baton"),
        // The tests choose the names of conversations.
        ("BATON_AUTH", "open"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("BATON_MODEL", "scripted"),
        ("BATON_MODEL_URL", model),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let endpoint = ("AWS_ENDPOINT_URL_DYNAMODB", table.url());
    settings.into_iter().chain([endpoint]).collect()
}

/// A binary that stands beside the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let binary = tests.ancestors().nth(2).unwrap().join(name);
    assert!(
        binary.exists(),
        "{} is not built: cargo build --bins --features baton-chat/aws,baton-worker/aws",
        binary.display()
    );
    binary
}

/// An event source mapping. Ends when dropped.
pub(crate) struct Mapping {
    source: JoinHandle<()>,
    worked: Arc<watch::Sender<usize>>,
}

impl Mapping {
    /// How many messages the worker has worked on to their end.
    pub(crate) fn worked(&self) -> usize {
        *self.worked.borrow()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.source.abort();
    }
}

struct Source {
    lane: Lane,
    queue: SqsQueue,
    name: String,
    worker: Arc<Api>,
    life: Duration,
    worked: Arc<watch::Sender<usize>>,
}

impl Source {
    async fn run(self) {
        let this = Arc::new(self);
        loop {
            let received = this
                .queue
                .receive(this.lane, 10, VISIBILITY, Duration::ZERO)
                .await
                .unwrap();
            if received.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
            for delivery in received {
                let answer = this.worker.invoke(&this.event(&delivery), this.life);
                tokio::spawn(this.clone().settle(delivery, answer));
            }
        }
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
    fn event(&self, delivery: &Delivery) -> Value {
        json!({ "Records": [{
            "messageId": "m",
            "receiptHandle": delivery.receipt,
            "body": delivery.body,
            "attributes": { "ApproximateReceiveCount": delivery.receives.to_string() },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{}", self.name),
            "awsRegion": "eu-central-1",
        }] })
    }

    /// Forgets the message, unless the worker says or shows that it failed.
    async fn settle(self: Arc<Self>, delivery: Delivery, answer: Answer) {
        match failures(answer).await {
            Some(0) => {
                let _gone = self.queue.ack(self.lane, &delivery.receipt).await;
                self.worked.send_modify(|worked| *worked += 1);
            }
            // The worker has said by itself when it comes again.
            Some(_) => {}
            None => {
                let soon = Duration::from_secs(1);
                let _gone = self.queue.defer(self.lane, &delivery.receipt, soon).await;
            }
        }
    }
}

/// How many messages failed, if the worker lived to say so.
async fn failures(mut answer: Answer) -> Option<usize> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.try_next().await.ok()? {
        body.extend_from_slice(&bytes);
    }
    let answer: Value = serde_json::from_slice(&body).unwrap();
    Some(answer["batchItemFailures"].as_array().unwrap().len())
}
