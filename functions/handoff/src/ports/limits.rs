//! The limits of every store, and the reading of ranges, so that a program that works on one store works on all.
//! Knows the records only; never how a store holds them.

use super::store::{Change, CommitError, Listing, Order, Range, Record};

/// The longest body of a record, in bytes. Leaves room for keys and indexes within DynamoDB's 400 KB an item.
pub const RECORD_BYTES: usize = 350 * 1024;

/// The most parts of one commit: DynamoDB's limit of a transaction.
pub const COMMIT_PARTS: usize = 100;

/// The longest partition key, in bytes: DynamoDB's limit.
pub const PARTITION_BYTES: usize = 2048;

/// The longest sort key, in bytes: DynamoDB's limit.
pub const SORT_BYTES: usize = 1024;

/// The highest version, rank or time: SQLite's integers have a sign.
pub const HIGHEST_NUMBER: u64 = i64::MAX as u64;

/// The most messages that wait in one lane of a queue. A queue is a hint: the sweeper finds the records of refused messages.
pub const LANE_MESSAGES: usize = 100_000;

/// The most records that one read returns.
const PAGE_RECORDS: usize = 1000;

/// Refuses a commit that no store accepts.
///
/// # Errors
/// [`CommitError::Refused`] with the reason.
pub fn check(changes: &[Change]) -> Result<(), CommitError> {
    if changes.len() > COMMIT_PARTS {
        return refuse(format!(
            "{} parts, and at most {COMMIT_PARTS} fit",
            changes.len()
        ));
    }
    for (place, change) in changes.iter().enumerate() {
        check_change(change)?;
        // Commits have a handful of parts: comparing all pairs is cheaper than a set.
        if changes
            .iter()
            .take(place)
            .any(|earlier| earlier.key() == change.key())
        {
            return refuse("two parts have one key".to_owned());
        }
    }
    Ok(())
}

/// The number of records that a read returns, for a requested limit.
pub fn page_size(limit: usize) -> usize {
    limit.clamp(1, PAGE_RECORDS)
}

fn check_change(change: &Change) -> Result<(), CommitError> {
    let key = change.key();
    if !(1..=PARTITION_BYTES).contains(&key.partition.len()) {
        return refuse(format!("a partition key has 1 to {PARTITION_BYTES} bytes"));
    }
    if !(1..=SORT_BYTES).contains(&key.sort.len()) {
        return refuse(format!("a sort key has 1 to {SORT_BYTES} bytes"));
    }
    match change {
        Change::Create(_, record) | Change::Replace(_, _, record) => check_record(record),
        Change::Remove(..) | Change::Require(..) => Ok(()),
    }
}

fn check_record(record: &Record) -> Result<(), CommitError> {
    if record.body.len() > RECORD_BYTES {
        return refuse(format!(
            "a body of {} bytes, and at most {RECORD_BYTES} fit",
            record.body.len()
        ));
    }
    let mut times = [record.due_at, record.expires_at].into_iter().flatten();
    if times.any(|number| number > HIGHEST_NUMBER) {
        return too_high();
    }
    [&record.listed, &record.work]
        .into_iter()
        .flatten()
        .try_for_each(check_listing)
}

fn check_listing(listing: &Listing) -> Result<(), CommitError> {
    if listing.rank > HIGHEST_NUMBER {
        return too_high();
    }
    if !(1..=PARTITION_BYTES).contains(&listing.group.len()) {
        return refuse(format!(
            "the name of a list has 1 to {PARTITION_BYTES} bytes"
        ));
    }
    Ok(())
}

fn too_high() -> Result<(), CommitError> {
    refuse(format!("times and ranks go up to {HIGHEST_NUMBER}"))
}

fn refuse(reason: String) -> Result<(), CommitError> {
    Err(CommitError::Refused(reason))
}

/// The sort keys of a range: from `from` on, up to and without `to`; without `to` up to the partition's end.
#[derive(Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first sort key.
    pub from: String,
    /// The first sort key after the range.
    pub to: Option<String>,
}

impl Bounds {
    /// Turns prefix and position into bounds, so that reading is a walk along the sort keys.
    pub fn of(range: &Range) -> Self {
        let mut bounds = Self {
            from: range.prefix.clone(),
            to: behind_prefix(&range.prefix),
        };
        let Some(after) = &range.after else {
            return bounds;
        };
        match range.order {
            // Nothing sorts between a string and itself with a NUL at its end.
            Order::Ascending => bounds.from = bounds.from.max(format!("{after}\0")),
            Order::Descending => match &bounds.to {
                Some(to) if to <= after => {}
                Some(_) | None => bounds.to = Some(after.clone()),
            },
        }
        bounds
    }
}

/// The least string above all strings that begin with `prefix`, if there is one.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // A range of characters skips the surrogates, which are no characters; UTF-8 sorts as its characters do.
        if let Some(next) = (last..=char::MAX).nth(1) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_character_is_raised() {
        assert_eq!(behind_prefix("T#1"), Some("T#2".to_owned()));
        assert_eq!(behind_prefix("a\u{d7ff}"), Some("a\u{e000}".to_owned()));
        assert_eq!(behind_prefix("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(behind_prefix("\u{10ffff}"), None);
        assert_eq!(behind_prefix(""), None);
    }
}
