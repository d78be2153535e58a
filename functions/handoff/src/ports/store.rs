//! Versioned records with an atomic compare-and-set over several of them.

use async_trait::async_trait;

use super::Millis;

/// Where a record lives. Records of one partition are sorted by `sort`, bytewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Records that belong together and are read together, such as one conversation.
    pub partition: String,
    /// The position within the partition; numbers in it are zero-padded.
    pub sort: String,
}

impl Key {
    /// A key of these two parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            sort: sort.into(),
        }
    }
}

/// The content of a record: its text, and the values for the indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of the body's format; a reader refuses a newer one than it knows.
    pub format: u16,
    /// The record itself, JSON.
    pub body: String,
    /// When it is due, for [`Index::Due`]. Milliseconds since 1970.
    pub due_at: Option<Millis>,
    /// Its owner's list, for [`Index::Listed`].
    pub listed: Option<Listing>,
    /// The list of a tenant's work, for [`Index::Work`]. A replacement that leaves it unchanged writes nothing to that index.
    pub work: Option<Listing>,
    /// After this moment the record may vanish, and readers must not see it. Milliseconds since 1970.
    pub expires_at: Option<Millis>,
}

impl Record {
    /// A record that is not due, stands in no list, and stays.
    pub fn new(format: u16, body: impl Into<String>) -> Self {
        Self {
            format,
            body: body.into(),
            due_at: None,
            listed: None,
            work: None,
            expires_at: None,
        }
    }
}

/// A position in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The name of the list.
    pub group: String,
    /// Lists are read from the highest rank down; equal ranks in any stable order.
    pub rank: u64,
}

/// A record with its key and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: Key,
    /// 1 when it is created, one more with each replacement.
    pub version: u64,
    /// Its content.
    pub record: Record,
}

/// One part of a commit. A commit names a key at most once and has at most 100 parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Creates a record where none exists (an expired one counts as none). It gets version 1.
    Create(Key, Record),
    /// Replaces the record of exactly this version.
    Replace(Key, u64, Record),
    /// Removes the record of exactly this version, or any record when no version is given.
    Remove(Key, Option<u64>),
    /// Writes nothing; holds if the record has this version, or is absent when no version is given.
    Require(Key, Option<u64>),
}

impl Change {
    /// The key that this part reads or writes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Create(key, _)
            | Self::Replace(key, _, _)
            | Self::Remove(key, _)
            | Self::Require(key, _) => key,
        }
    }
}

/// The direction of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Lowest sort key first.
    Ascending,
    /// Highest sort key first.
    Descending,
}

/// A query for the records of one partition whose sort key begins with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub partition: String,
    /// The prefix of the sort keys; may be empty.
    pub prefix: String,
    /// Continue after this sort key, in the order of the query.
    pub after: Option<String>,
    /// The direction.
    pub order: Order,
    /// At most this many; at least 1, at most 1,000.
    pub limit: usize,
}

/// A part of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order of the query.
    pub records: Vec<Stored>,
    /// Whether more records may follow; then query again with `after` set to the last one's sort key.
    pub more: bool,
}

/// An order of records across partitions. It finds and never decides: its content may be a moment old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// Records whose `due_at` is at or before the moment, the longest due first as far as the store can order them.
    Due(Millis),
    /// Records of one owner's list, highest rank first.
    Listed(String),
    /// Records of one list of work, highest rank first. No list of [`Index::Listed`] is seen here, whatever its name.
    Work(String),
}

/// The end of an index page. Opaque and safe to hand to a client: a wrong one is [`StoreError::BadCursor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    /// The records, as in the index.
    pub records: Vec<Stored>,
    /// The cursor of the next page, when more may follow.
    pub next: Option<Cursor>,
}

/// Why a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Not now; a later attempt may succeed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The stored record cannot be understood. Another attempt will not help; nothing was overwritten.
    #[error("the store is damaged or too new: {0}")]
    Damaged(String),
    /// The cursor does not belong to this index.
    #[error("that is not a cursor of this list")]
    BadCursor,
}

/// Why a commit was not confirmed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold; nothing was written. Read again and decide anew.
    #[error("another writer was first")]
    Conflict,
    /// Written or not. Read again to find out.
    #[error("the commit may or may not have happened: {0}")]
    Ambiguous(String),
    /// Nothing was written; a later attempt may succeed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written, and another attempt will not help: a record over 350 KB, two parts with one key, over 100 parts.
    #[error("the commit was refused: {0}")]
    Refused(String),
}

/// Versioned records. All implementations pass one conformance suite.
#[async_trait]
pub trait Store: Send + Sync {
    /// The record at a key, read consistently: the read sees every commit confirmed before.
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// The records at these keys, in their order, each read consistently; they may be from different moments. For a few dozen
    /// keys in one round trip.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError>;

    /// Records of one partition in order, read consistently.
    async fn range(&self, range: &Range) -> Result<Page, StoreError>;

    /// Commits all parts or none.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError>;

    /// Records across partitions; may lag behind by a moment.
    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError>;

    /// How many bytes of text a test write must hold to show that commits of turns work too. `None` where a small write shows it.
    fn health_bytes(&self) -> usize {
        0
    }
}
