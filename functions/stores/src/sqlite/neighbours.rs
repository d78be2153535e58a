//! Whether other processes write to the file. While none does, there is little reason to look for their messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use baton_handoff::ports::Millis;
use rusqlite::Connection;

use crate::waiting;

/// For this long after a write of another process more of its writes are expected.
const ACTIVE: Duration = Duration::from_mins(1);

/// How often the writer looks for their writes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The traces of other processes.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Odd while this process writes; a higher number after each of its writes.
    own: AtomicU64,
    /// When a write of another process was noticed last; zero for never.
    noticed_at: AtomicU64,
    /// The log's time at the last look, and the number of our own writes until then.
    looked: Mutex<Option<(SystemTime, u64)>>,
}

impl Neighbours {
    /// Runs a write of this process.
    pub(super) fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.own.fetch_add(1, Ordering::SeqCst);
        let written = write();
        self.own.fetch_add(1, Ordering::SeqCst);
        written
    }

    /// A write of another process was noticed.
    pub(super) fn notice(&self, now: Millis) {
        self.noticed_at.store(now, Ordering::Relaxed);
    }

    /// Compares the time of the log's last change with that of the look before. Writes of another process beside our own are left
    /// to the writer, which notices them with its next transaction.
    pub(super) fn look(&self, log_changed_at: Option<SystemTime>, now: Millis) {
        let own = self.own.load(Ordering::SeqCst);
        let Some(changed_at) = log_changed_at.filter(|_| own.is_multiple_of(2)) else {
            return;
        };
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.replace((changed_at, own));
        if before.is_some_and(|(at, count)| count == own && at != changed_at) {
            self.notice(now);
        }
    }

    /// Whether another process wrote a short time ago.
    pub(super) fn are_active(&self, now: Millis) -> bool {
        let noticed_at = self.noticed_at.load(Ordering::Relaxed);
        noticed_at > 0 && now < waiting::later(noticed_at, ACTIVE)
    }
}

/// The writer's look-out for other processes.
#[derive(Debug)]
pub(super) struct Lookout {
    neighbours: Arc<Neighbours>,
    /// SQLite's number for the last state of the file that the writer has seen. Only writes of others change it.
    data_version: Option<i64>,
    look_at: Millis,
}

impl Lookout {
    pub(super) fn new(neighbours: Arc<Neighbours>) -> Self {
        Self {
            neighbours,
            data_version: None,
            look_at: 0,
        }
    }

    /// Looks for writes of others, now and then. To be called in a transaction of the writer.
    pub(super) fn look(&mut self, db: &Connection, now: Millis) {
        if now < self.look_at {
            return;
        }
        self.look_at = waiting::later(now, LOOK_EVERY);
        let version = db
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)));
        // Only a hint: what is wrong with the file shows in the transaction itself.
        let Ok(version) = version else { return };
        let before = self.data_version.replace(version);
        if before.is_some_and(|before| before != version) {
            self.neighbours.notice(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_writer_notices_a_write_of_another_connection_and_not_its_own() {
        let folder = std::env::temp_dir().join(format!("baton-lookout-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let open = || Connection::open(folder.join("a.db")).unwrap();
        let (ours, other) = (open(), open());
        ours.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE words (word TEXT)")
            .unwrap();
        let neighbours = Arc::new(Neighbours::default());
        let mut lookout = Lookout::new(Arc::clone(&neighbours));
        let write = "INSERT INTO words VALUES ('a')";
        let mut transact = |now| {
            ours.execute_batch("BEGIN IMMEDIATE").unwrap();
            lookout.look(&ours, now);
            ours.execute_batch(write).unwrap();
            ours.execute_batch("COMMIT").unwrap();
        };
        transact(1_000);
        transact(2_000);
        assert!(!neighbours.are_active(2_000));
        other.execute_batch(write).unwrap();
        transact(3_000);
        assert!(neighbours.are_active(3_000));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_log_that_changes_without_a_write_of_ours_has_a_neighbour() {
        let neighbours = Neighbours::default();
        neighbours.look(Some(moment(1)), 1_000);
        neighbours.look(Some(moment(1)), 2_000);
        assert!(!neighbours.are_active(2_000));
        neighbours.look(Some(moment(3)), 3_000);
        assert!(neighbours.are_active(3_000));
        assert!(neighbours.are_active(62_000));
        assert!(!neighbours.are_active(63_000));
    }

    #[test]
    fn our_own_writes_are_not_taken_for_a_neighbour() {
        let neighbours = Neighbours::default();
        neighbours.look(Some(moment(1)), 1_000);
        neighbours.beside(|| neighbours.look(Some(moment(2)), 2_000));
        neighbours.look(Some(moment(3)), 3_000);
        assert!(!neighbours.are_active(3_000));
    }
}
