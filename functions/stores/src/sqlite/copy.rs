//! Copies of the whole file: making one under load, and restoring one. A copy gets its name only once it is whole and checked.
//! Knows files and records; never the meaning of a record.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::open::{self, OpenError, beside};
use super::residue::MARK;
use crate::presence;

/// Files that earlier restores may have left.
const KEPT_FILES: u32 = 100;

/// Why a copy was not made or not restored. Each text names the file; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The data or the copy cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to copy.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The copy's name is taken.
    #[error("{} exists; choose another name", .0.display())]
    Exists(PathBuf),
    /// A program has the data open.
    #[error("{} is in use by a running program; stop it first", .0.display())]
    InUse(PathBuf),
    /// The log of a program that was killed holds commits that the file lacks.
    #[error("{} could not be closed whole: {reason}", .file.display())]
    NotWhole {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file could not be read, written or renamed.
    #[error("{}: {error}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A statement failed.
    #[error("{}: {error}", .file.display())]
    Sql {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: rusqlite::Error,
    },
}

/// Copies every committed record of `data` to the new file `copy`, while other programs go on writing. The copy is checked and on
/// the disk when this returns. Blocks: for a terminal.
///
/// # Errors
/// [`CopyError`]; then there is no file `copy`.
pub fn back_up(data: &Path, copy: &Path) -> Result<(), CopyError> {
    refuse_existing(copy)?;
    let draft = Draft(beside(copy, ".part"));
    let db = open_whole(data)?;
    // Removes the file of an earlier run that was interrupted.
    draft.remove();
    open::private_file(&draft.0).map_err(|error| io(&draft.0, error))?;
    // Reads in one transaction, which does not end early and does not hold up writers: `.backup` starts again at every commit.
    db.execute("VACUUM INTO ?1", [draft.0.to_string_lossy()])
        .map_err(|error| sql(data, error))?;
    drop(db);
    check(&draft.0)?;
    let synced = File::open(&draft.0).and_then(|file| file.sync_all());
    synced.map_err(|error| io(&draft.0, error))?;
    // Unlike a rename this never replaces a file.
    fs::hard_link(&draft.0, copy).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            CopyError::Exists(copy.to_owned())
        } else {
            io(copy, error)
        }
    })?;
    sync_folder(copy)
}

/// Checks every page and index of a file that no program has open.
///
/// # Errors
/// [`OpenError::Damaged`] with the first finding, or why it cannot be read.
pub fn check(file: &Path) -> Result<(), CopyError> {
    let db = open_whole(file)?;
    let found: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| sql(file, error))?;
    if found == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        file: file.to_owned(),
        reason: found.replace('\n', " "),
    }
    .into())
}

/// Visits each record of `data` that `copy` lacks or has in an earlier version: restoring the copy would undo it. The visitor
/// gets the partition key, the sort key and the body.
///
/// # Errors
/// [`CopyError`].
pub fn visit_newer(
    data: &Path,
    copy: &Path,
    mut visitor: impl FnMut(&str, &str, &str),
) -> Result<(), CopyError> {
    let db = open_whole(data)?;
    let failed = |error| sql(data, error);
    db.execute("ATTACH ?1 AS copy", [copy.to_string_lossy()])
        .map_err(failed)?;
    let mut newer = db
        .prepare(
            "SELECT partition, sort, body FROM main.records AS now WHERE NOT EXISTS (SELECT 1 FROM copy.records AS then_ \
             WHERE then_.partition = now.partition AND then_.sort = now.sort AND then_.version >= now.version) \
             AND partition != ?1",
        )
        .map_err(failed)?;
    let mut rows = newer.query(params![MARK]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        visitor(
            text(0).map_err(failed)?,
            text(1).map_err(failed)?,
            text(2).map_err(failed)?,
        );
    }
    Ok(())
}

/// Replaces `data` by `copy`. An existing file is moved to the returned name. `copy` is moved, not copied.
///
/// # Errors
/// [`CopyError`]; then `data` is unchanged.
pub fn put_back(copy: &Path, data: &Path) -> Result<Option<PathBuf>, CopyError> {
    refuse_in_use(data)?;
    check(copy)?;
    if !data.try_exists().map_err(|error| io(data, error))? {
        fs::rename(copy, data).map_err(|error| io(data, error))?;
        sync_folder(data)?;
        return Ok(None);
    }
    close_whole(data)?;
    let mut names = (1..=KEPT_FILES).map(|n| beside(data, &format!(".before-restore-{n}")));
    let free = names.find(|name| !name.exists());
    let kept = free.ok_or_else(|| CopyError::Exists(beside(data, ".before-restore-1")))?;
    fs::hard_link(data, &kept).map_err(|error| io(&kept, error))?;
    fs::rename(copy, data).map_err(|error| io(data, error))?;
    sync_folder(data)?;
    Ok(Some(kept))
}

/// Refuses a file that a running program has open.
///
/// # Errors
/// [`CopyError::InUse`].
pub fn refuse_in_use(data: &Path) -> Result<(), CopyError> {
    if presence::is_in_use(data) {
        return Err(CopyError::InUse(data.to_owned()));
    }
    Ok(())
}

/// Writes the log of a killed program into its file and removes the log, which would otherwise attach to the restored file.
fn close_whole(data: &Path) -> Result<(), CopyError> {
    let not_whole = |reason: String| CopyError::NotWhole {
        file: data.to_owned(),
        reason,
    };
    let db = Connection::open_with_flags(data, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| sql(data, error))?;
    let busy = db
        .pragma_update_and_check(None, "wal_checkpoint", "truncate", |row| {
            row.get::<_, bool>(0)
        })
        .map_err(|error| sql(data, error))?;
    if busy {
        return Err(CopyError::InUse(data.to_owned()));
    }
    db.close()
        .map_err(|(_, error)| not_whole(error.to_string()))?;
    for ending in ["-wal", "-shm"] {
        match fs::remove_file(beside(data, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(not_whole(error.to_string()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Opens an existing file of ours to read it.
fn open_whole(file: &Path) -> Result<Connection, CopyError> {
    if !file.try_exists().map_err(|error| io(file, error))? {
        return Err(CopyError::Missing(file.to_owned()));
    }
    Ok(open::open_to_copy(file)?)
}

fn refuse_existing(file: &Path) -> Result<(), CopyError> {
    if file.try_exists().map_err(|error| io(file, error))? {
        return Err(CopyError::Exists(file.to_owned()));
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(file: &Path) -> Result<(), CopyError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io(folder, error))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), CopyError> {
    Ok(())
}

/// An unfinished copy. Removed when dropped.
struct Draft(PathBuf);

impl Draft {
    fn remove(&self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            // Most of these files do not exist.
            let _absent = fs::remove_file(beside(&self.0, ending));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

fn io(file: &Path, error: io::Error) -> CopyError {
    CopyError::Io {
        file: file.to_owned(),
        error,
    }
}

fn sql(file: &Path, error: rusqlite::Error) -> CopyError {
    CopyError::Sql {
        file: file.to_owned(),
        error,
    }
}
