//! The function `chat` as a process, against a stand-in of the Lambda Runtime API.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise fails the test"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

/// Ends a test that would hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// What stands between the prelude and the body.
const DELIMITER: [u8; 8] = [0; 8];

/// An event and the time that it has.
struct Invocation {
    event: Value,
    life: Duration,
}

/// The Runtime API: invocations go in, the chunks of responses come out.
struct Runtime {
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    chunks: mpsc::Sender<Option<Vec<u8>>>,
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    let Some(Invocation { event, life }) = runtime.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = (SystemTime::now() + life)
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "request".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:chat".to_owned(),
        ),
    ];
    (headers, event.to_string()).into_response()
}

async fn respond(
    State(runtime): State<Arc<Runtime>>,
    Path(_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    assert_eq!(
        headers["lambda-runtime-function-response-mode"],
        "streaming"
    );
    let mut body = body.into_data_stream();
    while let Some(Ok(chunk)) = body.next().await {
        runtime.chunks.send(Some(chunk.to_vec())).await.unwrap();
    }
    runtime.chunks.send(None).await.unwrap();
    StatusCode::ACCEPTED
}

/// A running function.
struct Function {
    invocations: mpsc::Sender<Invocation>,
    chunks: mpsc::Receiver<Option<Vec<u8>>>,
    process: Child,
    data: PathBuf,
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may be gone already.
        let _killed = self.process.start_kill();
        let _removed = std::fs::remove_dir_all(self.data.parent().unwrap());
    }
}

impl Function {
    async fn start(name: &str, word_delay_ms: u64) -> Self {
        let (invocations, received) = mpsc::channel(1);
        let (sender, chunks) = mpsc::channel(1024);
        let runtime = Arc::new(Runtime {
            invocations: Mutex::new(received),
            chunks: sender,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(respond),
            )
            .with_state(runtime);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let data = std::env::temp_dir()
            .join(format!("baton-lambda-{}-{name}", std::process::id()))
            .join("baton.db");
        let process = Command::new(env!("CARGO_BIN_EXE_chat"))
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
                ("AWS_LAMBDA_FUNCTION_NAME", "chat".to_owned()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
                ("BATON_MODEL_URL", "rehearsal".to_owned()),
                ("BATON_REHEARSAL_DELAY_MS", word_delay_ms.to_string()),
                ("BATON_DATA", data.display().to_string()),
            ])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            invocations,
            chunks,
            process,
            data,
        }
    }

    /// The prelude and the chunks of the answer to one request.
    async fn ask(&mut self, event: Value, life: Duration) -> (Value, Vec<String>) {
        self.invocations
            .send(Invocation { event, life })
            .await
            .unwrap();
        let answer = async {
            let mut chunks = Vec::new();
            while let Some(chunk) = self.chunks.recv().await.unwrap() {
                chunks.push(chunk);
            }
            chunks
        };
        let chunks = tokio::time::timeout(PATIENCE, answer)
            .await
            .expect("the function answers");
        let all = chunks.concat();
        let end = all
            .windows(DELIMITER.len())
            .position(|bytes| bytes == DELIMITER)
            .expect("a prelude");
        let prelude = serde_json::from_slice(&all[..end]).unwrap();
        let mut head = end + DELIMITER.len();
        let mut body = Vec::new();
        for chunk in chunks {
            let skipped = head.min(chunk.len());
            head -= skipped;
            if skipped < chunk.len() {
                body.push(String::from_utf8(chunk[skipped..].to_vec()).unwrap());
            }
        }
        (prelude, body)
    }
}

/// A request as a function URL passes it on.
fn request(method: &str, path: &str, body: Option<&Value>) -> Value {
    let host = "abc.lambda-url.eu-central-1.on.aws";
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": host, "content-type": "application/json", "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": host, "domainPrefix": "abc", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    })
}

fn message() -> Value {
    request(
        "POST",
        "/chat/completions",
        Some(&json!({"message": "Hello!", "conversation_id": "lambda"})),
    )
}

fn last_line(body: &[String]) -> Value {
    serde_json::from_str(body.concat().lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_streamed_line_by_line_behind_its_prelude() {
    let mut function = Function::start("streams", 5).await;
    let (prelude, body) = function.ask(message(), Duration::from_mins(15)).await;
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["headers"]["x-conversation-id"], "lambda");
    assert!(body.len() > 3, "all of it came at once: {body:?}");
    assert_eq!(last_line(&body)["content"]["status"], "committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_refusals_come_through() {
    let mut function = Function::start("page", 0).await;
    let (prelude, body) = function
        .ask(request("GET", "/", None), Duration::from_mins(15))
        .await;
    assert_eq!(prelude["statusCode"], 200);
    assert!(body.concat().contains("<html"), "{body:?}");
    let bad = request("POST", "/chat/completions", Some(&json!({"message": 1})));
    let (prelude, body) = function.ask(bad, Duration::from_mins(15)).await;
    assert_eq!(prelude["statusCode"], 400);
    assert!(last_line(&body)["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_at_its_deadline_goes_on_elsewhere_and_says_so() {
    // A word every two seconds, and a second until 15 s before the deadline.
    let mut function = Function::start("deadline", 2_000).await;
    let (prelude, body) = function.ask(message(), Duration::from_secs(16)).await;
    assert_eq!(prelude["statusCode"], 200);
    let last = last_line(&body);
    assert_eq!(last["content"]["type"], "done");
    assert_eq!(last["content"]["status"], "running");
}
