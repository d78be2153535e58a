//! Whether other processes write to the file. While none does, there is little reason to look for their messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use baton_handoff::ports::Millis;

use crate::waiting;

/// For this long after a write of another process more of its writes are expected.
const ACTIVE: Duration = Duration::from_mins(1);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn a_log_that_changes_without_a_write_of_ours_has_a_neighbour() {
        let neighbours = Neighbours::default();
        neighbours.look(moment(1), 1_000);
        neighbours.look(moment(1), 2_000);
        assert!(!neighbours.are_active(2_000));
        neighbours.look(moment(3), 3_000);
        assert!(neighbours.are_active(3_000));
        assert!(neighbours.are_active(62_000));
        assert!(!neighbours.are_active(63_000));
    }

    #[test]
    fn our_own_writes_are_not_taken_for_a_neighbour() {
        let neighbours = Neighbours::default();
        neighbours.look(moment(1), 1_000);
        neighbours.beside(|| neighbours.look(moment(2), 2_000));
        neighbours.look(moment(3), 3_000);
        assert!(!neighbours.are_active(3_000));
    }
}
