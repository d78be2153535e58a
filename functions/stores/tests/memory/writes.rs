//! A memory store that asks the test before each write.

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Page, Range, Store, StoreError, Stored,
};
use baton_stores::memory::MemoryStore;
use futures_util::future::BoxFuture;

type Before = dyn Fn() -> BoxFuture<'static, Result<(), CommitError>> + Send + Sync;

/// It can be read all the time.
pub(crate) struct Asking {
    inner: MemoryStore,
    before: Box<Before>,
}

impl Asking {
    /// Each write waits for `before`, and fails if that fails.
    pub(crate) fn new<F>(inner: MemoryStore, before: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), CommitError>> + Send + 'static,
    {
        let before = Box::new(move || -> BoxFuture<'static, _> { Box::pin(before()) });
        Self { inner, before }
    }
}

#[async_trait]
impl Store for Asking {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.inner.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.inner.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        if !changes.is_empty() {
            (self.before)().await?;
        }
        self.inner.commit(changes).await
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.inner.index(index, after, limit).await
    }
}
