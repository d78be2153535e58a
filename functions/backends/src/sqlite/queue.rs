//! The queue over the file. Its messages are written in transactions of their own, as with any queue outside of the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivery, Lane, Queue, QueueError};

use super::database::Database;
use super::fault::WriteError;
use super::messages::{self, Receipt};
use crate::limits::{HIGHEST_NUMBER, LANE_MESSAGES};
use crate::waiting;

/// How often who waits looks for what other processes sent, and for what became visible again. A read, a few microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Messages sent between two counts of a lane, since counting reads all of it.
const SENDS_PER_COUNT: usize = 256;

/// The most messages of one delivery.
const MOST_RECEIVED: usize = 100;

/// A [`Queue`] in the file of a [`SqliteStore`](super::SqliteStore).
#[derive(Clone)]
pub struct SqliteQueue {
    database: Arc<Database>,
    /// How many messages each lane takes before it is counted again.
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Room {
    turns: AtomicUsize,
    actions: AtomicUsize,
}

impl Room {
    fn of(&self, lane: Lane) -> &AtomicUsize {
        match lane {
            Lane::Turns => &self.turns,
            Lane::Actions => &self.actions,
        }
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SqliteQueue")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl SqliteQueue {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            room: Arc::default(),
        }
    }

    fn any_visible(&self, lane: Lane) -> Result<bool, QueueError> {
        let now = self.database.env.now();
        self.database
            .read(|db| messages::any_visible(db, lane, now))
            .map_err(|error| QueueError(self.database.name.reading(&error).to_string()))
    }

    async fn take(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let [_, _, _, _, _, _, _, _, bytes @ ..] = self.database.env.random().to_le_bytes();
        let token = i64::from_le_bytes(bytes);
        let max = max.min(MOST_RECEIVED);
        self.database
            .writer
            .write(move |db, now| {
                let hidden_until = waiting::later(now, visibility).min(HIGHEST_NUMBER);
                messages::receive(db, lane, max, now, hidden_until, token)
            })
            .await
            .map_err(failed)
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        let (sender, body, room) = (group.to_owned(), body.to_owned(), Arc::clone(&self.room));
        let work = move |db: &rusqlite::Connection, now| {
            // Only the writer's thread touches this.
            let room = room.of(lane);
            if room.load(Ordering::Relaxed) == 0 {
                let count = messages::count(db, lane, LANE_MESSAGES)?;
                room.store(
                    (LANE_MESSAGES - count).min(SENDS_PER_COUNT),
                    Ordering::Relaxed,
                );
            }
            let left = room.load(Ordering::Relaxed);
            if left == 0 {
                return Ok(false);
            }
            messages::send(db, lane, &sender, &body, now)?;
            room.store(left - 1, Ordering::Relaxed);
            Ok(true)
        };
        if !self.database.writer.write(work).await.map_err(failed)? {
            return Err(QueueError(format!("{LANE_MESSAGES} messages wait already")));
        }
        self.database.sent(lane).notify_one();
        Ok(())
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let env = self.database.env.as_ref();
        let deadline = waiting::later(env.now(), wait);
        loop {
            // Looking first keeps an idle queue from writing.
            if self.any_visible(lane)? {
                let deliveries = self.take(lane, max, visibility).await?;
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
            }
            let now = env.now();
            if now >= deadline {
                return Ok(Vec::new());
            }
            let look_again = waiting::later(now, LOOK_EVERY).min(deadline);
            waiting::for_message(env, self.database.sent(lane), look_again).await;
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        // What is not a receipt of ours names no message, like one that is gone.
        let Some(receipt) = Receipt::parse(receipt) else {
            return Ok(());
        };
        self.database
            .writer
            .write(move |db, _| messages::ack(db, lane, receipt))
            .await
            .map_err(failed)
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        let Some(receipt) = Receipt::parse(receipt) else {
            return Ok(());
        };
        let work = move |db: &rusqlite::Connection, now| {
            let visible_at = waiting::later(now, delay).min(HIGHEST_NUMBER);
            messages::defer(db, lane, receipt, visible_at)
        };
        self.database.writer.write(work).await.map_err(failed)?;
        self.database.sent(lane).notify_one();
        Ok(())
    }
}

/// A queue is a hint: a message that is perhaps sent twice, or perhaps not acked, does no harm.
fn failed(error: WriteError) -> QueueError {
    match error {
        WriteError::Unavailable(text) | WriteError::Ambiguous(text) | WriteError::Damaged(text) => {
            QueueError(text)
        }
    }
}
