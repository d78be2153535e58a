//! The keys of one issuer, kept in memory: a known key is found without a fetch.
//!
//! | the keys are | the answer | a fetch |
//! | --- | --- | --- |
//! | fresh | the key | none |
//! | due | the old key | in the background, once a minute until one succeeds |
//! | due for an hour, and no attempt since | the new key, or the old one after [`PATIENCE`] | one, as after a function was frozen |
//! | due for 24 hours, or not there | after [`PATIENCE`] at most: unavailable | one, every 10 s |
//! | known, this id is not | after [`PATIENCE`] at most: a bad token, or unavailable if the fetch failed | one a minute |
//!
//! At most one fetch runs at a time, in a task of its own: a caller that hangs up ends none, and a flood of unknown ids costs one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis, millis};
use baton_http::{chain, suspended};
use baton_setup::settings::{JwtAlgorithm, KeySource};
use jsonwebtoken::DecodingKey;
use tokio::sync::watch;

use super::Refusal;
use super::fetch::{FetchError, Fetched, fetch};
use super::key_set::{KeySet, Lookup};

/// How long a request waits for a fetch. The customer is waiting too.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long old keys are used when they are due and the issuer cannot be reached.
const OLD_KEYS: Duration = Duration::from_hours(24);
/// From when on old keys that nobody tried to renew are not used before an attempt.
const LONG_DUE: Duration = Duration::from_hours(1);
/// The pause between two fetches for due keys, and between two for unknown ids.
const PAUSE: Duration = Duration::from_mins(1);
/// The pause between two fetches while no request can be answered.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

/// The keys of an issuer, and how they are fetched.
pub(super) struct Keys {
    source: KeySource,
    issuer: String,
    env: Arc<dyn Env>,
    patience: Duration,
    state: Mutex<State>,
    /// The number of fetches that ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    fetching: bool,
    /// A fetch was decided on, and its task has not been started.
    to_start: bool,
    /// The last fetch failed.
    failed: bool,
    /// When the last fetch began.
    begun_at: Option<Millis>,
    /// When the last fetch ended.
    ended_at: Option<Millis>,
    /// When the last fetch for an unknown id began.
    unknown_at: Option<Millis>,
}

struct Held {
    keys: Arc<KeySet>,
    due_at: Millis,
}

/// What a look at the state says.
enum Look {
    Answer(Result<DecodingKey, Refusal>),
    /// The fetch that runs may bring the key.
    Wait(watch::Receiver<u64>),
}

impl Keys {
    pub(super) fn new(
        source: KeySource,
        issuer: String,
        env: Arc<dyn Env>,
        patience: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            source,
            issuer,
            env,
            patience,
            state: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// Fetches the keys if there are none. Waits a bounded time, and leaves the fetch to its task then.
    pub(super) async fn ready(self: &Arc<Self>) {
        if let Some(fetched) = self.prepare() {
            self.wait(fetched).await;
        }
    }

    fn prepare(self: &Arc<Self>) -> Option<watch::Receiver<u64>> {
        let mut state = self.state();
        if state.held.is_some() {
            return None;
        }
        begin(&mut state, self.env.now(), SHORT_PAUSE);
        let fetched = state.fetching.then(|| self.ended.subscribe());
        self.start(state);
        fetched
    }

    /// The key of this id for this algorithm.
    pub(super) async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: JwtAlgorithm,
    ) -> Result<DecodingKey, Refusal> {
        match self.look(id, algorithm, true) {
            Look::Answer(answer) => return answer,
            Look::Wait(fetched) => self.wait(fetched).await,
        }
        match self.look(id, algorithm, false) {
            Look::Answer(answer) => answer,
            Look::Wait(_) => Err(unavailable(SHORT_PAUSE)),
        }
    }

    async fn wait(&self, mut fetched: watch::Receiver<u64>) {
        let _late = suspended::within(self.patience, fetched.changed()).await;
    }

    fn look(self: &Arc<Self>, id: Option<&str>, algorithm: JwtAlgorithm, may_wait: bool) -> Look {
        let mut state = self.state();
        let look = self.decide(&mut state, id, algorithm, may_wait);
        self.start(state);
        look
    }

    fn decide(
        &self,
        state: &mut State,
        id: Option<&str>,
        algorithm: JwtAlgorithm,
        may_wait: bool,
    ) -> Look {
        let now = self.env.now();
        let held = state
            .held
            .as_ref()
            .filter(|held| now < held.due_at + millis(OLD_KEYS))
            .map(|held| (held.keys.clone(), held.due_at));
        let Some((keys, due_at)) = held else {
            begin(state, now, SHORT_PAUSE);
            if may_wait && state.fetching {
                return Look::Wait(self.ended.subscribe());
            }
            return Look::Answer(Err(unavailable(SHORT_PAUSE)));
        };
        if now >= due_at {
            begin(state, now, PAUSE);
            let tried = state.ended_at.is_some_and(|ended_at| ended_at >= due_at);
            let long_due = now >= due_at + millis(LONG_DUE);
            if long_due && !tried && may_wait && state.fetching {
                return Look::Wait(self.ended.subscribe());
            }
        }
        match keys.find(id, algorithm) {
            Lookup::Found(key) => Look::Answer(Ok(key)),
            Lookup::Unfit => Look::Answer(Err(Refusal::Invalid(
                "the algorithm of the token is not one of its key",
            ))),
            Lookup::Unnamed => {
                Look::Answer(Err(Refusal::Invalid("the token does not name its key")))
            }
            Lookup::Unknown => self.decide_unknown(state, now, may_wait),
        }
    }

    /// The issuer may have a new key. Or anybody wrote a new id into a token, hence the pause.
    fn decide_unknown(&self, state: &mut State, now: Millis, may_wait: bool) -> Look {
        if may_wait {
            if !state.fetching && is_over(state.unknown_at, now, PAUSE) {
                state.unknown_at = Some(now);
                begin(state, now, Duration::ZERO);
            }
            if state.fetching {
                return Look::Wait(self.ended.subscribe());
            }
        }
        Look::Answer(Err(if state.fetching || state.failed {
            unavailable(SHORT_PAUSE)
        } else {
            Refusal::Invalid("the key of the token is not known")
        }))
    }

    /// Starts the task of a fetch that was decided on. Without the lock: a runtime that shuts down drops the task at once, and its
    /// end takes the lock.
    fn start(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let to_start = std::mem::take(&mut state.to_start);
        drop(state);
        if to_start {
            let flight = Flight {
                keys: self.clone(),
                outcome: None,
            };
            self.env.spawn(Box::pin(flight.run()));
        }
    }

    fn end(&self, outcome: Option<Result<Fetched, FetchError>>) {
        let now = self.env.now();
        let mut state = self.state();
        state.fetching = false;
        state.ended_at = Some(now);
        let failed_before = std::mem::replace(&mut state.failed, true);
        let issuer = &self.issuer;
        match outcome {
            Some(Ok(Fetched { keys, fresh })) => {
                state.failed = false;
                state.held = Some(Held {
                    keys: Arc::new(keys),
                    due_at: now + millis(fresh),
                });
                if failed_before {
                    tracing::info!(%issuer, "the keys of an issuer of tokens were fetched again");
                }
            }
            Some(Err(error)) => {
                let cause = chain(&error);
                tracing::warn!(%issuer, %cause, "the keys of an issuer of tokens could not be fetched");
            }
            None => tracing::error!(%issuer, "fetching the keys of an issuer of tokens was cut"),
        }
        drop(state);
        self.ended.send_modify(|ended| *ended += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides on a fetch, unless one runs or the last one began less than a pause ago.
fn begin(state: &mut State, now: Millis, pause: Duration) {
    if !state.fetching && is_over(state.begun_at, now, pause) {
        state.fetching = true;
        state.to_start = true;
        state.begun_at = Some(now);
    }
}

/// A fetch that runs. It ends once, even if it panics or its runtime does.
struct Flight {
    keys: Arc<Keys>,
    outcome: Option<Result<Fetched, FetchError>>,
}

impl Flight {
    async fn run(mut self) {
        self.outcome = Some(fetch(&self.keys.source, &self.keys.issuer).await);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.keys.end(self.outcome.take());
    }
}

/// Whether a pause is over. Also if the clock was set back meanwhile: the pause must not become days.
fn is_over(since: Option<Millis>, now: Millis, pause: Duration) -> bool {
    since.is_none_or(|since| now.abs_diff(since) >= millis(pause))
}

fn unavailable(retry_after: Duration) -> Refusal {
    Refusal::Unavailable { retry_after }
}
