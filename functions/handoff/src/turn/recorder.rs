//! Stores streamed text in batches, so that a listener on any instance can go on with it.
//!
//! The journal gets a step only when it is whole; until then these records hold the text. They are hints for listeners, never
//! the truth: each has its owner's fence, they need no condition, and they expire. A short answer needs none.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::drive::holder::Claim;
use crate::engine::Engine;
use crate::event::{Event, EventKind, Position};
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, Key, Millis, Order, Range, Record, Store, StoreError};
use crate::record::{CallResult, decode, encode, keys};

/// Text of this many bytes is stored at once.
const BATCH_BYTES: usize = 4 * 1024;

/// All turns store their text at the same moments, ten a second: a store that groups its commits then writes the batches of many
/// turns at once.
const BEAT: Millis = 100;

/// `E#turn#step#fence#offset`: a batch of text.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    agent: String,
    text: String,
    /// In the first batch of a step: the results of the calls before it, which the journal gets only with this step.
    #[serde(rename = "told", default, skip_serializing_if = "Vec::is_empty")]
    results: Vec<CallResult>,
}

/// The streamed text of the current response.
#[derive(Debug, Default)]
struct Said {
    step: u32,
    fence: u64,
    agent: String,
    text: String,
    /// The number of stored bytes.
    kept: usize,
    /// The results in the request for this response.
    results: Vec<CallResult>,
}

/// Between the narrator, which adds text, and the flusher, which stores it.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    said: Mutex<Said>,
    full: Notify,
}

impl Recorder {
    /// A response begins.
    pub(crate) fn begin(&self, step: u32, fence: u64, agent: &str) {
        *self.lock() = Said {
            step,
            fence,
            agent: agent.to_owned(),
            text: String::new(),
            kept: 0,
            results: Vec::new(),
        };
    }

    /// The results in the request for the step that begins.
    pub(crate) fn results(&self, results: &[CallResult]) {
        self.lock().results = results.to_vec();
    }

    /// More text of the response.
    pub(crate) fn say(&self, text: &str) {
        let mut said = self.lock();
        said.text.push_str(text);
        if said.text.len() - said.kept >= BATCH_BYTES {
            self.full.notify_one();
        }
    }

    /// Whether there is any text so far.
    pub(crate) fn has_said(&self) -> bool {
        !self.lock().text.is_empty()
    }

    /// The whole text so far.
    pub(crate) fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// The journal has the response: no more of it needs to be stored.
    pub(crate) fn forget(&self) {
        let mut said = self.lock();
        said.text = String::new();
        said.kept = 0;
        said.results = Vec::new();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores batches for as long as it is polled.
    pub(crate) async fn run(&self, engine: &Engine, claim: &Claim, turn: TurnNumber) -> Infallible {
        let every = engine.team.limits.keep_text.as_millis();
        let every = Millis::try_from(every).unwrap_or(Millis::MAX);
        loop {
            let due = engine.env.now().saturating_add(every);
            let beat = due.checked_next_multiple_of(BEAT).unwrap_or(due);
            tokio::select! {
                biased;
                () = self.full.notified() => {}
                () = engine.env.sleep_until(beat) => {}
            }
            let Some((key, record)) = self.take(engine, claim, turn) else {
                continue;
            };
            if let Err(error) = engine.store.commit(vec![Change::Create(key, record)]).await {
                // Listeners of other processes get this text when its step is recorded.
                tracing::debug!(%error, "a batch of text could not be stored; listeners of other processes get it with its step");
            }
        }
    }

    fn take(&self, engine: &Engine, claim: &Claim, turn: TurnNumber) -> Option<(Key, Record)> {
        let mut said = self.lock();
        let text = said.text.get(said.kept..).unwrap_or_default().to_owned();
        if text.is_empty() {
            return None;
        }
        let begin = u32::try_from(said.kept).unwrap_or(u32::MAX);
        said.kept = said.text.len();
        let key = key(&claim.conversation, turn, said.step, said.fence, begin);
        let batch = Batch {
            agent: said.agent.clone(),
            text,
            results: std::mem::take(&mut said.results),
        };
        let expires_at = Some(engine.env.now() + engine.retention.events);
        Some((
            key,
            Record {
                expires_at,
                ..encode(&batch)
            },
        ))
    }
}

fn prefix(turn: TurnNumber, step: u32) -> String {
    format!("E#{turn:010}#{step:04}#")
}

fn key(conversation: &ConversationId, turn: TurnNumber, step: u32, fence: u64, begin: u32) -> Key {
    Key::new(
        keys::partition(conversation),
        format!("{}{fence:012}#{begin:010}", prefix(turn, step)),
    )
}

/// The turn that this sort key of a batch belongs to.
pub(crate) fn turn_of(sort: &str) -> Option<TurnNumber> {
    sort.strip_prefix("E#")?.split('#').next()?.parse().ok()
}

/// Batches read at once; an answer of an hour has 3,600.
const PAGE: usize = 200;

/// The stored part of an unrecorded step.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The results of the calls before it.
    pub(crate) results: Vec<CallResult>,
    /// Its text.
    pub(crate) text: Vec<Event>,
}

/// The text of an unrecorded step, as stored by its owner under this fence.
pub(crate) async fn kept_text(
    store: &dyn Store,
    conversation: &ConversationId,
    turn: TurnNumber,
    step: u32,
    fence: u64,
) -> Result<Kept, StoreError> {
    let prefix = format!("{}{fence:012}#", prefix(turn, step));
    let mut kept = Kept::default();
    let mut offset = 0_u32;
    let mut after = None;
    loop {
        let range = Range {
            partition: keys::partition(conversation),
            prefix: prefix.clone(),
            after,
            order: Order::Ascending,
            limit: PAGE,
        };
        let page = store.range(&range).await?;
        for stored in &page.records {
            let begin = stored
                .key
                .sort
                .strip_prefix(&prefix)
                .and_then(|begin| begin.parse::<u32>().ok());
            if begin != Some(offset) {
                // An earlier batch was not stored: the text after the gap waits for the journal.
                return Ok(kept);
            }
            let batch: Batch = decode(stored)?;
            offset = offset.saturating_add(u32::try_from(batch.text.len()).unwrap_or(u32::MAX));
            kept.results.extend(batch.results);
            kept.text.push(Event {
                position: Position {
                    turn,
                    step,
                    fence,
                    offset,
                },
                agent: Arc::from(batch.agent.as_str()),
                kind: EventKind::TextDelta(batch.text),
            });
        }
        after = page.records.last().map(|last| last.key.sort.clone());
        if !page.more || after.is_none() {
            return Ok(kept);
        }
    }
}
