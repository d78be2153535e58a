//! Takes a customer's message: records it as a turn, and begins the turn at once when the conversation is idle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use tokio::sync::oneshot;

use crate::engine::{Claim, Engine, MAX_TRIES};
use crate::follow::Followed;
use crate::ids::{ConversationId, MessageId, TurnNumber, hex};
use crate::journal::{JournaledTurn, read_meta, read_turns};
use crate::live::TurnLog;
use crate::ports::{Change, CommitError, StoreError, Usage};
use crate::record::{MessageRecord, Meta, Origin, Running, TurnRecord, TurnState, decode, keys};
use crate::turn::{Begun, Opening};
use crate::warm::Warm;
use crate::{turn, window};

/// Turns that may wait behind the running one.
const MAX_WAITING: usize = 8;

/// How much of the first message stands in lists, in characters.
const TITLE: usize = 80;

/// What to do when a turn of the conversation is still running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Wait for it.
    #[default]
    Queue,
    /// Refuse the message.
    Reject,
    /// Stop it, keep what it said, and go on with this message.
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
        let (answer, answered) = oneshot::channel();
        let engine = self.clone();
        self.env.spawn(Box::pin(async move {
            let conversation = submission.conversation.clone();
            let take = AssertUnwindSafe(engine.clone().take(submission, answer)).catch_unwind();
            if take.await.is_err() {
                tracing::error!(%conversation, "taking a message panicked");
                engine.hub.abandon(&conversation);
            }
        }));
        // The task drops the sender only when it panicked.
        answered.await.unwrap_or(Err(Refusal::Unavailable))
    }

    async fn take(
        self: Arc<Self>,
        submission: Submission,
        answer: oneshot::Sender<Result<Accepted, Refusal>>,
    ) {
        let conversation = submission.conversation.clone();
        let drives = !submission.background && self.hub.start_driving(&conversation);
        let taken = self.take_with_retries(&submission, drives).await;
        let accepted = taken.is_ok();
        let begun = match taken {
            Ok(Taken::Begun(begun, turn, log)) => {
                // A client that hung up does not stop the turn.
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                Some(*begun)
            }
            Ok(Taken::Waits(turn, log)) => {
                let _hung_up = answer.send(Ok(Accepted { turn, log }));
                None
            }
            Err(refusal) => {
                let _hung_up = answer.send(Err(refusal));
                None
            }
        };
        if drives {
            self.drive(conversation, begun).await;
        } else if !accepted {
            // Nothing was recorded, so nobody has to look.
        } else if submission.background {
            self.send_conversation(&submission.owner, &conversation)
                .await;
        } else {
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
            }
        }
        tracing::error!(conversation = %submission.conversation, "a message lost every race to be recorded");
        Err(Refusal::Unavailable)
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
                .record(submission, Some((version, meta)), Some(past), tries)
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
        if let Some(turn) = known? {
            return Ok(Some(self.known_turn(conversation, turn).await?));
        }
        let meta = meta?;
        // Behind the look at META: what is written after that is in the way of our commit.
        if let Some(turn) = self.taken_before(conversation, tries).await? {
            return Ok(Some(self.known_turn(conversation, turn).await?));
        }
        let idle = meta
            .as_ref()
            .is_none_or(|(_, meta)| meta.running.is_none() && meta.waiting.is_empty());
        if let Some((_, meta)) = meta.as_ref().filter(|_| !idle) {
            refuse_overlap(meta, submission.overlap)?;
        }
        let past = if idle && drives { Some(past?) } else { None };
        self.record(submission, meta, past, tries).await
    }

    /// Commits the message; with the past at hand the turn begins by the same commit.
    async fn record(
        &self,
        submission: &Submission,
        before: Option<(u64, Meta)>,
        past: Option<Vec<JournaledTurn>>,
        tries: &mut Tries,
    ) -> Result<Option<Taken>, Stop> {
        let conversation = &submission.conversation;
        let now = self.env.now();
        let version = before.as_ref().map(|(version, _)| *version);
        let mut meta = before.map_or_else(|| self.new_meta(submission), |(_, meta)| meta);
        let number = meta.next_turn;
        meta.next_turn += 1;
        meta.last_activity = now;
        if meta.title.is_empty() {
            meta.title = title(&submission.message);
        }
        let turn = TurnRecord {
            state: TurnState::Accepted,
            origin: Origin::Customer,
            message: submission.message.clone(),
            message_id: submission.message_id.clone(),
            receipt: tries.receipt,
            accepted_at: now,
            ended_at: None,
            fence: 0,
            failure: None,
            usage: Usage::default(),
            told: Vec::new(),
            partial: None,
        };
        let claim = past
            .is_some()
            .then(|| self.claim(conversation, &mut meta, number));
        if claim.is_none() {
            meta.waiting.push(number);
            if submission.overlap == Overlap::Interrupt {
                meta.stop = meta.running.as_ref().map(|running| running.turn);
            }
        }
        let changes = acceptance(submission, number, &turn, version, &meta);
        let (Some(claim), Some(past)) = (claim, past) else {
            return Ok(
                match self
                    .confirm(changes, conversation, number, None, tries)
                    .await?
                {
                    // Nobody here drives a background turn: a log that others could find would stay silent.
                    true if submission.background => Some(Taken::Waits(number, Arc::default())),
                    true => Some(Taken::Waits(number, self.hub.log(conversation, number))),
                    false => None,
                },
            );
        };
        let past = visible(past, &meta);
        let mut opening = self.open(&meta, &past, &turn);
        let committed = self
            .confirm_beside(changes, &claim, number, &mut opening, tries)
            .await?;
        if !committed {
            return Ok(None);
        }
        let log = self.hub.log(conversation, number);
        let turn = JournaledTurn {
            number,
            version: 1,
            record: turn,
            steps: Vec::new(),
            actions: Vec::new(),
        };
        let begun = Begun {
            claim,
            meta,
            meta_version: version.unwrap_or(0) + 1,
            turn,
            past,
            log: log.clone(),
            opening,
            end_at_once: None,
            kept: String::new(),
        };
        Ok(Some(Taken::Begun(Box::new(begun), number, log)))
    }

    fn new_meta(&self, submission: &Submission) -> Meta {
        let now = self.env.now();
        Meta {
            owner: submission.owner.clone(),
            title: String::new(),
            agent: self.team.entry_agent().name.clone(),
            created_at: now,
            last_activity: now,
            next_turn: 1,
            fence: 0,
            running: None,
            waiting: Vec::new(),
            stop: None,
            untold: Vec::new(),
            look_at: 0,
            late_failures: 0,
            erased_below: 0,
            erasing: false,
        }
    }

    /// Takes the next fence for this turn.
    pub(crate) fn claim(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
        turn: TurnNumber,
    ) -> Claim {
        let holder = self.new_holder();
        meta.fence += 1;
        meta.waiting.retain(|waiting| *waiting != turn);
        let before = meta.running.take();
        let taken_over = before.is_some();
        let given_up = before.as_ref().is_some_and(|running| running.until == 0);
        meta.running = Some(Running {
            turn,
            holder: holder.clone(),
            until: self.env.now() + self.lease(),
            takeovers: before.map_or(0, |running| running.takeovers + u32::from(!given_up)),
            writes: 0,
        });
        Claim {
            conversation: conversation.clone(),
            fence: meta.fence,
            holder,
            taken_over,
        }
    }

    /// Starts the model call, unless results have to be looked up for it first.
    fn open(&self, meta: &Meta, past: &[JournaledTurn], record: &TurnRecord) -> Option<Opening> {
        if !meta.untold.is_empty() {
            return None;
        }
        let agent = turn::active_agent(self, meta, None);
        let messages = turn::messages(self, past, record);
        let request = turn::request(self, &agent, window::told_late(past), &messages);
        Some(self.model.clone().stream(request))
    }

    /// Commits while the model call makes its way. A commit that fails drops the call.
    async fn confirm_beside(
        &self,
        changes: Vec<Change>,
        claim: &Claim,
        number: TurnNumber,
        opening: &mut Option<Opening>,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        let commit = self.confirm(changes, &claim.conversation, number, Some(claim), tries);
        let Some(mut call) = opening.take() else {
            return commit.await;
        };
        let mut commit = std::pin::pin!(commit);
        tokio::select! {
           biased;
            committed = &mut commit => {
                *opening = Some(call);
                committed
            }
            opened = &mut call => {
                *opening = Some(Box::pin(std::future::ready(opened)));
                commit.await
            }
        }
    }

    /// Whether the acceptance is written and the turn is the caller's; `false`: look again.
    async fn confirm(
        &self,
        changes: Vec<Change>,
        conversation: &ConversationId,
        number: TurnNumber,
        claim: Option<&Claim>,
        tries: &mut Tries,
    ) -> Result<bool, Stop> {
        match self.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Ambiguous(_)) if sabotage!(AmbiguousIsFailure) => Ok(false),
            Err(CommitError::Ambiguous(_)) => {
                // It may also be written later than we look. Each further try looks for it first, and is written over the
                // META that it would have changed: only one of them can be.
                tries.unconfirmed.push(number);
                let Some(claim) = claim else {
                    return Ok(self.taken_before(conversation, tries).await? == Some(number));
                };
                let meta = read_meta(&*self.store, conversation).await?;
                let running = meta.and_then(|(_, meta)| meta.running);
                Ok(running.is_some_and(|running| running.holder == claim.holder))
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(Stop::Store(error.to_string()))
            }
        }
    }

    /// The turn that an earlier try has recorded after all. Somebody else may run it by now.
    async fn taken_before(
        &self,
        conversation: &ConversationId,
        tries: &Tries,
    ) -> Result<Option<TurnNumber>, StoreError> {
        for number in &tries.unconfirmed {
            let Some(stored) = self.store.get(&keys::turn(conversation, *number)).await? else {
                continue;
            };
            let turn: TurnRecord = decode(&stored)?;
            if turn.receipt == tries.receipt {
                return Ok(Some(*number));
            }
        }
        Ok(None)
    }

    /// The turn that took this very message before.
    async fn known_message(&self, submission: &Submission) -> Result<Option<TurnNumber>, Stop> {
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
        let record: MessageRecord = decode(&stored)?;
        if record.hash == hash(&submission.message) {
            Ok(Some(record.turn))
        } else {
            Err(Stop::Refused(Refusal::MessageIdReused))
        }
    }

    /// A turn that is there already: its live stream, or what the journal has of it.
    async fn known_turn(
        self: &Arc<Self>,
        conversation: &ConversationId,
        number: TurnNumber,
    ) -> Result<Taken, Stop> {
        match self.follow(conversation, number, None).await? {
            Followed::Log(log) => Ok(Taken::Waits(number, log)),
            Followed::NothingLeft | Followed::NoSuchTurn => Err(Stop::Store(format!(
                "turn {number} took this message and is not there"
            ))),
        }
    }
}

/// What is known of earlier tries to record a message.
struct Tries {
    /// Stands in the turn, whichever try records it.
    receipt: u32,
    /// Turns that may have been recorded: nobody confirmed it.
    unconfirmed: Vec<TurnNumber>,
}

/// A message that is recorded.
enum Taken {
    Begun(Box<Begun>, TurnNumber, Arc<TurnLog>),
    Waits(TurnNumber, Arc<TurnLog>),
}

enum Stop {
    Refused(Refusal),
    Store(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
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
        Overlap::Queue | Overlap::Interrupt if meta.waiting.len() >= MAX_WAITING => {
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

/// Turns that were not erased.
pub(crate) fn visible(mut past: Vec<JournaledTurn>, meta: &Meta) -> Vec<JournaledTurn> {
    past.retain(|turn| turn.number >= meta.erased_below);
    past
}

fn title(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(TITLE).collect()
}

fn hash(message: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(message.as_bytes()))
}

fn acceptance(
    submission: &Submission,
    number: TurnNumber,
    turn: &TurnRecord,
    version: Option<u64>,
    meta: &Meta,
) -> Vec<Change> {
    let conversation = &submission.conversation;
    let mut changes = Vec::with_capacity(3);
    let key = keys::meta(conversation);
    changes.push(match version {
        Some(version) => Change::Replace(key, version, meta.record()),
        None => Change::Create(key, meta.record()),
    });
    changes.push(Change::Create(
        keys::turn(conversation, number),
        turn.record(),
    ));
    if let Some(id) = &submission.message_id {
        let record = MessageRecord {
            turn: number,
            hash: hash(&submission.message),
        };
        changes.push(Change::Create(
            keys::message(conversation, id),
            record.record(),
        ));
    }
    changes
}
