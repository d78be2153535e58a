//! One SQLite file that several servers may have open.

use std::path::PathBuf;
use std::sync::Arc;

use baton_handoff::ports::{Env, Queue, Store};
use baton_stores::sqlite::SqliteStore;

use crate::suite::support::Folder;

/// The file's folder, which goes with the last server on it.
#[derive(Clone)]
pub(crate) struct Backend(Arc<Folder>);

impl Backend {
    /// An empty one.
    pub(crate) fn fresh() -> Self {
        Self(Arc::new(Folder::new()))
    }

    /// Where it lies.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("baton.db")
    }

    /// Opens it, as each start of a server does.
    #[expect(
        clippy::unused_async,
        reason = "stores with a network between open asynchronously"
    )]
    pub(crate) async fn open(&self, env: Arc<dyn Env>) -> (Arc<dyn Store>, Arc<dyn Queue>) {
        let store = Arc::new(SqliteStore::open(self.file(), env).unwrap());
        let queue = Arc::new(store.queue());
        (store, queue)
    }
}
