//! The health of an engine whose file cannot be written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::{
    Change, Env, Key, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream, Record, Store,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Health, Ports};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::SqliteStore;
use baton_kit::conformance::TestClock;
use baton_tools::office::BackOffice;

struct Unreachable;

impl Model for Unreachable {
    fn stream(
        self: Arc<Self>,
        _: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        ready(Err(ModelError::new(
            ModelErrorKind::Unreachable,
            "no model",
        )))
        .boxed()
    }
}

struct Bench {
    engine: Arc<Engine>,
    clock: Arc<TestClock>,
    store: SqliteStore,
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("baton-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Arc::new(TestClock::new());
        let env: Arc<dyn Env> = clock.clone();
        let store = SqliteStore::open(folder.join("baton.db"), env.clone()).unwrap();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let ports = Ports {
            webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
            traces: None,
            store: shared.clone(),
            queue: Arc::new(store.queue()),
            model: Arc::new(Unreachable),
            tools: Arc::new(BackOffice::new(shared, env.clone())),
            env,
        };
        Self {
            engine: Engine::new(Arc::new(Team::acme()), ports),
            clock,
            store,
            folder,
        }
    }

    /// Allows this many more pages in the file.
    async fn room_for(&self, pages: u32) {
        let set = move |db: &rusqlite::Connection, _| {
            let used: u32 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
            db.pragma_update(None, "max_page_count", used + pages)
        };
        self.store.database.writer.write(set).await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_full_disk_is_not_ready_until_there_is_room() {
    let bench = Bench::new("full-disk");
    // A few bytes still fit, and a message does not.
    bench.room_for(2).await;
    for _ in 0..2 {
        let health = bench.engine.health().await;
        assert!(matches!(health, Health::ReadOnly(_)), "{health:?}");
    }
    bench.room_for(1_000).await;
    bench.clock.advance(Duration::from_secs(1));
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::Ready), "{health:?}");
}

#[tokio::test]
async fn a_disk_that_fills_up_is_reported_as_soon_as_a_commit_has_failed() {
    let bench = Bench::new("filling-disk");
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::Ready), "{health:?}");
    bench.room_for(2).await;
    let message = Record::new(1, ".".repeat(64 * 1024));
    let commit = vec![Change::Create(Key::new("C#1", "T#1"), message)];
    assert!(bench.store.commit(commit.clone()).await.is_err());
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::ReadOnly(_)), "{health:?}");
    bench.room_for(1_000).await;
    bench.store.commit(commit).await.unwrap();
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::Ready), "{health:?}");
}

#[tokio::test]
async fn a_missing_file_is_reported_at_once() {
    let bench = Bench::new("gone-file");
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::Ready), "{health:?}");
    std::fs::remove_file(bench.folder.join("baton.db")).unwrap();
    let health = bench.engine.health().await;
    assert!(matches!(health, Health::ReadOnly(_)), "{health:?}");
}
