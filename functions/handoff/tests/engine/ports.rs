//! A shop, a queue and a process's time, as small as they can be.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{
    CallContext, ClientEndpoint, Delivered, Delivery, Destination, Env, Forgotten, Lane, Millis,
    Outcome, Posted, Price, Queue, QueueError, ToolError, ToolRequest, Tools, Traces, Webhooks,
};
use baton_handoff::team::Tool;
use baton_handoff::trace::Trace;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What tools do. Every call takes a moment.
pub(crate) struct Shop {
    /// How often each key had its effect.
    effects: Mutex<BTreeMap<String, u32>>,
    price: Mutex<Price>,
    found: Mutex<Result<String, ToolError>>,
    outcome: Mutex<Outcome>,
    forgets: Mutex<Result<(), ToolError>>,
    forgotten: Mutex<Vec<String>>,
    /// What it was told of each call, with the tool.
    told: Mutex<Vec<(String, CallContext)>>,
    /// A tool whose service never answers.
    silent: Mutex<Option<String>>,
    endpoint: Mutex<Endpoint>,
    /// The traces that it was sent; none where nobody takes any.
    traces: Mutex<Option<Vec<Trace>>>,
    /// Tools that models are not told of.
    withdrawn: Mutex<Vec<String>>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            effects: Mutex::default(),
            price: Mutex::new(Price::Known(1_000)),
            found: Mutex::new(Ok("The item is i-1.".to_owned())),
            outcome: Mutex::new(Outcome::Done("It is done.".to_owned())),
            forgets: Mutex::new(Ok(())),
            forgotten: Mutex::default(),
            told: Mutex::default(),
            silent: Mutex::default(),
            endpoint: Mutex::default(),
            traces: Mutex::default(),
            withdrawn: Mutex::default(),
        }
    }
}

impl Shop {
    /// One that takes traces.
    pub(crate) fn of_traces() -> Self {
        Self {
            traces: Mutex::new(Some(Vec::new())),
            ..Self::default()
        }
    }

    pub(crate) fn takes_traces(&self) -> bool {
        self.traces.lock().unwrap().is_some()
    }

    /// The traces that were sent, in their order.
    pub(crate) fn traces(&self) -> Vec<Trace> {
        self.traces.lock().unwrap().clone().unwrap_or_default()
    }

    pub(crate) fn set_price(&self, price: Price) {
        *self.price.lock().unwrap() = price;
    }

    /// From now on every tool says this.
    pub(crate) fn say(&self, words: &str) {
        self.set_found(Ok(words.to_owned()));
        self.set_outcome(Outcome::Done(words.to_owned()));
    }

    /// The result of all lookups from now on.
    pub(crate) fn set_found(&self, found: Result<String, ToolError>) {
        *self.found.lock().unwrap() = found;
    }

    /// The outcome of all actions from now on.
    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap() = outcome;
    }

    /// Whether actions can be forgotten from now on.
    pub(crate) fn set_forgets(&self, forgets: Result<(), ToolError>) {
        *self.forgets.lock().unwrap() = forgets;
    }

    /// The keys of forgotten actions.
    pub(crate) fn forgotten(&self) -> Vec<String> {
        self.forgotten.lock().unwrap().clone()
    }

    fn hear(&self, request: &ToolRequest) {
        let told = (request.tool.name.clone(), request.context.clone());
        self.told.lock().unwrap().push(told);
    }

    /// What it was told of each call of this tool.
    pub(crate) fn told(&self, tool: &str) -> Vec<CallContext> {
        let told = self.told.lock().unwrap();
        let of_tool = told.iter().filter(|(named, _)| named == tool);
        of_tool.map(|(_, context)| context.clone()).collect()
    }

    /// From now on the service of this tool does not answer.
    pub(crate) fn silence(&self, tool: &str) {
        *self.silent.lock().unwrap() = Some(tool.to_owned());
    }

    /// From now on models are not told of these tools.
    pub(crate) fn withdraw(&self, tools: &[&str]) {
        *self.withdrawn.lock().unwrap() = tools.iter().map(|&tool| tool.to_owned()).collect();
    }

    /// How many effects there were.
    pub(crate) fn effects(&self) -> u32 {
        self.effects.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl Tools for Shop {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        self.hear(request);
        self.found.lock().unwrap().clone()
    }

    /// Knows no keys: a second try would be a second effect, and a test would count it.
    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        self.hear(request);
        let is_silent = self.silent.lock().unwrap().as_ref() == Some(&request.tool.name);
        if is_silent {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut effects = self.effects.lock().unwrap();
        *effects.entry(idempotency_key.to_owned()).or_default() += 1;
        self.outcome.lock().unwrap().clone()
    }

    async fn price(&self, _request: &ToolRequest) -> Price {
        self.price.lock().unwrap().clone()
    }

    fn offers(&self, tool: &Tool) -> bool {
        !self.withdrawn.lock().unwrap().contains(&tool.name)
    }

    fn withdrawn(&self) -> Vec<String> {
        self.withdrawn.lock().unwrap().clone()
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), ToolError> {
        self.forgets.lock().unwrap().clone()?;
        let keys = forgotten.keys.iter().cloned();
        self.forgotten.lock().unwrap().extend(keys);
        Ok(())
    }
}

/// An endpoint of another system: what it was told, by its ids and in its order.
#[derive(Default)]
struct Endpoint {
    told: Vec<(String, String)>,
    /// The endpoints of clients that were told, as they were brought.
    clients: Vec<ClientEndpoint>,
    /// Clients may bring none.
    takes_none: bool,
    /// What it answers next; then it takes everything.
    answers: VecDeque<Delivered>,
    /// What it answers to everything.
    always: Option<Delivered>,
}

impl Endpoint {
    fn answer(&mut self) -> Delivered {
        let next = self.answers.pop_front();
        let always = || self.always.clone().unwrap_or(Delivered::Taken);
        next.unwrap_or_else(always)
    }
}

impl Shop {
    /// From now on endpoints answer this to everything, or take it.
    pub(crate) fn endpoints_answer(&self, answer: Option<Delivered>) {
        self.endpoint.lock().unwrap().always = answer;
    }

    /// What endpoints answer next.
    pub(crate) fn endpoints_will(&self, answers: impl IntoIterator<Item = Delivered>) {
        self.endpoint.lock().unwrap().answers.extend(answers);
    }

    /// From now on clients may bring no endpoints.
    pub(crate) fn take_no_clients(&self) {
        self.endpoint.lock().unwrap().takes_none = true;
    }

    /// The endpoints of clients that were sent something, also where they did not take it.
    pub(crate) fn clients_told(&self) -> Vec<ClientEndpoint> {
        self.endpoint.lock().unwrap().clients.clone()
    }

    /// The ids and bodies of everything that endpoints were sent, also of what they did not take.
    pub(crate) fn posted(&self) -> Vec<(String, String)> {
        self.endpoint.lock().unwrap().told.clone()
    }
}

#[async_trait]
impl Webhooks for Shop {
    async fn post(&self, notice: &Posted<'_>) -> Delivered {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut endpoint = self.endpoint.lock().unwrap();
        let told = (notice.id.to_owned(), notice.body.to_owned());
        endpoint.told.push(told);
        if let Destination::Client(client) = notice.to {
            endpoint.clients.push(client.clone());
        }
        endpoint.answer()
    }

    fn takes_clients(&self) -> bool {
        !self.endpoint.lock().unwrap().takes_none
    }

    fn check_client(&self, endpoint: &ClientEndpoint) -> Result<(), String> {
        if endpoint.url.starts_with("https://client.example/") {
            return Ok(());
        }
        Err("url is not allowed".to_owned())
    }
}

#[async_trait]
impl Traces for Shop {
    fn address(&self) -> &'static str {
        "https://collector.example/v1/traces"
    }

    async fn send(&self, trace: &Trace) -> Delivered {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(traces) = &mut *self.traces.lock().unwrap() {
            traces.push(trace.clone());
        }
        self.endpoint.lock().unwrap().answer()
    }
}

/// What was sent and not taken yet.
#[derive(Default)]
pub(crate) struct Post {
    sent: Mutex<VecDeque<(Lane, String)>>,
    arrived: Notify,
}

impl Post {
    pub(crate) async fn take(&self) -> (Lane, String) {
        loop {
            let next = self.sent.lock().unwrap().pop_front();
            if let Some(message) = next {
                return message;
            }
            self.arrived.notified().await;
        }
    }

    /// Loses what was sent.
    pub(crate) fn lose_all(&self) {
        self.sent.lock().unwrap().clear();
    }
}

#[async_trait]
impl Queue for Post {
    async fn send(&self, lane: Lane, _group: &str, body: &str) -> Result<(), QueueError> {
        self.sent.lock().unwrap().push_back((lane, body.to_owned()));
        self.arrived.notify_one();
        Ok(())
    }

    async fn receive(
        &self,
        _lane: Lane,
        _max: usize,
        _visibility: Duration,
        _wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        Ok(Vec::new())
    }

    async fn ack(&self, _lane: Lane, _receipt: &str) -> Result<(), QueueError> {
        Ok(())
    }

    async fn defer(&self, _lane: Lane, _receipt: &str, _delay: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}

/// When plays begin.
const START: Millis = 1_790_000_000_000;

/// Time and tasks of one process, on the test's paused clock.
pub(crate) struct Process {
    began: Instant,
    tasks: Mutex<Vec<AbortHandle>>,
    /// Shared by all processes of a play.
    drawn: Arc<AtomicU64>,
}

impl Process {
    pub(crate) fn new(began: Instant, drawn: Arc<AtomicU64>) -> Self {
        Self {
            began,
            tasks: Mutex::default(),
            drawn,
        }
    }

    /// Ends all its tasks where they are.
    pub(crate) fn crash(&self) {
        for task in self.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
    }
}

impl Env for Process {
    fn now(&self) -> Millis {
        START + u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        let until = self.began + Duration::from_millis(moment.saturating_sub(START));
        tokio::time::sleep_until(until).boxed()
    }

    fn random(&self) -> u128 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed) + 1;
        u128::from(drawn).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let task = tokio::spawn(task).abort_handle();
        self.tasks.lock().unwrap().push(task);
    }
}
