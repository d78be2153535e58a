//! Whether this process can accept messages. A real write tests it; all callers share that write, and it is made at most once in
//! a few seconds. Knows the store port; never the callers or the kind of store.

use std::sync::Arc;

use super::probe::Health;
use crate::engine::Engine;
use crate::ports::{Change, CommitError, Key, Millis, Record};

/// The longest time for an answer: balancers and alarms give up after 2 to 5 s, and would report less about the cause.
const PATIENCE: Millis = 2_000;

/// How long the written record lives: only its expiry removes it.
const KEPT: Millis = 3_600_000;

/// How often a write that lost a race is tried.
const TRIES: u32 = 3;

/// The format of the record, whose body means nothing.
const FORMAT: u16 = 1;

/// Ends the write also after a panic: no caller may wait for ever.
struct Running {
    engine: Arc<Engine>,
    health: Health,
}

impl Running {
    fn end_with(mut self, health: Health) {
        self.health = health;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let engine = &self.engine;
        engine.probe.end(engine.env.now(), self.health.clone());
    }
}

impl Engine {
    /// Whether this process can accept messages; answers within 2 s. Costs at most one small write in 5 s, however often it is
    /// called.
    pub async fn health(self: &Arc<Self>) -> Health {
        if self.is_draining() {
            return Health::Draining;
        }
        let until = self.env.now() + PATIENCE;
        tokio::select! {
            biased;
            health = self.find_health() => health,
            () = self.env.sleep_until(until) => Health::Slow,
        }
    }

    async fn find_health(self: &Arc<Self>) -> Health {
        let health = self.last_write().await;
        if !matches!(health, Health::Ready) {
            return health;
        }
        // Sends and changes nothing, and still fails at once when the store is closed.
        match self.store.commit(Vec::new()).await {
            Ok(()) => Health::Ready,
            Err(error) => Health::ReadOnly(error),
        }
    }

    async fn last_write(self: &Arc<Self>) -> Health {
        loop {
            let mut ended = std::pin::pin!(self.probe.ended.notified());
            // Registered before the check, so that an end in between is not missed.
            ended.as_mut().enable();
            if let Some(health) = self.probe.known(self.env.now()) {
                return health;
            }
            if self.probe.begin() {
                let running = Running {
                    engine: self.clone(),
                    health: Health::ReadOnly(CommitError::Unavailable(
                        "the write was given up".to_owned(),
                    )),
                };
                // A task of its own: it outlives its waiting callers, and is not begun again meanwhile.
                self.env.spawn(Box::pin(async move {
                    let health = running.engine.try_to_write().await;
                    running.end_with(health);
                }));
            }
            ended.await;
        }
    }

    async fn try_to_write(&self) -> Health {
        let key = self.health_key();
        for _ in 0..TRIES {
            let stored = match self.store.get(&key).await {
                Ok(stored) => stored,
                Err(error) => return Health::StoreAway(error),
            };
            let record = Record {
                expires_at: Some(self.env.now() + KEPT),
                ..Record::new(FORMAT, ".".repeat(self.store.health_bytes()))
            };
            let change = match stored {
                Some(stored) => Change::Replace(key.clone(), stored.version, record),
                None => Change::Create(key.clone(), record),
            };
            match self.store.commit(vec![change]).await {
                Ok(()) => return Health::Ready,
                Err(CommitError::Conflict) => {}
                Err(error) => return Health::ReadOnly(error),
            }
        }
        Health::ReadOnly(CommitError::Conflict)
    }

    /// A record of this process alone, in a partition of its own: processes that are probed at once do not conflict.
    fn health_key(&self) -> Key {
        let mut state = self.probe.lock();
        let name = state.name.get_or_insert_with(|| self.random_id());
        Key::new(format!("HEALTH#{name}"), "HEALTH")
    }
}
