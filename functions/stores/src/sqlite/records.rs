//! Records in SQL. Every function is one or a few cached statements on one connection.
//! Knows tables; never files, threads or transactions, but for the purge.

use baton_handoff::ports::{Change, Index, Key, Listing, Millis, Order, Record, Stored};
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{
    Connection, OptionalExtension as _, Result, Row, Statement, params, params_from_iter,
};

use baton_handoff::ports::IndexPosition;
use baton_handoff::ports::limits::{Bounds, HIGHEST_NUMBER};

use super::residue;

/// Expired records that one purge removes: well under a millisecond of the writer's time for small ones.
const PURGED_AT_ONCE: usize = 100;

/// Whether expired records are left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Purged {
    /// None is left.
    All,
    /// Some may be.
    More,
}

/// A statement that reads records, with the columns that [`stored`] expects.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT partition, sort, version, format, body, due_at, list_group, list_rank, work_group, work_rank, expires_at \
             FROM records ",
            $rest
        )
    };
}

/// The row at the key of a change.
enum Found {
    Nothing,
    /// An expired row, which counts as none.
    Expired,
    Version(u64, Way),
}

/// How a record is written at its key. SQLite writes the entries of an index anew whenever a statement names one of its columns, and
/// each such index is a page more in the log: a statement names only the columns that change.
#[derive(Debug, Clone, Copy)]
enum Way {
    Insert,
    /// Over a row that every index has in the right place.
    UpdateBody,
    /// The same, but for the index of due records.
    UpdateDue,
    /// The same, but for the index of lists too.
    UpdateListed,
    UpdateAll,
}

/// Applies all changes if all of their conditions hold; otherwise writes nothing and returns `false`.
pub(super) fn apply(db: &Connection, changes: &[Change], now: Millis) -> Result<bool> {
    let mut ways = Vec::with_capacity(changes.len());
    let mut select = db.prepare_cached(FIND)?;
    for change in changes {
        let found = find(&mut select, change, now)?;
        if !holds(change, &found) {
            return Ok(false);
        }
        ways.push(match found {
            Found::Nothing => Way::Insert,
            Found::Expired => Way::UpdateAll,
            Found::Version(_, way) => way,
        });
    }
    let mut removed = false;
    for (change, way) in changes.iter().zip(ways) {
        match (change, way) {
            (Change::Create(key, record), _) => put(db, key, 1, record, way)?,
            (Change::Replace(key, version, record), _) => put(db, key, version + 1, record, way)?,
            (Change::Remove(..), Way::Insert) | (Change::Require(..), _) => {}
            (Change::Remove(key, _), _) => {
                remove(db, key)?;
                removed = true;
            }
        }
    }
    if removed {
        residue::mark(db)?;
    }
    Ok(true)
}

fn holds(change: &Change, found: &Found) -> bool {
    let version = match found {
        Found::Nothing | Found::Expired => None,
        Found::Version(version, _) => Some(*version),
    };
    match change {
        Change::Create(..) => version.is_none(),
        Change::Remove(_, None) => true,
        Change::Replace(_, expected, _) | Change::Remove(_, Some(expected)) => {
            version == Some(*expected)
        }
        Change::Require(_, expected) => version == *expected,
    }
}

const FIND: &str = "SELECT version, expires_at, due_at, list_group, list_rank, work_group, work_rank FROM records WHERE partition = ?1 AND sort = ?2";

fn find(select: &mut Statement<'_>, change: &Change, now: Millis) -> Result<Found> {
    let key = change.key();
    let found = select.query_row(params![key.partition, key.sort], |row| {
        let expires_at: Option<Millis> = row.get(1)?;
        if expires_at.is_some_and(|moment| moment < now) {
            return Ok(Found::Expired);
        }
        let way = match change {
            Change::Create(_, record) | Change::Replace(_, _, record) => {
                let same = |listing: Option<&Listing>, group: usize| {
                    let (name, rank) = columns(listing);
                    let same_name = name == row.get_ref(group)?.as_str_or_null()?;
                    Ok::<_, rusqlite::Error>(same_name && rank == row.get(group + 1)?)
                };
                if !same(record.work.as_ref(), 5)? {
                    Way::UpdateAll
                } else if !same(record.listed.as_ref(), 3)? || expires_at != record.expires_at {
                    Way::UpdateListed
                } else if record.due_at == row.get(2)? {
                    Way::UpdateBody
                } else {
                    Way::UpdateDue
                }
            }
            Change::Remove(..) | Change::Require(..) => Way::UpdateAll,
        };
        Ok(Found::Version(row.get(0)?, way))
    });
    Ok(found.optional()?.unwrap_or(Found::Nothing))
}

fn put(db: &Connection, key: &Key, version: u64, record: &Record, way: Way) -> Result<()> {
    let (list_group, list_rank) = columns(record.listed.as_ref());
    let (work_group, work_rank) = columns(record.work.as_ref());
    let values: [&dyn ToSql; 11] = [
        &key.partition,
        &key.sort,
        &version,
        &record.format,
        &record.body,
        &record.due_at,
        &list_group,
        &list_rank,
        &record.expires_at,
        &work_group,
        &work_rank,
    ];
    let (statement, named) = match way {
        Way::UpdateBody => (UPDATE_BODY, 5),
        Way::UpdateDue => (UPDATE_DUE, 6),
        Way::UpdateListed => (UPDATE_LISTED, 9),
        Way::UpdateAll => (UPDATE_ALL, 11),
        Way::Insert => (INSERT, 11),
    };
    let values = values.into_iter().take(named);
    db.prepare_cached(statement)?
        .execute(params_from_iter(values))
        .map(drop)
}

/// A position in a list as its two columns.
fn columns(listing: Option<&Listing>) -> (Option<&str>, Option<u64>) {
    match listing {
        Some(listing) => (Some(&listing.group), Some(listing.rank)),
        None => (None, None),
    }
}

const UPDATE_BODY: &str =
    "UPDATE records SET version = ?3, format = ?4, body = ?5 WHERE partition = ?1 AND sort = ?2";

const UPDATE_DUE: &str = "UPDATE records SET version = ?3, format = ?4, body = ?5, due_at = ?6 WHERE partition = ?1 AND sort = ?2";

const UPDATE_LISTED: &str = "UPDATE records SET version = ?3, format = ?4, body = ?5, due_at = ?6, list_group = ?7, list_rank = ?8, \
     expires_at = ?9 WHERE partition = ?1 AND sort = ?2";

const UPDATE_ALL: &str = "UPDATE records SET version = ?3, format = ?4, body = ?5, due_at = ?6, list_group = ?7, list_rank = ?8, \
     expires_at = ?9, work_group = ?10, work_rank = ?11 WHERE partition = ?1 AND sort = ?2";

const INSERT: &str = "INSERT INTO records (partition, sort, version, format, body, due_at, list_group, list_rank, expires_at, \
     work_group, work_rank) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

fn remove(db: &Connection, key: &Key) -> Result<()> {
    db.prepare_cached("DELETE FROM records WHERE partition = ?1 AND sort = ?2")?
        .execute(params![key.partition, key.sort])
        .map(drop)
}

/// Removes some expired records in a transaction of its own, and starts none if there are none.
pub(super) fn purge(db: &Connection, now: Millis) -> Result<Purged> {
    let any = db
        .prepare_cached("SELECT 1 FROM records WHERE expires_at < ?1 LIMIT 1")?
        .exists([capped(now)])?;
    if !any {
        return Ok(Purged::All);
    }
    let removed = db
        .prepare_cached(
            "DELETE FROM records WHERE (partition, sort) IN \
             (SELECT partition, sort FROM records WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(params![capped(now), PURGED_AT_ONCE])?;
    Ok(if removed < PURGED_AT_ONCE {
        Purged::All
    } else {
        Purged::More
    })
}

/// The record at a key.
pub(super) fn get(db: &Connection, key: &Key, now: Millis) -> Result<Option<Stored>> {
    db.prepare_cached(select!(
        "WHERE partition = ?1 AND sort = ?2 AND (expires_at IS NULL OR expires_at >= ?3)"
    ))?
    .query_row(params![key.partition, key.sort, capped(now)], stored)
    .optional()
}

const ASCENDING: &str = select!(
    "WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 AND (expires_at IS NULL OR expires_at >= ?4) ORDER BY sort LIMIT ?5"
);

const DESCENDING: &str = select!(
    "WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 AND (expires_at IS NULL OR expires_at >= ?4) \
     ORDER BY sort DESC LIMIT ?5"
);

/// Records of one partition between two sort keys.
pub(super) fn range(
    db: &Connection,
    partition: &str,
    bounds: &Bounds,
    order: Order,
    limit: usize,
    now: Millis,
) -> Result<Vec<Stored>> {
    let mut select = db.prepare_cached(match order {
        Order::Ascending => ASCENDING,
        Order::Descending => DESCENDING,
    })?;
    let to = match &bounds.to {
        Some(to) => ToSqlOutput::Borrowed(ValueRef::Text(to.as_bytes())),
        None => above_all_text(),
    };
    select
        .query_map(
            params![partition, bounds.from, to, capped(now), limit],
            stored,
        )?
        .collect()
}

const DUE: &str = select!(
    "WHERE due_at <= ?1 AND (due_at, partition, sort) > (?2, ?3, ?4) AND (expires_at IS NULL OR expires_at >= ?5) \
     ORDER BY due_at, partition, sort LIMIT ?6"
);

const LISTED: &str = select!(
    "WHERE list_group = ?1 AND (list_rank, partition, sort) < (?2, ?3, ?4) AND (expires_at IS NULL OR expires_at >= ?5) \
     ORDER BY list_rank DESC, partition DESC, sort DESC LIMIT ?6"
);

const WORK: &str = select!(
    "WHERE work_group = ?1 AND (work_rank, partition, sort) < (?2, ?3, ?4) AND (expires_at IS NULL OR expires_at >= ?5) \
     ORDER BY work_rank DESC, partition DESC, sort DESC LIMIT ?6"
);

/// Records of an index after a position.
pub(super) fn index(
    db: &Connection,
    index: &Index,
    after: Option<&IndexPosition>,
    limit: usize,
    now: Millis,
) -> Result<Vec<Stored>> {
    let now = capped(now);
    match (index, after) {
        (Index::Due(moment), None) => {
            // No time is negative: this is before the first one.
            let rows = params![capped(*moment), -1, "", "", now, limit];
            db.prepare_cached(DUE)?.query_map(rows, stored)?.collect()
        }
        (Index::Due(moment), Some(IndexPosition { number, key })) => {
            let rows = params![capped(*moment), number, key.partition, key.sort, now, limit];
            db.prepare_cached(DUE)?.query_map(rows, stored)?.collect()
        }
        (Index::Listed(list), after) => in_list(db, LISTED, list, after, limit, now),
        (Index::Work(list), after) => in_list(db, WORK, list, after, limit, now),
    }
}

fn in_list(
    db: &Connection,
    select: &str,
    list: &str,
    after: Option<&IndexPosition>,
    limit: usize,
    now: Millis,
) -> Result<Vec<Stored>> {
    let (number, partition, sort) = match after {
        Some(IndexPosition { number, key }) => (
            *number,
            ToSqlOutput::from(key.partition.as_str()),
            ToSqlOutput::from(key.sort.as_str()),
        ),
        None => (HIGHEST_NUMBER, above_all_text(), above_all_text()),
    };
    db.prepare_cached(select)?
        .query_map(params![list, number, partition, sort, now, limit], stored)?
        .collect()
}

/// SQLite sorts every blob after every text.
fn above_all_text() -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Blob(Vec::new()))
}

/// A time in SQLite's range; no stored one is later.
fn capped(moment: Millis) -> Millis {
    moment.min(HIGHEST_NUMBER)
}

fn stored(row: &Row<'_>) -> Result<Stored> {
    let listing = |column| {
        let group: Option<String> = row.get(column)?;
        group
            .map(|group| row.get(column + 1).map(|rank| Listing { group, rank }))
            .transpose()
    };
    Ok(Stored {
        key: Key {
            partition: row.get(0)?,
            sort: row.get(1)?,
        },
        version: row.get(2)?,
        record: Record {
            // A number that no format can have yet is as unreadable as a newer one, and must not hide the rows around it.
            format: u16::try_from(row.get::<_, i64>(3)?).unwrap_or(u16::MAX),
            body: row.get(4)?,
            due_at: row.get(5)?,
            listed: listing(6)?,
            work: listing(8)?,
            expires_at: row.get(10)?,
        },
    })
}

#[cfg(test)]
mod tests;
