//! The store over one DynamoDB table.
//!
//! An item is a record; see `item` for its attributes. One commit is one request: a plain conditional write for a single change,
//! which costs half, or a transaction for several. Reads of a key or a range are consistent. The indexes hold keys only, so
//! that a record that moves in them does not pay for its body; the records found are read by key.

mod commit;
mod item;
mod scan;
mod search;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use baton_handoff::ports::limits;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Env, Index, IndexPage, Key, Order, Page, Range, Store, StoreError,
    Stored,
};

use tokio::sync::Semaphore;

use crate::connect::{ATTEMPT, timeouts};
use crate::failure::{Busy, Failure};
use crate::patience::{LONGEST, Patience};
use commit::Request;
use item::Item;
pub use scan::Scanned;

/// The most pages without a visible record in one read: expired records that DynamoDB has not deleted yet.
const MAX_EMPTY_PAGES: usize = 100;

/// The most concurrent requests of one process. A burst of customers waits here instead of opening a thousand connections, whose
/// handshakes would outlast all time-outs.
const IN_FLIGHT: usize = 128;

/// A [`Store`] in a DynamoDB table.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    env: Arc<dyn Env>,
    slots: Arc<Semaphore>,
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DynamoStore")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl DynamoStore {
    /// The longest time for a read or a write: all its attempts, including one that began in the last moment.
    pub const LONGEST_ANSWER: Duration = LONGEST.saturating_add(ATTEMPT);

    /// The store in this table. Sends no request yet.
    pub fn new(config: &SdkConfig, table: impl Into<String>, env: Arc<dyn Env>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            // See `connect`: a client with its own retries would break the meaning of `Conflict`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .build();
        Self {
            client: Client::from_conf(config),
            table: table.into(),
            env,
            slots: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }

    /// Creates the table and its indexes if they are missing, for tests and development.
    ///
    /// # Errors
    /// DynamoDB does not create it, or not within 30 s.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        table::create(&self.client, &self.table).await
    }

    /// Repeats a read until it succeeds or the patience ends. Reads may be repeated after any failure.
    async fn ask<T, F>(&self, request: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut patience = Patience::new(self.env.as_ref());
        loop {
            match self.in_turn(request()).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Busy(_, text) | Failure::Unanswered(text)) => {
                    if !patience.wait().await {
                        return Err(StoreError::Unavailable(text));
                    }
                }
                Err(
                    failure @ (Failure::Conflict | Failure::Refused(_) | Failure::Unavailable(_)),
                ) => {
                    return Err(StoreError::Unavailable(failure.text()));
                }
            }
        }
    }

    /// Sends a request when there is room for it.
    async fn in_turn<T>(&self, request: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        request.await
    }

    async fn query(
        &self,
        range: &Range,
        start: Option<Item>,
        limit: usize,
    ) -> Result<QueryOutput, StoreError> {
        let mut values = Item::from([(
            ":partition".to_owned(),
            AttributeValue::S(range.partition.clone()),
        )]);
        let condition = if range.prefix.is_empty() {
            "pk = :partition"
        } else {
            values.insert(
                ":prefix".to_owned(),
                AttributeValue::S(range.prefix.clone()),
            );
            "pk = :partition AND begins_with(sk, :prefix)"
        };
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .set_exclusive_start_key(start)
            .scan_index_forward(range.order == Order::Ascending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        self.ask(|| {
            let request = request.clone();
            async move { request.send().await.map_err(Failure::of) }
        })
        .await
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        // DynamoDB refuses to read a key that no item can have.
        if !item::can_be(key) {
            return Ok(None);
        }
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .consistent_read(true)
            .set_key(Some(item::key(key)));
        let answer = self
            .ask(|| {
                let request = request.clone();
                async move { request.send().await.map_err(Failure::of) }
            })
            .await?;
        let stored = answer.item.map(item::read).transpose()?;
        let now = self.env.now();
        Ok(stored.filter(|stored| item::is_visible(stored, now)))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        // DynamoDB refuses to read a key that no item can have, or the same key twice.
        let possible = keys.iter().filter(|key| item::can_be(key));
        let mut wanted: Vec<Key> = possible.cloned().collect();
        wanted.sort();
        wanted.dedup();
        let now = self.env.now();
        let found = self.read_all(&wanted).await?;
        let visible = |key: &Key| {
            let stored = found.get(key)?;
            item::is_visible(stored, now).then(|| stored.clone())
        };
        Ok(keys.iter().map(visible).collect())
    }

    /// One page of DynamoDB, which ends after 1 MB: a page may be shorter than its limit and say that more may follow.
    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        let now = self.env.now();
        let limit = limits::page_size(range.limit);
        if range.partition.is_empty() {
            return Ok(Page::default());
        }
        let mut start = match Start::of(range) {
            Start::Nowhere => return Ok(Page::default()),
            Start::Beginning => None,
            Start::Behind(sort) => Some(item::key(&Key::new(range.partition.as_str(), sort))),
        };
        for _ in 0..MAX_EMPTY_PAGES {
            // One more than requested shows whether more follow, without another request.
            let page = Box::pin(self.query(range, start, limit + 1)).await?;
            let mut records = Vec::new();
            for item in page.items.unwrap_or_default() {
                let stored = item::read(item)?;
                if item::is_visible(&stored, now) {
                    records.push(stored);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() || !records.is_empty() {
                let more = start.is_some() || records.len() > limit;
                records.truncate(limit);
                return Ok(Page { records, more });
            }
        }
        Err(StoreError::Unavailable(format!(
            "{MAX_EMPTY_PAGES} pages of {} hold expired records only",
            range.partition
        )))
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        commit::check(&changes)?;
        let Some(request) = Request::of(self, &changes) else {
            return Ok(());
        };
        let mut patience = Patience::new(self.env.as_ref());
        // After an unanswered attempt only a success is certain: the next attempt may find our own write.
        let mut unanswered = None;
        loop {
            let (busy, text) = match self.in_turn(request.send()).await {
                Ok(()) => return Ok(()),
                Err(Failure::Unanswered(text)) if request.may_be_repeated() => {
                    unanswered = Some(text.clone());
                    (Busy::Throttled, text)
                }
                Err(Failure::Unanswered(text)) => return Err(CommitError::Ambiguous(text)),
                Err(Failure::Busy(busy, text)) => (busy, text),
                Err(failure) => return Err(ended(unanswered, failure)),
            };
            if !patience.wait().await {
                return Err(ended(unanswered, Failure::Busy(busy, text)));
            }
        }
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.find(index, after, limits::page_size(limit)).await
    }
}

/// The error of a failed commit.
fn ended(unanswered: Option<String>, failure: Failure) -> CommitError {
    if let Some(text) = unanswered {
        return CommitError::Ambiguous(text);
    }
    match failure {
        // Conflicts on these records for the whole time: another writer was first.
        Failure::Conflict | Failure::Busy(Busy::Contended, _) => CommitError::Conflict,
        Failure::Busy(Busy::Throttled, text) | Failure::Unavailable(text) => {
            CommitError::Unavailable(text)
        }
        Failure::Unanswered(text) => CommitError::Ambiguous(text),
        Failure::Refused(text) => CommitError::Refused(text),
    }
}

/// The start of a range. DynamoDB refuses a start key outside of the range.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    Beginning,
    Behind(String),
    Nowhere,
}

impl Start {
    fn of(range: &Range) -> Self {
        let Some(after) = &range.after else {
            return Self::Beginning;
        };
        if after.starts_with(&range.prefix) && !after.is_empty() {
            return Self::Behind(after.clone());
        }
        let is_below = *after < range.prefix || after.is_empty();
        match (range.order, is_below) {
            (Order::Ascending, true) | (Order::Descending, false) => Self::Beginning,
            (Order::Ascending, false) | (Order::Descending, true) => Self::Nowhere,
        }
    }
}
