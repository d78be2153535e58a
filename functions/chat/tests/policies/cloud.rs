//! What a function sees of AWS: the Runtime API and the services that it calls. Writes down what is called, as IAM names it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use baton_http::builder;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Ends a test that would hang; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Signs the tokens of the tests' visitors.
pub(crate) const SESSIONS: &str = "a secret of the tests with 32 bytes or more";

/// Without spaces, which separate two secrets.
const TOOL_TOKENS: &str = "0123456789abcdef0123456789abcdef";

/// An action of IAM and the resource of the template that it is done to.
pub(crate) type Call = (String, String);

/// A message that was sent: its queue and its body.
pub(crate) type Message = (String, String);

/// Requests to services that are paid for, and what they took.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    pub(crate) reads: usize,
    pub(crate) read_units: f64,
    pub(crate) writes: usize,
    pub(crate) write_units: f64,
    pub(crate) queue_requests: usize,
}

struct Shared {
    table: String,
    http: reqwest::Client,
    calls: watch::Sender<BTreeSet<Call>>,
    /// Whether the table answers no reads for now.
    holds_reads: watch::Sender<bool>,
    tally: Mutex<Tally>,
    messages: mpsc::UnboundedSender<Message>,
    refuses: AtomicBool,
    invocations: tokio::sync::Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<String>,
}

pub(crate) struct Cloud {
    pub(crate) host: String,
    pub(crate) invocations: mpsc::Sender<Value>,
    shared: Arc<Shared>,
}

impl Cloud {
    /// The cloud of one function. What it answers to invocations comes out of the receiver.
    pub(crate) async fn start(
        table: &str,
        messages: mpsc::UnboundedSender<Message>,
    ) -> (Self, mpsc::Receiver<String>) {
        let (invocations, invoked) = mpsc::channel(1);
        let (answers, answered) = mpsc::channel(1);
        let http = builder(&table.parse().unwrap(), &[], false)
            .unwrap()
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            table: table.to_owned(),
            http,
            calls: watch::Sender::default(),
            holds_reads: watch::Sender::default(),
            tally: Mutex::default(),
            messages,
            refuses: AtomicBool::new(false),
            invocations: tokio::sync::Mutex::new(invoked),
            answers,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{end}", post(respond))
            .fallback(service)
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let cloud = Self {
            host,
            invocations,
            shared,
        };
        (cloud, answered)
    }

    pub(crate) fn calls(&self) -> BTreeSet<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Resolves when the function has made this call, which it may do behind an answer.
    pub(crate) async fn has_called(&self, action: &str, resource: &str) {
        let call = (action.to_owned(), resource.to_owned());
        let mut calls = self.shared.calls.subscribe();
        tokio::time::timeout(PATIENCE, calls.wait_for(|calls| calls.contains(&call)))
            .await
            .unwrap_or_else(|_| panic!("{call:?} is called"))
            .unwrap();
    }

    /// Holds the function's reads of the table back or lets them go on, while it is waited for.
    pub(crate) fn reads(&self) -> watch::Sender<bool> {
        self.shared.holds_reads.clone()
    }

    /// What was asked for since the last time.
    pub(crate) fn take_tally(&self) -> Tally {
        std::mem::take(&mut *self.shared.tally.lock().unwrap())
    }

    /// Refuses the next single read in a way that is not worth another try.
    pub(crate) fn refuse_next_read(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let Some(event) = shared.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "request"),
        // In the year 2100.
        ("lambda-runtime-deadline-ms", "4102444800000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:baton",
        ),
    ];
    (headers, event.to_string()).into_response()
}

async fn respond(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let answer = String::from_utf8_lossy(&body).into_owned();
    shared.answers.send(answer).await.unwrap();
    StatusCode::ACCEPTED
}

/// One call of a service: `X-Amz-Target` is `SERVICE.OPERATION`.
async fn service(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let (service, operation) = target.split_once('.').unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let called = |action: String, resource: &str| {
        let call = (action, resource.to_owned());
        shared.calls.send_if_modified(|calls| calls.insert(call));
    };
    match service {
        "DynamoDB_20120810" => {
            for (action, resource) in on_table(operation, &asked) {
                called(action, resource);
            }
            if operation == "GetItem" && shared.refuses.swap(false, Ordering::SeqCst) {
                let refusal = json!({"__type": "com.amazon.coral.validate#ValidationException"});
                return (StatusCode::BAD_REQUEST, refusal.to_string()).into_response();
            }
            if is_read(operation) {
                let mut held = shared.holds_reads.subscribe();
                held.wait_for(|held| !held).await.unwrap();
            }
            pass_on(&shared, operation, &headers, asked).await
        }
        "AmazonSQS" => {
            let url = asked["QueueUrl"].as_str().unwrap();
            let queue = url.rsplit('/').next().unwrap();
            called(format!("sqs:{operation}"), queue);
            shared.tally.lock().unwrap().queue_requests += 1;
            if operation == "SendMessage" {
                let body = asked["MessageBody"].as_str().unwrap();
                // The test may not wait for messages any more.
                let _unread = shared.messages.send((queue.to_owned(), body.to_owned()));
            }
            json!({"MessageId": "m"}).to_string().into_response()
        }
        "secretsmanager" => {
            let id = asked["SecretId"].as_str().unwrap();
            called(format!("secretsmanager:{operation}"), id);
            let secret = match id {
                "OperatorSecret" => json!({"BATON_OPERATOR_TOKEN": "an operator of the tests"}),
                "SessionSecret" => {
                    json!({"BATON_SESSION_SECRET": SESSIONS})
                }
                "ToolTokenSecret" => json!({"BATON_TOOL_TOKEN_SECRET": TOOL_TOKENS}),
                "ToolSecret" => json!({"TABLES_TOKEN": "a t0ken of the tests"}),
                _ => json!({}),
            };
            json!({ "SecretString": secret.to_string() })
                .to_string()
                .into_response()
        }
        other => panic!("a function calls {other}, which no policy of the template is about"),
    }
}

/// What IAM asks for. A transaction has no action of its own: each of its writes has to be allowed.
fn on_table(operation: &str, asked: &Value) -> Vec<(String, &'static str)> {
    if operation == "TransactWriteItems" {
        let writes = asked["TransactItems"].as_array().unwrap();
        let kinds = writes
            .iter()
            .flat_map(|write| write.as_object().unwrap().keys());
        return kinds
            .map(|kind| match kind.as_str() {
                "ConditionCheck" => ("dynamodb:ConditionCheckItem".to_owned(), "Table"),
                kind => (format!("dynamodb:{kind}Item"), "Table"),
            })
            .collect();
    }
    let resource = if asked.get("IndexName").is_some() {
        "Table/index/*"
    } else {
        "Table"
    };
    vec![(format!("dynamodb:{operation}"), resource)]
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "Query")
}

/// Asks the engine what a request costs too.
async fn pass_on(
    shared: &Shared,
    operation: &str,
    headers: &HeaderMap,
    mut asked: Value,
) -> Response {
    asked["ReturnConsumedCapacity"] = json!("TOTAL");
    let mut request = shared.http.post(&shared.table).body(asked.to_string());
    for name in [
        "authorization",
        "content-type",
        "x-amz-date",
        "x-amz-target",
    ] {
        request = request.header(name, &headers[name]);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let answer = answer.text().await.unwrap();
    let units = units(&serde_json::from_str(&answer).unwrap());
    let mut tally = shared.tally.lock().unwrap();
    match operation {
        read if is_read(read) => {
            tally.reads += 1;
            tally.read_units += units;
        }
        "PutItem" | "DeleteItem" | "TransactWriteItems" => {
            tally.writes += 1;
            tally.write_units += units;
        }
        other => panic!("{other} is neither a read nor a write"),
    }
    (status, answer).into_response()
}

/// The capacity that an answer says to have taken, of the table and its indexes.
fn units(answer: &Value) -> f64 {
    let capacity = |of: &Value| of["CapacityUnits"].as_f64().unwrap_or_default();
    let consumed = &answer["ConsumedCapacity"];
    // A transaction says it for each table.
    consumed.as_array().map_or_else(
        || capacity(consumed),
        |tables| tables.iter().map(capacity).sum(),
    )
}
