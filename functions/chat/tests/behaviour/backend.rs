//! The stores of one machine. `BATON_TEST_STORE` chooses: `sqlite` (the default, real files) or `memory`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use baton_handoff::ports::{Env, Queue, Store};
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_stores::sqlite::SqliteStore;

use crate::suite::support::Folder;

/// Where the records of one test live; what is opened again holds what was there.
pub(crate) enum Backend {
    Sqlite(Folder),
    Memory(OnceLock<(Arc<MemoryStore>, Arc<MemoryQueue>)>),
}

impl Backend {
    /// An empty one.
    pub(crate) fn fresh() -> Self {
        match std::env::var("BATON_TEST_STORE").as_deref() {
            Ok("memory") => Self::Memory(OnceLock::new()),
            Ok("sqlite") | Err(_) => Self::Sqlite(Folder::new()),
            Ok(other) => panic!("BATON_TEST_STORE={other} is neither sqlite nor memory"),
        }
    }

    /// Opens it, as each start of the server does.
    #[expect(
        clippy::unused_async,
        reason = "other backends reach over a network here"
    )]
    pub(crate) async fn open(&self, env: Arc<dyn Env>) -> (Arc<dyn Store>, Arc<dyn Queue>) {
        match self {
            Self::Sqlite(folder) => open_file(&file_in(folder), env),
            Self::Memory(parts) => {
                let make = || {
                    (
                        Arc::new(MemoryStore::new(env.clone())),
                        Arc::new(MemoryQueue::new(env.clone())),
                    )
                };
                let (store, queue) = parts.get_or_init(make);
                (store.clone(), queue.clone())
            }
        }
    }
}

/// The file of a SQLite backend in this folder.
pub(crate) fn file_in(folder: &Folder) -> PathBuf {
    folder.path().join("baton.db")
}

fn open_file(path: &Path, env: Arc<dyn Env>) -> (Arc<dyn Store>, Arc<dyn Queue>) {
    let store = Arc::new(SqliteStore::open(path, env).unwrap());
    let queue = Arc::new(store.queue());
    (store, queue)
}
