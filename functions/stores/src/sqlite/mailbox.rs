//! A mailbox between tasks and a thread, which takes all waiting jobs at once.
//! Knows nothing of the jobs.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

/// The mailbox is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// The result of taking jobs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Some jobs.
    Jobs,
    /// No job came in that time.
    Nothing,
    /// No job is left, and none will come.
    Closed,
}

/// A bounded channel from many tasks to one thread.
///
/// A lock and a condition variable instead of a ready-made channel, because the thread then takes a whole batch under one
/// lock, can wait with a limit, and tasks wake it only when it sleeps: each of the three costs a system call a job otherwise.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    room: Semaphore,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
    thread_sleeps: bool,
}

impl<T> Mailbox<T> {
    /// A mailbox for this many jobs; `put` waits while it is full.
    pub(super) fn new(room: usize) -> Self {
        let state = State {
            waiting: VecDeque::with_capacity(room),
            closed: false,
            thread_sleeps: false,
        };
        Self {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Semaphore::new(room),
        }
    }

    /// Adds a job.
    pub(super) async fn put(&self, job: T) -> Result<(), Closed> {
        self.room.acquire().await.map_err(|_| Closed)?.forget();
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        state.waiting.push_back(job);
        let wake = std::mem::take(&mut state.thread_sleeps);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Moves up to `most` waiting jobs into `batch`; waits for the first one up to `patience`.
    pub(super) fn take(&self, batch: &mut Vec<T>, most: usize, patience: Duration) -> Taken {
        let mut state = self.state();
        if state.waiting.is_empty() && !state.closed {
            state.thread_sleeps = true;
            let nothing_yet = |state: &mut State<T>| state.waiting.is_empty() && !state.closed;
            let (woken, _) = self
                .arrived
                .wait_timeout_while(state, patience, nothing_yet)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.thread_sleeps = false;
        }
        let count = state.waiting.len().min(most);
        if count == 0 {
            return if state.closed {
                Taken::Closed
            } else {
                Taken::Nothing
            };
        }
        batch.extend(state.waiting.drain(..count));
        drop(state);
        self.room.add_permits(count);
        Taken::Jobs
    }

    /// Accepts no more jobs; the accepted ones can still be taken.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.room.close();
        self.arrived.notify_one();
    }

    /// Closes the mailbox and drops the jobs that no thread will take.
    pub(super) fn abandon(&self) {
        self.close();
        // Outside of the lock: dropping a job runs the job's code.
        let abandoned = std::mem::take(&mut self.state().waiting);
        drop(abandoned);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The lock is never held while foreign code runs, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_mailbox_hands_out_what_it_took_before() {
        let mailbox = Mailbox::new(4);
        for job in 1..=3 {
            mailbox.put(job).await.unwrap();
        }
        mailbox.close();
        assert_eq!(mailbox.put(4).await, Err(Closed));
        let mut batch = Vec::new();
        assert_eq!(mailbox.take(&mut batch, 2, Duration::ZERO), Taken::Jobs);
        assert_eq!(mailbox.take(&mut batch, 2, Duration::ZERO), Taken::Jobs);
        assert_eq!(batch, [1, 2, 3]);
        assert_eq!(mailbox.take(&mut batch, 2, Duration::ZERO), Taken::Closed);
    }

    #[tokio::test]
    async fn a_full_mailbox_makes_the_next_one_wait() {
        let mailbox = Mailbox::new(1);
        mailbox.put(1).await.unwrap();
        let mut second = Box::pin(mailbox.put(2));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        let mut batch = Vec::new();
        mailbox.take(&mut batch, 8, Duration::ZERO);
        assert_eq!(second.await, Ok(()));
    }
}
