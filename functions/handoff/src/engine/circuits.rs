//! Which models fail, so that others are asked at once. Known to all instances by a record, `X#model`. Knows names and times; never
//! a request.
//!
//! A circuit opens after some failures in a row. When its time is over one call of each instance is let through: its success
//! closes the circuit, its failure opens it for longer. The record is read beside the commit that accepts a message, and written
//! when the circuit opens or closes: no turn waits for either. Only kept for models of agents that have several.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::ports::{Change, Key, Millis, ModelErrorKind, Record};
use crate::record::{decode, encode};

/// Failures in a row that open a circuit.
const FAILURES: u32 = 3;

/// How long a circuit is open first; then twice as long each time.
const OPEN: Millis = 30_000;

/// How long a circuit is open at most.
const LONGEST: Millis = 300_000;

/// How old the knowledge of the records may be.
const FRESH: Millis = 5_000;

/// How long a record of a circuit stays: one that is older says nothing.
const STAYS: Millis = 3_600_000;

/// `X#model`, `CIRCUIT`: whether a model may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Circuit {
    /// Until when it is open; 0: it is closed.
    until: Millis,
    /// How often it was opened in a row.
    times: u32,
}

/// What this instance knows of a circuit.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    circuit: Circuit,
    version: Option<u64>,
    failures: u32,
    /// A call was let through while it is open.
    tried: bool,
}

/// The circuits that this instance knows.
#[derive(Debug, Default)]
pub(crate) struct Circuits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    read_at: Millis,
    known: BTreeMap<String, Known>,
}

fn key(model: &str) -> Key {
    Key::new(format!("X#{model}"), "CIRCUIT")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a failure says something about the service, and not about the request.
fn counts(kind: ModelErrorKind) -> bool {
    match kind {
        ModelErrorKind::Unauthorized
        | ModelErrorKind::RateLimited
        | ModelErrorKind::Unavailable
        | ModelErrorKind::Unreachable
        | ModelErrorKind::TimedOut
        | ModelErrorKind::Cut
        | ModelErrorKind::BadStream
        | ModelErrorKind::Reported => true,
        ModelErrorKind::BadRequest
        | ModelErrorKind::TooLarge
        | ModelErrorKind::Empty
        | ModelErrorKind::TooLong
        | ModelErrorKind::Filtered
        | ModelErrorKind::Slip => false,
    }
}

impl Engine {
    /// Whether this model may be asked now.
    pub(crate) fn lets_through(&self, model: &str) -> bool {
        let state = lock(&self.circuits.0);
        let known = state.known.get(model);
        known.is_none_or(|known| self.env.now() >= known.circuit.until)
    }

    /// A model is asked. Where its circuit's time is over, further calls wait for the outcome of this one.
    pub(crate) fn note_call(&self, model: &str) {
        let now = self.env.now();
        let mut state = lock(&self.circuits.0);
        if let Some(known) = state.known.get_mut(model)
            && known.circuit.until != 0
        {
            known.tried = true;
            known.circuit.until = known.circuit.until.max(now + OPEN);
        }
    }

    /// A model has answered, or failed so.
    pub(crate) fn note_outcome(&self, model: &str, failed: Option<ModelErrorKind>) {
        let failed = match failed {
            Some(kind) if !counts(kind) => return,
            Some(_) => true,
            None => false,
        };
        let now = self.env.now();
        let (circuit, version) = {
            let mut state = lock(&self.circuits.0);
            let known = state.known.entry(model.to_owned()).or_default();
            known.failures = if failed { known.failures + 1 } else { 0 };
            let was_open = known.circuit.until != 0;
            let tried = std::mem::take(&mut known.tried);
            let changes = match (failed, was_open) {
                // Calls that began before it opened say nothing new.
                (true, true) => tried,
                (true, false) => known.failures >= FAILURES,
                (false, _) => was_open,
            };
            if !changes {
                return;
            }
            known.circuit = if failed {
                let times = known.circuit.times;
                let open = OPEN.saturating_mul(1 << times.min(8)).min(LONGEST);
                Circuit {
                    until: now + open,
                    times: times + 1,
                }
            } else {
                Circuit::default()
            };
            (known.circuit, known.version)
        };
        if failed {
            tracing::warn!(model, "a model keeps failing; others are asked meanwhile");
        } else {
            tracing::info!(model, "a model answers again");
        }
        let key = key(model);
        let record = Record {
            expires_at: Some(now + STAYS),
            ..encode(&circuit)
        };
        let change = match version {
            Some(version) => Change::Replace(key, version, record),
            None => Change::Create(key, record),
        };
        let store = self.store.clone();
        self.env.spawn(Box::pin(async move {
            // Where another instance was first, the next read tells.
            let _written = store.commit(vec![change]).await;
        }));
    }

    /// Reads the records of circuits in a task of its own, unless they are known as of just now.
    pub(crate) fn read_circuits(&self) {
        let several = self.team.agents().filter(|agent| agent.models.len() > 1);
        let mut models: Vec<String> = several.flat_map(|agent| agent.models.clone()).collect();
        if models.is_empty() {
            return;
        }
        let now = self.env.now();
        {
            let mut state = lock(&self.circuits.0);
            if state.read_at != 0 && now < state.read_at + FRESH {
                return;
            }
            state.read_at = now;
        }
        models.sort_unstable();
        models.dedup();
        let (store, circuits) = (self.store.clone(), self.circuits.0.clone());
        self.env.spawn(Box::pin(async move {
            let keys: Vec<Key> = models.iter().map(|model| key(model)).collect();
            let Ok(stored) = store.get_many(&keys).await else {
                return;
            };
            let mut state = lock(&circuits);
            for (model, stored) in models.into_iter().zip(stored) {
                let known = state.known.entry(model).or_default();
                let Some(stored) = stored else {
                    known.version = None;
                    continue;
                };
                // Another version than the one that is known here: what another instance has found.
                if known.version != Some(stored.version)
                    && let Ok(circuit) = decode(&stored)
                {
                    known.version = Some(stored.version);
                    known.circuit = circuit;
                }
            }
        }));
    }
}
