//! The SQLite store and queue pass the suites, and keep what they confirmed whatever happens to process and file.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod backup;
mod blocked;
mod earlier;
mod erased;
mod files;
mod folder;
mod lists;
mod presence;
mod processes;
mod whole;

use std::future::ready;
use std::path::Path;
use std::sync::Arc;

use baton_handoff::ports::{Change, CommitError, Env, Key, Queue, Record, Store};
use baton_kit::conformance::{
    TestClock, faulty_store_conformance, queue_conformance, store_conformance,
};
use baton_stores::sqlite::SqliteStore;

use folder::Folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_does_what_stores_do() {
    let folder = Folder::new();
    store_conformance(|env| ready(made_store(&folder, env))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_does_so_under_faults() {
    let folder = Folder::new();
    for seed in 0..3 {
        faulty_store_conformance(seed, |env| ready(made_store(&folder, env))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_queue_does_what_queues_do() {
    let folder = Folder::new();
    queue_conformance(|env| ready(made_queue(&folder, env))).await;
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    for n in 0..50 {
        store.commit(vec![create(n)]).await.unwrap();
    }
    let queue = store.queue();
    queue
        .send(baton_handoff::ports::Lane::Actions, "owner", "action")
        .await
        .unwrap();
    drop((store, queue));
    assert!(
        !folder.path().join("0.db-wal").exists(),
        "the log was not written back"
    );
    let store = open(&file);
    for n in 0..50 {
        assert_eq!(body(&store, n).await, Some(n.to_string()));
    }
    let none = std::time::Duration::ZERO;
    let received = store
        .queue()
        .receive(baton_handoff::ports::Lane::Actions, 1, none, none)
        .await
        .unwrap();
    assert_eq!(received.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_answers_all_that_was_taken_and_refuses_the_rest() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    let commits: Vec<_> = (0..500)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { (n, store.commit(vec![create(n)]).await) })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut confirmed = Vec::new();
    for commit in commits {
        match commit.await.unwrap() {
            (n, Ok(())) => confirmed.push(n),
            (_, Err(CommitError::Unavailable(reason))) => {
                assert!(reason.contains("0.db"), "{reason}");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        store.commit(vec![create(1000)]).await,
        Err(CommitError::Unavailable(_))
    ));
    drop(store);
    let store = open(&file);
    for n in confirmed {
        assert_eq!(body(&store, n).await, Some(n.to_string()));
    }
}

#[tokio::test]
async fn a_lane_has_a_size() {
    let folder = Folder::new();
    let file = folder.next_file();
    drop(open(&file));
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 99999)
         INSERT INTO messages (lane, sender, round, visible_at, receives, token, body)
         SELECT 'turns', 'owner', n, 0, 0, 0, 'turn' FROM n",
    )
    .unwrap();
    drop(db);
    let queue = open(&file).queue();
    queue
        .send(baton_handoff::ports::Lane::Turns, "owner", "the last one")
        .await
        .unwrap();
    let refused = queue
        .send(baton_handoff::ports::Lane::Turns, "owner", "one too many")
        .await;
    assert!(refused.unwrap_err().to_string().contains("100000"));
    queue
        .send(baton_handoff::ports::Lane::Actions, "owner", "another lane")
        .await
        .unwrap();
}

fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(file, Arc::new(TestClock::new())).unwrap()
}

fn key(n: u32) -> Key {
    Key::new(format!("C#{}", n % 7), format!("T#{n:05}"))
}

fn record(body: String) -> Record {
    Record::new(1, body)
}

fn create(n: u32) -> Change {
    Change::Create(key(n), record(n.to_string()))
}

async fn body(store: &dyn Store, n: u32) -> Option<String> {
    store
        .get(&key(n))
        .await
        .unwrap()
        .map(|stored| stored.record.body)
}

fn made_store(folder: &Folder, env: Arc<dyn Env>) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(folder.next_file(), env).unwrap())
}

fn made_queue(folder: &Folder, env: Arc<dyn Env>) -> Arc<dyn Queue> {
    Arc::new(SqliteStore::open(folder.next_file(), env).unwrap().queue())
}
