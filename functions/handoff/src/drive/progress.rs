//! The progress of this process's sweeps, and the records they could not read.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ports::{Cursor, Key};

/// Unreadable records that are remembered.
const MAX_UNREADABLE: usize = 1_000;

/// The progress of a process's sweeps. A sweep has a limit, and the next one continues behind it, so that the first records
/// cannot hold up the others.
#[derive(Debug, Default)]
pub(crate) struct Sweeps(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// Where the next sweep begins.
    cursor: Option<Cursor>,
    /// Unreadable records since the last start from the beginning, and those of the round before.
    unreadable: BTreeSet<Key>,
    unreadable_before: BTreeSet<Key>,
}

impl Sweeps {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.lock().cursor.clone()
    }

    pub(super) fn go_on_behind(&self, cursor: Option<Cursor>) {
        let mut progress = self.lock();
        if cursor.is_none() {
            progress.unreadable_before = std::mem::take(&mut progress.unreadable);
        }
        progress.cursor = cursor;
    }

    /// Whether the record is newly found.
    pub(super) fn add_unreadable(&self, key: &Key) -> bool {
        let mut progress = self.lock();
        let known = progress.unreadable_before.contains(key) || progress.unreadable.contains(key);
        if progress.unreadable.len() < MAX_UNREADABLE {
            progress.unreadable.insert(key.clone());
        }
        !known
    }

    pub(super) fn unreadable(&self) -> usize {
        let progress = self.lock();
        let known = progress.unreadable_before.union(&progress.unreadable);
        known.count()
    }
}
