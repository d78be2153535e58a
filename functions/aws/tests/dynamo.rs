//! The DynamoDB store passes the suite, against an engine in this process, through the SDK and over HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::sync::Arc;

use baton_aws::{DynamoStore, local_config};
use baton_handoff::ports::{Env, Store};
use baton_kit::cloud::Dynamo;
use baton_kit::conformance::{faulty_store_conformance, store_conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_dynamodb_store_does_what_stores_do() {
    store_conformance(fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_dynamodb_store_does_so_under_faults() {
    for seed in 0..3 {
        faulty_store_conformance(seed, fresh).await;
    }
}

/// An engine for each store: the suite's clocks all draw the same numbers, and DynamoDB would know their tokens again.
async fn fresh(env: Arc<dyn Env>) -> Arc<dyn Store> {
    let config = local_config(&Dynamo::start().url()).unwrap();
    let store = DynamoStore::new(&config, "baton", env);
    store.create_table().await.unwrap();
    Arc::new(store)
}
