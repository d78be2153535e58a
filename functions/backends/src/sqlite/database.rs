//! One open file: its writer, and connections to read with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use baton_handoff::ports::{Env, Lane};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::counter::Counter;
use super::fault::FileName;
use super::open::{self, OpenError};
use super::writer::Writer;

/// Idle connections that are kept. As many are in use at a time as threads read at a time.
const KEPT_READERS: usize = 16;

/// How the receivers of one lane in this process hear of messages.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Where messages are handed over while they are being written.
    pub(super) counter: Counter,
    /// Wakes who waits when there may be something in the file.
    pub(super) sent: Notify,
}

/// Shared by the store and the queue of one file.
pub(super) struct Database {
    // The writer is dropped last, so that the connection that closes last is one that can tidy the log away.
    readers: Mutex<Vec<Connection>>,
    path: PathBuf,
    pub(super) name: FileName,
    pub(super) env: Arc<dyn Env>,
    turns: Arrivals,
    actions: Arrivals,
    pub(super) writer: Writer,
}

impl fmt::Debug for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Database")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Database {
    pub(super) fn open(path: &Path, env: Arc<dyn Env>) -> Result<Self, OpenError> {
        let db = open::open_writer(path, env.random())?;
        let name = FileName::new(path);
        let writer =
            Writer::start(db, Arc::clone(&env), name.clone()).map_err(|error: io::Error| {
                OpenError::Inaccessible {
                    file: path.to_owned(),
                    reason: error.to_string(),
                }
            })?;
        Ok(Self {
            readers: Mutex::default(),
            path: path.to_owned(),
            name,
            env,
            turns: Arrivals::default(),
            actions: Arrivals::default(),
            writer,
        })
    }

    /// Reads on the calling thread: a few microseconds from the page cache, less than handing the work to another thread
    /// would take, and limits on what is read keep it so.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let db = match idle {
            Some(db) => db,
            None => open::open_reader(&self.path)?,
        };
        let result = work(&db);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < KEPT_READERS {
            readers.push(db);
        }
        result
    }

    /// How this process's receivers of a lane hear of messages.
    pub(super) fn arrivals(&self, lane: Lane) -> &Arrivals {
        match lane {
            Lane::Turns => &self.turns,
            Lane::Actions => &self.actions,
        }
    }
}
