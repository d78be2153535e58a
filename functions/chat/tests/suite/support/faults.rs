//! The store of the server under test, which a test can make fail or wait.

use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Page, Range, Store, StoreError, Stored,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What becomes of commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Commits {
    #[default]
    Work,
    /// Nothing is written, and the caller is told so.
    Fail,
    /// Somebody else always wrote first.
    LoseRaces,
    /// Those that remove the ids of messages lose every race.
    KeepMessageIds,
    /// Those that only take or renew a lease lose every race.
    LoseLeases,
    /// They wait until this is set to something else.
    Wait,
}

/// What a test has done to the store. Outlives restarts of the server.
#[derive(Default)]
pub(crate) struct Faults {
    commits: watch::Sender<Commits>,
    waiting: watch::Sender<usize>,
}

impl Faults {
    pub(crate) fn let_commits(&self, commits: Commits) {
        self.commits.send_replace(commits);
    }

    /// Resolves when a commit waits.
    pub(crate) async fn commit_waits(&self) {
        let mut waiting = self.waiting.subscribe();
        super::soon("a commit", waiting.wait_for(|waiting| *waiting > 0))
            .await
            .unwrap();
    }
}

/// The real store, with the faults, as one start of the server has it.
pub(crate) struct Faulty {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) faults: Arc<Faults>,
    /// The server has crashed. What is left of it must not write what it makes of its own end.
    pub(crate) crashed: CancellationToken,
}

impl Faulty {
    async fn reach(&self) -> &dyn Store {
        if self.crashed.is_cancelled() {
            std::future::pending::<()>().await;
        }
        &*self.store
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reach().await.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.reach().await.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.reach().await.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let mut commits = self.faults.commits.subscribe();
        let state = *commits.borrow_and_update();
        match state {
            Commits::Fail => {
                return Err(CommitError::Unavailable("a fault of the test".to_owned()));
            }
            Commits::LoseRaces => return Err(CommitError::Conflict),
            Commits::KeepMessageIds if changes.iter().any(removes_message_id) => {
                return Err(CommitError::Conflict);
            }
            Commits::LoseLeases if writes_only_meta(&changes) => {
                return Err(CommitError::Conflict);
            }
            Commits::Work | Commits::KeepMessageIds | Commits::LoseLeases => {}
            Commits::Wait => {
                self.faults.waiting.send_modify(|waiting| *waiting += 1);
                commits
                    .wait_for(|commits| *commits != Commits::Wait)
                    .await
                    .unwrap();
            }
        }
        self.reach().await.commit(changes).await
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.reach().await.index(index, after, limit).await
    }
}

fn removes_message_id(change: &Change) -> bool {
    matches!(change, Change::Remove(key, _) if key.sort.starts_with("M#"))
}

fn writes_only_meta(changes: &[Change]) -> bool {
    matches!(changes, [Change::Replace(key, _, _)] if key.sort == "META")
}
