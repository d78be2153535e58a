//! A server that speaks SQS, Secrets Manager and IAM: moto, with a clock that tests move on. It is a Python program, so tests
//! with it are ignored unless asked for: `BATON_MOTO=…/bin/moto_server cargo test -p baton-aws --test sqs -- --ignored`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use baton_handoff::ports::Millis;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server. Ends when dropped.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    port: u16,
}

/// The URLs of a deployment's queues.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Of the lane of actions.
    pub actions: String,
    /// Of the lane of turns.
    pub turns: String,
    /// Of dead letters, of both lanes.
    pub dead: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Moto {
    /// Starts the one that `BATON_MOTO` names, without queues and secrets.
    pub fn start() -> Self {
        let server = std::env::var_os("BATON_MOTO").map(PathBuf::from).expect(
            "BATON_MOTO is not set: python3 -m venv VENV; VENV/bin/pip install 'moto[server]'; BATON_MOTO=VENV/bin/moto_server",
        );
        let python = server.with_file_name("python3");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("moto/server.py");
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

    /// What a client takes for the endpoint of each service.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Fresh queues. A message that was received `redrive` times goes to the dead letters, if a number is given.
    pub async fn queues(&self, name: &str, redrive: Option<u32>) -> Queues {
        let dead = self.create(&format!("{name}-dead"), json!({})).await;
        let asked = json!({ "QueueUrl": dead, "AttributeNames": ["QueueArn"] });
        let attributes = self.ask_sqs("GetQueueAttributes", &asked).await;
        let attributes = redrive.map_or_else(
            || json!({}),
            |most| {
                let policy = json!({
                    "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
                    "maxReceiveCount": most.to_string(),
                });
                json!({ "RedrivePolicy": policy.to_string() })
            },
        );
        let lane = async |lane: &str| {
            self.create(&format!("{name}-{lane}"), attributes.clone())
                .await
        };
        Queues {
            actions: lane("actions").await,
            turns: lane("turns").await,
            dead,
        }
    }

    async fn create(&self, name: &str, attributes: Value) -> String {
        let asked = json!({ "QueueName": name, "Attributes": attributes });
        let created = self.ask_sqs("CreateQueue", &asked).await;
        created["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Moves the clock of the queues on.
    pub async fn advance(&self, by: Millis) {
        let line = format!("GET /baton-clock?advance={by}");
        self.ask(&line, &[], "").await;
    }

    /// Nothing is enforced here: the signature is only read for the service.
    async fn ask_sqs(&self, operation: &str, body: &Value) -> Value {
        let headers = [
            "Authorization: AWS4-HMAC-SHA256 Credential=setup/20260101/eu-central-1/sqs/aws4_request"
                .to_owned(),
            "Content-Type: application/x-amz-json-1.0".to_owned(),
            format!("X-Amz-Target: AmazonSQS.{operation}"),
        ];
        let answer = self.ask("POST /", &headers, &body.to_string()).await;
        serde_json::from_str(&answer).unwrap()
    }

    /// The body of the answer, which must be a good one.
    async fn ask(&self, line: &str, headers: &[String], body: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let length = format!("Content-Length: {}", body.len());
        let mut request = format!(
            "{line} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n{length}\r\n",
            self.port
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{line}: {answer}");
        body.to_owned()
    }
}
