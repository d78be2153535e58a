//! A stand-in of the Lambda Runtime API: invocations go in, the bytes of the answers come out, piece by piece.
//!
//! The API: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, and for streams
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>. An invocation waits
//! until some process asks for it, as many at once as ask. Dropping an [`Answer`] breaks the response off, as a client does
//! that goes away. Knows no function; [`process`] starts them, [`event`] writes what they are invoked with, [`url`] stands in
//! for the HTTPS endpoint in front of them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a stand-in is test code: a panic is how it fails"
)]

pub mod event;
pub mod process;
pub mod url;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

/// Ends a test that would hang. More than a lease.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Time enough for everything.
pub const LONG: Duration = Duration::from_mins(15);

/// What stands between the prelude and the body of a stream.
const DELIMITER: [u8; 8] = [0; 8];

/// The API of one function. Ends when dropped.
pub struct Api {
    address: SocketAddr,
    state: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    invoke: mpsc::UnboundedSender<Invocation>,
    invocations: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// Invocations that are being answered.
    open: StdMutex<HashMap<String, mpsc::UnboundedSender<Piece>>>,
    numbers: AtomicU64,
    /// How many times a process asked for an invocation.
    polls: watch::Sender<usize>,
}

struct Invocation {
    id: String,
    event: String,
    life: Duration,
    pieces: mpsc::UnboundedSender<Piece>,
}

enum Piece {
    /// More of the response.
    Bytes(Bytes),
    /// The response is whole.
    End,
    /// The function says that it failed.
    Error(Value),
}

impl Api {
    /// Starts it on a port of its own, without invocations.
    pub async fn start() -> Self {
        let (invoke, invocations) = mpsc::unbounded_channel();
        let state = Arc::new(Shared {
            invoke,
            invocations: Mutex::new(invocations),
            open: StdMutex::default(),
            numbers: AtomicU64::new(0),
            polls: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(respond),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .with_state(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            state,
            server,
        }
    }

    /// Where processes of the function find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands the event to the process that asks next, which must be done with it after `life`.
    pub fn invoke(&self, event: &Value, life: Duration) -> Answer {
        self.state.invoke(event, life)
    }

    /// Resolves when processes have asked for so many invocations: all but as many as run at once were answered.
    pub async fn polled(&self, times: usize) {
        let mut polls = self.state.polls.subscribe();
        let polled = polls.wait_for(|polls| *polls >= times);
        tokio::time::timeout(PATIENCE, polled)
            .await
            .expect("the function asks for an invocation")
            .unwrap();
    }

    /// The process died: what it was about to answer breaks off.
    pub fn break_off(&self) {
        self.state.open.lock().unwrap().clear();
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn invoke(&self, event: &Value, life: Duration) -> Answer {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let (pieces, received) = mpsc::unbounded_channel();
        let invocation = Invocation {
            id: format!("invocation-{number}"),
            event: event.to_string(),
            life,
            pieces,
        };
        // The receiver lives in this very struct.
        self.invoke.send(invocation).ok().unwrap();
        Answer {
            pieces: received,
            unread: Vec::new(),
        }
    }

    fn take(&self, id: &str) -> Option<mpsc::UnboundedSender<Piece>> {
        self.open.lock().unwrap().remove(id)
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.polls.send_modify(|polls| *polls += 1);
    let Some(invocation) = shared.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let Invocation {
        id,
        event,
        life,
        pieces,
    } = invocation;
    shared.open.lock().unwrap().insert(id.clone(), pieces);
    let deadline = (SystemTime::now() + life)
        .duration_since(UNIX_EPOCH)
        .unwrap();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        (
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:baton".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let Some(pieces) = shared.take(&id) else {
        return StatusCode::GONE;
    };
    let mode = headers.get("lambda-runtime-function-response-mode");
    assert!(mode.is_none_or(|mode| mode == "streaming"), "{headers:?}");
    let mut body = body.into_data_stream();
    loop {
        let chunk = tokio::select! {
            // The reader is gone: the answer to the rest of the request body is that its connection ends.
            () = pieces.closed() => return StatusCode::ACCEPTED,
            chunk = body.next() => chunk,
        };
        let _without_reader = match chunk {
            Some(Ok(bytes)) => pieces.send(Piece::Bytes(bytes)),
            None => {
                let _without_reader = pieces.send(Piece::End);
                return StatusCode::ACCEPTED;
            }
            // The process died; the sender goes, and with it the hope of an end.
            Some(Err(_broken)) => return StatusCode::BAD_REQUEST,
        };
    }
}

async fn fail(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    error: Bytes,
) -> StatusCode {
    let Some(pieces) = shared.take(&id) else {
        return StatusCode::GONE;
    };
    let _without_reader = pieces.send(Piece::Error(serde_json::from_slice(&error).unwrap()));
    StatusCode::ACCEPTED
}

/// What a function answers.
pub struct Answer {
    pieces: mpsc::UnboundedReceiver<Piece>,
    /// Came with the prelude and belongs to the body.
    unread: Vec<u8>,
}

/// Why an answer has no end.
#[derive(Debug)]
pub enum Broken {
    /// The function said so.
    Failed(Value),
    /// Its process died.
    Died,
}

impl Answer {
    /// More of the body; none at its end.
    pub async fn try_next(&mut self) -> Result<Option<Bytes>, Broken> {
        if !self.unread.is_empty() {
            return Ok(Some(std::mem::take(&mut self.unread).into()));
        }
        let piece = tokio::time::timeout(PATIENCE, self.pieces.recv()).await;
        match piece.expect("the function goes on answering") {
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            Some(Piece::Error(error)) => Err(Broken::Failed(error)),
            None => Err(Broken::Died),
        }
    }

    /// The same of an answer that must not break off.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.try_next().await.expect("the answer has an end")
    }

    /// What stands before the body of a stream: the prelude, and eight NULs.
    pub async fn prelude(&mut self) -> Result<Value, Broken> {
        let mut head = Vec::new();
        loop {
            let bytes = self.try_next().await?;
            head.extend_from_slice(&bytes.expect("a stream begins with its prelude"));
            let end = head
                .windows(DELIMITER.len())
                .position(|bytes| bytes == DELIMITER);
            if let Some(end) = end {
                self.unread = head.split_off(end + DELIMITER.len());
                head.truncate(end);
                return Ok(serde_json::from_slice(&head).expect("a prelude is JSON"));
            }
        }
    }

    /// The bytes that follow, to the end.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        while let Some(bytes) = self.next().await {
            rest.extend_from_slice(&bytes);
        }
        rest
    }

    /// The whole stream: its prelude, its body.
    pub async fn whole(mut self) -> (Value, String) {
        let prelude = self.prelude().await.expect("the function answers");
        let body = String::from_utf8(self.rest().await).expect("a body is text");
        (prelude, body)
    }

    /// Reads until so much of the body is there that it has this in it. Hands out what came.
    pub async fn until(&mut self, text: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(text) {
            let bytes = self.next().await;
            let bytes = bytes.unwrap_or_else(|| panic!("an end before {text:?}, behind {heard:?}"));
            heard += std::str::from_utf8(&bytes).expect("chunks end where characters do");
        }
        heard
    }

    /// The error that the function reports instead of an answer.
    pub async fn error(mut self) -> Value {
        match self.prelude().await {
            Err(Broken::Failed(error)) => error,
            other => panic!("an error was expected: {other:?}"),
        }
    }
}
