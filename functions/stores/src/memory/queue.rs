//! The queue as sorted maps behind one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivery, Env, Lane, Millis, Queue, QueueError};
use tokio::sync::Notify;

use crate::waiting;
use baton_handoff::ports::limits::LANE_MESSAGES;

/// A [`Queue`] that forgets everything when it is dropped.
///
/// Messages are delivered in rounds, one of each group a round, so that a group with a thousand messages does not hold up a group
/// with one.
pub struct MemoryQueue {
    env: Arc<dyn Env>,
    turns: Waiting,
    actions: Waiting,
}

#[derive(Default)]
struct Waiting {
    lane: Mutex<Messages>,
    sent: Notify,
}

#[derive(Default)]
struct Messages {
    by_round: BTreeMap<(u64, u64), Message>,
    groups: BTreeMap<String, Group>,
    last_id: u64,
}

struct Message {
    group: String,
    body: String,
    visible_at: Millis,
    receives: u32,
}

/// A group that has messages.
struct Group {
    messages: usize,
    last_round: u64,
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemoryQueue").finish_non_exhaustive()
    }
}

impl MemoryQueue {
    /// An empty queue that hides messages by this clock.
    pub fn new(env: Arc<dyn Env>) -> Self {
        Self {
            env,
            turns: Waiting::default(),
            actions: Waiting::default(),
        }
    }

    fn waiting(&self, lane: Lane) -> &Waiting {
        match lane {
            Lane::Turns => &self.turns,
            Lane::Actions => &self.actions,
        }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, lane: Lane, group: &str, body: &str) -> Result<(), QueueError> {
        let now = self.env.now();
        let waiting = self.waiting(lane);
        waiting.messages().send(group, body, now)?;
        waiting.sent.notify_one();
        Ok(())
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let deadline = waiting::later(self.env.now(), wait);
        loop {
            let now = self.env.now();
            let waiting = self.waiting(lane);
            let (deliveries, next_visible) = {
                let mut messages = waiting.messages();
                (
                    messages.receive(max, visibility, now),
                    messages.next_visible(),
                )
            };
            if !deliveries.is_empty() || now >= deadline {
                return Ok(deliveries);
            }
            let moment = next_visible.map_or(deadline, |visible| visible.min(deadline));
            waiting::for_message(self.env.as_ref(), &waiting.sent, moment).await;
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        self.waiting(lane).messages().ack(receipt);
        Ok(())
    }

    async fn defer(&self, lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        let now = self.env.now();
        let waiting = self.waiting(lane);
        waiting
            .messages()
            .defer(receipt, waiting::later(now, delay));
        waiting.sent.notify_one();
        Ok(())
    }
}

impl Waiting {
    fn messages(&self) -> MutexGuard<'_, Messages> {
        // No code in here panics between two writes, so a poisoned map is whole.
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Messages {
    fn send(&mut self, group: &str, body: &str, now: Millis) -> Result<(), QueueError> {
        if self.by_round.len() >= LANE_MESSAGES {
            return Err(QueueError(format!("{LANE_MESSAGES} messages wait already")));
        }
        let current = self
            .by_round
            .first_key_value()
            .map_or(0, |(&(round, _), _)| round);
        let of_group = self.groups.entry(group.to_owned()).or_insert(Group {
            messages: 0,
            last_round: 0,
        });
        let round = if of_group.messages == 0 {
            current
        } else {
            current.max(of_group.last_round + 1)
        };
        of_group.messages += 1;
        of_group.last_round = round;
        self.last_id += 1;
        let message = Message {
            group: group.to_owned(),
            body: body.to_owned(),
            visible_at: now,
            receives: 0,
        };
        self.by_round.insert((round, self.last_id), message);
        Ok(())
    }

    fn receive(&mut self, max: usize, visibility: Duration, now: Millis) -> Vec<Delivery> {
        let visible = self
            .by_round
            .iter_mut()
            .filter(|(_, message)| message.visible_at <= now);
        let handed_out = visible.take(max).map(|((round, id), message)| {
            message.visible_at = waiting::later(now, visibility);
            message.receives += 1;
            let receipt = format!("{round}.{id}.{}", message.receives);
            Delivery {
                body: message.body.clone(),
                receipt,
                receives: message.receives,
            }
        });
        handed_out.collect()
    }

    fn next_visible(&self) -> Option<Millis> {
        self.by_round
            .values()
            .map(|message| message.visible_at)
            .min()
    }

    fn ack(&mut self, receipt: &str) {
        let Some(place) = self.delivered(receipt) else {
            return;
        };
        let Some(message) = self.by_round.remove(&place) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&message.group) else {
            return;
        };
        group.messages -= 1;
        if group.messages == 0 {
            self.groups.remove(&message.group);
        }
    }

    fn defer(&mut self, receipt: &str, visible_at: Millis) {
        let Some(place) = self.delivered(receipt) else {
            return;
        };
        if let Some(message) = self.by_round.get_mut(&place) {
            message.visible_at = visible_at;
        }
    }

    /// The position of the message, if this was its latest delivery.
    fn delivered(&self, receipt: &str) -> Option<(u64, u64)> {
        let mut parts = receipt.splitn(3, '.');
        let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let receives: u32 = parts.next()?.parse().ok()?;
        self.by_round
            .get(&place)
            .filter(|message| message.receives == receives)
            .map(|_| place)
    }
}
