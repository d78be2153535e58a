//! Keeps a conversation going: begins the turn that is next, takes over from an owner that died, and stops when nothing waits.
//! In one process at most one driver is at work on a conversation; between processes the lease decides.

pub(crate) mod holder;
pub(crate) mod hub;
pub(crate) mod lease;
mod left_out;
pub(crate) mod sweep;
pub(crate) mod warm;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::drive::hub::TurnLog;
use crate::drive::warm::Warm;
use crate::engine::{Engine, LOOK_AGAIN, MAX_TRIES};
use crate::event::{Event, EventKind, Position};
use crate::failure::FailureCode;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, CommitError, Millis, StoreError};
use crate::record::journal::{JournaledTurn, read_meta, read_turn, read_turns, visible};
use crate::record::{Meta, Origin, TurnRecord, TurnState, keys};
use crate::turn::{self, Begun, EndAtOnce};
use crate::turn::{recorder, replay, window};

/// Owners of one turn that may die in one step before it is suspected of killing them. From then on a process runs one
/// suspected turn at a time, so that those who died beside it are told from it.
const SUSPECT_AFTER: u32 = 3;

/// Owners that may die in one step before the turn is failed. All but the first few had no other suspect beside it; a bystander
/// of a crash loop gets on within so many chances.
const MAX_TAKEOVERS: u32 = 16;

/// Owners of one turn that may give it up without recording a step: each asks the model the same again, and a response that
/// takes longer than any owner may live would be asked for without end.
const MAX_HANDED_OVER: u32 = 16;

/// How often a conversation that another process owns is looked at, at first and at most.
const FIRST_LOOK: Millis = 100;
const LONGEST_LOOK: Millis = 1_000;

/// How often the store may fail in a row before listeners are told.
const MAX_FAILURES: u32 = 6;

/// How often the pause before a late result is told again may double: to a little over an hour.
const LONGEST_PAUSE: u32 = 8;

/// When somebody looks again, after so many turns that were to tell a late result and failed: while the model is away, turns
/// that nobody asked for come ever more seldom.
pub(crate) fn pause_after(late_failures: u32) -> Millis {
    LOOK_AGAIN << late_failures.min(LONGEST_PAUSE)
}

/// What is to be done about a conversation.
enum Next {
    Run(Box<Begun>),
    /// Another process has it until then.
    Wait(Millis),
    /// Somebody wrote in between.
    LookAgain,
    Nothing,
}

impl Engine {
    /// Sees to a conversation if nobody in this process does: for the sweeper and for workers.
    pub async fn look_after(self: &Arc<Self>, conversation: &ConversationId) {
        if self.hub.start_driving(conversation) {
            self.clone().drive(conversation.clone(), None).await;
        }
    }

    /// Works until nothing is left to do. The caller has marked itself as the driver.
    pub(crate) async fn drive(
        self: Arc<Self>,
        conversation: ConversationId,
        begun: Option<Box<Begun>>,
    ) {
        let work = AssertUnwindSafe(self.drive_on(&conversation, begun)).catch_unwind();
        if work.await.is_err() {
            tracing::error!(%conversation, "a driver panicked; the sweeper will find the conversation");
            self.abandon(&conversation, &EventKind::TurnContinues);
        }
    }

    async fn drive_on(&self, conversation: &ConversationId, mut begun: Option<Box<Begun>>) {
        let mut look = FIRST_LOOK;
        let mut failures = 0;
        let mut lost = 0;
        loop {
            let seen = self.hub.pokes(conversation);
            if let Some(begun) = begun.take() {
                let turn = begun.turn.number;
                let warm = turn::run(self, begun).await;
                self.hub.forget_ended_log(conversation, turn);
                if warm.is_some_and(|warm| self.rest(conversation, warm, seen)) {
                    return;
                }
            }
            if self.is_draining() || self.hub.is_given_up(conversation) {
                return self.leave(conversation).await;
            }
            let seen = self.hub.pokes(conversation);
            match Box::pin(self.next(conversation)).await {
                Ok(Next::Run(next)) => {
                    begun = Some(next);
                    (look, failures, lost) = (FIRST_LOOK, 0, 0);
                }
                Ok(Next::LookAgain) if lost >= MAX_TRIES => {
                    tracing::error!(%conversation, "a conversation was left after too many lost races; the sweeper will find it");
                    self.abandon(conversation, &EventKind::TurnContinues);
                    return;
                }
                Ok(Next::LookAgain) => {
                    self.back_off(lost).await;
                    lost += 1;
                }
                // Nobody here listens: whoever has it sees to everything, and the sweeper finds out if it dies. A worker that
                // waited for it would hold up those behind it.
                Ok(Next::Wait(_))
                    if self.hub.logs_of(conversation).is_empty()
                        && self.hub.stop_driving(conversation, seen) =>
                {
                    return;
                }
                Ok(Next::Wait(until)) => {
                    self.wait(conversation, until.min(self.env.now() + look))
                        .await;
                    look = (look * 2).min(LONGEST_LOOK);
                    lost = 0;
                }
                Ok(Next::Nothing) => {
                    if self.hub.stop_driving(conversation, seen) {
                        return;
                    }
                }
                Err(error) if failures >= MAX_FAILURES => {
                    tracing::error!(%conversation, %error, "a conversation was given up; the sweeper will find it");
                    // Accepted turns stay accepted, and the next owner goes on with them.
                    self.abandon(conversation, &EventKind::TurnContinues);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%conversation, %error, "a conversation could not be looked at");
                    self.back_off(failures + 4).await;
                    failures += 1;
                }
            }
        }
    }

    /// Leaves the conversation without another look, if what its last commit left and who asked for a look allow it.
    fn rest(&self, conversation: &ConversationId, warm: Warm, seen: u64) -> bool {
        let meta = &warm.meta;
        let idle = meta.waiting.is_empty() && meta.untold.is_empty() && !meta.erasing;
        if !idle || !self.hub.logs_of(conversation).is_empty() {
            return false;
        }
        // Kept first: who begins to drive after us finds it.
        self.memory.keep(conversation, warm);
        self.hub.stop_driving(conversation, seen)
    }

    /// Leaves the conversation to others: listeners of turns that wait are told to follow them elsewhere.
    async fn leave(&self, conversation: &ConversationId) {
        // A process that ends is found out by the sweeper, and its own pool must not be asked.
        if !self.is_draining() {
            self.hand_over(conversation).await;
        }
        self.abandon(conversation, &EventKind::TurnContinues);
    }

    /// Asks a worker to go on where nobody does, before anybody here hears that somebody will: this process may be frozen
    /// from then on. A turn that was running was handed over with its lease.
    async fn hand_over(&self, conversation: &ConversationId) {
        match read_meta(&*self.store, conversation).await {
            Ok(Some((_, meta)))
                if meta.running.is_none() && (!meta.waiting.is_empty() || meta.erasing) =>
            {
                self.send_conversation(&meta.owner, conversation).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%conversation, %error, "a conversation was left unseen; the sweeper will find it");
            }
        }
    }

    /// Forgets the conversation and tells its listeners this.
    pub(crate) fn abandon(&self, conversation: &ConversationId, kind: &EventKind) {
        for (turn, log) in self.hub.abandon(conversation) {
            end_log(&log, turn, kind.clone());
        }
    }

    async fn wait(&self, conversation: &ConversationId, until: Millis) {
        let poked = self.hub.poked(conversation);
        tokio::select! {
           biased;
            () = poked.notified() => {}
            () = self.given_up(conversation) => {}
            () = self.env.sleep_until(until) => {}
        }
    }

    /// Decides what comes next, and takes the lease for it.
    async fn next(&self, conversation: &ConversationId) -> Result<Next, StoreError> {
        let Some((version, meta)) = read_meta(&*self.store, conversation).await? else {
            return Ok(Next::Nothing);
        };
        self.catch_up(conversation, &meta).await?;
        match &meta.running {
            Some(running) if running.until > self.env.now() && !self.has_ended(&running.holder) => {
                self.listen_in(conversation, running.turn, meta.fence)
                    .await?;
                return Ok(Next::Wait(running.until));
            }
            Some(running) => {
                let turn = running.turn;
                let suspect = if running.takeovers >= SUSPECT_AFTER {
                    let Ok(alone) = self.suspects.clone().try_acquire_owned() else {
                        return Ok(Next::Wait(self.env.now() + LONGEST_LOOK));
                    };
                    Some(alone)
                } else {
                    None
                };
                let end_at_once = if meta.stop == Some(turn) {
                    Some(EndAtOnce::Stopped)
                } else if running.takeovers >= MAX_TAKEOVERS
                    || running.handed_over >= MAX_HANDED_OVER
                {
                    Some(EndAtOnce::Failed(FailureCode::TakenOverTooOften))
                } else {
                    None
                };
                let begun = self
                    .begin(conversation, version, meta, turn, end_at_once)
                    .await?;
                return Ok(match begun {
                    Next::Run(mut begun) => {
                        begun.suspect = suspect;
                        Next::Run(begun)
                    }
                    other @ (Next::Wait(_) | Next::LookAgain | Next::Nothing) => other,
                });
            }
            None => {}
        }
        if let Some(turn) = meta.waiting.first().copied() {
            return self.begin(conversation, version, meta, turn, None).await;
        }
        let due = meta.look_at <= self.env.now();
        if !(meta.erasing && due) {
            return self.next_of_untold(conversation, version, meta, due).await;
        }
        match self.erase_records(conversation, version, meta).await? {
            // That moved the next look on: ends that are to be told are due now, or they would wait behind it for ever.
            Some((version, meta)) => self.next_of_untold(conversation, version, meta, due).await,
            None => Ok(Next::LookAgain),
        }
    }

    /// Takes the next fence for a turn that waits, or whose owner died.
    async fn begin(
        &self,
        conversation: &ConversationId,
        version: u64,
        mut meta: Meta,
        number: TurnNumber,
        end_at_once: Option<EndAtOnce>,
    ) -> Result<Next, StoreError> {
        let fence_before = meta.fence;
        let claim = self.claim(conversation, &mut meta, number);
        let change = Change::Replace(keys::meta(conversation), version, meta.record());
        match self.store.commit(vec![change]).await {
            Ok(()) => {}
            Err(CommitError::Conflict) => return Ok(Next::LookAgain),
            Err(CommitError::Ambiguous(_)) => {
                // If it was written, the turn is ours by our holder; a fresh look would find a stranger's live lease.
                let now = read_meta(&*self.store, conversation).await?;
                let ours = now.as_ref().and_then(|(_, meta)| meta.running.as_ref());
                if ours.is_none_or(|running| running.holder != claim.holder) {
                    return Ok(Next::LookAgain);
                }
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                return Err(StoreError::Unavailable(error.to_string()));
            }
        }
        let (turn, past) = futures_util::join!(
            read_turn(&*self.store, conversation, number),
            read_turns(
                &*self.store,
                conversation,
                Some(number),
                window::extent(&self.team.limits)
            ),
        );
        let (turn, end_at_once) = match turn {
            Ok(Some(turn)) => (turn, end_at_once),
            Ok(None) => return self.leave_out(&claim, number).await,
            Err(StoreError::Damaged(detail)) => {
                tracing::error!(%conversation, turn = number, %detail, "a turn cannot be continued");
                let failed = EndAtOnce::Failed(FailureCode::Internal);
                match self.read_turn_alone(conversation, number).await? {
                    Some(turn) => (turn, Some(failed)),
                    None => return self.leave_out(&claim, number).await,
                }
            }
            Err(error) => return Err(error),
        };
        if turn.record.state != TurnState::Accepted || (!claim.taken_over && !turn.steps.is_empty())
        {
            // Read so late that somebody else has taken it over since our claim.
            return Ok(Next::LookAgain);
        }
        let past = visible(past?, &meta);
        let mut turn = turn;
        if let Origin::Regenerated { of } = turn.record.origin {
            let old = past.iter().find(|past| past.number == of);
            turn.actions = old.map(|old| old.actions.clone()).unwrap_or_default();
        }
        let kept = match end_at_once {
            Some(_) => match self.said_of_last(conversation, &turn, fence_before).await {
                Ok(kept) => kept,
                Err(StoreError::Damaged(detail)) => {
                    tracing::error!(%conversation, turn = number, %detail, "what was said of a step is lost");
                    String::new()
                }
                Err(error) => return Err(error),
            },
            None => String::new(),
        };
        let log = self.hub.log(conversation, number);
        // The turn may be one that nobody here has heard of: a late result, or accepted elsewhere.
        self.hub.poke(conversation);
        if claim.taken_over {
            tracing::info!(%conversation, turn = number, fence = claim.fence, "a turn is taken over");
            bring_up(&log, &replay::events(&turn));
        }
        Ok(Next::Run(Box::new(Begun {
            claim,
            meta,
            meta_version: version + 1,
            turn,
            past,
            log,
            opening: None,
            end_at_once,
            kept,
            suspect: None,
        })))
    }

    /// What the owner under this fence has kept of the step that it did not finish.
    async fn said_of_last(
        &self,
        conversation: &ConversationId,
        turn: &JournaledTurn,
        fence: u64,
    ) -> Result<String, StoreError> {
        let step = u32::try_from(turn.steps.len() + 1).unwrap_or(u32::MAX);
        let kept =
            recorder::kept_text(&*self.store, conversation, turn.number, step, fence).await?;
        let said = kept.text.iter().filter_map(|event| event.kind.text());
        Ok(said.collect())
    }

    /// Results that came after their turn had ended begin a turn of their own.
    async fn next_of_untold(
        &self,
        conversation: &ConversationId,
        version: u64,
        mut meta: Meta,
        due: bool,
    ) -> Result<Next, StoreError> {
        if meta.untold.is_empty() {
            return Ok(Next::Nothing);
        }
        let now = self.env.now();
        if meta.late_failures > 0 && !due {
            return Ok(Next::Nothing);
        }
        let ended = turn::ended_actions(self, &meta.untold).await?;
        if ended.is_empty() {
            if meta.look_at <= now {
                meta.look_at = now + LOOK_AGAIN;
                let change = Change::Replace(keys::meta(conversation), version, meta.record());
                // Only moves the time of the next look: if it is not written, that look comes sooner.
                let _looked = self.store.commit(vec![change]).await;
            }
            return Ok(Next::Nothing);
        }
        let number = meta.next_turn;
        meta.next_turn += 1;
        meta.last_activity = now;
        meta.waiting.push(number);
        let turn = TurnRecord::accepted(Origin::LateResult, String::new(), now);
        let changes = vec![
            Change::Replace(keys::meta(conversation), version, meta.record()),
            Change::Create(keys::turn(conversation, number), turn.record()),
        ];
        match self.store.commit(changes).await {
            // Written or not, the next look sees it.
            Ok(()) | Err(CommitError::Conflict | CommitError::Ambiguous(_)) => Ok(Next::LookAgain),
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(StoreError::Unavailable(error.to_string()))
            }
        }
    }

    /// Turns that this process has listeners for and that somebody else has ended.
    pub(crate) async fn catch_up(
        &self,
        conversation: &ConversationId,
        meta: &Meta,
    ) -> Result<(), StoreError> {
        for (number, log) in self.hub.logs_of(conversation) {
            let open = meta.waiting.contains(&number)
                || meta
                    .running
                    .as_ref()
                    .is_some_and(|running| running.turn == number);
            // A turn that META does not know yet was accepted after META was read.
            if open || number >= meta.next_turn {
                continue;
            }
            if number < meta.erased_below {
                // Erased while somebody listened; its records may be there for a while.
                end_log(&log, number, EventKind::TurnStopped);
                self.hub.forget_ended_log(conversation, number);
                continue;
            }
            match read_turn(&*self.store, conversation, number).await {
                // META went on without it: it could not be read when it was to begin, and now it can.
                Ok(Some(turn)) if turn.record.state == TurnState::Accepted => {
                    let turn = self.end_left_out(conversation, meta, turn).await?;
                    bring_up(&log, &replay::events(&turn));
                }
                Ok(Some(turn)) => bring_up(&log, &replay::events(&turn)),
                // Erased since.
                Ok(None) => end_log(&log, number, EventKind::TurnStopped),
                Err(StoreError::Damaged(_)) => {
                    end_log(&log, number, EventKind::TurnFailed(FailureCode::Internal));
                }
                Err(error) => return Err(error),
            }
            self.hub.forget_ended_log(conversation, number);
        }
        Ok(())
    }
}

impl Engine {
    /// Brings listeners here what another instance says: the journal, and the text of the step that is not in it yet.
    async fn listen_in(
        &self,
        conversation: &ConversationId,
        number: TurnNumber,
        fence: u64,
    ) -> Result<(), StoreError> {
        let Some(log) = self.hub.find_log(conversation, number) else {
            return Ok(());
        };
        let mut turn = match read_turn(&*self.store, conversation, number).await {
            Ok(Some(turn)) => turn,
            // Its owner will find out.
            Ok(None) | Err(StoreError::Damaged(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let next = u32::try_from(turn.steps.len() + 1).unwrap_or(u32::MAX);
        // A turn that has ended since has all of its text in the journal.
        let kept = if turn.record.state == TurnState::Accepted {
            recorder::kept_text(&*self.store, conversation, number, next, fence).await?
        } else {
            recorder::Kept::default()
        };
        if !kept.told.is_empty() {
            // The journal has them only with the next step, and a listener who has its text cannot go back.
            turn.record.told = kept.told;
        }
        let mut events = replay::events(&turn);
        events.extend(kept.text);
        bring_up(&log, &events);
        Ok(())
    }
}

/// Ends a log behind whatever its listeners have.
fn end_log(log: &TurnLog, turn: TurnNumber, kind: EventKind) {
    let last = log.last_position().unwrap_or(Position {
        turn,
        step: 0,
        fence: 0,
        offset: 0,
    });
    let position = Position {
        offset: last.offset.saturating_add(kind.room()),
        ..last
    };
    log.push(Event {
        position,
        agent: Arc::from(""),
        kind,
    });
}

/// Adds what the journal knows and the log does not have yet.
fn bring_up(log: &TurnLog, events: &[Event]) {
    log.bring_up(|last| replay::events_after(events, last));
}
