//! The queue over the file. Its messages are written in their own transactions, as with any queue outside of the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivery, Lane, Millis, Queue, QueueError, millis};

use super::database::Database;
use super::fault::WriteError;
use super::messages::{self, Message, Receipt};
use super::rendezvous::Inbox;
use crate::waiting;
use baton_handoff::ports::limits::{HIGHEST_NUMBER, LANE_MESSAGES};

/// How often a waiting receiver polls for messages of other processes. A read, a few microseconds, and a thread that wakes for it.
const POLL: Duration = Duration::from_millis(250);

/// The same while no other process writes to the file. One that sends a message has written before: it accepted what the message is
/// about, and most often a model answered in between.
const POLL_ALONE: Duration = Duration::from_secs(1);

/// Messages sent between two counts of a lane: a count reads the whole lane.
const SENDS_PER_COUNT: usize = 256;

/// The most messages of one delivery.
const MOST_RECEIVED: usize = 100;

/// The share of a message's number that separates messages of one millisecond. The rest is the time, until the year 2248.
const NUMBER_BITS: u32 = 20;

/// A [`Queue`] in the file of a [`SqliteStore`](super::SqliteStore).
#[derive(Clone)]
pub struct SqliteQueue {
    database: Arc<Database>,
    /// How many messages each lane accepts before the next count.
    room: Arc<Room>,
    /// Starts at a random number, so that the processes of one file hardly ever number two messages alike.
    numbers: Arc<AtomicU32>,
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
        let [_, _, _, _, _, _, _, _, _, _, _, _, bytes @ ..] = database.env.random().to_le_bytes();
        Self {
            database,
            room: Arc::default(),
            numbers: Arc::new(AtomicU32::new(u32::from_le_bytes(bytes))),
        }
    }

    fn count_visible(&self, lane: Lane, most: usize) -> Result<usize, QueueError> {
        let now = self.database.env.now();
        self.database
            .read(|db| messages::count_visible(db, lane, most, now))
            .map_err(|error| QueueError(self.database.name.reading(&error).to_string()))
    }

    /// When a lane without visible messages is read again. All lanes are read at the same moments, so that a thread wakes once for all.
    fn next_poll(&self, lane: Lane, now: Millis) -> Result<Millis, QueueError> {
        let every = if self.database.has_neighbours(now) {
            POLL
        } else {
            POLL_ALONE
        };
        let beat = waiting::later(now, every) / millis(every) * millis(every);
        let visible = self
            .database
            .read(|db| messages::next_visible(db, lane))
            .map_err(|error| QueueError(self.database.name.reading(&error).to_string()))?;
        Ok(visible.map_or(beat, |visible| beat.min(visible)))
    }

    fn next_receipt(&self) -> Receipt {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) & ((1 << NUMBER_BITS) - 1);
        let moment = i64::try_from(self.database.env.now()).unwrap_or_default();
        Receipt {
            id: (moment << NUMBER_BITS) | i64::from(number),
            token: self.new_token(),
        }
    }

    fn new_token(&self) -> i64 {
        let [_, _, _, _, _, _, _, _, bytes @ ..] = self.database.env.random().to_le_bytes();
        i64::from_le_bytes(bytes)
    }

    async fn take(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let token = self.new_token();
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
        let arrivals = self.database.arrivals(lane);
        let receipt = self.next_receipt();
        let reservation = arrivals.rendezvous.reserve();
        let now = self.database.env.now();
        let message = Message {
            receipt,
            sender: group.to_owned(),
            body: body.to_owned(),
            handed_until: reservation
                .as_ref()
                .map(|reservation| waiting::later(now, reservation.visibility).min(HIGHEST_NUMBER)),
        };
        let room = Arc::clone(&self.room);
        let work = move |db: &rusqlite::Connection, now| {
            // Only the writer thread touches this.
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
            messages::send(db, lane, &message, now)?;
            room.store(left - 1, Ordering::Relaxed);
            Ok(true)
        };
        let put = self.database.writer.put(work).await.map_err(failed)?;
        // The receiver may ack the message before it is durable; the removal is written after it.
        let handed = reservation.map(|reservation| {
            reservation.hand_over(Delivery {
                body: body.to_owned(),
                receipt: receipt.text(),
                receives: 1,
            })
        });
        if !put.ended().await.map_err(failed)? {
            return Err(QueueError(format!("{LANE_MESSAGES} messages wait already")));
        }
        match handed {
            Some(true) => Ok(()),
            // The receiver left in this very moment.
            Some(false) => self.defer(lane, &receipt.text(), Duration::ZERO).await,
            None => {
                arrivals.sent.notify_one();
                Ok(())
            }
        }
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let env = self.database.env.as_ref();
        let arrivals = self.database.arrivals(lane);
        let max = max.min(MOST_RECEIVED);
        let deadline = waiting::later(env.now(), wait);
        loop {
            // Reading first keeps an idle queue from writing.
            let visible = self.count_visible(lane, max)?;
            let now = env.now();
            if visible == 0 && now >= deadline {
                return Ok(Vec::new());
            }
            // While visible messages are taken, the rest of the room is reserved for new ones.
            let mut inbox =
                (max > visible).then(|| arrivals.rendezvous.wait(max - visible, visibility));
            let mut deliveries = Vec::new();
            let taken = if visible > 0 {
                self.take(lane, visible, visibility).await
            } else {
                let next_poll = self.next_poll(lane, now)?.min(deadline);
                tokio::select! {
                    handed = next(inbox.as_mut()) => deliveries.extend(handed),
                    () = waiting::for_message(env, &arrivals.sent, next_poll) => {}
                }
                Ok(Vec::new())
            };
            if let Some(inbox) = inbox {
                deliveries.extend(inbox.close().await);
            }
            match taken {
                Ok(taken) => deliveries.extend(taken),
                Err(error) if deliveries.is_empty() => return Err(error),
                Err(error) => tracing::warn!(%error, "messages in the file could not be received"),
            }
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        // A receipt that is not ours names no message, as if the message were gone.
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
        self.database.arrivals(lane).sent.notify_one();
        Ok(())
    }
}

async fn next(inbox: Option<&mut Inbox<'_>>) -> Option<Delivery> {
    match inbox {
        Some(inbox) => inbox.next().await,
        None => std::future::pending().await,
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
