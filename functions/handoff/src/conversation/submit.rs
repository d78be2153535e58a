//! Takes a customer's message: records it as a turn, and begins the turn at once when the conversation is idle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use tokio::sync::oneshot;

use crate::conversation::follow::Followed;
use crate::drive::hub::TurnLog;
use crate::drive::warm::Warm;
use crate::engine::{Engine, MAX_TRIES};
use crate::event::EventKind;
use crate::ids::{ConversationId, MessageId, TurnNumber, hex};
use crate::ports::{Message, StoreError};
use crate::record::journal::{JournaledTurn, read_meta, read_turns};
use crate::record::size::MESSAGE;
use crate::record::{MessageRecord, Meta, TurnRecord, decode, keys};
use crate::turn::window;
use crate::turn::{Begun, Opening};

/// Turns that may wait behind the running one.
const MAX_WAITING: usize = 8;

/// What to do when a turn of the conversation is still running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Wait for it.
    #[default]
    Queue,
    /// Refuse the message.
    Reject,
    /// Stop it, keep what it said, and go on with this message: those that wait are stopped too.
    Interrupt,
}

/// A customer's message.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Where it belongs.
    pub conversation: ConversationId,
    /// Whose conversation it is, when it is new.
    pub owner: String,
    /// What the customer wrote; not empty.
    pub message: String,
    /// The client's name for it.
    pub message_id: Option<MessageId>,
    /// What to do when a turn is still running.
    pub overlap: Overlap,
    /// Nobody waits for the answer here: a worker gives it.
    pub background: bool,
}

/// A message that is recorded and will be answered, whatever becomes of this process.
#[derive(Debug)]
pub struct Accepted {
    /// Its turn.
    pub turn: TurnNumber,
    /// What its listeners read. Silent for a background turn: that one is followed.
    pub log: Arc<TurnLog>,
}

/// Why a message was not taken. Nothing of it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A turn is running and the client did not want to wait.
    #[error("a turn of this conversation is still running")]
    Busy {
        /// The turn to follow.
        turn: TurnNumber,
    },
    /// Too many turns wait already.
    #[error("too many messages of this conversation wait already")]
    TooManyWaiting,
    /// The message id was used for another message.
    #[error("this message id was used for another message")]
    MessageIdReused,
    /// This process is ending.
    #[error("this server is shutting down")]
    Draining,
    /// It is longer than a record may hold.
    #[error("the message is too long: {0} bytes, and at most {MESSAGE} are taken")]
    TooLong(usize),
    /// The conversation cannot be read: it is damaged, or a newer version of this program wrote it. Sending the message again
    /// will not help.
    #[error("this conversation cannot be read by this server; please begin a new one")]
    Unreadable,
    /// Others wrote to the conversation each time that this message was about to be recorded. Sending it again is safe with a
    /// message id.
    #[error("too many requests write to this conversation at once")]
    Contended,
    /// The store does not answer as it should. Sending the message again is safe with a message id.
    #[error("the conversation could not be saved")]
    Unavailable,
}

impl Engine {
    /// An id for a conversation that nobody has used and nobody can guess.
    pub fn new_conversation(&self) -> ConversationId {
        ConversationId::random(self.env.random())
    }

    /// Records the message and sees to it that it is answered, also when the caller goes away.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Result<Accepted, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        if submission.message.len() > MESSAGE {
            return Err(Refusal::TooLong(submission.message.len()));
        }
        let (answer, answered) = oneshot::channel();
        let engine = self.clone();
        self.env.spawn(Box::pin(async move {
            let conversation = submission.conversation.clone();
            // Read first and then raised by us: a look that somebody else asked for in between is not overlooked.
            let seen = engine.hub.pokes(&conversation) + 1;
            let drives = !submission.background && engine.hub.start_driving(&conversation);
            let take = engine
                .clone()
                .take(submission, answer, drives.then_some(seen));
            if AssertUnwindSafe(take).catch_unwind().await.is_err() {
                tracing::error!(%conversation, "taking a message panicked");
                // Another task that drives the conversation goes on, and its listeners hear the end from it.
                if drives {
                    engine.abandon(&conversation, &EventKind::TurnContinues);
                }
            }
        }));
        // The task drops the sender only when it panicked.
        answered.await.unwrap_or(Err(Refusal::Unavailable))
    }

    async fn take(
        self: Arc<Self>,
        submission: Submission,
        answer: oneshot::Sender<Result<Accepted, Refusal>>,
        drives_since: Option<u64>,
    ) {
        let conversation = submission.conversation.clone();
        let drives = drives_since.is_some();
        // In boxes, here and where a turn runs: a task is as large as its largest part, for as long as the answer streams.
        let taken = Box::pin(self.take_with_retries(&submission, drives)).await;
        let begun = match taken {
            Ok(Taken::Begun(begun, turn, log)) => {
                // Who follows the conversation looked when the driving began, and saw nothing new then.
                self.hub.poke(&conversation);
                // A client that hung up does not stop the turn.
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                Some(begun)
            }
            Ok(Taken::Waits(turn, log)) => {
                self.hub.poke(&conversation);
                if submission.background {
                    // Before the answer: a function that has answered is frozen.
                    self.send_conversation(&submission.owner, &conversation)
                        .await;
                }
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                None
            }
            Err(refusal) => {
                // Nothing was recorded: drive only if another task poked us.
                let leaves =
                    drives_since.is_none_or(|seen| self.hub.stop_driving(&conversation, seen));
                let _hung_up = answer.send(Err(refusal));
                if leaves {
                    return;
                }
                None
            }
        };
        if drives {
            self.drive(conversation, begun).await;
        } else if !submission.background {
            // Whoever drove may have looked before our commit, and have left since.
            self.look_after(&conversation).await;
        }
    }

    async fn take_with_retries(
        self: &Arc<Self>,
        submission: &Submission,
        drives: bool,
    ) -> Result<Taken, Refusal> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 32 of 128 random bits are random"
        )]
        let mut tries = Tries {
            receipt: self.env.random() as u32,
            unconfirmed: Vec::new(),
            opening: None,
        };
        for attempt in 0..MAX_TRIES {
            match self.try_take(submission, drives, &mut tries).await {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => self.back_off(attempt).await,
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Store(error)) => {
                    tracing::error!(conversation = %submission.conversation, %error, "a message could not be recorded");
                    return Err(Refusal::Unavailable);
                }
                Err(Stop::Unreadable(error)) => {
                    tracing::error!(conversation = %submission.conversation, %error, "a message was refused: its conversation cannot be read");
                    return Err(Refusal::Unreadable);
                }
            }
        }
        let unconfirmed = tries.unconfirmed.len();
        tracing::error!(conversation = %submission.conversation, tries = MAX_TRIES, unconfirmed, "a message could not be recorded");
        Err(if unconfirmed == 0 {
            Refusal::Contended
        } else {
            // Not others but the store was in the way.
            Refusal::Unavailable
        })
    }

    /// One try. `None`: somebody else wrote first, look again.
    async fn try_take(
        self: &Arc<Self>,
        submission: &Submission,
        drives: bool,
        tries: &mut Tries,
    ) -> Result<Option<Taken>, Stop> {
        let conversation = &submission.conversation;
        if drives
            && tries.unconfirmed.is_empty()
            && let Some(Warm {
                version,
                meta,
                past,
            }) = self.memory.take(conversation)
            && meta.running.is_none()
            && meta.waiting.is_empty()
            && !took(&past, submission)
        {
            return self
                .record(submission, Some((version, meta)), Some(past), None, tries)
                .await;
        }
        // Side by side: on a store with a network between, three reads cost what one does.
        let (meta, known, past) = futures_util::join!(
            read_meta(&*self.store, conversation),
            self.known_message(submission),
            read_turns(
                &*self.store,
                conversation,
                None,
                window::extent(&self.team.limits)
            ),
        );
        let (meta, known) = (meta?, known?);
        let erased_below = meta.as_ref().map_or(0, |(_, meta)| meta.erased_below);
        // What an erased message leaves for a while is written over.
        let stale = match known {
            Some(known) if known.turn >= erased_below => {
                known.must_be(submission)?;
                return self.known_turn(conversation, known.turn).await;
            }
            Some(erased) => Some(erased.version),
            None => None,
        };
        // Behind the look at META: what is written after that is in the way of our commit.
        let taken = self
            .taken_before(conversation, tries.receipt, &tries.unconfirmed)
            .await?;
        if let Some(turn) = taken {
            let taken = self.known_turn(conversation, turn).await?;
            return Ok(Some(taken.ok_or_else(|| {
                Stop::Store(format!("turn {turn} took this message and was erased"))
            })?));
        }
        let idle = meta
            .as_ref()
            .is_none_or(|(_, meta)| meta.running.is_none() && meta.waiting.is_empty());
        if let Some((_, meta)) = meta.as_ref().filter(|_| !idle) {
            refuse_overlap(meta, submission.overlap)?;
        }
        let past = if idle && drives { Some(past?) } else { None };
        self.record(submission, meta, past, stale, tries).await
    }

    /// The turn that an earlier try has recorded after all. Somebody else may run it by now.
    pub(super) async fn taken_before(
        &self,
        conversation: &ConversationId,
        receipt: u32,
        unconfirmed: &[TurnNumber],
    ) -> Result<Option<TurnNumber>, StoreError> {
        for number in unconfirmed {
            let Some(stored) = self.store.get(&keys::turn(conversation, *number)).await? else {
                continue;
            };
            let turn: TurnRecord = decode(&stored)?;
            if turn.receipt == receipt {
                return Ok(Some(*number));
            }
        }
        Ok(None)
    }

    /// What is known under this message's id.
    async fn known_message(&self, submission: &Submission) -> Result<Option<Known>, StoreError> {
        let Some(id) = &submission.message_id else {
            return Ok(None);
        };
        let Some(stored) = self
            .store
            .get(&keys::message(&submission.conversation, id))
            .await?
        else {
            return Ok(None);
        };
        let MessageRecord { turn, hash } = decode(&stored)?;
        Ok(Some(Known {
            version: stored.version,
            turn,
            hash,
        }))
    }

    /// A turn that is there already: its live stream, or what the journal has of it. `None`: it was erased since, look again.
    async fn known_turn(
        self: &Arc<Self>,
        conversation: &ConversationId,
        number: TurnNumber,
    ) -> Result<Option<Taken>, Stop> {
        match self.follow(conversation, number, None).await? {
            Followed::Log(log) => Ok(Some(Taken::Waits(number, log))),
            Followed::NoSuchTurn => Ok(None),
            Followed::NothingLeft => Err(Stop::Store(format!(
                "turn {number} took this message and said nothing"
            ))),
        }
    }
}

/// What the store has under the id of a message.
struct Known {
    version: u64,
    turn: TurnNumber,
    hash: String,
}

impl Known {
    /// An id means one message, as long as its turn is there.
    fn must_be(&self, submission: &Submission) -> Result<(), Stop> {
        if self.hash == hash(&submission.message) {
            Ok(())
        } else {
            Err(Stop::Refused(Refusal::MessageIdReused))
        }
    }
}

/// What is known of earlier tries to record a message.
pub(super) struct Tries {
    /// Stands in the turn, whichever try records it.
    pub(super) receipt: u32,
    /// Turns that may have been recorded: nobody confirmed it.
    pub(super) unconfirmed: Vec<TurnNumber>,
    /// The model call that the last try began, and what it asks. A further try goes on with it if it would ask the same.
    pub(super) opening: Option<(Vec<Message>, Opening)>,
}

/// A message that is recorded.
pub(super) enum Taken {
    Begun(Box<Begun>, TurnNumber, Arc<TurnLog>),
    Waits(TurnNumber, Arc<TurnLog>),
}

pub(super) enum Stop {
    Refused(Refusal),
    Store(String),
    Unreadable(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(_) => Self::Unreadable(error.to_string()),
            StoreError::Unavailable(_) | StoreError::BadCursor => Self::Store(error.to_string()),
        }
    }
}

fn refuse_overlap(meta: &Meta, overlap: Overlap) -> Result<(), Stop> {
    let last = meta
        .waiting
        .last()
        .copied()
        .or_else(|| meta.running.as_ref().map(|running| running.turn));
    match overlap {
        Overlap::Reject => Err(Stop::Refused(Refusal::Busy {
            turn: last.unwrap_or_default(),
        })),
        Overlap::Queue if meta.waiting.len() >= MAX_WAITING => {
            Err(Stop::Refused(Refusal::TooManyWaiting))
        }
        Overlap::Queue | Overlap::Interrupt => Ok(()),
    }
}

/// Whether one of these turns took this very message: then the model is not to be asked again, not even in vain.
fn took(past: &[JournaledTurn], submission: &Submission) -> bool {
    let id = submission.message_id.as_ref();
    id.is_some()
        && past
            .iter()
            .any(|turn| turn.record.message_id.as_ref() == id)
}

pub(super) fn hash(message: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(message.as_bytes()))
}
