//! The SQLite store and queue pass the suites, and keep what they confirmed whatever happens to process and file.

mod folder;

use std::sync::Arc;

use baton_backends::conformance::{faulty_store_conformance, queue_conformance, store_conformance};
use baton_backends::sqlite::SqliteStore;
use baton_handoff::ports::{Env, Queue, Store};

use folder::Folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_does_what_stores_do() {
    let folder = Folder::new();
    store_conformance(|env| folder.store(env)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_does_so_under_faults() {
    let folder = Folder::new();
    for seed in 0..3 {
        faulty_store_conformance(seed, |env| folder.store(env)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_queue_does_what_queues_do() {
    let folder = Folder::new();
    queue_conformance(|env| folder.queue(env)).await;
}

impl Folder {
    async fn store(&self, env: Arc<dyn Env>) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.next_file(), env).unwrap())
    }

    async fn queue(&self, env: Arc<dyn Env>) -> Arc<dyn Queue> {
        Arc::new(SqliteStore::open(self.next_file(), env).unwrap().queue())
    }
}
