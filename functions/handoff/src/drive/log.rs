//! The events of one turn, for any number of listeners.
//!
//! A turn appends its events; every listener reads at its own pace. So a slow listener never slows the turn, and a late listener
//! gets the earlier events too. Adjacent pieces of text are kept as one text, with the places where the last of them begin: an
//! answer takes little more memory than its text. The size of one turn bounds the log. Nothing here is durable: after a crash the journal
//! serves.

mod entry;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use entry::{Unread, events_of};

use entry::Entry;

use crate::event::{Event, EventKind, Position};
use crate::ids::TurnNumber;

/// The events of one turn that this process runs or waits for.
#[derive(Debug, Default)]
pub struct TurnLog {
    state: Mutex<LogState>,
    changed: Notify,
    over: Notify,
}

#[derive(Debug, Default)]
struct LogState {
    entries: Vec<Entry>,
    ended: bool,
}

/// How far a listener has read a log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The number of entries, of which the last may have grown since.
    entries: usize,
    /// The offset of the last of them when it was read.
    offset: u32,
}

impl TurnLog {
    /// The log of a turn that is over.
    pub(crate) fn of(events: Vec<Event>) -> Self {
        let mut state = LogState::default();
        for event in events {
            state.append(event);
        }
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            over: Notify::new(),
        }
    }

    /// Appends an event. A log that has ended takes no more events.
    pub fn push(&self, event: Event) {
        {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            let last = state.last_position().map(|last| last.step);
            if last > Some(event.position.step) && !event.kind.ends_stream() {
                // A new owner of the turn answers the calls of its last step anew. Listeners here have seen a later step. If
                // their log ended at an earlier position, they would receive that step again without a reset.
                return;
            }
            state.append(event);
            if state.ended {
                self.over.notify_waiters();
            }
        }
        self.changed.notify_waiters();
    }

    /// Appends the events that `news` finds after the last one, under the lock: several tasks may bring the journal's events at
    /// once.
    pub(crate) fn bring_up(&self, news: impl FnOnce(Option<Position>) -> Vec<Event>) {
        {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            for event in news(state.last_position()) {
                state.append(event);
                if state.ended {
                    self.over.notify_waiters();
                    break;
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// Ends the log after the last event that its listeners have.
    pub(crate) fn end(&self, turn: TurnNumber, kind: EventKind) {
        let last = self.last_position().unwrap_or(Position {
            turn,
            step: 0,
            fence: 0,
            offset: 0,
        });
        let position = Position {
            offset: last.offset.saturating_add(kind.room()),
            ..last
        };
        self.push(Event {
            position,
            agent: Arc::from(""),
            kind,
        });
    }

    /// Whether the log has its last event.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// The position of the last event.
    pub(crate) fn last_position(&self) -> Option<Position> {
        self.lock().last_position()
    }

    /// Hands the events that a listener has not read to `read` as soon as there are any. Returns how far it has read then, and
    /// whether the log has ended.
    pub async fn read<R>(&self, seen: Seen, read: impl FnOnce(Unread<'_>) -> R) -> (R, Seen, bool) {
        self.news(seen).await;
        self.read_now(seen, read)
    }

    /// Resolves when there is an event that the listener has not read.
    pub async fn news(&self, seen: Seen) {
        wait(&self.changed, || self.lock().seen() != seen).await;
    }

    /// Resolves when the log has its last event.
    pub async fn ended(&self) {
        wait(&self.over, || self.has_ended()).await;
    }

    /// Hands the events that a listener has not read to `read`; none if there are none.
    pub fn read_now<R>(&self, seen: Seen, read: impl FnOnce(Unread<'_>) -> R) -> (R, Seen, bool) {
        let state = self.lock();
        (read(state.unread(seen)), state.seen(), state.ended)
    }

    /// A mutex that is poisoned guards plain data here: a panic between two statements leaves it whole.
    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    fn append(&mut self, event: Event) {
        self.ended = event.kind.ends_stream();
        let last = self.entries.last_mut();
        let event = match last {
            Some(last) => last.join(event),
            None => Some(event),
        };
        self.entries.extend(event.map(Entry::of));
    }

    fn last_position(&self) -> Option<Position> {
        self.entries.last().map(|last| last.event.position)
    }

    /// How far a listener has read that has read everything.
    fn seen(&self) -> Seen {
        Seen {
            entries: self.entries.len(),
            offset: self.last_position().map_or(0, |last| last.offset),
        }
    }

    fn unread(&self, seen: Seen) -> Unread<'_> {
        let last = seen.entries.checked_sub(1);
        let last = last.and_then(|last| self.entries.get(last));
        Unread {
            grown: last
                .filter(|last| last.event.position.offset > seen.offset)
                .map(|last| (last, seen.offset)),
            entries: self.entries.get(seen.entries..).unwrap_or_default(),
        }
    }
}

/// Waits until `is_so` holds. The task that makes it hold notifies.
pub(super) async fn wait(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        // Mostly so after a change: to register and to take that back costs more than to look.
        if is_so() {
            return;
        }
        let change = changed.notified();
        let mut change = std::pin::pin!(change);
        // Registered before the check, so that no change between the check and the wait is missed.
        change.as_mut().enable();
        if is_so() {
            return;
        }
        change.await;
    }
}
