//! Stops a turn on request, from any instance: the request is written into META, where the turn's owner finds it.

use super::open::Conversation;
use crate::drive::catch_up::catch_up;
use crate::engine::MAX_TRIES;
use crate::ids::TurnNumber;
use crate::notice::Told;
use crate::ports::{Change, CommitError, StoreError};
use crate::principal::Access;
use crate::record::{Meta, TurnRecord, TurnState, decode, keys};

/// Why a turn was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// There is no such turn.
    #[error("no such turn")]
    NotFound,
    /// The store failed; a later attempt may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Conversation {
    /// Asks for the end of a turn. A waiting turn ends at once. A running turn ends at its next await and keeps its text. An
    /// ended turn stays unchanged. Accepted actions go on.
    pub async fn stop(&self, turn: TurnNumber) -> Result<(), StopError> {
        for attempt in 0..MAX_TRIES {
            let Some((version, mut meta)) = self.meta(Access::Oversee).await? else {
                return Err(StopError::NotFound);
            };
            if turn < meta.erased_below.max(1) || turn >= meta.next_turn {
                return Err(StopError::NotFound);
            }
            let runs = meta
                .running
                .as_ref()
                .is_some_and(|running| running.turn == turn);
            let changes = if runs && meta.stop != Some(turn) {
                meta.stop = Some(turn);
                vec![Change::Replace(
                    keys::meta(&self.id),
                    version,
                    meta.record(),
                )]
            } else if meta.waiting.contains(&turn) {
                self.end_waiting(version, &mut meta, turn).await?
            } else {
                return Ok(());
            };
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    self.engine.send_ended(&meta, &self.id, &[turn]).await;
                    self.engine.hub.poke(&self.id);
                    // For listeners of a waiting turn. Listeners of other processes get it when their server polls.
                    if let Err(error) = catch_up(&self.engine, &self.id, &meta).await {
                        tracing::debug!(conversation = %self.id, %error, "listeners learn of a stopped turn by the next poll only");
                    }
                    return Ok(());
                }
                // Written or not, the next read shows it.
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.engine.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(StoreError::Unavailable(error.to_string()).into());
                }
            }
        }
        Err(
            StoreError::Unavailable("the conversation is written to all the time".to_owned())
                .into(),
        )
    }

    async fn end_waiting(
        &self,
        version: u64,
        meta: &mut Meta,
        turn: TurnNumber,
    ) -> Result<Vec<Change>, StopError> {
        let end = self
            .end_of_waiting(turn)
            .await?
            .ok_or(StopError::NotFound)?;
        meta.waiting.retain(|waiting| *waiting != turn);
        let (record, end) = end;
        let mut changes = self
            .engine
            .notices(meta, &self.id, &Told::Ended(turn, &record, ""));
        changes.push(Change::Replace(
            keys::meta(&self.id),
            version,
            meta.record(),
        ));
        changes.push(end);
        Ok(changes)
    }

    /// Stops a waiting turn, in a commit that also takes it out of META. `None`: the turn waits no more.
    pub(super) async fn end_of_waiting(
        &self,
        turn: TurnNumber,
    ) -> Result<Option<(TurnRecord, Change)>, StoreError> {
        let key = keys::turn(&self.id, turn);
        let Some(stored) = self.engine.store.get(&key).await? else {
            return Ok(None);
        };
        let mut record: TurnRecord = decode(&stored)?;
        record.state = TurnState::Stopped;
        record.ended_at = Some(self.engine.env.now());
        let change = Change::Replace(key, stored.version, record.record());
        Ok(Some((record, change)))
    }
}
