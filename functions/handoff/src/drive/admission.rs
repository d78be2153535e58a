//! The turns that may run in this process at once: of one owner, of all visitors, in all. A turn holds its place from before its
//! begin until its end is recorded, with or without a listener.
//!
//! A new message for which there is no place is refused before anything is done for it. An accepted turn waits for a place instead:
//! no bound loses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::bounds::counts::Counts;
use crate::bounds::{Bound, Bounds, OverBound, Party};

/// When a refused message may be sent again. Most turns take a few seconds.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The turns that run in this process.
#[derive(Debug)]
pub(crate) struct Admission {
    bounds: Bounds,
    running: Mutex<RunningTurns>,
    /// A place was left.
    left: Notify,
}

#[derive(Debug, Default)]
struct RunningTurns {
    all: u64,
    visitors: u64,
    of: Counts<Party>,
}

/// The place of one turn that runs.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    party: Party,
}

impl Admission {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            running: Mutex::default(),
            left: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, RunningTurns> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more turn.
    pub(crate) fn enter(self: &Arc<Self>, party: Party) -> Result<Place, OverBound> {
        let mut running = self.lock();
        let visitors = u64::from(party.is_visitor());
        let over = |bound| Err(self.bounds.over(bound, RETRY_AFTER));
        if running.of.of(&party) >= self.bounds.of(Bound::TurnsOwner) {
            return over(Bound::TurnsOwner);
        }
        if running.all >= self.bounds.of(Bound::TurnsAll) {
            return over(Bound::TurnsAll);
        }
        if visitors > 0 && running.visitors >= self.bounds.of(Bound::TurnsVisitors) {
            return over(Bound::TurnsVisitors);
        }
        running.all += 1;
        running.visitors += visitors;
        running.of.add(party.clone());
        Ok(Place {
            admission: self.clone(),
            party,
        })
    }

    /// A place for a turn that was accepted, as soon as there is one.
    pub(crate) async fn wait(self: &Arc<Self>, party: &Party) -> Place {
        loop {
            let mut left = std::pin::pin!(self.left.notified());
            // Registered before the check, so that no place that is left in between is missed.
            left.as_mut().enable();
            if let Ok(place) = self.enter(party.clone()) {
                return place;
            }
            left.await;
        }
    }

    /// How many turns run.
    pub(crate) fn running(&self) -> u64 {
        self.lock().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut running = self.admission.lock();
            running.all -= 1;
            running.visitors -= u64::from(self.party.is_visitor());
            running.of.remove(&self.party);
        }
        self.admission.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::principal::{Kind, Principal, Subject, Tenant};

    fn party(kind: Kind, subject: &str) -> Party {
        let subject = Subject::parse(subject).unwrap();
        Party::Owner(Principal::new(Tenant::default(), kind, subject).owner())
    }

    #[test]
    fn an_owner_visitors_and_all_have_a_bound_each() {
        let bounds = Bounds::default().with(Bound::TurnsAll, 8);
        let admission = Admission::new(bounds);
        let enter = |kind, subject| admission.enter(party(kind, subject));
        let bound = |refused: Result<Place, OverBound>| refused.unwrap_err().bound;
        let mut places = Vec::new();
        for visitor in ["a", "a", "b", "b"] {
            places.push(enter(Kind::Visitor, visitor).unwrap());
        }
        assert_eq!(bound(enter(Kind::Visitor, "a")), Bound::TurnsOwner);
        assert_eq!(bound(enter(Kind::Visitor, "c")), Bound::TurnsVisitors);
        for customer in ["a", "a", "b", "b"] {
            places.push(enter(Kind::Customer, customer).unwrap());
        }
        assert_eq!(bound(enter(Kind::Customer, "c")), Bound::TurnsAll);
        drop(places);
        assert_eq!(admission.running(), 0);
        assert!(enter(Kind::Visitor, "c").is_ok());
    }

    #[test]
    fn an_accepted_turn_waits_until_a_place_is_left() {
        let admission = Admission::new(Bounds::default().with(Bound::TurnsAll, 1));
        let ann = party(Kind::Customer, "ann");
        let place = admission.enter(ann.clone()).unwrap();
        let mut waits = Box::pin(admission.wait(&ann));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(place);
        assert!(waits.now_or_never().is_some());
    }
}
