//! An engine on a store of the test's, with a clock that only the test moves.

use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    CallDelta, Env, FinishReason, Message, Millis, Model, ModelChunk, ModelError, ModelRequest,
    ModelStream, Outcome, Price, Store, ToolError, ToolRequest, Tools,
};
use baton_handoff::team::Team;
use baton_handoff::{Accepted, Engine, Overlap, Ports, Principal, Submission};
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryQueue;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};

/// A process of this name on a clock.
pub(crate) struct Process {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) name: Option<&'static str>,
    /// The process that has ended.
    pub(crate) ended: Option<&'static str>,
}

impl Env for Process {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(moment)
    }

    fn random(&self) -> u128 {
        // Two processes never draw alike.
        let own = self.name.map_or(0, |name| u128::from(name.len() as u64));
        self.clock.random().wrapping_add(own << 64)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.clock.spawn(task);
    }

    fn process(&self) -> Option<&str> {
        self.name
    }

    fn has_ended(&self, process: &str) -> bool {
        self.ended == Some(process)
    }
}

/// Orders when it is asked to, never ends an answer that is to be endless, and is polite otherwise.
struct Script {
    ends: bool,
}

impl Model for Script {
    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        let last = match request.messages.last() {
            Some(Message::User(text)) => text.to_string(),
            _ => String::new(),
        };
        let said = |name: &str, arguments: &str| {
            ModelChunk::Call(CallDelta {
                index: 0,
                id: Some("call".to_owned()),
                name: Some(name.to_owned()),
                arguments: arguments.to_owned(),
            })
        };
        let first = match last.as_str() {
            "sales" => said("transfer_to_sales_agent", "{}"),
            "order" => said("execute_order", r#"{"product":"anvil","price":1}"#),
            _ => ModelChunk::Text("At your service.".to_owned()),
        };
        let stream: ModelStream = if last == "endless" && !self.ends {
            stream::iter([Ok(first)]).chain(stream::pending()).boxed()
        } else {
            stream::iter([first, ModelChunk::Finished(FinishReason::Stop)])
                .map(Ok)
                .boxed()
        };
        std::future::ready(Ok(stream)).boxed()
    }
}

/// Does everything, or never ends.
pub(crate) struct Doing {
    pub(crate) ends: bool,
}

#[async_trait]
impl Tools for Doing {
    async fn lookup(&self, _: &ToolRequest) -> Result<String, ToolError> {
        Ok("nothing".to_owned())
    }

    async fn act(&self, _: &ToolRequest, _: &str) -> Outcome {
        if !self.ends {
            std::future::pending::<()>().await;
        }
        Outcome::Done("done".to_owned())
    }

    async fn price(&self, _: &ToolRequest) -> Price {
        Price::Known(100)
    }
}

/// An engine with a queue of its own.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) clock: Arc<TestClock>,
}

impl Bench {
    /// `ends`: what takes for ever elsewhere ends here.
    pub(crate) fn new(store: Arc<dyn Store>, process: Process, ends: bool) -> Self {
        let clock = process.clock.clone();
        let env: Arc<dyn Env> = Arc::new(process);
        let queue = Arc::new(MemoryQueue::new(env.clone()));
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store,
            queue: queue.clone(),
            model: Arc::new(Script { ends }),
            tools: Arc::new(Doing { ends }),
            env,
        };
        Self {
            engine: Engine::new(Arc::new(Team::acme()), ports),
            queue,
            clock,
        }
    }

    /// One whose process has no name.
    pub(crate) fn on(store: Arc<dyn Store>, clock: Arc<TestClock>) -> Self {
        let process = Process {
            clock,
            name: None,
            ended: None,
        };
        Self::new(store, process, true)
    }

    pub(crate) async fn submit(&self, name: &str, message: &str, background: bool) -> Accepted {
        let submission = Submission {
            message: message.to_owned(),
            message_id: None,
            overlap: Overlap::Queue,
            background,
            ..Submission::default()
        };
        self.engine
            .conversation(&ConversationId::parse(name).unwrap(), &Principal::Open)
            .submit(submission)
            .await
            .unwrap()
    }
}
