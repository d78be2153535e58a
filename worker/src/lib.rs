//! A pool of workers on a queue. It knows nothing of chat: a message goes to the [`Work`], which decides its fate.
//!
//! Two lanes run concurrently, each with its own bound, so that work of minutes never holds up work of milliseconds. A message is
//! hidden from other workers while a worker has it; after a worker dies, its message becomes visible again by itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivery, Lane, Queue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod engine;
#[cfg(feature = "aws")]
pub mod function;

pub use engine::{EngineWork, sweep_until};

/// How long a message is hidden from other workers. Renewed at every third of it while the work goes on.
const VISIBILITY: Duration = Duration::from_mins(1);

/// The longest wait of one receive. SQS allows 20 s.
const LONGEST_POLL: Duration = Duration::from_secs(20);

/// The pauses of a lane while the queue is unavailable: the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The most messages of one receive. SQS allows 10.
const BATCH: usize = 10;

/// When a queue with dead letters delivers an impossible message again.
const NEVER_AGAIN: Duration = Duration::from_secs(1);

/// The fate of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Finished: remove it.
    Ack,
    /// Deliver it again after this time.
    Later(Duration),
    /// It can never be handled: the queue's rule for dead letters applies, and without one it is dropped.
    Never,
}

/// Handles messages. A message may come twice, late, or at once to several workers.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// Handles one message to its end. After a panic the message is delivered again.
    async fn work(&self, lane: Lane, body: &str) -> Verdict;
}

/// How many messages of a lane are handled at once.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    /// Turns: each may take minutes and mostly waits for a model.
    pub turns: usize,
    /// Actions.
    pub actions: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            turns: 64,
            actions: 64,
        }
    }
}

/// Workers on one queue.
#[derive(Clone)]
pub struct Pool {
    queue: Arc<dyn Queue>,
    work: Arc<dyn Work>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Pool {
    /// Starts the workers of both lanes.
    pub fn start(queue: Arc<dyn Queue>, work: Arc<dyn Work>, lanes: Lanes) -> Self {
        let pool = Self {
            queue,
            work,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        for (lane, bound) in [(Lane::Turns, lanes.turns), (Lane::Actions, lanes.actions)] {
            let runner = pool.clone();
            pool.tasks
                .spawn(async move { runner.run_lane(lane, bound).await });
        }
        pool
    }

    /// Takes no more messages and waits for the running ones, for as long as the caller waits.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run_lane(&self, lane: Lane, bound: usize) {
        let slots = Arc::new(Semaphore::new(bound));
        let mut pause = FIRST_PAUSE;
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = self.receive(lane, &slots) => received,
            };
            match received {
                Ok((deliveries, permits)) => {
                    pause = FIRST_PAUSE;
                    for (delivery, permit) in deliveries.into_iter().zip(permits) {
                        let runner = self.clone();
                        self.tasks
                            .spawn(async move { runner.work_on(lane, delivery, permit).await });
                    }
                }
                Err(error) => {
                    tracing::warn!(lane = lane.as_str(), %error, "the queue is unavailable; the next receive follows after a pause");
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits for a free worker first, so that no message is hidden without a worker.
    async fn receive(
        &self,
        lane: Lane,
        slots: &Arc<Semaphore>,
    ) -> Result<(Vec<Delivery>, Vec<OwnedSemaphorePermit>), baton_handoff::ports::QueueError> {
        let mut permits = Vec::new();
        // The semaphore is never closed.
        permits.extend(slots.clone().acquire_owned().await.ok());
        while permits.len() < BATCH
            && let Ok(permit) = slots.clone().try_acquire_owned()
        {
            permits.push(permit);
        }
        let deliveries = self
            .queue
            .receive(lane, permits.len(), VISIBILITY, LONGEST_POLL)
            .await?;
        Ok((deliveries, permits))
    }

    async fn work_on(&self, lane: Lane, delivery: Delivery, _permit: OwnedSemaphorePermit) {
        let (work, body) = (self.work.clone(), delivery.body.clone());
        // A task of its own, so that after a panic in it the message comes again and the worker lives.
        let mut task = tokio::spawn(async move { work.work(lane, &body).await });
        let verdict = loop {
            tokio::select! {
                ended = &mut task => break ended.unwrap_or_else(|panicked| {
                    tracing::error!(lane = lane.as_str(), %panicked, "a worker panicked");
                    Verdict::Later(VISIBILITY)
                }),
                () = tokio::time::sleep(VISIBILITY / 3) => {
                    if let Err(error) = self.queue.defer(lane, &delivery.receipt, VISIBILITY).await {
                        tracing::warn!(lane = lane.as_str(), %error, "a message could not be kept hidden; a second worker may receive it");
                    }
                }
            }
        };
        let settled = match verdict {
            Verdict::Later(delay) => self.queue.defer(lane, &delivery.receipt, delay).await,
            Verdict::Never if self.queue.has_dead_letters() => {
                self.queue.defer(lane, &delivery.receipt, NEVER_AGAIN).await
            }
            Verdict::Ack | Verdict::Never => self.queue.ack(lane, &delivery.receipt).await,
        };
        if let Err(error) = settled {
            tracing::warn!(lane = lane.as_str(), %error, "a message could not be settled; it comes again");
        }
    }
}
