//! Decides the next step of a conversation.

use super::admission::Place;
use super::catch_up;
use super::driver::{Driver, LONGEST_PAUSE, Next};
use super::erased;
use crate::failure::FailureCode;
use crate::ports::{Change, CommitError, StoreError};
use crate::record::journal::read_meta;
use crate::record::{Meta, Origin, RECHECK, Summarise, TurnRecord, keys};
use crate::turn::begun::EndAtOnce;
use crate::turn::late;

/// How many owners may die in one step of a turn before the turn is suspected of killing them. A process then runs one suspected
/// turn at a time, to separate it from its innocent neighbours.
const SUSPECT_AFTER: u32 = 3;

/// How many owners may die in one step before the turn fails. All but the first few had no other suspect beside it; an innocent
/// neighbour gets through a crash loop within this many attempts.
const MAX_RECOVERIES: u32 = 16;

/// How many owners of a turn may hand it over without recording a step. Each sends the model the same request; a response that
/// takes longer than any owner lives would be requested for ever.
const MAX_HANDED_OVER: u32 = 16;

impl Driver<'_> {
    /// Decides the next step, and takes the lease for it.
    pub(super) async fn next(&self, place: &mut Option<Place>) -> Result<Next, StoreError> {
        let conversation = self.conversation;
        let Some((version, meta)) = read_meta(&*self.engine.store, conversation).await? else {
            return Ok(Next::Nothing);
        };
        catch_up::catch_up(self.engine, conversation, &meta).await?;
        match &meta.running {
            Some(running)
                if running.until > self.engine.env.now()
                    && !self.engine.has_ended(&running.holder) =>
            {
                catch_up::listen_in(self.engine, conversation, running.turn, meta.fence).await?;
                return Ok(Next::Wait(running.until));
            }
            Some(running) => {
                let turn = running.turn;
                let suspect = if running.recoveries >= SUSPECT_AFTER {
                    let Ok(alone) = self.engine.suspects.clone().try_acquire_owned() else {
                        return Ok(Next::Wait(self.engine.env.now() + LONGEST_PAUSE));
                    };
                    Some(alone)
                } else {
                    None
                };
                let end_at_once = if meta.stop == Some(turn) {
                    Some(EndAtOnce::Stopped)
                } else if running.recoveries >= MAX_RECOVERIES
                    || running.handed_over >= MAX_HANDED_OVER
                {
                    Some(EndAtOnce::Failed(FailureCode::RecoveredTooOften))
                } else {
                    None
                };
                let begun = self.begin(version, meta, turn, end_at_once, place).await?;
                return Ok(match begun {
                    Next::Run(mut begun) => {
                        begun.suspect = suspect;
                        Next::Run(begun)
                    }
                    other @ (Next::Wait(_) | Next::Full(_) | Next::Recheck | Next::Nothing) => {
                        other
                    }
                });
            }
            None => {}
        }
        if let Some(turn) = meta.waiting.first().copied() {
            return self.begin(version, meta, turn, None, place).await;
        }
        let now = self.engine.env.now();
        let is_free = |wanted: &Summarise| wanted.until <= now;
        if meta.summarise.as_ref().is_some_and(is_free) && !self.engine.remembers() {
            // The team has no model for summaries any more.
            let read = (version, meta);
            self.engine.forgo(conversation, read).await?;
            return Ok(Next::Recheck);
        }
        let due = meta.due_at <= now;
        if !(meta.erasing && due) {
            return self.next_report(version, meta, due).await;
        }
        match erased::remove(self.engine, conversation, version, meta).await? {
            // That moved `due_at` on: the pending reports are due now, or they would wait behind it for ever.
            Some((version, meta)) => self.next_report(version, meta, due).await,
            None => Ok(Next::Recheck),
        }
    }

    /// Begins a turn for results that came after the end of their own turn.
    async fn next_report(
        &self,
        version: u64,
        mut meta: Meta,
        due: bool,
    ) -> Result<Next, StoreError> {
        let conversation = self.conversation;
        if meta.pending_reports.is_empty() {
            return Ok(Next::Nothing);
        }
        let now = self.engine.env.now();
        if meta.late_failures > 0 && !due {
            return Ok(Next::Nothing);
        }
        let ended = late::ended_actions(self.engine, &meta.pending_reports).await?;
        if ended.is_empty() {
            if meta.due_at <= now {
                meta.due_at = now + RECHECK;
                let change = Change::Replace(keys::meta(conversation), version, meta.record());
                // Only moves `due_at`: if this is not written, the recheck comes sooner.
                let _rechecked = self.engine.store.commit(vec![change]).await;
            }
            return Ok(Next::Nothing);
        }
        let number = meta.next_turn;
        meta.next_turn += 1;
        meta.last_activity = now;
        meta.waiting.push(number);
        // In the name in which the latest of them was accepted.
        let latest = ended.into_iter().max_by_key(|(action, _)| action.id.turn);
        let turn = TurnRecord {
            speaker: latest.map(|(action, _)| action.speaker).unwrap_or_default(),
            ..TurnRecord::accepted(Origin::LateResult, String::new(), now)
        };
        let changes = vec![
            Change::Replace(keys::meta(conversation), version, meta.record()),
            Change::Create(keys::turn(conversation, number), turn.record()),
        ];
        match self.engine.store.commit(changes).await {
            // Written or not, the next read shows it.
            Ok(()) | Err(CommitError::Conflict | CommitError::Ambiguous(_)) => Ok(Next::Recheck),
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(StoreError::Unavailable(error.to_string()))
            }
        }
    }
}
