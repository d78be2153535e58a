//! Accepts a customer's message: records it as a turn, and begins the turn at once when the conversation is idle.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::accept::{Taken, Tries};
use super::client;
use super::follow::Followed;
use super::message::{Accepted, Overlap, Refusal, Stop, Submission};
use super::open::{Conversation, Seen};
use crate::bounds::{Bound, Bounds};
use crate::drive;
use crate::drive::admission::Place;
use crate::drive::warm::Warm;
use crate::engine::MAX_TRIES;
use crate::ids::TurnNumber;
use crate::ports::StoreError;
use crate::principal::Access;
use crate::record::journal::{JournaledTurn, read_turns};
use crate::record::size::MESSAGE;
use crate::record::{MessageRecord, Meta, decode, keys};
use crate::turn::past::Past;
use crate::turn::window;

/// When a message may be sent again that found too many others waiting.
const WAIT_FOR_A_TURN: Duration = Duration::from_secs(5);

impl Conversation {
    /// Records the message and has it answered, even if the caller goes away.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal> {
        if self.engine.is_draining() {
            return Err(Refusal::Draining);
        }
        if submission.message.len() > MESSAGE {
            return Err(Refusal::TooLong(submission.message.len()));
        }
        submission.client.check(&submission.message)?;
        let (answer, answered) = oneshot::channel();
        let conversation = self.clone();
        self.engine.env.spawn(Box::pin(async move {
            let (hub, id) = (&conversation.engine.hub, &conversation.id);
            // Read before we poke: a poke of another task in between is not overlooked.
            let seen = hub.pokes(id) + 1;
            let drives = !submission.background && hub.start_driving(id);
            let take = conversation.take(submission, answer, drives.then_some(seen));
            if AssertUnwindSafe(take).catch_unwind().await.is_err() {
                tracing::error!(conversation = %id, "a panic while accepting a message");
                // Another driver of the conversation goes on, and ends these logs.
                if drives {
                    hub.abandon(id);
                }
            }
        }));
        // The task drops the sender only when it panicked.
        answered.await.unwrap_or(Err(Refusal::Unavailable))
    }

    async fn take(
        &self,
        submission: Submission,
        answer: oneshot::Sender<Result<Accepted, Refusal>>,
        drives_since: Option<u64>,
    ) {
        let (engine, conversation) = (&self.engine, &self.id);
        let drives = drives_since.is_some();
        // Boxed, here and where a turn runs: a task is as large as its largest part for as long as the answer streams.
        // Where another task drives the conversation, the message waits for the turn that runs.
        let place = if drives || submission.background {
            engine.admission.enter(self.party()).map(Some)
        } else {
            Ok(None)
        };
        let taken = match place {
            Ok(place) => Box::pin(self.take_with_retries(&submission, place, drives)).await,
            Err(over) => Err(over.into()),
        };
        let begun = match taken {
            Ok(Taken::Begun(begun, turn, log)) => {
                // Followers of the conversation read it when this driver started, before the new turn.
                engine.hub.poke(conversation);
                // A client that hung up does not stop the turn.
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                Some(begun)
            }
            Ok(Taken::Waits(turn, log)) => {
                engine.hub.poke(conversation);
                if submission.background {
                    // Before the response: a function is frozen once it has responded.
                    engine
                        .send_conversation(&self.principal.owner(), conversation)
                        .await;
                }
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                None
            }
            Err(refusal) => {
                // Nothing was recorded: drive only if another task poked us.
                let leaves =
                    drives_since.is_none_or(|seen| engine.hub.stop_driving(conversation, seen));
                let _hung_up = answer.send(Err(refusal));
                if leaves {
                    return;
                }
                None
            }
        };
        if drives {
            // With a listener it waits for a place.
            let _left = drive::drive(engine.clone(), conversation.clone(), begun, None).await;
        } else if !submission.background {
            // Another driver may have read META before our commit, and may have left since.
            let _left = engine.advance(conversation).await;
        }
    }

    async fn take_with_retries(
        &self,
        submission: &Submission,
        place: Option<Place>,
        drives: bool,
    ) -> Result<Taken, Refusal> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 32 of 128 random bits are random"
        )]
        let mut tries = Tries {
            receipt: self.engine.env.random() as u32,
            unconfirmed: Vec::new(),
            opening: None,
            place,
        };
        for attempt in 0..MAX_TRIES {
            match self.try_take(submission, drives, attempt, &mut tries).await {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => self.engine.back_off(attempt).await,
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Store(error)) => {
                    tracing::error!(conversation = %self.id, %error, "a message could not be recorded");
                    return Err(Refusal::Unavailable);
                }
                Err(Stop::Unreadable(error)) => {
                    tracing::error!(conversation = %self.id, %error, "a message was refused: its conversation cannot be read");
                    return Err(Refusal::Unreadable);
                }
            }
        }
        let unconfirmed = tries.unconfirmed.len();
        tracing::error!(conversation = %self.id, tries = MAX_TRIES, unconfirmed, "a message could not be recorded");
        Err(if unconfirmed == 0 {
            Refusal::Contended
        } else {
            // The store failed; no other writer won.
            Refusal::Unavailable
        })
    }

    /// One attempt. `None`: another task or process wrote first; try again.
    async fn try_take(
        &self,
        submission: &Submission,
        drives: bool,
        attempt: u32,
        tries: &mut Tries,
    ) -> Result<Option<Taken>, Stop> {
        if drives
            && tries.unconfirmed.is_empty()
            && let Some(Warm {
                version,
                meta,
                past,
            }) = self.remembered()
            && meta.running.is_none()
            && meta.waiting.is_empty()
            && !meta.is_to_be_weighed()
            && !took(&past, submission)
            && client::are_awaited(&meta, &submission.client.results, self.engine.env.now())
        {
            return self
                .record(submission, Some((version, meta)), Some(past), None, tries)
                .await;
        }
        // The owner is compared for the version of META that is written over, at every attempt.
        let look = async {
            if attempt == 0 {
                self.look().await
            } else {
                self.look_again().await
            }
        };
        let owner = self.principal.owner();
        // Concurrent: on a store across a network three reads then take the time of one.
        let (seen, known, turns, summary, ()) = futures_util::join!(
            look,
            self.known_message(submission),
            self.last_turns(),
            self.engine.newest_summary(&self.id),
            self.engine.ready_budgets(&owner, &self.id, drives),
        );
        let meta = match seen? {
            Seen::Open(version, meta, Access::Speak) => Some((version, meta)),
            Seen::Nothing if self.may_begin() => match self.too_many {
                Some(over) => return Err(Stop::Refused(over.into())),
                None => None,
            },
            Seen::Nothing | Seen::Closed | Seen::Open(..) => {
                return Err(Stop::Refused(Refusal::NotFound));
            }
        };
        let mut known = known?;
        let results = &submission.client.results;
        let is_late = |meta: &Meta| !client::are_awaited(meta, results, self.engine.env.now());
        if known.is_none() && meta.as_ref().is_some_and(|(_, meta)| is_late(meta)) {
            // The same results may have been taken between these reads. A refusal has no commit that would fail then.
            known = self.known_message(submission).await?;
        }
        let erased_below = meta.as_ref().map_or(0, |(_, meta)| meta.erased_below);
        // An erased message leaves a marker for a while; a new message replaces it.
        let stale = match known {
            Some(known) if known.turn >= erased_below => {
                known.must_be(submission)?;
                return self.known_turn(known.turn).await;
            }
            Some(erased) => Some(erased.version),
            None => None,
        };
        // After the read of META: a later write makes our commit fail.
        let taken = self.taken_before(tries.receipt, &tries.unconfirmed).await?;
        if let Some(turn) = taken {
            let taken = self.known_turn(turn).await?;
            return Ok(Some(taken.ok_or_else(|| {
                Stop::Store(format!("turn {turn} took this message and was erased"))
            })?));
        }
        let idle = meta
            .as_ref()
            .is_none_or(|(_, meta)| meta.running.is_none() && meta.waiting.is_empty());
        let room = self.room(meta.as_ref().map(|(_, meta)| meta)).await?;
        if let Some(over) = room {
            return Err(Stop::Refused(over.into()));
        }
        if let Some((_, meta)) = meta.as_ref().filter(|_| !idle) {
            refuse_overlap(meta, submission.overlap, &self.engine.bounds)?;
        }
        let past = if idle && drives {
            let mut past = Past {
                turns: turns?,
                summary,
            };
            if let Some((_, meta)) = &meta
                && past.may_be_older_than(meta)
            {
                past.turns = self.last_turns().await?;
            }
            Some(past)
        } else {
            None
        };
        self.record(submission, meta, past, stale, tries).await
    }

    /// As many as a window may need.
    async fn last_turns(&self) -> Result<Vec<JournaledTurn>, StoreError> {
        let extent = window::extent(&self.engine.team.limits);
        read_turns(&*self.engine.store, &self.id, None, extent).await
    }

    /// The record under this message's id.
    async fn known_message(&self, submission: &Submission) -> Result<Option<Known>, StoreError> {
        let Some(id) = &submission.message_id else {
            return Ok(None);
        };
        let Some(stored) = self.engine.store.get(&keys::message(&self.id, id)).await? else {
            return Ok(None);
        };
        let MessageRecord { turn, hash } = decode(&stored)?;
        Ok(Some(Known {
            version: stored.version,
            turn,
            hash,
        }))
    }

    /// The events of a turn that exists: its live log, or its journal. `None`: the turn was erased since; read again.
    async fn known_turn(&self, number: TurnNumber) -> Result<Option<Taken>, Stop> {
        match self.follow(number, None).await? {
            Followed::Log(log) => Ok(Some(Taken::Waits(number, log))),
            Followed::NoSuchTurn => Ok(None),
            Followed::NothingLeft(_) => Err(Stop::Store(format!(
                "turn {number} took this message and said nothing"
            ))),
        }
    }
}

/// The stored use of a message id.
struct Known {
    version: u64,
    turn: TurnNumber,
    hash: String,
}

impl Known {
    /// An id means one message for as long as its turn exists.
    fn must_be(&self, submission: &Submission) -> Result<(), Stop> {
        if self.hash == submission.hash() {
            Ok(())
        } else {
            Err(Stop::Refused(Refusal::MessageIdReused))
        }
    }
}

fn refuse_overlap(meta: &Meta, overlap: Overlap, bounds: &Bounds) -> Result<(), Stop> {
    let most = bounds.of(Bound::WaitingConversation);
    let last = meta
        .waiting
        .last()
        .copied()
        .or_else(|| meta.running.as_ref().map(|running| running.turn));
    match overlap {
        Overlap::Reject => Err(Stop::Refused(Refusal::Busy {
            turn: last.unwrap_or_default(),
        })),
        Overlap::Queue if meta.waiting.len() as u64 >= most => {
            let over = bounds.over(Bound::WaitingConversation, WAIT_FOR_A_TURN);
            Err(Stop::Refused(over.into()))
        }
        Overlap::Queue | Overlap::Interrupt => Ok(()),
    }
}

/// Whether one of these turns accepted this very message: then the model must not be called again.
fn took(past: &Past, submission: &Submission) -> bool {
    let id = submission.message_id.as_ref();
    id.is_some()
        && past
            .turns
            .iter()
            .any(|turn| turn.record.message_id.as_ref() == id)
}
