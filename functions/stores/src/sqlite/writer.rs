//! The one writing thread of a process: it takes all waiting jobs and makes them durable in one transaction.
//! Knows nothing of records and messages: a job is a function over the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

use baton_handoff::ports::{Env, Millis};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::fault::{FileName, WriteError};
use super::identity::Identity;
use super::mailbox::{Mailbox, Taken};
use super::neighbours::{Lookout, Neighbours};
use super::residue::{self, Residue};
use super::{open, records};

/// Jobs that may wait before a caller must wait for room.
const ROOM: usize = 1024;

/// Jobs of one transaction: enough to share the cost of the disk, few enough that the first one does not wait for long.
const BATCH: usize = 256;

/// How long the thread pauses before the next batch if the last one had several jobs: concurrent callers then share the next
/// transaction. A single caller never waits for it, and under load the processor time of a commit is worth more than this time.
const GATHER: Duration = Duration::from_millis(1);

/// How often expired records are removed, a bounded number at a time.
const PURGE_EVERY: Duration = Duration::from_secs(30);

/// The shorter pause while more of them are left.
const PURGE_MORE: Duration = Duration::from_millis(50);

/// How long the end waits for other readers of the log.
const PATIENCE_AT_END: Duration = Duration::from_secs(1);

/// A job for the writer.
trait Job: Send {
    /// Does the work inside the writer's transaction; again after a rollback.
    fn run(&mut self, db: &Connection, now: Millis) -> rusqlite::Result<()>;

    /// Sends the result to the caller, once the transaction has ended.
    fn answer(self: Box<Self>, ended: Result<(), WriteError>);
}

struct Task<T, F> {
    work: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, WriteError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnMut(&Connection, Millis) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection, now: Millis) -> rusqlite::Result<()> {
        self.result = Some((self.work)(db, now)?);
        Ok(())
    }

    fn answer(self: Box<Self>, ended: Result<(), WriteError>) {
        let answer = match (ended, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            // A transaction succeeds only after every job in it ran.
            (Ok(()), None) => return,
            (Err(error), _) => Err(error),
        };
        // The caller may have stopped waiting; the write stays.
        let _nobody_waits = self.reply.send(answer);
    }
}

type Jobs = Mailbox<Box<dyn Job>>;

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: Arc<Jobs>,
    file: FileName,
    fails: Arc<AtomicBool>,
    removes: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

/// An accepted job. It runs even if its caller stops waiting.
pub(super) struct Put<'a, T> {
    answer: oneshot::Receiver<Result<T, WriteError>>,
    file: &'a FileName,
}

impl<T> Put<'_, T> {
    /// Waits until the job is durable.
    pub(super) async fn ended(self) -> Result<T, WriteError> {
        self.answer.await.unwrap_or_else(|_| Err(self.file.lost()))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Writer")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        db: Connection,
        env: Arc<dyn Env>,
        file: FileName,
        identity: Identity,
        neighbours: Arc<Neighbours>,
    ) -> io::Result<Self> {
        let jobs = Arc::new(Jobs::new(ROOM));
        let (end, ended) = watch::channel(false);
        let fails = Arc::new(AtomicBool::new(false));
        let removes = Arc::new(AtomicBool::new(false));
        let writer_thread = WriterThread {
            db,
            env,
            file: file.clone(),
            identity,
            lookout: Lookout::new(Arc::clone(&neighbours)),
            neighbours,
            fails: Arc::clone(&fails),
            removes: Arc::clone(&removes),
            residue: Residue::none(),
            jobs: Arc::clone(&jobs),
            end,
            purge_at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer_thread.run())?;
        Ok(Self {
            jobs,
            file,
            fails,
            removes,
            ended,
            thread: Some(thread),
        })
    }

    /// Runs this work in a durable transaction, shared with other waiting jobs. The work must either make all of its writes or,
    /// when a condition fails, none: the transaction is committed either way. The work runs again if the transaction failed.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Millis) -> rusqlite::Result<T> + Send + 'static,
    {
        self.put(work).await?.ended().await
    }

    /// Like [`write`](Self::write), but returns when the work is queued: all work queued later runs after it.
    pub(super) async fn put<T, F>(&self, work: F) -> Result<Put<'_, T>, WriteError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Millis) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work,
            result: None,
            reply,
        };
        self.jobs
            .put(Box::new(task))
            .await
            .map_err(|_| self.file.closed())?;
        let file = &self.file;
        Ok(Put { answer, file })
    }

    /// Whether the last transaction with writes failed.
    pub(super) fn fails(&self) -> bool {
        self.fails.load(Ordering::Relaxed)
    }

    /// The next job removes records: what they leave in the file must go too.
    pub(super) fn will_remove(&self) {
        self.removes.store(true, Ordering::Relaxed);
    }

    /// Accepts no more jobs, and returns when all accepted ones are answered.
    pub(super) async fn close(&self) {
        self.jobs.close();
        let mut ended = self.ended.clone();
        // An error means that the thread is gone, which is the goal.
        let _gone = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the panic hook, and its jobs were answered.
            let _panicked = thread.join();
        }
    }
}

/// The state of the thread.
struct WriterThread {
    db: Connection,
    env: Arc<dyn Env>,
    file: FileName,
    identity: Identity,
    neighbours: Arc<Neighbours>,
    lookout: Lookout,
    fails: Arc<AtomicBool>,
    removes: Arc<AtomicBool>,
    residue: Residue,
    jobs: Arc<Jobs>,
    end: watch::Sender<bool>,
    purge_at: Instant,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        // Also after a panic: no caller may wait for a thread that is gone.
        self.jobs.abandon();
        self.end.send_replace(true);
    }
}

impl WriterThread {
    fn run(self) {
        let mut batch = Vec::with_capacity(BATCH);
        // Declared after the batch, so that after a panic the mailbox closes before the end of the batch's jobs answers their
        // callers.
        let mut thread = self;
        let mut crowded = false;
        loop {
            if crowded {
                std::thread::sleep(GATHER);
            }
            let next = thread.residue.due().unwrap_or(thread.purge_at);
            let next = next.min(thread.purge_at);
            let patience = next.saturating_duration_since(Instant::now());
            let taken = thread.jobs.take(&mut batch, BATCH, patience);
            crowded = batch.len() > 1;
            match taken {
                Taken::Jobs => thread.settle(&mut batch),
                Taken::Nothing => {}
                Taken::Closed => return thread.finish(),
            }
            if thread.removes.swap(false, Ordering::Relaxed) {
                thread.residue.removed();
            }
            if thread.purge_at <= Instant::now() {
                thread.purge();
            }
            if thread
                .residue
                .due()
                .is_some_and(|due| due <= Instant::now())
            {
                thread.overwrite();
            }
        }
    }

    fn settle(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        match self.transact(batch) {
            // One failing job must not fail the others.
            Ended::RolledBack(_) if batch.len() > 1 => {
                for mut job in batch.drain(..) {
                    let ended = self.transact(std::slice::from_mut(&mut job));
                    job.answer(ended.into());
                }
            }
            ended @ (Ended::Committed | Ended::RolledBack(_) | Ended::Failed(_)) => {
                let ended: Result<(), WriteError> = ended.into();
                for job in batch.drain(..) {
                    job.answer(ended.clone());
                }
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Ended {
        let before = self.db.total_changes();
        let neighbours = Arc::clone(&self.neighbours);
        let ended = neighbours.beside(|| self.try_to_transact(batch));
        match &ended {
            // A transaction without writes says nothing about those with writes.
            Ended::Committed if self.db.total_changes() == before => {}
            Ended::Committed => self.fails.store(false, Ordering::Relaxed),
            Ended::RolledBack(_) | Ended::Failed(_) => self.fails.store(true, Ordering::Relaxed),
        }
        ended
    }

    fn try_to_transact(&mut self, batch: &mut [Box<dyn Job>]) -> Ended {
        let now = self.env.now();
        if let Err(error) = self.identity.check() {
            return Ended::Failed(self.file.writing(&error));
        }
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return Ended::Failed(self.file.writing(&error));
        }
        self.lookout.look(&self.db, now);
        for job in batch {
            if let Err(error) = job.run(&self.db, now) {
                self.roll_back();
                return Ended::RolledBack(self.file.writing(&error));
            }
        }
        match self.execute("COMMIT") {
            Ok(()) => Ended::Committed,
            Err(error) => {
                self.roll_back();
                Ended::Failed(self.file.committing(&error))
            }
        }
    }

    fn roll_back(&self) {
        // SQLite rolls back by itself on some errors.
        if self.db.is_autocommit() {
            return;
        }
        if let Err(error) = self.execute("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// Leaves one whole file: the log is written into it, and closing removes the log unless another process has the file open.
    fn finish(mut self) {
        let mut end = || {
            self.identity.check_names()?;
            let overwritten = residue::finish(&mut self.db).unwrap_or_else(|error| {
                tracing::warn!(%error, "what removed records left in the file is overwritten at the next start");
                None
            });
            self.db.busy_timeout(PATIENCE_AT_END)?;
            let emptied = residue::empty_log(&self.db)?;
            if emptied && overwritten.is_some() {
                residue::unmark(&self.db, overwritten)?;
            }
            Ok::<_, rusqlite::Error>(emptied)
        };
        match end() {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(
                    "other processes have the file open: a part of it stays in its log (-wal)"
                );
            }
            Err(error) => {
                tracing::error!(error = %self.file.reading(&error), "the log (-wal) was not written into the file");
                // Closing would remove a file by the log's name, which may belong to another database now.
                if let Err(error) = open::keep_log(&self.db, true) {
                    tracing::error!(%error, "the log cannot be kept");
                }
            }
        }
    }

    /// One step against what removed records have left in the file.
    fn overwrite(&mut self) {
        let neighbours = Arc::clone(&self.neighbours);
        let check = || self.identity.check_names();
        let done = neighbours.beside(|| self.residue.step(&mut self.db, check));
        if let Err(error) = done {
            tracing::warn!(%error, "what removed records left in the file could not be overwritten; it is tried again");
        }
    }

    fn purge(&mut self) {
        let now = self.env.now();
        let cleared = self
            .identity
            .check_names()
            .and_then(|()| self.residue.look(&self.db))
            .and_then(|()| self.neighbours.beside(|| records::purge(&self.db, now)));
        let pause = match &cleared {
            Ok(records::Purged::More) => PURGE_MORE,
            Ok(records::Purged::All) | Err(_) => PURGE_EVERY,
        };
        if let Err(error) = cleared {
            tracing::warn!(%error, "expired records could not be removed; the next purge tries again");
        }
        self.purge_at = Instant::now() + pause;
    }
}

/// How a transaction ended.
enum Ended {
    Committed,
    /// A job failed; the others may succeed without it.
    RolledBack(WriteError),
    /// It could not begin, or could not be committed.
    Failed(WriteError),
}

impl From<Ended> for Result<(), WriteError> {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Committed => Ok(()),
            Ended::RolledBack(error) | Ended::Failed(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;
    use baton_kit::conformance::TestClock;

    fn writer() -> Writer {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE words (word TEXT)").unwrap();
        Writer::start(
            db,
            Arc::new(TestClock::new()),
            FileName::new(Path::new("test.db")),
            Identity::none(),
            Arc::default(),
        )
        .unwrap()
    }

    fn say(word: String) -> impl FnMut(&Connection, Millis) -> rusqlite::Result<()> + Send {
        move |db, _| {
            db.execute("INSERT INTO words VALUES (?1)", [&word])
                .map(drop)
        }
    }

    async fn count(writer: &Writer) -> usize {
        writer
            .write(|db, _| db.query_row("SELECT COUNT(*) FROM words", [], |row| row.get(0)))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_none_of_its_batch_with_it() {
        let writer = writer();
        // Blocks the thread until all the others wait, so that they form one batch.
        let (release, released) = mpsc::channel::<()>();
        let blocker = writer.write(move |_, _| {
            // Dropping the sender releases it, however often it runs.
            let _gone = released.recv();
            Ok(())
        });
        let fails = writer.write(|db, _| {
            db.execute("INSERT INTO words VALUES ('half')", [])?;
            Err::<(), _>(rusqlite::Error::InvalidQuery)
        });
        let good = join_all((0..20).map(|n| writer.write(say(format!("word {n}")))));
        let (mut blocker, mut fails, mut good) =
            (Box::pin(blocker), Box::pin(fails), Box::pin(good));
        assert!(futures_util::poll!(blocker.as_mut()).is_pending());
        assert!(futures_util::poll!(fails.as_mut()).is_pending());
        assert!(futures_util::poll!(good.as_mut()).is_pending());
        drop(release);
        assert!(blocker.await.is_ok());
        assert!(fails.await.is_err());
        assert!(good.await.iter().all(Result::is_ok));
        assert_eq!(count(&writer).await, 20);
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_work_goes_on_when_there_is_room() {
        let writer = writer();
        writer
            .write(|db, _| db.pragma_update(None, "max_page_count", 10))
            .await
            .unwrap();
        let mut written = 0;
        let refused = loop {
            match writer.write(say("x".repeat(1000))).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, WriteError::Unavailable(text) if text.contains("test.db")),
            "{refused:?}"
        );
        assert_eq!(count(&writer).await, written);
        writer
            .write(|db, _| db.pragma_update(None, "max_page_count", 1000))
            .await
            .unwrap();
        writer.write(say("room".to_owned())).await.unwrap();
        assert_eq!(count(&writer).await, written + 1);
    }

    #[tokio::test]
    async fn a_writer_that_panicked_leaves_no_caller_waiting() {
        let writer = writer();
        let (release, released) = mpsc::channel::<()>();
        let panics = writer.write(move |_, _| -> rusqlite::Result<()> {
            let _gone = released.recv();
            panic!("made up");
        });
        let waits = writer.write(say("lost".to_owned()));
        let (mut panics, mut waits) = (Box::pin(panics), Box::pin(waits));
        assert!(futures_util::poll!(panics.as_mut()).is_pending());
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        drop(release);
        assert!(matches!(panics.await, Err(WriteError::Ambiguous(_))));
        assert!(matches!(waits.await, Err(WriteError::Ambiguous(_))));
        assert!(matches!(
            writer.write(say("late".to_owned())).await,
            Err(WriteError::Unavailable(_))
        ));
        writer.close().await;
    }
}
