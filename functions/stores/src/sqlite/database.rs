//! One open file: its writer, and connections to read with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use baton_handoff::ports::{Env, Lane, Millis};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::fault::FileName;
use super::identity::Identity;
use super::neighbours::Neighbours;
use super::open::{self, OpenError};
use super::rendezvous::Rendezvous;
use super::rights;
use super::schema;
use super::writer::Writer;

/// The most idle connections. As many are in use at a time as threads read at a time.
const KEPT_READERS: usize = 16;

/// How the receivers of one lane in this process learn of messages.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Hands messages to waiting receivers while they are being written.
    pub(super) rendezvous: Rendezvous,
    /// Wakes waiting receivers when the file may hold a message.
    pub(super) sent: Notify,
}

/// The connections without a reader at the moment.
#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    /// The file is being closed: no idle connections are stored any more.
    closed: bool,
}

/// Shared by the store and the queue of one file.
pub(super) struct Database {
    // The writer is dropped last: the connection that closes last must be able to remove the log.
    readers: Mutex<Readers>,
    path: PathBuf,
    identity: Identity,
    pub(super) name: FileName,
    pub(super) env: Arc<dyn Env>,
    neighbours: Arc<Neighbours>,
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
        for sentence in rights::too_open(path) {
            tracing::warn!("{sentence}");
        }
        let name = FileName::new(path);
        let inaccessible = |error: io::Error| OpenError::Inaccessible {
            file: path.to_owned(),
            reason: error.to_string(),
        };
        let identity = Identity::of(path).map_err(inaccessible)?;
        let neighbours = Arc::new(Neighbours::default());
        let shared = Arc::clone(&neighbours);
        let writer = Writer::start(db, Arc::clone(&env), name.clone(), identity.clone(), shared)
            .map_err(inaccessible)?;
        Ok(Self {
            readers: Mutex::default(),
            path: path.to_owned(),
            identity,
            name,
            env,
            neighbours,
            turns: Arrivals::default(),
            actions: Arrivals::default(),
            writer,
        })
    }

    /// Reads on the calling thread: a few microseconds from the page cache, less than a switch to another thread. Limits on reads
    /// keep it so.
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
            // Rare and slow: it reads the tables, and after a crash of another process perhaps the whole log.
            None => schema::in_place(|| {
                if closed {
                    // The writer has removed the log.
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

    /// Answers all accepted jobs and closes the writer. The last connection to close must be the writer's: the others cannot
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

    /// Whether other processes write to the file these days.
    pub(super) fn has_neighbours(&self, now: Millis) -> bool {
        self.neighbours.look(self.identity.log_changed_at(), now);
        self.neighbours.are_active(now)
    }

    /// How this process's receivers of a lane learn of messages.
    pub(super) fn arrivals(&self, lane: Lane) -> &Arrivals {
        match lane {
            Lane::Turns => &self.turns,
            Lane::Actions => &self.actions,
        }
    }
}
