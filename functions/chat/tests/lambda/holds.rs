//! What a function leaves behind when its answers have ended and it may be frozen: everything that goes on is somebody else's,
//! and somebody else knows. The stack without the process, so that a test can stand between it and its queue.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::body::BodyDataStream;
use axum::response::Response;
use baton_chat::auth::jwt::Verifiers;
use baton_chat::lambda::{self, Runtime};
use baton_chat::settings::{Issuers, Proxies, Strangers};
use baton_chat::{App, Auth, Exposure, ModelInfo, router};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    Delivery, Env, Lane, Model, ModelChunk, ModelError, ModelRequest, ModelStream, Queue,
    QueueError, Store,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Ports};
use baton_kit::lambda::event::Request;
use baton_kit::lambda::{LONG, PATIENCE};
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use baton_stores::env::SystemEnv;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_tools::office::BackOffice;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, poll};
use lambda_http::{Context, RequestExt};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::function::{events, lines};

/// A queue whose senders wait until they are let in.
struct Guarded {
    queue: MemoryQueue,
    open: watch::Sender<bool>,
}

#[async_trait]
impl Queue for Guarded {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        drop(self.open.subscribe().wait_for(|open| *open).await);
        self.queue.send(lane, group, body).await
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(lane, max, visibility, wait).await
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        self.queue.ack(lane, receipt).await
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        self.queue.defer(lane, receipt, delay).await
    }
}

/// Instances of the function on one store and one queue. No worker is at the queue.
struct Instances {
    env: Arc<dyn Env>,
    store: Arc<dyn Store>,
    queue: Arc<Guarded>,
}

impl Instances {
    fn new() -> Self {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        Self {
            store: Arc::new(MemoryStore::new(env.clone())),
            queue: Arc::new(Guarded {
                queue: MemoryQueue::new(env.clone()),
                open: watch::Sender::new(true),
            }),
            env,
        }
    }

    fn start(&self, model: Arc<dyn Model>) -> Instance {
        let office = Arc::new(BackOffice::new(self.store.clone(), self.env.clone()));
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store: self.store.clone(),
            queue: self.queue.clone(),
            model,
            tools: office.clone(),
            env: self.env.clone(),
        };
        Instance {
            engine: Engine::new(Arc::new(Team::acme()), ports),
            office,
        }
    }

    fn start_with(&self, model: &ScriptedModel) -> Instance {
        let settings = ModelSettings::new(Endpoint::OpenAi {
            base_url: model.url(),
            model: "scripted".to_owned(),
            key: None,
        });
        self.start(ModelClient::new(&settings, self.env.clone()).unwrap())
    }

    /// The conversations that workers are asked to go on with.
    async fn handed_over(&self) -> Vec<String> {
        let visibility = Duration::from_mins(1);
        let received = self
            .queue
            .receive(Lane::Turns, 10, visibility, Duration::ZERO);
        let received = received.await.unwrap();
        received.into_iter().map(|delivery| delivery.body).collect()
    }
}

struct Instance {
    engine: Arc<Engine>,
    office: Arc<BackOffice>,
}

impl Instance {
    fn app(&self) -> App {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        App {
            engine: self.engine.clone(),
            exposure: Arc::new(Exposure {
                origins: Vec::new(),
            }),
            auth: Arc::new(Auth::new(
                Strangers::Open,
                Verifiers::new(Issuers::default(), &env),
                None,
                None,
            )),
            proxies: Arc::new(Proxies::None),
            model: Arc::new(ModelInfo {
                name: "scripted".to_owned(),
                rehearsal: false,
            }),
            office: self.office.clone(),
            tool_tokens: None,
            compress: false,
            static_dir: None,
        }
    }

    /// A function of this instance, in which several invocations may run at once.
    fn function(&self) -> impl AsyncFn(Request, Duration) -> Response + use<> {
        let runtime = Runtime {
            routed_by_aws: true,
            workers_elsewhere: true,
        };
        let function = lambda::function(router(self.app()), self.engine.clone(), runtime);
        async move |request: Request, life: Duration| {
            let event = request.by_url().to_string();
            let event = lambda_http::request::from_str(&event).unwrap();
            let deadline = (SystemTime::now() + life)
                .duration_since(UNIX_EPOCH)
                .unwrap();
            let mut context = Context::default();
            context.deadline = u64::try_from(deadline.as_millis()).unwrap();
            let answer = function.clone().oneshot(event.with_lambda_context(context));
            soon(answer).await.unwrap()
        }
    }
}

async fn soon<T>(value: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, value)
        .await
        .expect("waited in vain")
}

/// The rest of a body, none of whose pieces is an error.
async fn rest(body: BodyDataStream) -> String {
    let pieces: Vec<_> = soon(body.collect()).await;
    let pieces: Vec<_> = pieces
        .into_iter()
        .map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap())
        .collect();
    pieces.concat()
}

async fn until(body: &mut BodyDataStream, text: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(text) {
        let piece = soon(body.next()).await.expect("more").unwrap();
        heard += std::str::from_utf8(&piece).unwrap();
    }
    heard
}

fn status(lines_of: &str) -> String {
    let last = lines(lines_of).pop().unwrap();
    last["content"]["status"].as_str().unwrap().to_owned()
}

/// A model that says one word, and the others when the gate is opened, again and again.
async fn gated(gate: &Gate) -> ScriptedModel {
    let gate = gate.clone();
    ScriptedModel::responding(move |_| stream().says("One ").gate(&gate).says("two three.")).await
}

#[tokio::test]
async fn a_listener_that_leaves_does_not_take_the_turn_of_another_invocation_with_it() {
    let gate = Gate::new();
    let model = gated(&gate).await;
    let instances = Instances::new();
    let function = instances.start_with(&model).function();
    let answer = function(Request::say("c", "hello"), LONG).await;
    let mut answer = answer.into_body().into_data_stream();
    let begin = until(&mut answer, "One ").await;
    for path in [
        "/conversations/c/events",
        "/conversations/c/turns/1/events",
        "/conversations/c",
    ] {
        let listener = function(Request::get(path), LONG).await;
        assert_eq!(listener.status(), 200, "{path}");
        drop(listener);
    }
    // This one hears that it must follow, and so it leaves too.
    let short = Duration::from_secs(7);
    let listener = function(Request::get("/conversations/c/turns/1/events"), short).await;
    assert_eq!(
        status(&rest(listener.into_body().into_data_stream()).await),
        "running"
    );
    gate.open();
    let body = begin + &rest(answer).await;
    assert_eq!(status(&body), "committed");
    assert_eq!(model.requests().len(), 1);
    assert!(instances.handed_over().await.is_empty());
}

#[tokio::test]
async fn the_last_who_leaves_hands_the_turn_over() {
    let gate = Gate::new();
    let model = gated(&gate).await;
    let instances = Instances::new();
    let here = instances.start_with(&model);
    let function = here.function();
    let answer = function(Request::say("c", "hello"), LONG).await;
    let mut answer = answer.into_body().into_data_stream();
    until(&mut answer, "One ").await;
    let listener = function(Request::get("/conversations/c/turns/1/events"), LONG).await;
    drop(answer);
    let mut listener = listener.into_body().into_data_stream();
    until(&mut listener, "One ").await;
    assert!(instances.handed_over().await.is_empty());
    drop(listener);
    let conversation = ConversationId::parse("c").unwrap();
    soon(here.engine.left(&conversation)).await;
    assert_eq!(instances.handed_over().await, ["c"]);
    // The lease is free: whoever is asked goes on at once.
    gate.open();
    let worker = instances.start_with(&model);
    soon(worker.engine.look_after(&conversation)).await;
    let follow = Request::get("/conversations/c/turns/1/events?after=1.0.0.0");
    let heard = function(follow, LONG).await;
    let heard = rest(heard.into_body().into_data_stream()).await;
    assert_eq!(status(&heard), "committed");
}

#[tokio::test]
async fn a_deadline_hands_the_turn_over_before_it_is_told() {
    let model = gated(&Gate::new()).await;
    let instances = Instances::new();
    let here = instances.start_with(&model);
    let function = here.function();
    instances.queue.open.send_replace(false);
    let life = Duration::from_secs(16);
    let answer = function(Request::say("c", "hello").accept("text/event-stream"), life).await;
    let mut answer = answer.into_body().into_data_stream();
    let mut body = until(&mut answer, "One ").await;
    // The lease is given up, the worker is being asked: nothing is told before it was.
    model.hung_up(1).await;
    assert!(poll!(answer.next()).is_pending());
    instances.queue.open.send_replace(true);
    body += &rest(answer).await;
    assert_eq!(events(&body).pop().unwrap().0, "turn_continues");
    assert_eq!(here.engine.busy(), 0, "nothing goes on here");
    assert_eq!(instances.handed_over().await, ["c"]);
}

#[tokio::test]
async fn a_background_turn_is_queued_before_it_is_answered() {
    let model = ScriptedModel::responding(|_| says("One.")).await;
    let instances = Instances::new();
    let here = instances.start_with(&model);
    let function = here.function();
    instances.queue.open.send_replace(false);
    let message = Request::say("c", "hello").header("prefer", "respond-async");
    let mut answer = Box::pin(function(message, LONG));
    assert!(poll!(&mut answer).is_pending());
    let recorded = async {
        let conversation = ConversationId::parse("c").unwrap();
        while here
            .engine
            .conversation(&conversation, &baton_handoff::Principal::Open)
            .pulse()
            .await
            .unwrap()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    soon(recorded).await;
    assert!(
        poll!(&mut answer).is_pending(),
        "its worker does not know yet"
    );
    instances.queue.open.send_replace(true);
    let answer = answer.await;
    assert_eq!(answer.status(), 202);
    assert_eq!(instances.handed_over().await, ["c"]);
    assert_eq!(rest(answer.into_body().into_data_stream()).await, "");
    assert_eq!(here.engine.busy(), 0, "nothing goes on here");
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_message_that_waits_is_not_left_waiting_behind_an_answer_that_has_ended() {
    let gates = [Gate::new(), Gate::new()];
    let model = ScriptedModel::responding({
        let gates = gates.clone();
        move |asked| {
            let second = asked.messages().last().unwrap()["content"] == "second";
            stream()
                .says("One ")
                .gate(&gates[usize::from(second)])
                .says("two three.")
        }
    })
    .await;
    let instances = Instances::new();
    let (here, there) = (instances.start_with(&model), instances.start_with(&model));
    let answer = here.function()(Request::say("c", "first"), LONG).await;
    let mut answer = answer.into_body().into_data_stream();
    until(&mut answer, "One ").await;
    // Another instance takes it and is frozen at once; it would have waited for its turn.
    let waits = Request::say("c", "second").header("prefer", "respond-async");
    assert_eq!(there.function()(waits, LONG).await.status(), 202);
    assert_eq!(
        instances.handed_over().await,
        ["c"],
        "a worker that found nothing to do yet"
    );
    gates[0].open();
    assert_eq!(status(&rest(answer).await), "committed");
    assert_eq!(here.engine.busy(), 0, "nothing goes on here");
    assert_eq!(instances.handed_over().await, ["c"]);
    gates[1].open();
    let second = Request::get("/conversations/c/turns/2/events?after=2.0.0.0");
    let heard = there.function()(second, LONG).await;
    let heard = rest(heard.into_body().into_data_stream()).await;
    assert_eq!(status(&heard), "committed");
}

/// Says a word, and panics.
struct Panics;

impl Model for Panics {
    fn stream(
        self: Arc<Self>,
        _request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let word = futures_util::stream::iter([Ok(ModelChunk::Text("One ".to_owned()))]);
        let panic = futures_util::stream::once(async { panic!("as the test wants it") });
        let stream: ModelStream = Box::pin(word.chain(panic));
        Box::pin(std::future::ready(Ok(stream)))
    }
}

#[tokio::test]
async fn a_panic_inside_a_turn_fails_the_turn_and_nothing_else() {
    let instances = Instances::new();
    let here = instances.start(Arc::new(Panics));
    let function = here.function();
    for turn in 1..=2 {
        let message = Request::say("c", "hello").accept("text/event-stream");
        let answer = function(message, LONG).await;
        assert_eq!(answer.status(), 200);
        let events = events(&rest(answer.into_body().into_data_stream()).await);
        let (name, data) = events.last().unwrap();
        assert_eq!(name, "turn_failed");
        assert_eq!(
            (&data["code"], &data["turn"]),
            (&"internal".into(), &turn.into())
        );
    }
    assert_eq!(here.engine.busy(), 0);
}
