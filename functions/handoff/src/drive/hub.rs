//! The turns that run in this process, and their listeners.
//!
//! A turn appends its events to one log; every listener reads the log at its own pace. So a slow listener never slows the turn,
//! any number of listeners is fine, and a late listener gets the earlier events too. The size of one turn bounds the log.
//! Nothing here is durable: after a crash the journal serves.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::event::{Event, EventKind, Position};
use crate::ids::{ConversationId, TurnNumber};

/// A mutex that is poisoned guards plain data here: a panic between two statements leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The events of one turn that this process runs or waits for.
#[derive(Debug, Default)]
pub struct TurnLog {
    state: Mutex<LogState>,
    changed: Notify,
    over: Notify,
}

/// Events that a log makes room for at once, at least.
const LEAST_ROOM: usize = 16;

#[derive(Debug, Default)]
struct LogState {
    events: Vec<Event>,
    ended: bool,
}

impl TurnLog {
    /// The log of a turn that is over.
    pub(crate) fn of(events: Vec<Event>) -> Self {
        let ended = events.last().is_some_and(|last| last.kind.ends_stream());
        Self {
            state: Mutex::new(LogState { events, ended }),
            changed: Notify::new(),
            over: Notify::new(),
        }
    }

    /// Appends an event. A log that has ended takes no more events.
    pub fn push(&self, event: Event) {
        {
            let mut state = lock(&self.state);
            if state.ended {
                return;
            }
            let last = state.events.last().map(|last| last.position.step);
            if last > Some(event.position.step) && !event.kind.ends_stream() {
                // A new owner of the turn answers the calls of its last step anew. Listeners here have seen a later step. If
                // their log ended at an earlier position, they would receive that step again without a reset.
                return;
            }
            state.ended = event.kind.ends_stream();
            if state.events.len() == state.events.capacity() {
                // By a quarter, not by doubling: with thousands of open turns the unused half would be most of their memory.
                let more = (state.events.len() / 4).max(LEAST_ROOM);
                state.events.reserve_exact(more);
            }
            state.events.push(event);
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
            let mut state = lock(&self.state);
            if state.ended {
                return;
            }
            for event in news(state.events.last().map(|event| event.position)) {
                state.ended = event.kind.ends_stream();
                state.events.push(event);
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
        lock(&self.state).ended
    }

    /// The position of the last event.
    pub(crate) fn last_position(&self) -> Option<Position> {
        lock(&self.state).events.last().map(|event| event.position)
    }

    /// Hands the events after the first `seen` ones to `read` as soon as there are any. Returns the number of events and whether
    /// the log has ended.
    pub async fn read<R>(&self, seen: usize, read: impl FnOnce(&[Event]) -> R) -> (R, usize, bool) {
        self.news(seen).await;
        self.read_now(seen, read)
    }

    /// Resolves when there is an event after the first `seen` ones.
    pub async fn news(&self, seen: usize) {
        wait(&self.changed, || lock(&self.state).events.len() > seen).await;
    }

    /// Resolves when the log has its last event.
    pub async fn ended(&self) {
        wait(&self.over, || self.has_ended()).await;
    }

    /// Hands the events after the first `seen` ones to `read`; none if there are none.
    pub fn read_now<R>(&self, seen: usize, read: impl FnOnce(&[Event]) -> R) -> (R, usize, bool) {
        let state = lock(&self.state);
        let news = state.events.get(seen..).unwrap_or_default();
        (read(news), state.events.len(), state.ended)
    }
}

/// Waits until `is_so` holds. The task that makes it hold notifies.
async fn wait(changed: &Notify, is_so: impl Fn() -> bool) {
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

#[derive(Debug, Default)]
struct Slot {
    logs: BTreeMap<TurnNumber, Arc<TurnLog>>,
    driving: bool,
    given_up: bool,
    pokes: u64,
    poked: Arc<Notify>,
    /// Watches: they wait for a change and do not advance the conversation.
    watchers: usize,
}

impl Slot {
    /// Whether this process advances the conversation or waits for it.
    fn is_busy(&self) -> bool {
        self.driving || !self.logs.is_empty()
    }

    /// Whether this process has no task for the conversation any more.
    fn is_idle(&self) -> bool {
        !self.is_busy() && self.watchers == 0
    }
}

/// Waits for a change of a conversation. Dropping it frees the conversation's entry in the hub.
pub struct Watch<'a> {
    hub: &'a Hub,
    conversation: &'a ConversationId,
    poke: Pin<Box<OwnedNotified>>,
}

impl Watch<'_> {
    /// Resolves once the conversation was poked since the watch began.
    pub(crate) async fn poked(mut self) {
        self.poke.as_mut().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut slots = lock(&self.hub.slots);
        if let Some(slot) = slots.get_mut(self.conversation) {
            slot.watchers = slot.watchers.saturating_sub(1);
            if slot.is_idle() {
                slots.remove(self.conversation);
            }
        }
    }
}

/// All conversations that tasks of this process advance, wait for or watch.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    slots: Mutex<HashMap<ConversationId, Slot>>,
    /// Some driver has left its conversation.
    left: Notify,
}

impl Hub {
    /// The log of a turn, made when there is none.
    pub(crate) fn log(&self, conversation: &ConversationId, turn: TurnNumber) -> Arc<TurnLog> {
        let mut slots = lock(&self.slots);
        slots
            .entry(conversation.clone())
            .or_default()
            .logs
            .entry(turn)
            .or_default()
            .clone()
    }

    /// The log of a turn, if this process runs it or waits for it.
    pub(crate) fn find_log(
        &self,
        conversation: &ConversationId,
        turn: TurnNumber,
    ) -> Option<Arc<TurnLog>> {
        lock(&self.slots)
            .get(conversation)?
            .logs
            .get(&turn)
            .cloned()
    }

    /// Forgets the log of a turn; its listeners keep it.
    pub(crate) fn forget_log(&self, conversation: &ConversationId, turn: TurnNumber) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get_mut(conversation) {
            slot.logs.remove(&turn);
            if slot.is_idle() {
                slots.remove(conversation);
            }
        }
    }

    /// Forgets the log of a turn if it has ended.
    pub(crate) fn forget_ended_log(&self, conversation: &ConversationId, turn: TurnNumber) {
        if self
            .find_log(conversation, turn)
            .is_some_and(|log| log.has_ended())
        {
            self.forget_log(conversation, turn);
        }
    }

    /// The logs of a conversation that have not ended.
    pub(crate) fn logs_of(&self, conversation: &ConversationId) -> Vec<(TurnNumber, Arc<TurnLog>)> {
        let slots = lock(&self.slots);
        let Some(slot) = slots.get(conversation) else {
            return Vec::new();
        };
        slot.logs
            .iter()
            .filter(|(_, log)| !log.has_ended())
            .map(|(turn, log)| (*turn, log.clone()))
            .collect()
    }

    /// Asks the driver of the conversation in this process, if there is one, to leave it to another process.
    pub(crate) fn give_up(&self, conversation: &ConversationId) {
        if let Some(slot) = lock(&self.slots)
            .get_mut(conversation)
            .filter(|slot| slot.driving)
        {
            // No poke: a driver that has no work left may stop normally.
            slot.given_up = true;
            slot.poked.notify_waiters();
        }
    }

    /// Whether the driver is asked to leave the conversation.
    pub(crate) fn is_given_up(&self, conversation: &ConversationId) -> bool {
        lock(&self.slots)
            .get(conversation)
            .is_some_and(|slot| slot.given_up)
    }

    /// Resolves when the driver is asked to leave the conversation.
    pub(crate) async fn given_up(&self, conversation: &ConversationId) {
        let poked = self.poked(conversation);
        loop {
            let poke = poked.notified();
            let mut poke = std::pin::pin!(poke);
            // Registered before the check, so that no change between the check and the wait is missed.
            poke.as_mut().enable();
            if self.is_given_up(conversation) {
                return;
            }
            poke.await;
        }
    }

    /// Resolves when this process has no driver for the conversation.
    pub(crate) async fn left(&self, conversation: &ConversationId) {
        wait(&self.left, || {
            let slots = lock(&self.slots);
            !slots.get(conversation).is_some_and(|slot| slot.driving)
        })
        .await;
    }

    /// Forgets the conversation in any state, and asks its listeners to follow their turns elsewhere. A log created from now on
    /// belongs to another driver.
    pub(crate) fn abandon(&self, conversation: &ConversationId) {
        let logs = {
            let mut slots = lock(&self.slots);
            let logs = slots.get_mut(conversation).map(|slot| {
                slot.driving = false;
                slot.given_up = false;
                std::mem::take(&mut slot.logs)
            });
            if slots.get(conversation).is_some_and(Slot::is_idle) {
                slots.remove(conversation);
            }
            logs
        };
        self.left.notify_waiters();
        for (turn, log) in logs.unwrap_or_default() {
            log.end(turn, EventKind::TurnContinues);
        }
    }

    /// Makes the caller the one driver of the conversation in this process; if there is one already, pokes it.
    pub(crate) fn start_driving(&self, conversation: &ConversationId) -> bool {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(conversation.clone()).or_default();
        slot.pokes += 1;
        slot.poked.notify_waiters();
        !std::mem::replace(&mut slot.driving, true)
    }

    /// How often the conversation was poked. A driver remembers it before it reads META.
    pub(crate) fn pokes(&self, conversation: &ConversationId) -> u64 {
        lock(&self.slots)
            .get(conversation)
            .map_or(0, |slot| slot.pokes)
    }

    /// Wakes up the tasks that wait for the conversation to change.
    pub(crate) fn poked(&self, conversation: &ConversationId) -> Arc<Notify> {
        lock(&self.slots)
            .entry(conversation.clone())
            .or_default()
            .poked
            .clone()
    }

    /// Starts to watch the conversation for changes.
    pub(crate) fn watch<'a>(&'a self, conversation: &'a ConversationId) -> Watch<'a> {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(conversation.clone()).or_default();
        slot.watchers += 1;
        let mut poke = Box::pin(slot.poked.clone().notified_owned());
        poke.as_mut().enable();
        Watch {
            hub: self,
            conversation,
            poke,
        }
    }

    /// Tells the tasks that wait for this conversation to read it again.
    pub(crate) fn poke(&self, conversation: &ConversationId) {
        if let Some(slot) = lock(&self.slots).get_mut(conversation) {
            slot.pokes += 1;
            slot.poked.notify_waiters();
        }
    }

    /// Ends the driving, unless the conversation was poked since `seen`: then the driver must read META once more.
    pub(crate) fn stop_driving(&self, conversation: &ConversationId, seen: u64) -> bool {
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.get_mut(conversation) else {
            return true;
        };
        if slot.pokes != seen {
            return false;
        }
        slot.driving = false;
        slot.given_up = false;
        if slot.is_idle() {
            slots.remove(conversation);
        }
        drop(slots);
        self.left.notify_waiters();
        true
    }

    /// The number of conversations that are driven or waited for. Watches do not count.
    pub(crate) fn len(&self) -> usize {
        let slots = lock(&self.slots);
        slots.values().filter(|slot| slot.is_busy()).count()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_log_never_goes_back_to_an_earlier_step_but_to_its_end() {
        let said = |step, kind| Event {
            position: Position {
                turn: 1,
                step,
                fence: 1,
                offset: 1,
            },
            agent: Arc::from(""),
            kind,
        };
        let log = TurnLog::default();
        log.push(said(2, EventKind::TextDelta("a".to_owned())));
        log.push(said(1, EventKind::TextDelta("b".to_owned())));
        assert_eq!(log.last_position().map(|last| last.step), Some(2));
        log.push(said(1, EventKind::TurnContinues));
        assert!(log.has_ended());
    }

    #[test]
    fn a_dropped_watch_frees_its_entry() {
        let hub = Hub::default();
        let id = ConversationId::parse("c").unwrap();
        let (one, two) = (hub.watch(&id), hub.watch(&id));
        assert!(hub.len() == 0, "nothing is waited for by watchers");
        drop(one.poked());
        assert_eq!(lock(&hub.slots).len(), 1);
        drop(two);
        assert!(lock(&hub.slots).is_empty());
    }

    #[test]
    fn a_watch_resolves_when_a_driver_starts_or_stops() {
        let hub = Hub::default();
        let id = ConversationId::parse("c").unwrap();
        assert!(hub.start_driving(&id));
        let watch = hub.watch(&id);
        assert!(hub.stop_driving(&id, hub.pokes(&id)));
        assert!(hub.start_driving(&id));
        assert_eq!(watch.poked().now_or_never(), Some(()));
    }

    #[test]
    fn a_poke_between_the_watch_and_the_wait_is_not_missed() {
        let hub = Hub::default();
        let id = ConversationId::parse("c").unwrap();
        let watch = hub.watch(&id);
        hub.poke(&id);
        assert_eq!(watch.poked().now_or_never(), Some(()));
        assert_eq!(hub.watch(&id).poked().now_or_never(), None);
    }
}
