//! The record by which the instances of one store tell each other their counts of a rate: `L#rate#BOUND#NAME`, one for each window.
//! It holds the sum, and expires with the window behind its own.

use serde::{Deserialize, Serialize};

use super::Bound;
use super::rates::Name;
use crate::engine::Engine;
use crate::ports::{Change, CommitError, Key, Millis, Record, StoreError};
use crate::record::{decode, encode};

/// How often the count of one name is told.
const PAUSE: Millis = 2_000;

/// How often a write that lost a race is tried.
const TRIES: u32 = 5;

/// The sum of all instances.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    count: u64,
}

fn key(bound: Bound, window: u64, name: &Name) -> Key {
    Key::new(
        format!("L#rate#{}#{}", bound.name(), name.0),
        format!("{window:020}"),
    )
}

impl Engine {
    /// Tells the other instances the count of a name until there is nothing new, every two seconds at most. On a function it may
    /// be frozen in between: what is left is told with the next request.
    pub(super) async fn tell_others(&self, bound: Bound, window: u64, name: &Name) {
        loop {
            let told = self.tell_once(bound, window, name).await;
            if let Err(error) = &told {
                tracing::debug!(%error, bound = bound.name(), "a rate could not be told to other instances");
            }
            self.sleep(PAUSE).await;
            let ends = self.rates.with(bound, window, name, |count| {
                let ends = told.is_err() || count.own == count.told;
                count.is_told = !ends;
                ends
            });
            if ends != Some(false) {
                return;
            }
        }
    }

    async fn tell_once(&self, bound: Bound, window: u64, name: &Name) -> Result<(), StoreError> {
        let key = key(bound, window, name);
        for attempt in 0..TRIES {
            let Some((own, news)) = self.rates.with(bound, window, name, |count| {
                (count.own, count.own - count.told)
            }) else {
                return Ok(());
            };
            let stored = self.store.get(&key).await?;
            let before = stored.as_ref().map(decode::<Sum>).transpose()?;
            let sum = Sum {
                count: before.unwrap_or_default().count.saturating_add(news),
            };
            let record = Record {
                expires_at: bound.window().map(|length| (window + 2) * length),
                ..encode(&sum)
            };
            let change = match &stored {
                Some(stored) => Change::Replace(key.clone(), stored.version, record),
                None => Change::Create(key.clone(), record),
            };
            match self.store.commit(vec![change]).await {
                // An unconfirmed one counts as written: at worst the others know of a few less.
                Ok(()) | Err(CommitError::Ambiguous(_)) => {
                    self.rates.with(bound, window, name, |count| {
                        count.told = own;
                        count.others = sum.count.saturating_sub(own);
                    });
                    return Ok(());
                }
                Err(CommitError::Conflict) => self.back_off(attempt).await,
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
        }
        Ok(())
    }
}
