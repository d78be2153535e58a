//! Whether the file that is open is still the one that its name leads to. What is written to another one is gone at the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::ffi;

use super::open::beside;

/// The file and its log, as they were when they were opened.
#[derive(Debug, Clone)]
pub(super) struct Identity(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    file: (PathBuf, FileId),
    /// The log has one name and one file for as long as somebody has it open; it may be made after the file was opened.
    log: (PathBuf, OnceLock<FileId>),
}

impl Identity {
    /// Of the file that was opened just now.
    pub(super) fn of(file: &Path) -> io::Result<Self> {
        let identity = Self(Some(Arc::new(Inner {
            file: (file.to_owned(), FileId::of(&fs::metadata(file)?)),
            log: (beside(file, "-wal"), OnceLock::new()),
        })));
        // Where there is none yet, it is remembered when it is first seen.
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

    /// Fails if the file or its log was removed, moved away or replaced. Two system calls.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        self.check_file()?;
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        let (path, known) = &inner.log;
        let same = match known.get() {
            Some(id) => leads_to(path, id),
            None => fs::metadata(path).map_or(true, |found| {
                let found = FileId::of(&found);
                *known.get_or_init(|| found) == found
            }),
        };
        if same {
            return Ok(());
        }
        Err(moved(
            "its log (-wal) was removed or replaced while it was open",
        ))
    }
}

fn leads_to(path: &Path, id: &FileId) -> bool {
    fs::metadata(path).is_ok_and(|found| FileId::of(&found) == *id)
}

/// The code that SQLite has for this.
fn moved(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED),
        Some(format!(
            "{what}; nothing is written until it is back or the program is started again"
        )),
    )
}

/// What tells two files of one name apart.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl FileId {
    fn of(found: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId;

#[cfg(not(unix))]
impl FileId {
    fn of(_: &fs::Metadata) -> Self {
        Self
    }
}
