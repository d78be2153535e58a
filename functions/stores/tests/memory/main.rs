//! The memory store and queue pass the suites; and what an engine does about a store that is slow, full, unreadable in part, or
//! older than its clock.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod engine;
mod erased;
mod health;
mod inherited;
mod races;
mod unreadable;
mod writes;

use std::future::{Ready, ready};
use std::sync::Arc;

use baton_handoff::ports::{Env, Queue, Store};
use baton_kit::conformance::{faulty_store_conformance, queue_conformance, store_conformance};
use baton_stores::memory::{MemoryQueue, MemoryStore};

fn store(env: Arc<dyn Env>) -> Ready<Arc<dyn Store>> {
    ready(Arc::new(MemoryStore::new(env)))
}

fn queue(env: Arc<dyn Env>) -> Ready<Arc<dyn Queue>> {
    ready(Arc::new(MemoryQueue::new(env)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_does_what_stores_do() {
    store_conformance(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_does_so_under_faults() {
    for seed in 0..5 {
        faulty_store_conformance(seed, store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_queue_does_what_queues_do() {
    queue_conformance(queue).await;
}
