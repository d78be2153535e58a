//! The store over the file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Env, Index, IndexPage, Key, Page, Range, Store, StoreError, Stored,
};

use super::database::Database;
use super::open::OpenError;
use super::queue::SqliteQueue;
use super::records;
use super::schema;
use baton_handoff::ports::IndexPosition;
use baton_handoff::ports::limits::{self, Bounds};

/// The size of a commit with a large message.
const HEALTH_BYTES: usize = 32 * 1024;

/// A [`Store`] in a SQLite file: a commit that was confirmed has reached the disk.
///
/// Dropping the last handle waits until the writer has finished its accepted jobs; [`SqliteStore::close`] does so without
/// blocking.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pub(super) database: Arc<Database>,
}

impl SqliteStore {
    /// How long a read or a write may wait for another process on the file.
    pub const LONGEST_ANSWER: Duration = schema::PATIENCE;

    /// Opens the file, or creates it and its folder, readable by this user only.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, is not ours, or a newer program wrote it. It is left unchanged.
    pub fn open(path: impl AsRef<Path>, env: Arc<dyn Env>) -> Result<Self, OpenError> {
        Ok(Self {
            database: Arc::new(Database::open(path.as_ref(), env)?),
        })
    }

    /// The queue in the same file.
    pub fn queue(&self) -> SqliteQueue {
        SqliteQueue::new(Arc::clone(&self.database))
    }

    /// Refuses further writes, and returns when the accepted ones are answered and are in the file itself, without its log. The
    /// log stays if another process has the file open.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let now = self.database.env.now();
        self.database
            .read(|db| records::get(db, key, now))
            .map_err(|error| self.database.name.reading(&error))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        let now = self.database.env.now();
        self.database
            .read(|db| keys.iter().map(|key| records::get(db, key, now)).collect())
            .map_err(|error| self.database.name.reading(&error))
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        let now = self.database.env.now();
        let limit = limits::page_size(range.limit);
        let bounds = Bounds::of(range);
        let mut records = self
            .database
            .read(|db| records::range(db, &range.partition, &bounds, range.order, limit + 1, now))
            .map_err(|error| self.database.name.reading(&error))?;
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page { records, more })
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        limits::check(&changes)?;
        let is_empty = changes.is_empty();
        let removes = |change: &Change| matches!(change, Change::Remove(..));
        if changes.iter().any(removes) {
            self.database.writer.will_remove();
        }
        let applied = self
            .database
            .writer
            .write(move |db, now| records::apply(db, &changes, now))
            .await?;
        if is_empty && self.database.writer.fails() {
            // An empty commit asks whether other commits can succeed.
            let reason = "the last commit failed".to_owned();
            return Err(CommitError::Unavailable(reason));
        }
        if applied {
            Ok(())
        } else {
            Err(CommitError::Conflict)
        }
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let now = self.database.env.now();
        let limit = limits::page_size(limit);
        let after = after
            .map(|cursor| IndexPosition::read(cursor, index))
            .transpose()?;
        let mut records = self
            .database
            .read(|db| records::index(db, index, after.as_ref(), limit + 1, now))
            .map_err(|error| self.database.name.reading(&error))?;
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records
            .last()
            .filter(|_| more)
            .and_then(|last| IndexPosition::of(last, index))
            .map(|position| position.cursor(index));
        Ok(IndexPage { records, next })
    }

    /// A disk without room for a message may still have some for a few bytes.
    fn health_bytes(&self) -> usize {
        HEALTH_BYTES
    }
}
