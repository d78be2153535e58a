//! Opens the file, or makes it. A file that is not whole, not ours or too new is an error that names it, never a new start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{fault, schema};

/// Checking a whole file is worth it while it takes a few milliseconds; damage in a larger one shows when it is read.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// Why the file was not opened. Each text names it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be read, written or made: folder, rights, disk.
    #[error("cannot open the database {}: {reason}", .file.display())]
    Inaccessible {
        /// The file.
        file: PathBuf,
        /// What stood in the way.
        reason: String,
    },
    /// It is damaged. Restore it from a backup; nothing was changed.
    #[error("the database {} is damaged: {reason}. Restore it, or move it away to begin anew", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// It is some other program's database.
    #[error("the database {} belongs to another program; choose another file", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// A Baton wrote it that is too old.
    #[error("the database {} has schema version {found}, and this program reads versions from {oldest} on; open it with an older program first", .file.display())]
    Older {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i32,
        /// The oldest that we read.
        oldest: i32,
    },
    /// A newer Baton wrote it.
    #[error("the database {} has schema version {found}, and this program knows versions up to {known}; use a newer program", .file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
}

/// Opens the connection that writes; makes the file if there is none. `suffix` keeps the making of two processes apart.
pub(super) fn open_writer(file: &Path, suffix: u128) -> Result<Connection, OpenError> {
    // The log is looked for first: the file is there before its log is, so a log without a file is what is left of one.
    let log = beside(file, "-wal");
    let log_exists = exists(&log).map_err(|error| inaccessible(file, &error))?;
    if !exists(file).map_err(|error| inaccessible(file, &error))? {
        if log_exists {
            let reason = format!(
                "its log {} is there, but the file itself is gone",
                log.display()
            );
            return Err(OpenError::Damaged {
                file: file.to_owned(),
                reason,
            });
        }
        make(file, suffix)?;
    }
    let size = fs::metadata(file)
        .map_err(|error| inaccessible(file, &error))?
        .len();
    if size == 0 {
        return Err(OpenError::Damaged {
            file: file.to_owned(),
            reason: "it is empty".to_owned(),
        });
    }
    let check_all = size <= CHECKED_BYTES;
    Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .and_then(|db| schema::set_up_reader(&db).map(|()| db))
    .and_then(|db| keep_log(&db, true).map(|()| db))
    .map_err(|error| unreadable(file, &error))
    .and_then(|db| examine(&db, file, check_all).map(|()| db))
    .and_then(|mut db| {
        keep_log(&db, false)
            .and_then(|()| schema::set_up_writer(&db))
            .and_then(|()| schema::migrate(&mut db))
            .map(|()| db)
            .map_err(|error| unreadable(file, &error))
    })
}

/// Whether closing leaves the log alone. By default the last connection writes it into the file and removes it: of a file that
/// is refused, that would destroy what a restored file needs to be whole.
pub(super) fn keep_log(db: &Connection, keep: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
}

/// Opens a connection that reads; the file was examined before.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    schema::set_up_reader(&db)?;
    Ok(db)
}

/// Opens a connection that reads a file which may be no database of ours at all.
pub(super) fn open_to_copy(file: &Path) -> Result<Connection, OpenError> {
    let db = open_reader(file).map_err(|error| unreadable(file, &error))?;
    examine(&db, file, false)?;
    Ok(db)
}

fn examine(db: &Connection, file: &Path, check_all: bool) -> Result<(), OpenError> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let unreadable = |error| unreadable(file, &error);
    let (application, version) = (
        number("application_id").map_err(unreadable)?,
        number("user_version").map_err(unreadable)?,
    );
    if application != schema::APPLICATION_ID {
        return Err(OpenError::Foreign {
            file: file.to_owned(),
        });
    }
    if version > schema::SCHEMA_VERSION {
        return Err(OpenError::Newer {
            file: file.to_owned(),
            found: version,
            known: schema::SCHEMA_VERSION,
        });
    }
    if version < schema::OLDEST_VERSION {
        return Err(OpenError::Older {
            file: file.to_owned(),
            found: version,
            oldest: schema::OLDEST_VERSION,
        });
    }
    if check_all {
        let verdict: String = db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(unreadable)?;
        if verdict != "ok" {
            return Err(OpenError::Damaged {
                file: file.to_owned(),
                reason: verdict.replace('\n', " "),
            });
        }
    }
    Ok(())
}

/// Makes the file under another name first, whole, and then gives it its name: whoever finds the name finds a whole file.
fn make(file: &Path, suffix: u128) -> Result<(), OpenError> {
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_private_folder(folder).map_err(|error| inaccessible(file, &error))?;
    }
    let draft = beside(file, &format!(".new-{suffix:032x}"));
    let made = make_draft(&draft).and_then(|()| match fs::hard_link(&draft, file) {
        // Another process was faster, and its file is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = match fs::remove_file(&draft) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    made.and(removed)
        .map_err(|error| inaccessible(file, &error))
}

fn make_draft(draft: &Path) -> io::Result<()> {
    private_file(draft)?;
    let db = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(io::Error::other)?;
    schema::create(&db).map_err(io::Error::other)?;
    // Closing the only connection writes the log back and removes it.
    db.close().map_err(|(_, error)| io::Error::other(error))?;
    fs::File::open(draft)?.sync_all()
}

#[cfg(unix)]
pub(super) fn private_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

#[cfg(not(unix))]
pub(super) fn private_file(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map(drop)
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn exists(path: &Path) -> io::Result<bool> {
    match path.try_exists() {
        // A parent that is a file: making the folder will say so.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        found => found,
    }
}

pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn inaccessible(file: &Path, error: &io::Error) -> OpenError {
    OpenError::Inaccessible {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

fn unreadable(file: &Path, error: &rusqlite::Error) -> OpenError {
    let (file, reason) = (file.to_owned(), error.to_string());
    if fault::is_damage(error) {
        OpenError::Damaged { file, reason }
    } else {
        OpenError::Inaccessible { file, reason }
    }
}
