//! The tables, and how every connection is set up.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Marks a file as ours (`Batn`), so that another program's database is never written to.
pub(super) const APPLICATION_ID: i32 = 0x4261_746e;

/// Raised with every change of the tables.
pub(super) const SCHEMA_VERSION: i32 = 1;

/// The oldest tables that are read. There has been no other version yet, so that nothing has to be rewritten.
pub(super) const OLDEST_VERSION: i32 = 1;

/// Keys compare bytewise, which is SQLite's default collation. The partial indexes hold only what has the column, so that
/// records without it cost nothing. A receipt's token is new with every delivery: a row number may come again.
const TABLES: &str = "
CREATE TABLE records (
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    version INTEGER NOT NULL,
    format INTEGER NOT NULL,
    body TEXT NOT NULL,
    due_at INTEGER,
    list_group TEXT,
    list_rank INTEGER,
    expires_at INTEGER,
    PRIMARY KEY (partition, sort)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_due ON records (due_at, partition, sort) WHERE due_at IS NOT NULL;
CREATE INDEX records_listed ON records (list_group, list_rank, partition, sort) WHERE list_group IS NOT NULL;
CREATE INDEX records_expiring ON records (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    sender TEXT NOT NULL,
    round INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    token INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX messages_visible ON messages (lane, visible_at);
CREATE INDEX messages_round ON messages (lane, round, id, visible_at);
CREATE INDEX messages_sender ON messages (lane, sender, round);
";

/// How long a connection waits for another process before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks meanwhile. SQLite's own handler sleeps up to 100 ms, and a process that writes all the time then never
/// leaves a gap that another one meets.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Statements that a connection keeps compiled: more than this crate has.
const STATEMENTS: usize = 64;

/// Pages of 4 KB after which the log is written back into the file. Pages that many commits write are written back once for all
/// of them.
const LOG_PAGES: u32 = 8000;

/// What of the log file is kept after that, in bytes.
const LOG_BYTES: u32 = 64 * 1024 * 1024;

/// Pages that the writer keeps in memory, in KiB, at most: several for each of a thousand conversations at once, with their
/// actions and orders. SQLite's own 2 MB hold those of some two hundred, and then every commit reads its pages again.
const WRITER_CACHE_KIB: i32 = 64 * 1024;

/// Makes the tables of a new file.
pub(super) fn create(db: &Connection) -> Result<()> {
    db.pragma_update(None, "journal_mode", "wal")?;
    db.execute_batch(&format!(
        "BEGIN EXCLUSIVE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))
}

/// Sets up a connection that reads.
pub(super) fn set_up_reader(db: &Connection) -> Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan may not depend on what is bound to it: SQLite would compile each range query anew whenever that changes.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_handler(Some(wait_for_other_process))
}

/// Sets up the connection that writes: a COMMIT that returns has reached the disk.
pub(super) fn set_up_writer(db: &Connection) -> Result<()> {
    set_up_reader(db)?;
    // A copy that `VACUUM INTO` made has no log yet. Where there is one, this asks for nothing.
    db.pragma_update(None, "journal_mode", "wal")?;
    // A connection has the log open from its first read on, and until then another one that closes may remove it.
    db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "full")?;
    // Negative for KiB; positive would be pages.
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    db.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
}

fn wait_for_other_process(tries: i32) -> bool {
    if LOOK_EVERY * tries.unsigned_abs() >= PATIENCE {
        return false;
    }
    in_place(|| std::thread::sleep(LOOK_EVERY));
    true
}

/// Runs what may block the thread. Other tasks go on meanwhile where the runtime has threads for them.
pub(super) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match runtime {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread has nobody to hand its tasks to; and the writer's thread has no tasks.
        Ok(_) | Err(_) => work(),
    }
}
