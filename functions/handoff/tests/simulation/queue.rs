//! A queue that loses, doubles, delays and reorders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Delivery, Lane, Millis, Queue, QueueError};
use tokio::sync::Notify;

use crate::audit::Audit;
use crate::weather::Weather;
use crate::world::{World, lock};

struct Letter {
    lane: Lane,
    body: String,
    visible_at: Millis,
    receipt: Option<u64>,
    receives: u32,
}

/// The messages, as all processes share them.
#[derive(Default)]
pub(crate) struct Post {
    letters: BTreeMap<u64, Letter>,
    next: u64,
    arrived: Arc<Notify>,
}

impl Post {
    fn put(&mut self, lane: Lane, body: &str, visible_at: Millis) {
        self.next += 1;
        let letter = Letter {
            lane,
            body: body.to_owned(),
            visible_at,
            receipt: None,
            receives: 0,
        };
        self.letters.insert(self.next, letter);
        self.arrived.notify_waiters();
    }

    /// How many messages with this body are there.
    pub(crate) fn copies_of(&self, body: &str) -> usize {
        let letters = self.letters.values();
        letters.filter(|letter| letter.body == body).count()
    }

    fn of_receipt(&mut self, receipt: &str) -> Option<u64> {
        let receipt: u64 = receipt.parse().ok()?;
        self.letters
            .iter()
            .find(|(_, letter)| letter.receipt == Some(receipt))
            .map(|(id, _)| *id)
    }
}

/// One process's way to the queue.
pub(crate) struct SimQueue {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) post: Arc<Mutex<Post>>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) process: usize,
}

impl SimQueue {
    async fn reach(&self) -> Result<(), QueueError> {
        self.world.sleep(self.world.below(3)).await;
        let unavailable = lock(&self.weather).unavailable;
        if self.world.happens(unavailable) {
            Err(QueueError("simulated".to_owned()))
        } else {
            Ok(())
        }
    }

    fn take(&self, lane: Lane, max: usize, visibility: Duration) -> Vec<Delivery> {
        let now = self.world.now();
        let mut post = lock(&self.post);
        let mut taken = Vec::new();
        while taken.len() < max {
            let visible: Vec<_> = post
                .letters
                .iter()
                .filter(|(_, letter)| letter.lane == lane && letter.visible_at <= now)
                .map(|(id, _)| *id)
                .collect();
            if visible.is_empty() {
                break;
            }
            let id = visible[self.world.index(visible.len())];
            post.next += 1;
            let receipt = post.next;
            let Some(letter) = post.letters.get_mut(&id) else {
                break;
            };
            letter.visible_at = now + millis(visibility);
            letter.receipt = Some(receipt);
            letter.receives += 1;
            taken.push(Delivery {
                body: letter.body.clone(),
                receipt: receipt.to_string(),
                receives: letter.receives,
            });
        }
        taken
    }

    fn next_visible(&self, lane: Lane) -> Option<Millis> {
        lock(&self.post)
            .letters
            .values()
            .filter(|letter| letter.lane == lane)
            .map(|letter| letter.visible_at)
            .min()
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}

#[async_trait]
impl Queue for SimQueue {
    async fn send(&self, lane: Lane, _group: &str, body: &str) -> Result<(), QueueError> {
        self.world
            .note(|| format!("p{} sends {} {body}", self.process, lane.as_str()));
        self.audit.sent(lane, body);
        self.reach().await?;
        let weather = lock(&self.weather).clone();
        let copies = if self.world.happens(weather.lost_messages) {
            0
        } else if self.world.happens(weather.double_messages) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = if self.world.happens(weather.slow_messages) {
                self.world.below(20_000)
            } else {
                0
            };
            lock(&self.post).put(lane, body, self.world.now() + delay);
        }
        self.world.sleep(self.world.below(3)).await;
        Ok(())
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.reach().await?;
        let until = self.world.now() + millis(wait);
        let arrived = lock(&self.post).arrived.clone();
        loop {
            let arrival = arrived.notified();
            let taken = self.take(lane, max, visibility);
            let now = self.world.now();
            if !taken.is_empty() || now >= until {
                return Ok(taken);
            }
            let next = self.next_visible(lane).unwrap_or(until).clamp(now, until);
            tokio::select! {
                biased;
                () = arrival => {}
                () = self.world.sleep(next - now) => {}
            }
        }
    }

    async fn ack(&self, lane: Lane, receipt: &str) -> Result<(), QueueError> {
        let letter = {
            let mut post = lock(&self.post);
            let id = post.of_receipt(receipt);
            id.and_then(|id| post.letters.get(&id).map(|letter| letter.body.clone()))
        };
        if let Some(body) = &letter {
            self.world
                .note(|| format!("p{} acks {} {body}", self.process, lane.as_str()));
            self.audit.acked(lane, body);
        }
        self.reach().await?;
        let mut post = lock(&self.post);
        if let Some(id) = post.of_receipt(receipt) {
            post.letters.remove(&id);
        }
        Ok(())
    }

    async fn defer(&self, _lane: Lane, receipt: &str, delay: Duration) -> Result<(), QueueError> {
        self.reach().await?;
        let visible_at = self.world.now() + millis(delay);
        let mut post = lock(&self.post);
        if let Some(id) = post.of_receipt(receipt) {
            if let Some(letter) = post.letters.get_mut(&id) {
                letter.visible_at = visible_at;
            }
            post.arrived.notify_waiters();
        }
        Ok(())
    }
}
