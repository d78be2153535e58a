//! The memory for answers of any size: data that clients do not read stays within it, for any number of clients.
//!
//! Streams of turns need none of this: they only point into existing logs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::edge::error::ApiError;

/// Pieces read and encoded at once. Each may need some megabytes for a moment, when records are large.
const MAKERS: usize = 4;

/// The total size of encoded pieces that the network has not taken yet, in KiB.
const HELD_KIB: u32 = 16 * 1024;

/// Pieces up to this size, in bytes, need no permit: a connection has a buffer of that size anyway, and connections are bounded.
/// So short histories can always be read, even beside slow clients. Larger pieces are cut into chunks of this size, so that each
/// chunk frees its share once the network has taken it.
const SMALL: usize = 16 * 1024;

/// After this wait a request is asked to try again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by all requests of a server.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    makers: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

/// Too many clients read their answers slowly.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("too many long answers are being read right now")]
pub(crate) struct Busy;

impl Default for Budget {
    fn default() -> Self {
        Self {
            makers: Arc::new(Semaphore::new(MAKERS)),
            held: Arc::new(Semaphore::new(HELD_KIB as usize)),
        }
    }
}

impl Budget {
    /// Builds a piece of an answer, and the state for the next one. The network frees its memory when it has taken the piece. If
    /// there is no room, the piece is discarded and built again later: a waiting piece takes no memory, and delays no smaller
    /// one.
    pub(crate) async fn piece<T, E, F>(
        &self,
        make: impl Fn() -> F,
    ) -> Result<Result<(Vec<Bytes>, T), E>, Busy>
    where
        F: Future<Output = Result<(Vec<u8>, T), E>>,
    {
        let until = Instant::now() + PATIENCE;
        let mut place = None;
        loop {
            let maker = wait_for(until, self.makers.clone().acquire_owned()).await?;
            let (piece, then) = match make().await {
                Ok(result) => result,
                Err(error) => return Ok(Err(error)),
            };
            let needed = weight(&piece);
            if let Some(place) = self.fit(place.take(), needed) {
                return Ok(Ok((chunks(&piece, place), then)));
            }
            drop((maker, piece));
            let free = self.held.clone().acquire_many_owned(needed);
            place = Some(wait_for(until, free).await?);
        }
    }

    /// A permit of this size, made from the given one, if there is room now.
    fn fit(
        &self,
        place: Option<OwnedSemaphorePermit>,
        needed: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let Some(mut place) = place else {
            return self.held.clone().try_acquire_many_owned(needed).ok();
        };
        let has = place.num_permits();
        let needed = needed as usize;
        if has >= needed {
            drop(place.split(has - needed));
        } else {
            let missing = u32::try_from(needed - has).ok()?;
            place.merge(self.held.clone().try_acquire_many_owned(missing).ok()?);
        }
        Some(place)
    }
}

/// In KiB; a piece above the total takes everything.
fn weight(piece: &[u8]) -> u32 {
    if piece.len() <= SMALL {
        return 0;
    }
    u32::try_from(piece.len().div_ceil(1024)).map_or(HELD_KIB, |kib| kib.min(HELD_KIB))
}

/// The piece in chunks, each with its share of the permit.
fn chunks(piece: &[u8], mut place: OwnedSemaphorePermit) -> Vec<Bytes> {
    let chunk = |chunk: &[u8]| {
        let kib = chunk.len().div_ceil(1024).min(place.num_permits());
        Bytes::from_owner(Held {
            chunk: chunk.to_vec(),
            _place: place.split(kib),
        })
    };
    piece.chunks(SMALL).map(chunk).collect()
}

async fn wait_for(
    until: Instant,
    place: impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>>,
) -> Result<OwnedSemaphorePermit, Busy> {
    // The semaphores are never closed.
    timeout_at(until, place)
        .await
        .map_err(|_| Busy)?
        .map_err(|_| Busy)
}

struct Held {
    chunk: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        tracing::warn!("a request was refused: {busy}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, busy.to_string())
            .with_header(header::RETRY_AFTER, "10")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// As large as the total.
    const ALL: usize = HELD_KIB as usize * 1024;

    async fn piece_of(budget: &Budget, bytes: usize) -> Result<Vec<Bytes>, Busy> {
        let make = || async move { Ok::<_, Infallible>((vec![b'x'; bytes], ())) };
        let Ok((piece, ())) = budget.piece(make).await?;
        assert_eq!(piece.iter().map(Bytes::len).sum::<usize>(), bytes);
        Ok(piece)
    }

    /// In bytes.
    fn free(budget: &Budget) -> usize {
        budget.held.available_permits() * 1024
    }

    #[tokio::test(start_paused = true)]
    async fn unread_answers_hold_up_others_until_they_are_read() {
        let budget = Budget::default();
        let mut all = piece_of(&budget, ALL).await.unwrap();
        assert!(piece_of(&budget, 2 * SMALL).await.is_err());
        drop(all.pop());
        let part = all.pop().unwrap().slice(..1);
        assert!(
            piece_of(&budget, 2 * SMALL).await.is_err(),
            "a part of a chunk holds it"
        );
        drop(part);
        assert!(piece_of(&budget, 2 * SMALL).await.is_ok());
        assert_eq!(free(&budget), 2 * SMALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_piece_never_waits() {
        let budget = Budget::default();
        let _all = piece_of(&budget, ALL).await.unwrap();
        let waiting: Vec<_> = (0..2 * MAKERS)
            .map(|_| {
                let budget = budget.clone();
                tokio::spawn(async move { piece_of(&budget, ALL).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let before = Instant::now();
        assert!(piece_of(&budget, SMALL).await.is_ok());
        assert_eq!(before, Instant::now());
        for waited in waiting {
            assert!(waited.await.unwrap().is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_is_larger_than_the_budget_is_alone_in_it() {
        let budget = Budget::default();
        let huge = piece_of(&budget, 2 * ALL).await.unwrap();
        assert!(piece_of(&budget, 2 * SMALL).await.is_err());
        drop(huge);
        assert_eq!(free(&budget), ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_for_which_there_is_no_place_is_made_again_when_there_is() {
        let budget = Budget::default();
        let all = piece_of(&budget, ALL).await.unwrap();
        let tries = AtomicUsize::new(0);
        // Shorter when it is built again: a part was erased meanwhile.
        let make = || async {
            let number = tries.fetch_add(1, Ordering::SeqCst);
            let bytes = if number == 0 { ALL } else { ALL / 2 };
            Ok::<_, Infallible>((vec![b'x'; bytes], number))
        };
        let makes_room = async {
            tokio::task::yield_now().await;
            drop(all);
        };
        let (piece, ()) = tokio::join!(budget.piece(make), makes_room);
        let Ok((piece, number)) = piece.unwrap();
        assert_eq!(number, 1);
        assert_eq!(free(&budget), ALL / 2, "it takes no more than it needs");
        drop(piece);
        assert_eq!(free(&budget), ALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_cannot_be_made_leaves_its_place() {
        let budget = Budget::default();
        for _ in 0..2 * MAKERS {
            let failed = budget.piece(|| async { Err::<(Vec<u8>, ()), _>("no") });
            assert_eq!(failed.await.unwrap().unwrap_err(), "no");
        }
        assert!(piece_of(&budget, ALL).await.is_ok());
    }
}
