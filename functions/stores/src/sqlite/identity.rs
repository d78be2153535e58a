//! Whether the open file is still the one under its name. Writes to another file would be lost at the next start.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rusqlite::ffi;

use super::open::beside;

/// The file and its log, at the time they were opened.
#[derive(Debug, Clone)]
pub(super) struct Identity(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    file: (PathBuf, FileId),
    log: PathBuf,
    /// The log has one name and one file for as long as a connection has it open; it may be created after the file was opened. It
    /// is held open, because the open file shows the loss of its name at less than half of the cost of a look-up by name. SQLite
    /// has its locks on other files, so closing this one drops none of them.
    open_log: OnceLock<(File, FileId)>,
}

impl Identity {
    /// Remembers the file that was opened just now.
    pub(super) fn of(file: &Path) -> io::Result<Self> {
        let identity = Self(Some(Arc::new(Inner {
            file: (file.to_owned(), FileId::of(&fs::metadata(file)?)),
            log: beside(file, "-wal"),
            open_log: OnceLock::new(),
        })));
        // A log that does not exist yet is remembered when it is first seen.
        let _not_yet = identity.check();
        Ok(identity)
    }

    /// Of a database that has no file.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Fails if the file was removed, moved away or replaced.
    pub(super) fn check_file(&self) -> rusqlite::Result<()> {
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        let (path, id) = &inner.file;
        if leads_to(path, id) {
            return Ok(());
        }
        Err(moved("it was removed or replaced while it was open"))
    }

    /// Fails if the file was removed, moved away or replaced, or its log removed or replaced. Two system calls, about a
    /// microsecond, before each commit.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        self.check_file()?;
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        match inner.log() {
            Some((log, _)) if !log.metadata().is_ok_and(|log| has_a_name(&log)) => Err(log_moved()),
            _ => Ok(()),
        }
    }

    /// [`Self::check`], and fails if the log was moved away. One more system call, for rare operations.
    pub(super) fn check_names(&self) -> rusqlite::Result<()> {
        self.check()?;
        match self
            .0
            .as_deref()
            .and_then(|inner| Some((inner, inner.log()?)))
        {
            Some((inner, (_, id))) if !leads_to(&inner.log, id) => Err(log_moved()),
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// When the log was written last. `None` while no log exists.
    pub(super) fn log_changed_at(&self) -> Option<SystemTime> {
        let (log, _) = self.0.as_deref()?.log()?;
        log.metadata().ok()?.modified().ok()
    }
}

impl Inner {
    /// `None` while no log exists.
    fn log(&self) -> Option<&(File, FileId)> {
        if let Some(log) = self.open_log.get() {
            return Some(log);
        }
        let log = File::open(&self.log).ok()?;
        let id = FileId::of(&log.metadata().ok()?);
        Some(self.open_log.get_or_init(|| (log, id)))
    }
}

fn leads_to(path: &Path, id: &FileId) -> bool {
    fs::metadata(path).is_ok_and(|found| FileId::of(&found) == *id)
}

fn log_moved() -> rusqlite::Error {
    moved("its log (-wal) was removed or replaced while it was open")
}

/// SQLite's code for this.
fn moved(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED),
        Some(format!(
            "{what}; nothing is written until it is back or the program is started again"
        )),
    )
}

/// Distinguishes two files of one name.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl FileId {
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// On other systems an open file cannot be removed.
#[cfg(not(unix))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId;

#[cfg(not(unix))]
impl FileId {
    fn of(_: &Metadata) -> Self {
        Self
    }
}

#[cfg(unix)]
fn has_a_name(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.nlink() > 0
}

#[cfg(not(unix))]
fn has_a_name(_: &Metadata) -> bool {
    true
}
