//! What one durable commit costs on this disk now: the least that a server pays which records before it acts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;

/// The size of a record of Baton's, roughly.
const RECORD_BYTES: usize = 300;

/// A SQLite file with the settings of Baton's store: WAL, every commit on the disk before it returns.
pub(crate) struct Disk(Connection);

impl Disk {
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let connection =
            Connection::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
        )?;
        Ok(Self(connection))
    }

    /// The time of each of this many commits of one row.
    pub(crate) fn commits(&self, count: usize) -> Result<Vec<Duration>> {
        let mut insert = self.0.prepare("INSERT INTO record (body) VALUES (?1)")?;
        let body = [b'b'; RECORD_BYTES];
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began_at = Instant::now();
            insert.execute([&body[..]])?;
            times.push(began_at.elapsed());
        }
        Ok(times)
    }
}
