//! Records in a DynamoDB engine, through the SDK and over HTTP. Messages stay in memory: SQS has a suite of its own.

use std::sync::{Arc, OnceLock};

use baton_handoff::ports::{Env, Queue, Store};
use baton_stores::memory::MemoryQueue;

use crate::engine::Engine;

/// Where the records of one test live; what is opened again holds what was there.
pub(crate) struct Backend {
    engine: Engine,
    queue: OnceLock<Arc<MemoryQueue>>,
}

impl Backend {
    /// An empty one.
    pub(crate) fn fresh() -> Self {
        Self {
            engine: Engine::start(),
            queue: OnceLock::new(),
        }
    }

    /// Opens it, as each start of the server does.
    pub(crate) async fn open(&self, env: Arc<dyn Env>) -> (Arc<dyn Store>, Arc<dyn Queue>) {
        let store = Arc::new(self.engine.store(env.clone()).await);
        let queue = self.queue.get_or_init(|| Arc::new(MemoryQueue::new(env)));
        (store, queue.clone())
    }
}
