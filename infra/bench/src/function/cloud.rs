//! What a function sees of AWS: the Runtime API, and a DynamoDB that is empty and takes everything. Answers at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::prompt::PromptListener;

const TEXT: &[u8] = br#""type":"string""#;

/// A whole answer.
pub(crate) struct Answered {
    pub(crate) at: Instant,
    pub(crate) body: String,
}

struct Shared {
    polls: mpsc::Sender<Instant>,
    invocations: Mutex<mpsc::Receiver<String>>,
    texts: mpsc::Sender<Instant>,
    answers: mpsc::Sender<Answered>,
}

/// The cloud of one process; ends when dropped.
pub(crate) struct Cloud {
    pub(crate) addr: SocketAddr,
    polls: mpsc::Receiver<Instant>,
    invocations: mpsc::Sender<String>,
    texts: mpsc::Receiver<Instant>,
    answers: mpsc::Receiver<Answered>,
    serving: JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Cloud {
    pub(crate) async fn start() -> Result<Self> {
        let (polled, polls) = mpsc::channel(8);
        let (invocations, invoked) = mpsc::channel(8);
        let (text, texts) = mpsc::channel(8);
        let (answer, answers) = mpsc::channel(8);
        let shared = Shared {
            polls: polled,
            invocations: Mutex::new(invoked),
            texts: text,
            answers: answer,
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(respond),
            )
            .fallback(service)
            .with_state(Arc::new(shared));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // Ends with the measurement.
            let _ended = axum::serve(PromptListener(listener), router).await;
        });
        Ok(Self {
            addr,
            polls,
            invocations,
            texts,
            answers,
            serving,
        })
    }

    /// When the function asked for work.
    pub(crate) async fn polled(&mut self) -> Result<Instant> {
        self.polls.recv().await.context("the cloud has ended")
    }

    /// Hands an event to the function that polls; when that was.
    pub(crate) async fn invoke(&self, event: &str) -> Result<Instant> {
        let at = Instant::now();
        self.invocations.send(event.to_owned()).await?;
        Ok(at)
    }

    /// When the first text of the answer came.
    pub(crate) async fn first_text(&mut self) -> Result<Instant> {
        self.texts.recv().await.context("the cloud has ended")
    }

    /// The answer, when all of it is there.
    pub(crate) async fn answered(&mut self) -> Result<Answered> {
        self.answers.recv().await.context("the cloud has ended")
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    // A measurement that has ended listens no more; so below.
    let _unheard = shared.polls.send(Instant::now()).await;
    let Some(event) = shared.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "request"),
        // In the year 2100.
        ("lambda-runtime-deadline-ms", "4102444800000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:chat",
        ),
    ];
    (headers, event).into_response()
}

async fn respond(State(shared): State<Arc<Shared>>, body: Body) -> StatusCode {
    let mut chunks = body.into_data_stream();
    let (mut all, mut spoke) = (Vec::new(), false);
    while let Some(Ok(chunk)) = chunks.next().await {
        all.extend_from_slice(&chunk);
        if !spoke && all.windows(TEXT.len()).any(|bytes| bytes == TEXT) {
            spoke = true;
            let _unheard = shared.texts.send(Instant::now()).await;
        }
    }
    let answered = Answered {
        at: Instant::now(),
        body: String::from_utf8_lossy(&all).into_owned(),
    };
    let _unheard = shared.answers.send(answered).await;
    StatusCode::ACCEPTED
}

async fn service(headers: HeaderMap, _body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let is_query = target.is_some_and(|target| target.ends_with(".Query"));
    let answer = if is_query {
        r#"{"Items":[],"Count":0,"ScannedCount":0}"#
    } else {
        "{}"
    };
    ([("content-type", "application/x-amz-json-1.0")], answer).into_response()
}
