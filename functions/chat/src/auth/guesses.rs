//! Bad credentials: each is answered late, the later the more there were, and counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use tokio::time::Instant;

use crate::edge::address::Address;

/// Over this time bad credentials are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// How much later each further one is answered.
const STEP: Duration = Duration::from_millis(50);

/// The longest that one is held.
const LONGEST: Duration = Duration::from_secs(2);

/// The most addresses that are told apart; further ones are counted together.
const ADDRESSES: usize = 4_096;

/// Bad credentials of the last minute, by address. Where the address is not known, together.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    since: Option<Instant>,
    by_address: HashMap<Option<Address>, u32>,
    all: u32,
}

impl Guesses {
    /// Counts a bad credential and holds its answer.
    pub(super) async fn slow(&self, parts: &Parts, reason: &'static str) {
        let address = parts.extensions.get::<Address>().copied();
        let count = self.count(address, reason);
        let late = STEP.saturating_mul(count.saturating_sub(1)).min(LONGEST);
        tokio::time::sleep(late).await;
    }

    /// How many there were of this address in this minute.
    fn count(&self, address: Option<Address>, reason: &'static str) -> u32 {
        let now = Instant::now();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = counts.since.is_none_or(|since| now - since >= WINDOW);
        if is_over {
            if counts.all > 1 {
                tracing::warn!(
                    count = counts.all,
                    addresses = counts.by_address.len(),
                    "bad credentials were refused in a minute"
                );
            }
            *counts = Counts {
                since: Some(now),
                ..Counts::default()
            };
            tracing::warn!(
                reason,
                "a bad credential was refused; further ones are counted for a minute"
            );
        }
        counts.all = counts.all.saturating_add(1);
        let is_known = counts.by_address.contains_key(&address);
        let address = address.filter(|_| is_known || counts.by_address.len() < ADDRESSES);
        let count = counts.by_address.entry(address).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_further_guess_is_answered_later_until_the_minute_is_over() {
        let guesses = Guesses::default();
        let (parts, ()) = http::Request::new(()).into_parts();
        let mut waits = Vec::new();
        for _ in 0..60 {
            let begin = Instant::now();
            guesses.slow(&parts, "wrong").await;
            waits.push(begin.elapsed());
        }
        // Forty of them take 39 seconds of the minute.
        let growing = (0..40).map(|number| STEP * number);
        assert!(waits.iter().take(40).copied().eq(growing), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
        tokio::time::advance(WINDOW).await;
        let begin = Instant::now();
        guesses.slow(&parts, "wrong").await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
