//! The conversations that tasks of this process advance, wait for or watch, and the logs of their turns.
//! Nothing here is durable: after a crash the journal serves.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::log::{TurnLog, wait};
use crate::event::EventKind;
use crate::ids::{ConversationId, TurnNumber};

/// A mutex that is poisoned guards plain data here: a panic between two statements leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether this process has a driver for the conversation.
    pub(crate) fn is_driving(&self, conversation: &ConversationId) -> bool {
        let slots = lock(&self.slots);
        slots.get(conversation).is_some_and(|slot| slot.driving)
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
