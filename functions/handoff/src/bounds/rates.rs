//! Rates: how often one owner or one address does a thing in a window of time. Counted in memory; instances tell each other by
//! records that are written beside the work, never before it (see [`super::shared`]).
//!
//! A count slides: of the window before, the part counts that lies less than one window back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Bound, Bounds, OverBound};
use crate::engine::Engine;
use crate::ids::hex;
use crate::ports::Millis;

/// The most owners or addresses of one rate that are told apart. Beyond, the one that was seen first is forgotten: it may begin
/// anew once so many others have come.
const MOST: usize = 65_536;

/// The bytes of a name's hash: neither a customer's name nor an address stands in a record.
const NAME_BYTES: usize = 16;

/// One owner or address, as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(pub(super) Arc<str>);

impl Name {
    fn of(raw: &str) -> Self {
        let digest = Sha256::digest(raw.as_bytes());
        Self(Arc::from(hex(digest.get(..NAME_BYTES).unwrap_or_default())))
    }
}

/// The count of one name in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Counted here.
    pub(super) own: u64,
    /// The part of these that the other instances know.
    pub(super) told: u64,
    /// Counted by the others.
    pub(super) others: u64,
    /// A task tells the others.
    pub(super) is_told: bool,
}

impl Count {
    fn all(self) -> u64 {
        self.own.saturating_add(self.others)
    }
}

/// The counts of one rate in the present window and the one before.
#[derive(Debug, Default)]
struct Window {
    number: u64,
    counts: HashMap<Name, Count>,
    /// Oldest first.
    seen: VecDeque<Name>,
    before: HashMap<Name, u64>,
}

impl Window {
    fn enter(&mut self, number: u64) {
        if number == self.number {
            return;
        }
        let counts = std::mem::take(&mut self.counts);
        self.seen.clear();
        self.before.clear();
        // A clock that was set back must not keep anybody out until it is right again.
        if number == self.number + 1 {
            let counts = counts.into_iter();
            self.before = counts.map(|(name, count)| (name, count.all())).collect();
        }
        self.number = number;
    }

    fn count(&mut self, name: &Name) -> &mut Count {
        if !self.counts.contains_key(name) {
            if self.counts.len() >= MOST
                && let Some(oldest) = self.seen.pop_front()
            {
                self.counts.remove(&oldest);
            }
            self.seen.push_back(name.clone());
        }
        self.counts.entry(name.clone()).or_default()
    }
}

/// The rates of this process.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<Bound, Window>>);

impl Rates {
    fn lock(&self) -> MutexGuard<'_, HashMap<Bound, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When one more fits; `None` for now.
    fn wait(
        &self,
        bounds: &Bounds,
        bound: Bound,
        name: &Name,
        now: Millis,
        adds: bool,
    ) -> Option<Duration> {
        let length = bound.window()?;
        let limit = bounds.of(bound);
        if limit == u64::MAX {
            return None;
        }
        let mut rates = self.lock();
        let window = rates.entry(bound).or_default();
        window.enter(now / length);
        let before = window.before.get(name).copied().unwrap_or_default();
        let here = window.counts.get(name).copied().unwrap_or_default().all();
        let past = now % length;
        let sliding = here.saturating_add(before.saturating_mul(length - past) / length);
        if sliding < limit {
            if adds {
                window.count(name).own += 1;
            }
            return None;
        }
        let wait = if here < limit {
            fits_at(length, before, limit - here).saturating_sub(past)
        } else {
            length - past + fits_at(length, here, limit)
        };
        Some(Duration::from_millis(wait.max(1)))
    }

    /// The count of a name for the others, if they are to be told of it and no task does so yet. Above half of the rate; where many
    /// instances see a few requests each, from the second one on.
    fn to_tell(&self, bounds: &Bounds, bound: Bound, name: &Name, many: bool) -> Option<u64> {
        let from = if many { 2 } else { bounds.of(bound) / 2 + 1 };
        let mut rates = self.lock();
        let window = rates.get_mut(&bound)?;
        let count = window.counts.get_mut(name)?;
        let due = count.all() >= from && count.own > count.told && !count.is_told;
        count.is_told |= due;
        due.then_some(window.number)
    }

    /// Reads or changes a count that still stands.
    pub(super) fn with<R>(
        &self,
        bound: Bound,
        number: u64,
        name: &Name,
        read: impl FnOnce(&mut Count) -> R,
    ) -> Option<R> {
        let mut rates = self.lock();
        let window = rates.get_mut(&bound)?;
        (window.number == number)
            .then(|| window.counts.get_mut(name).map(read))
            .flatten()
    }
}

/// From which millisecond of a window on fewer than `room` of the `before` ones of the window before it still count.
fn fits_at(length: Millis, before: u64, room: u64) -> Millis {
    if room > before {
        return 0;
    }
    length + 1 - length.saturating_mul(room).div_ceil(before)
}

impl Engine {
    /// Counts one more of what a rate bounds, unless it is over it. Other instances are told in the background.
    ///
    /// # Errors
    /// It is over the rate, and was not counted.
    pub fn count(self: &Arc<Self>, bound: Bound, name: &str) -> Result<(), OverBound> {
        let name = Name::of(name);
        self.within(bound, &name, true)?;
        if let Some(window) = self
            .rates
            .to_tell(&self.bounds, bound, &name, self.is_one_of_many)
        {
            let engine = self.clone();
            self.env.spawn(Box::pin(async move {
                engine.tell_others(bound, window, &name).await;
            }));
        }
        Ok(())
    }

    /// Whether one more would fit.
    ///
    /// # Errors
    /// It would be over the rate.
    pub fn would_fit(&self, bound: Bound, name: &str) -> Result<(), OverBound> {
        self.within(bound, &Name::of(name), false)
    }

    fn within(&self, bound: Bound, name: &Name, adds: bool) -> Result<(), OverBound> {
        let wait = self
            .rates
            .wait(&self.bounds, bound, name, self.env.now(), adds);
        wait.map_or(Ok(()), |wait| Err(self.bounds.over(bound, wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    struct Clock {
        rates: Rates,
        bounds: Bounds,
        now: Millis,
    }

    impl Clock {
        fn new(limit: u64) -> Self {
            Self {
                rates: Rates::default(),
                bounds: Bounds::default().with(Bound::MessagesOwner, limit),
                now: 1_000_000 * MINUTE,
            }
        }

        fn say(&self, who: &str) -> Option<Millis> {
            let name = Name::of(who);
            let wait =
                self.rates
                    .wait(&self.bounds, Bound::MessagesOwner, &name, self.now, true)?;
            Some(u64::try_from(wait.as_millis()).unwrap())
        }
    }

    #[test]
    fn a_rate_lets_its_number_through_and_then_says_when_one_more_fits() {
        let mut clock = Clock::new(20);
        for _ in 0..20 {
            assert_eq!(clock.say("ann"), None);
        }
        assert_eq!(clock.say("bob"), None, "each has a rate of its own");
        for _ in 0..30 {
            let wait = clock.say("ann").unwrap();
            clock.now += wait - 1;
            assert!(clock.say("ann").is_some());
            clock.now += 1;
            assert_eq!(clock.say("ann"), None);
        }
    }

    #[test]
    fn no_minute_at_all_has_more_than_the_rate_and_a_little() {
        let mut clock = Clock::new(20);
        let mut said: Vec<Millis> = Vec::new();
        for _ in 0..6_000 {
            if clock.say("ann").is_none() {
                said.push(clock.now);
            }
            clock.now += 100;
        }
        let most = said
            .iter()
            .map(|from| {
                said.iter()
                    .filter(|at| (*from..from + MINUTE).contains(*at))
                    .count()
            })
            .max();
        // The count of the window before is taken as spread evenly over it.
        assert!(most <= Some(24), "{most:?}");
        assert!(said.len() >= 10 * 19, "{}", said.len());
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out() {
        let mut clock = Clock::new(1);
        assert_eq!(clock.say("ann"), None);
        clock.now -= 5 * MINUTE;
        assert_eq!(clock.say("ann"), None);
    }

    #[test]
    fn there_are_never_too_many_names_and_the_newest_are_known() {
        let clock = Clock::new(1);
        for number in 0..=MOST {
            assert_eq!(clock.say(&number.to_string()), None);
        }
        assert!(clock.say(&MOST.to_string()).is_some());
        let rates = clock.rates.lock();
        assert_eq!(rates[&Bound::MessagesOwner].counts.len(), MOST);
        assert_eq!(rates[&Bound::MessagesOwner].seen.len(), MOST);
    }

    #[test]
    fn the_others_are_told_above_half_of_the_rate_and_by_one_task_at_a_time() {
        let clock = Clock::new(20);
        let name = Name::of("ann");
        let due = |many| {
            let told = clock
                .rates
                .to_tell(&clock.bounds, Bound::MessagesOwner, &name, many);
            told.is_some()
        };
        for _ in 0..10 {
            clock.say("ann");
            assert!(!due(false));
        }
        clock.say("ann");
        assert!(due(false));
        assert!(!due(false));
        assert!(!due(true));
    }
}
