//! What a request counts as, and the bounds that are kept before a conversation is opened: streams, and turns of one address.
//! The engine keeps those of turns and rates.
//!
//! In `open` nobody is told apart: the bounds of a conversation and those of all hold, and neither addresses nor rates count.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use baton_handoff::{Accepted, Bound, Bounds, Counts, Engine, OverBound, Owner, Party};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::edge::address::Address;

/// When a client may ask again for which no stream is left. A stream may last long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Of all streams, one in so many is kept from those that follow a conversation, for new turns, and for operators.
const KEPT_FOR_ANSWERS: u64 = 10;

/// Of all streams, one in so many is kept from all of them, so that `/health` and a stop find a connection.
const KEPT_FOR_OTHERS: u64 = 20;

/// What a request counts as.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// None without an owner: in `open`, and of a visitor that is still to be made.
    pub(crate) owner: Option<Owner>,
    /// None where it is unknown, and where addresses do not count.
    pub(crate) address: Option<Address>,
}

impl Counted {
    /// Counts one more of what these rates bound. A request that is over one of them counts for none.
    pub(crate) fn count(
        &self,
        engine: &Arc<Engine>,
        by_owner: Bound,
        by_address: Bound,
    ) -> Result<(), OverBound> {
        self.would_fit(engine, by_owner, by_address)?;
        if let Some(owner) = &self.owner {
            engine.count(by_owner, owner.as_str())?;
        }
        if let Some(address) = self.address {
            engine.count(by_address, &address.to_string())?;
        }
        Ok(())
    }

    /// Whether one more would fit.
    pub(crate) fn would_fit(
        &self,
        engine: &Engine,
        by_owner: Bound,
        by_address: Bound,
    ) -> Result<(), OverBound> {
        if let Some(owner) = &self.owner {
            engine.would_fit(by_owner, owner.as_str())?;
        }
        if let Some(address) = self.address {
            engine.would_fit(by_address, &address.to_string())?;
        }
        Ok(())
    }
}

/// The purpose of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The answer to a message, or one turn.
    Turn,
    /// A whole conversation.
    Follow,
    /// The same for an operator, whom only the bound of all concerns.
    Operator,
}

/// The streams of this process, and the turns of each address.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    streams: u64,
    streams_of: Counts<Party>,
    follows_of: Counts<Party>,
    streams_from: Counts<Address>,
    follows_from: Counts<Address>,
    turns_from: Counts<Address>,
}

impl Places {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self(Arc::new(Inner {
            bounds: *bounds,
            held: Mutex::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_within(&self, bound: Bound, now: u64, kept: u64) -> Result<(), OverBound> {
        let bounds = &self.0.bounds;
        let value = bounds.of(bound);
        if now < value - value.checked_div(kept).unwrap_or_default() {
            Ok(())
        } else {
            Err(bounds.over(bound, RETRY_AFTER))
        }
    }

    /// A place for one more stream.
    pub(crate) fn stream(
        &self,
        purpose: Purpose,
        party: &Party,
        address: Option<Address>,
    ) -> Result<StreamPlace, OverBound> {
        let mut held = self.lock();
        let is_follow = purpose == Purpose::Follow;
        if purpose != Purpose::Operator {
            self.is_within(Bound::StreamsOwner, held.streams_of.of(party), 0)?;
            if is_follow {
                self.is_within(Bound::FollowsOwner, held.follows_of.of(party), 0)?;
            }
            if let Some(address) = &address {
                self.is_within(Bound::StreamsAddress, held.streams_from.of(address), 0)?;
                if is_follow {
                    self.is_within(Bound::FollowsAddress, held.follows_from.of(address), 0)?;
                }
            }
        }
        let kept = if is_follow {
            KEPT_FOR_ANSWERS
        } else {
            KEPT_FOR_OTHERS
        };
        self.is_within(Bound::StreamsAll, held.streams, kept)?;
        held.streams += 1;
        held.streams_of.add(party.clone());
        if is_follow {
            held.follows_of.add(party.clone());
        }
        if let Some(address) = address {
            held.streams_from.add(address);
            if is_follow {
                held.follows_from.add(address);
            }
        }
        Ok(StreamPlace {
            places: self.clone(),
            party: party.clone(),
            address,
            is_follow,
        })
    }

    /// A place for one more turn of this address.
    pub(crate) fn turn(&self, address: Option<Address>) -> Result<TurnPlace, OverBound> {
        if let Some(address) = address {
            let mut held = self.lock();
            self.is_within(Bound::TurnsAddress, held.turns_from.of(&address), 0)?;
            held.turns_from.add(address);
        }
        Ok(TurnPlace {
            places: self.clone(),
            address,
        })
    }
}

/// The place of one open stream.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    places: Places,
    party: Party,
    address: Option<Address>,
    is_follow: bool,
}

impl StreamPlace {
    /// Held until the body is over or dropped.
    pub(crate) fn hold(self, response: Response) -> Response {
        response.map(|body| Body::new(HeldBody { body, _place: self }))
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.streams -= 1;
        held.streams_of.remove(&self.party);
        if self.is_follow {
            held.follows_of.remove(&self.party);
        }
        if let Some(address) = &self.address {
            held.streams_from.remove(address);
            if self.is_follow {
                held.follows_from.remove(address);
            }
        }
    }
}

/// The place of one turn of an address.
#[derive(Debug)]
pub(crate) struct TurnPlace {
    places: Places,
    address: Option<Address>,
}

impl TurnPlace {
    /// Held until the turn is over here, also when its listener has hung up. A background turn runs elsewhere.
    pub(crate) fn hold(self, accepted: &Accepted, background: bool) {
        if self.address.is_none() || background {
            return;
        }
        let log = accepted.log.clone();
        tokio::spawn(async move {
            log.ended().await;
            drop(self);
        });
    }
}

impl Drop for TurnPlace {
    fn drop(&mut self) {
        if let Some(address) = &self.address {
            self.places.lock().turns_from.remove(address);
        }
    }
}

/// A body with its place.
struct HeldBody {
    body: Body,
    _place: StreamPlace,
}

impl http_body::Body for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
