//! Records in a DynamoDB engine, through the SDK and over HTTP. Messages stay in memory: SQS has a suite of its own.

use std::sync::{Arc, OnceLock};

use baton_aws::{DynamoStore, local_config};
use baton_handoff::ports::{Env, Queue, Store};
use baton_kit::cloud::Dynamo;
use baton_stores::memory::MemoryQueue;

/// Where the records of one test live; what is opened again holds what was there.
pub(crate) struct Backend {
    table: Dynamo,
    queue: OnceLock<Arc<MemoryQueue>>,
}

impl Backend {
    /// An empty one.
    pub(crate) fn fresh() -> Self {
        Self {
            table: Dynamo::start(),
            queue: OnceLock::new(),
        }
    }

    /// Opens it, as each start of the server does.
    pub(crate) async fn open(&self, env: Arc<dyn Env>) -> (Arc<dyn Store>, Arc<dyn Queue>) {
        let store = Arc::new(store(&self.table, env.clone()).await);
        let queue = self.queue.get_or_init(|| Arc::new(MemoryQueue::new(env)));
        (store, queue.clone())
    }
}

/// A store in this engine's table, which is made when it is not there.
pub(crate) async fn store(engine: &Dynamo, env: Arc<dyn Env>) -> DynamoStore {
    let config = local_config(&engine.url()).unwrap();
    let store = DynamoStore::new(&config, "baton", env);
    store.create_table().await.unwrap();
    store
}
