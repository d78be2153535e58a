//! A store that fails as networks and other writers make stores fail, by a seed.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use baton_handoff::ports::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Page, Range, Store, StoreError, Stored,
};

/// Wraps a store. A third of the commits goes wrong in one of the ways that the port allows, and any may be late.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    chance: Mutex<Chance>,
}

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Somebody else was in the way for a moment.
    Conflict,
    /// The request did not get there.
    Unavailable,
    /// The request did not get there, and nobody noticed.
    AmbiguousLost,
    /// The request got there, its answer did not come back.
    AmbiguousApplied,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// Wraps a store; the same seed and the same calls bring the same faults.
    pub fn new(inner: Arc<dyn Store>, seed: u64) -> Self {
        Self {
            inner,
            chance: Mutex::new(Chance(seed)),
        }
    }

    fn draw(&self, sides: u64) -> u64 {
        self.chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .draw(sides)
    }

    /// Lets others go first, a few times.
    async fn delay(&self) {
        for _ in 0..self.draw(4) {
            go_last().await;
        }
    }

    fn fault(&self) -> Option<Fault> {
        match self.draw(12) {
            0 => Some(Fault::Conflict),
            1 => Some(Fault::Unavailable),
            2 => Some(Fault::AmbiguousLost),
            3 => Some(Fault::AmbiguousApplied),
            4.. => None,
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.delay().await;
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.delay().await;
        self.inner.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.delay().await;
        self.inner.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.delay().await;
        match self.fault() {
            None => {
                let result = self.inner.commit(changes).await;
                self.delay().await;
                result
            }
            Some(Fault::Conflict) => Err(CommitError::Conflict),
            Some(Fault::Unavailable) => Err(CommitError::Unavailable("made up".to_owned())),
            Some(Fault::AmbiguousLost) => {
                Err(CommitError::Ambiguous("made up, not applied".to_owned()))
            }
            Some(Fault::AmbiguousApplied) => match self.inner.commit(changes).await {
                Ok(()) => Err(CommitError::Ambiguous("made up, applied".to_owned())),
                refused => refused,
            },
        }
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.delay().await;
        self.inner.index(index, after, limit).await
    }
}

/// Gives way to every other task that is ready, whatever runtime there is.
async fn go_last() {
    let mut went = false;
    poll_fn(|context| {
        if went {
            return Poll::Ready(());
        }
        went = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Pseudo-random numbers (SplitMix64): a few bits of quality and a seed are all that is asked for.
struct Chance(u64);

impl Chance {
    fn draw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
