//! The scripted mode: a model service with a test's own answers, over a real socket, faults included.
//!
//! ```no_run
//! # async fn example() {
//! use baton_rehearsal::scripted::{ScriptedModel, calls, says, status};
//! use serde_json::json;
//!
//! let model = ScriptedModel::start([
//!     calls("look_up_item", json!({"search_query": "anvil"})),
//!     status(503),
//!     says("It is on its way."),
//! ])
//! .await;
//! // … point a client at model.url() …
//! assert_eq!(model.requests().len(), 3);
//! # }
//! ```
//!
//! It answers in the wire format of the request, and records it in one form for all, [`Captured::messages`]; a test of one format
//! says so with [`ScriptedModel::speaking`]. What a test writes itself, with [`Answer::event`] or [`Answer::raw`], goes out as it is.
//!
//! Like the rehearsal it refuses a request with a call without its result or a result without its call, and the test fails
//! with it unless it [takes anything](ScriptedModel::taking_anything). It writes HTTP/1.1 itself, so that it can break it. For
//! tests only: it panics where they should fail.
#![expect(
    clippy::missing_panics_doc,
    reason = "a stand-in that fails its test by panicking"
)]

mod answer;
mod captured;
mod serve;
mod spoken;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::formats::Format;
pub use answer::{Answer, calls, drops, hangs, json, says, status, stream};
pub use captured::Captured;

/// How long a test waits for an expected event. It measures nothing; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server. Ends when dropped.
pub struct ScriptedModel {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

type Script = Box<dyn Fn(&Captured) -> Answer + Send + Sync>;

struct State {
    script: Script,
    requests: Mutex<Vec<Captured>>,
    violations: Mutex<Vec<String>>,
    arrived: watch::Sender<usize>,
    hung_up: watch::Sender<usize>,
    takes_anything: AtomicBool,
    speaks: Mutex<Option<Format>>,
    connections: AtomicUsize,
    calls: AtomicUsize,
}

impl ScriptedModel {
    /// Gives these answers, in the order in which requests arrive; a 500 to further requests.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::responding(move |_| lock(&answers).pop_front().unwrap_or_else(|| status(500))).await
    }

    /// Gives the function's answer to each request, for many clients at once.
    pub async fn responding(script: impl Fn(&Captured) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let state = Arc::new(State {
            script: Box::new(script),
            requests: Mutex::default(),
            violations: Mutex::default(),
            arrived: watch::Sender::new(0),
            hung_up: watch::Sender::new(0),
            takes_anything: AtomicBool::new(false),
            speaks: Mutex::new(None),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        });
        let server = tokio::spawn(serve::accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            server,
        }
    }

    /// The same server, which also answers requests that a service would refuse.
    #[must_use]
    pub fn taking_anything(self) -> Self {
        self.state.takes_anything.store(true, Ordering::SeqCst);
        self
    }

    /// The same server, whose address is that of a service with this format, and which refuses other formats. Without it the
    /// address is that of Chat Completions; an answer is in the format of its request in any case.
    #[must_use]
    pub fn speaking(self, format: Format) -> Self {
        *lock(&self.state.speaks) = Some(format);
        self
    }

    /// The base URL of the service, as clients have it: with the version, which Bedrock has not.
    pub fn url(&self) -> String {
        let format = lock(&self.state.speaks).unwrap_or(Format::Chat);
        format!("http://{}{}", self.address, format.base())
    }

    /// The same without a path, for Azure and Entra.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<Captured> {
        self.check();
        lock(&self.state.requests).clone()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Resolves when this many requests have arrived.
    pub async fn arrived(&self, count: usize) {
        reaches(&self.state.arrived, count, "requests").await;
    }

    /// Resolves when clients have left this many answers before their end.
    pub async fn hung_up(&self, count: usize) {
        reaches(&self.state.hung_up, count, "clients that hang up").await;
    }

    fn check(&self) {
        let violations = lock(&self.state.violations);
        assert!(
            violations.is_empty(),
            "a service would refuse the request: {violations:?}"
        );
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.server.abort();
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// Holds an answer until the test opens the gate.
#[derive(Clone)]
pub struct Gate {
    reached: Arc<watch::Sender<usize>>,
    opened: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// A closed gate.
    #[expect(
        clippy::new_without_default,
        reason = "a gate that a test does not name cannot be opened"
    )]
    pub fn new() -> Self {
        Self {
            reached: Arc::new(watch::Sender::new(0)),
            opened: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.opened.send_replace(1);
    }

    /// Resolves when an answer has reached the gate: everything before it was sent.
    pub async fn reached(&self) {
        reaches(&self.reached, 1, "answers at the gate").await;
    }

    async fn pass(&self) {
        self.reached.send_modify(|count| *count += 1);
        let mut opened = self.opened.subscribe();
        let _gone = opened.wait_for(|opened| *opened > 0).await;
    }
}

async fn reaches(counter: &watch::Sender<usize>, count: usize, what: &str) {
    let mut counter = counter.subscribe();
    let waiting = counter.wait_for(|so_far| *so_far >= count);
    let reached = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(reached.is_ok(), "waited in vain for {count} {what}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
