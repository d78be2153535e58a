//! The memory that answers of any size may take: what clients do not read stays in it, however many there are.
//!
//! Streams of turns need none of this: they only point into logs that are there anyway.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::edge::error::ApiError;

/// Pieces that are read and written down at once. Each may need some megabytes for a moment, when records are large.
const MAKERS: usize = 4;

/// Pieces that are written down and not yet taken by the network, together, in KiB.
const HELD_KIB: u32 = 16 * 1024;

/// Up to this size, in bytes, a piece needs no place: a connection has a buffer as large anyway, and connections are bounded.
/// So short histories are read whatever others do not read. Larger ones are cut into chunks of this size, so that what the
/// network has taken of a piece is free again.
const SMALL: usize = 16 * 1024;

/// A request that waited for so long is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by all requests of a server.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    makers: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

/// Too many clients take their answers slowly.
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
    /// Makes a piece of an answer, and what is to be known for the next one. Its place is free again when the network has taken
    /// it. Where there is none for it, it is given up and made anew when there is: what waits takes no memory, and keeps no
    /// smaller piece from being made.
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

    /// A place of this size, made from the one that there is, if there is room now.
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

/// In KiB; a piece that is larger than all there is takes all.
fn weight(piece: &[u8]) -> u32 {
    if piece.len() <= SMALL {
        return 0;
    }
    u32::try_from(piece.len().div_ceil(1024)).map_or(HELD_KIB, |kib| kib.min(HELD_KIB))
}

/// The piece in chunks, each with its part of the place.
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
        tracing::warn!("a request was turned away: {busy}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, busy.to_string())
            .with_header(header::RETRY_AFTER, "10")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// As large as all that may be held.
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
    async fn what_is_not_taken_keeps_others_out_until_it_is() {
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
    async fn a_small_piece_waits_for_nobody() {
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
        // Shorter when it is made again: so much was erased meanwhile.
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
