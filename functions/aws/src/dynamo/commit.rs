//! A commit as one request. Knows conditions and DynamoDB's limits; never the attempts.
//!
//! A single change is a plain conditional write: it costs half of a transaction. It has no token for DynamoDB to recognise it, so
//! after a lost answer it is not repeated: the repeat would find its own write and report a conflict. Several changes are a
//! transaction with a token, the same on every attempt, and may be repeated for ten minutes.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem};
use baton_handoff::ports::limits::{self, PARTITION_BYTES};
use baton_handoff::ports::{Change, CommitError, Key, Millis, Record};

use super::DynamoStore;
use super::item::{self, Item, number};
use crate::failure::Failure;

/// The most bytes of one transaction: DynamoDB's limit is 4 MB, and names and numbers count too.
const COMMIT_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;

/// The shard's number and `#` stand before a list's name in the index.
const LIST_BYTES: usize = PARTITION_BYTES - 2;

/// Refuses a commit beyond DynamoDB's limits.
pub(super) fn check(changes: &[Change]) -> Result<(), CommitError> {
    limits::check(changes)?;
    let mut bytes = 0;
    for change in changes {
        bytes += change.key().partition.len() + change.key().sort.len();
        let (Change::Create(_, record) | Change::Replace(_, _, record)) = change else {
            continue;
        };
        bytes += record.body.len();
        let mut lists = [&record.listed, &record.work].into_iter().flatten();
        if lists.any(|listing| listing.group.len() > LIST_BYTES) {
            return Err(CommitError::Refused(format!(
                "the name of a list has at most {LIST_BYTES} bytes"
            )));
        }
    }
    if bytes > COMMIT_BYTES {
        return Err(CommitError::Refused(format!(
            "{bytes} bytes in one commit, and at most {COMMIT_BYTES} fit"
        )));
    }
    Ok(())
}

/// One request that makes all changes or none.
pub(super) enum Request {
    Put(PutItemFluentBuilder),
    Delete(DeleteItemFluentBuilder),
    Transact(TransactWriteItemsFluentBuilder),
}

impl Request {
    /// The request for these changes; none without changes.
    pub(super) fn of(store: &DynamoStore, changes: &[Change]) -> Option<Self> {
        let (client, table, now) = (&store.client, store.table.as_str(), store.env.now());
        if let [change] = changes {
            match Part::of(change, now) {
                Part::Put(item, condition) => {
                    let put = client.put_item().table_name(table).set_item(Some(item));
                    return Some(Self::Put(
                        put.condition_expression(condition.expression)
                            .set_expression_attribute_names(Some(condition.names()))
                            .set_expression_attribute_values(Some(condition.values)),
                    ));
                }
                Part::Delete(key, condition) => {
                    let delete = client.delete_item().table_name(table).set_key(Some(key));
                    return Some(Self::Delete(match condition {
                        Some(condition) => delete
                            .condition_expression(condition.expression)
                            .set_expression_attribute_names(Some(condition.names()))
                            .set_expression_attribute_values(Some(condition.values)),
                        None => delete,
                    }));
                }
                Part::Check(..) => {}
            }
        }
        if changes.is_empty() {
            return None;
        }
        let items = changes
            .iter()
            .map(|change| Part::of(change, now).in_transaction(table))
            .collect();
        let token = format!("{:032x}", store.env.random());
        Some(Self::Transact(
            client
                .transact_write_items()
                .client_request_token(token)
                .set_transact_items(Some(items)),
        ))
    }

    /// Whether DynamoDB recognises a repeat.
    pub(super) fn may_be_repeated(&self) -> bool {
        match self {
            Self::Put(_) | Self::Delete(_) => false,
            Self::Transact(_) => true,
        }
    }

    /// Sends it once.
    pub(super) async fn send(&self) -> Result<(), Failure> {
        match self {
            Self::Put(put) => put.clone().send().await.map(drop).map_err(Failure::of),
            Self::Delete(delete) => delete.clone().send().await.map(drop).map_err(Failure::of),
            Self::Transact(transact) => transact.clone().send().await.map(drop).map_err(cancelled),
        }
    }
}

/// A condition, with its names and values.
struct Condition {
    expression: &'static str,
    values: Item,
    about_version: bool,
}

impl Condition {
    /// No visible record exists.
    fn absent(now: Millis) -> Self {
        Self {
            expression: "attribute_not_exists(pk) OR #expires < :now",
            values: Item::from([number(":now", now)]),
            about_version: false,
        }
    }

    /// The record exists in this version.
    fn at(version: u64, now: Millis) -> Self {
        Self {
            expression: "#version = :version AND (attribute_not_exists(#expires) OR #expires >= :now)",
            values: Item::from([number(":version", version), number(":now", now)]),
            about_version: true,
        }
    }

    /// Names by placeholder, since DynamoDB's list of reserved words is long; an unused placeholder is an error.
    fn names(&self) -> std::collections::HashMap<String, String> {
        let mut names =
            std::collections::HashMap::from([("#expires".to_owned(), "expires_at".to_owned())]);
        if self.about_version {
            names.insert("#version".to_owned(), "version".to_owned());
        }
        names
    }
}

/// One change in DynamoDB's form.
enum Part {
    Put(Item, Condition),
    Delete(Item, Option<Condition>),
    Check(Item, Condition),
}

impl Part {
    fn of(change: &Change, now: Millis) -> Self {
        let put = |key: &Key, version: u64, record: &Record, condition| {
            Self::Put(item::write(key, version, record), condition)
        };
        match change {
            Change::Create(key, record) => put(key, 1, record, Condition::absent(now)),
            Change::Replace(key, version, record) => put(
                key,
                version.saturating_add(1),
                record,
                Condition::at(*version, now),
            ),
            Change::Remove(key, version) => Self::Delete(
                item::key(key),
                version.map(|version| Condition::at(version, now)),
            ),
            Change::Require(key, Some(version)) => {
                Self::Check(item::key(key), Condition::at(*version, now))
            }
            Change::Require(key, None) => Self::Check(item::key(key), Condition::absent(now)),
        }
    }

    fn in_transaction(self, table: &str) -> TransactWriteItem {
        let item = TransactWriteItem::builder();
        match self {
            Self::Put(new, condition) => item.set_put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(new))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(Some(condition.names()))
                    .set_expression_attribute_values(Some(condition.values))
                    .build()
                    .ok(),
            ),
            Self::Delete(key, condition) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key));
                let delete = match condition {
                    Some(condition) => delete
                        .condition_expression(condition.expression)
                        .set_expression_attribute_names(Some(condition.names()))
                        .set_expression_attribute_values(Some(condition.values)),
                    None => delete,
                };
                item.set_delete(delete.build().ok())
            }
            Self::Check(key, condition) => item.set_condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(Some(condition.names()))
                    .set_expression_attribute_values(Some(condition.values))
                    .build()
                    .ok(),
            ),
        }
        .build()
    }
}

/// The meaning of a failed transaction. A cancelled one gives a reason for each of its parts; nothing was written.
fn cancelled<R: std::fmt::Debug + 'static>(error: SdkError<TransactWriteItemsError, R>) -> Failure {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        Some(_) | None => return Failure::of(error),
    };
    let failures: Vec<Failure> = reasons.iter().filter_map(failed).collect();
    // A failed condition decides over every other reason; permanent reasons come before temporary ones.
    let weight = |failure: &Failure| match failure {
        Failure::Conflict => 0,
        Failure::Refused(_) => 1,
        Failure::Unavailable(_) => 2,
        Failure::Busy(..) => 3,
        Failure::Unanswered(_) => 4,
    };
    match failures.into_iter().min_by_key(weight) {
        Some(Failure::Unanswered(text)) => Failure::Unavailable(text),
        Some(failure) => failure,
        None => Failure::Unavailable("a transaction was cancelled without a reason".to_owned()),
    }
}

fn failed(reason: &CancellationReason) -> Option<Failure> {
    let code = reason.code().filter(|code| *code != "None")?;
    Some(Failure::by_code(
        code,
        format!("{code}: {}", reason.message().unwrap_or_default()),
    ))
}
