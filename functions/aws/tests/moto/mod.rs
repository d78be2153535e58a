//! A server that speaks SQS, Secrets Manager and IAM: moto, with a clock that tests move on. It is a Python program, so tests
//! with it are ignored unless asked for: `BATON_MOTO=…/bin/moto_server cargo test -p baton-aws --test sqs -- --ignored`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use baton_aws::{QueueUrls, SqsQueue};
use baton_handoff::ports::{Delivery, Env, Lane, Millis, Queue, QueueError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

pub(crate) struct Moto {
    process: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Moto {
    pub(crate) fn start() -> Self {
        let server = std::env::var_os("BATON_MOTO").map(PathBuf::from).expect(
            "BATON_MOTO is not set: python3 -m venv VENV; VENV/bin/pip install 'moto[server]'; BATON_MOTO=VENV/bin/moto_server",
        );
        let python = server.with_file_name("python3");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/server.py");
        let mut process = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("BATON_MOTO: {} does not start: {error}", python.display())
            });
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("moto said {line:?} instead of its port"));
        Self { process, port }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn config(&self) -> baton_aws::SdkConfig {
        crate::engine::config(&self.url())
    }

    /// A queue of two fresh ones. A message that was received `redrive` times goes to the dead letters, if a number is given.
    pub(crate) async fn queue(
        &self,
        name: &str,
        redrive: Option<u32>,
    ) -> (SqsQueue, QueueUrls, String) {
        let dead_url = self.create(&format!("{name}-dead"), None).await;
        let dead_arn = self.arn(&dead_url).await;
        let policy = redrive.map(|most| {
            format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":"{most}"}}"#)
        });
        let urls = QueueUrls {
            actions: self
                .create(&format!("{name}-actions"), policy.clone())
                .await,
            turns: self.create(&format!("{name}-turns"), policy).await,
        };
        (SqsQueue::new(&self.config(), urls.clone()), urls, dead_url)
    }

    async fn create(&self, name: &str, redrive_policy: Option<String>) -> String {
        let mut create = self.client().create_queue().queue_name(name);
        if let Some(policy) = redrive_policy {
            create = create.attributes(QueueAttributeName::RedrivePolicy, policy);
        }
        create.send().await.unwrap().queue_url.unwrap()
    }

    async fn arn(&self, url: &str) -> String {
        let attributes = self.client().get_queue_attributes().queue_url(url);
        let attributes = attributes
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .unwrap();
        attributes
            .attributes
            .unwrap()
            .remove(&QueueAttributeName::QueueArn)
            .unwrap()
    }

    async fn advance(&self, by: Millis) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!("GET /baton-clock?advance={by} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("200 OK"), "{answer}");
    }
}

/// A queue that keeps moto's clock where the test's is.
pub(crate) struct Synchronised {
    pub(crate) queue: SqsQueue,
    pub(crate) moto: Arc<Moto>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) known: Mutex<Millis>,
}

impl Synchronised {
    async fn synchronise(&self) {
        let mut known = self.known.lock().await;
        let now = self.env.now();
        if now > *known {
            self.moto.advance(now - *known).await;
            *known = now;
        }
    }
}

#[async_trait]
impl Queue for Synchronised {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.send(lane, group, body).await
    }

    /// Waits by the test's clock, a second of real time at once.
    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let until = self.env.now() + Millis::try_from(wait.as_millis()).unwrap();
        loop {
            self.synchronise().await;
            let wait = if wait.is_zero() {
                wait
            } else {
                Duration::from_secs(1)
            };
            let received = self.queue.receive(lane, max, visibility, wait).await?;
            if !received.is_empty() || self.env.now() >= until {
                return Ok(received);
            }
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.ack(lane, receipt).await
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        self.synchronise().await;
        self.queue.defer(lane, receipt, delay).await
    }
}
