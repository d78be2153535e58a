//! One open file: its writer, and connections to read with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use baton_handoff::ports::{Env, Lane};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::fault::FileName;
use super::identity::Identity;
use super::open::{self, OpenError};
use super::rendezvous::Rendezvous;
use super::schema;
use super::writer::Writer;

/// Idle connections that are kept. As many are in use at a time as threads read at a time.
const KEPT_READERS: usize = 16;

/// How the receivers of one lane in this process hear of messages.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Where messages are handed over while they are being written.
    pub(super) rendezvous: Rendezvous,
    /// Wakes who waits when there may be something in the file.
    pub(super) sent: Notify,
}

/// The connections that nobody reads with at the moment.
#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    /// None is kept any more: the file is being closed.
    closed: bool,
}

/// Shared by the store and the queue of one file.
pub(super) struct Database {
    // The writer is dropped last, so that the connection that closes last is one that can tidy the log away.
    readers: Mutex<Readers>,
    path: PathBuf,
    identity: Identity,
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
        let inaccessible = |error: io::Error| OpenError::Inaccessible {
            file: path.to_owned(),
            reason: error.to_string(),
        };
        let identity = Identity::of(path).map_err(inaccessible)?;
        let writer = Writer::start(db, Arc::clone(&env), name.clone(), identity.clone())
            .map_err(inaccessible)?;
        Ok(Self {
            readers: Mutex::default(),
            path: path.to_owned(),
            identity,
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
        let (idle, closed) = {
            let mut readers = self.readers();
            (readers.idle.pop(), readers.closed)
        };
        let (db, result) = match idle {
            Some(db) => {
                let result = work(&db);
                (db, result)
            }
            // Seldom, and slow: it reads the tables, and after a crash of another process perhaps all of the log.
            None => schema::in_place(|| {
                if closed {
                    // The writer has taken the log away.
                    self.identity.check_file()?;
                } else {
                    self.identity.check()?;
                }
                let db = open::open_reader(&self.path)?;
                let result = work(&db);
                Ok::<_, rusqlite::Error>((db, result))
            })?,
        };
        let mut readers = self.readers();
        if !readers.closed && readers.idle.len() < KEPT_READERS {
            readers.idle.push(db);
        }
        result
    }

    /// Answers all that was taken and closes the writer. The last connection that is closed must be the writer's: the others cannot
    /// write the log back into the file.
    pub(super) async fn close(&self) {
        let idle = {
            let mut readers = self.readers();
            readers.closed = true;
            std::mem::take(&mut readers.idle)
        };
        drop(idle);
        self.writer.close().await;
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this process's receivers of a lane hear of messages.
    pub(super) fn arrivals(&self, lane: Lane) -> &Arrivals {
        match lane {
            Lane::Turns => &self.turns,
            Lane::Actions => &self.actions,
        }
    }
}
