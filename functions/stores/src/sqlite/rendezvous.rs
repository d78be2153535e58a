//! Where senders meet waiting receivers of the same process: a message sent to a waiting receiver need not be read from the file.
//! Knows nothing of SQL. The message is written all the same, in case this process ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_handoff::ports::Delivery;
use tokio::sync::mpsc;

/// The waiting receivers of one lane.
#[derive(Debug, Default)]
pub(super) struct Rendezvous {
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    visibility: Duration,
    inbox: mpsc::Sender<Delivery>,
    given_up: Arc<AtomicBool>,
}

/// A reserved slot for one message in a receiver's inbox.
#[derive(Debug)]
pub(super) struct Reservation {
    /// How long the receiver wants the message to be hidden from others.
    pub(super) visibility: Duration,
    inbox: mpsc::OwnedPermit<Delivery>,
    given_up: Arc<AtomicBool>,
}

impl Rendezvous {
    /// Waits here for up to `room` messages, until the inbox is closed or dropped.
    pub(super) fn wait(&self, room: usize, visibility: Duration) -> Inbox<'_> {
        let (sender, handed) = mpsc::channel(room);
        let given_up = Arc::new(AtomicBool::new(false));
        self.waiting().push(Waiting {
            visibility,
            inbox: sender.clone(),
            given_up: Arc::clone(&given_up),
        });
        Inbox {
            rendezvous: self,
            sender,
            handed,
            given_up,
            closed: false,
        }
    }

    /// Reserves a slot of a waiting receiver that has room.
    pub(super) fn reserve(&self) -> Option<Reservation> {
        self.waiting().iter().find_map(|waiting| {
            let inbox = waiting.inbox.clone().try_reserve_owned().ok()?;
            Some(Reservation {
                visibility: waiting.visibility,
                inbox,
                given_up: Arc::clone(&waiting.given_up),
            })
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Hands the message over; `false` if the receiver was dropped. A receiver that closes in good order waits for all its
    /// reservations, so it gets this message even while it leaves.
    pub(super) fn hand_over(self, delivery: Delivery) -> bool {
        self.inbox.send(delivery);
        !self.given_up.load(Ordering::Acquire)
    }
}

/// The messages handed to one receiver.
#[derive(Debug)]
pub(super) struct Inbox<'a> {
    rendezvous: &'a Rendezvous,
    sender: mpsc::Sender<Delivery>,
    handed: mpsc::Receiver<Delivery>,
    given_up: Arc<AtomicBool>,
    closed: bool,
}

impl Inbox<'_> {
    /// The next message, as soon as there is one. Dropping this future loses no message.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        self.handed.recv().await
    }

    /// Leaves the rendezvous with all messages handed over, including those in progress.
    pub(super) async fn close(mut self) -> Vec<Delivery> {
        self.leave();
        let mut deliveries = Vec::new();
        self.handed.close();
        while let Some(delivery) = self.handed.recv().await {
            deliveries.push(delivery);
        }
        self.closed = true;
        deliveries
    }

    fn leave(&self) {
        let mine = |waiting: &Waiting| waiting.inbox.same_channel(&self.sender);
        self.rendezvous.waiting().retain(|waiting| !mine(waiting));
    }
}

impl Drop for Inbox<'_> {
    /// For a receiver that was dropped during a handover: that message stays hidden for its visibility time, as after any
    /// delivery without a worker.
    fn drop(&mut self) {
        if !self.closed {
            self.given_up.store(true, Ordering::Release);
        }
        self.leave();
    }
}
