//! Which processes of this machine are alive: each locks its own file, beside the data, for as long as it lives.
//!
//! The kernel releases a lock when its process ends, however it ends, and never before: a process that is suspended, hangs or
//! waits for its disk keeps it. So a free lock proves that its process writes no more. A missing file proves nothing, and no
//! decision is based on it. Knows files and names; not their purpose.

use std::fs::{self, DirEntry, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis};
use futures_util::future::BoxFuture;

use crate::env::SystemEnv;

/// Separates the name of the data from the name of the process.
const INFIX: &str = "-process-";

/// Files of processes that ended longer ago are removed. Far longer than any lease, so no process still asks for them.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// This process among the processes that share one data file.
#[derive(Debug)]
pub struct Presence {
    data: PathBuf,
    name: String,
    /// Locked until the process ends.
    _lock: File,
}

impl Presence {
    /// Registers this process beside the data, under a new name.
    ///
    /// # Errors
    /// The file cannot be made, or the file system has no locks.
    pub fn beside(data: &Path) -> io::Result<Self> {
        let name = format!("{:032x}", SystemEnv.random());
        let lock = create_private(&file_of(data, &name))?;
        lock.try_lock()?;
        remove_forgotten(data);
        Ok(Self {
            data: data.to_owned(),
            name,
            _lock: lock,
        })
    }

    /// The name of this process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process of this name has certainly ended.
    pub fn has_ended(&self, name: &str) -> bool {
        let is_name = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_name
            && name != self.name
            && File::open(file_of(&self.data, name)).is_ok_and(|file| is_free(&file))
    }
}

/// Whoever may open the file could hold its lock, and this process would seem to live.
fn create_private(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Shared, so that two concurrent checks do not mistake each other's lock for the process's.
fn is_free(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn file_of(data: &Path, name: &str) -> PathBuf {
    let mut file = data.as_os_str().to_owned();
    file.push(INFIX);
    file.push(name);
    PathBuf::from(file)
}

/// Whether a process that made itself known beside the data is still running, or may be: its file cannot be opened.
pub fn is_in_use(data: &Path) -> bool {
    let has_ended = |entry: DirEntry| match File::open(entry.path()) {
        Ok(file) => is_free(&file),
        // Removed since the folder was read.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    !known(data).all(has_ended)
}

/// The files of processes beside the data, including ended ones.
fn known(data: &Path) -> impl Iterator<Item = DirEntry> {
    let folder = match data.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let name = data.file_name().and_then(|name| name.to_str());
    let prefix = name.map(|name| format!("{name}{INFIX}"));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(move |entry| {
        let name = entry.file_name();
        let ours = name.to_str().zip(prefix.as_deref());
        ours.is_some_and(|(name, prefix)| name.starts_with(prefix))
    })
}

/// A file that cannot be removed is left to the next start.
fn remove_forgotten(data: &Path) {
    for entry in known(data) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORGOTTEN));
        if old && File::open(entry.path()).is_ok_and(|file| is_free(&file)) {
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// A real process, so that others on this machine can see it live and die.
#[derive(Debug)]
pub struct PresentEnv(pub Presence);

impl Env for PresentEnv {
    fn now(&self) -> Millis {
        SystemEnv.now()
    }

    fn sleep_until(&self, moment: Millis) -> BoxFuture<'static, ()> {
        SystemEnv.sleep_until(moment)
    }

    fn random(&self) -> u128 {
        SystemEnv.random()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        SystemEnv.spawn(task);
    }

    fn process(&self) -> Option<&str> {
        Some(self.0.name())
    }

    fn has_ended(&self, process: &str) -> bool {
        self.0.has_ended(process)
    }
}
