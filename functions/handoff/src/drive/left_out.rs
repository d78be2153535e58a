//! Turns with an unreadable record, which cannot run: they must not block later messages.

use super::driver::{Driver, Next};
use crate::budget::Posting;
use crate::drive::holder::Claim;
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ids::TurnNumber;
use crate::ports::{Change, CommitError, StoreError};
use crate::record::journal::{JournaledTurn, read_meta};
use crate::record::{decode, keys};

impl Driver<'_> {
    /// A turn without its steps, because a step cannot be read.
    pub(super) async fn read_turn_alone(
        &self,
        number: TurnNumber,
    ) -> Result<Option<JournaledTurn>, StoreError> {
        let Some(stored) = self
            .engine
            .store
            .get(&keys::turn(self.conversation, number))
            .await?
        else {
            return Ok(None);
        };
        Ok(decode(&stored).ok().map(|record| JournaledTurn {
            number,
            version: stored.version,
            record,
            steps: Vec::new(),
            actions: Vec::new(),
        }))
    }

    /// Takes a turn out of META whose own record is missing or unreadable. Such a turn can neither run nor end, and it must not
    /// block later turns. The record stays unchanged.
    pub(super) async fn leave_out(
        &self,
        claim: &Claim,
        number: TurnNumber,
    ) -> Result<Next, StoreError> {
        let conversation = self.conversation;
        let Some((version, mut meta)) = read_meta(&*self.engine.store, conversation).await? else {
            return Ok(Next::Nothing);
        };
        let ours = meta
            .running
            .as_ref()
            .is_some_and(|running| running.holder == claim.holder);
        if !ours {
            return Ok(Next::Recheck);
        }
        tracing::error!(%conversation, turn = number, "a turn is left out: its record cannot be read");
        meta.running = None;
        meta.stop = None;
        let mut posted = self
            .engine
            .post(conversation, &mut meta, &Posting::SETTLES)
            .await?;
        let mut changes = std::mem::take(&mut posted.changes);
        changes.push(Change::Replace(
            keys::meta(conversation),
            version,
            meta.record(),
        ));
        match self.engine.store.commit(changes).await {
            Ok(()) => self.engine.posted(posted),
            Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                self.engine.not_posted(&posted);
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                return Err(StoreError::Unavailable(error.to_string()));
            }
        }
        if let Some(log) = self.engine.hub.find_log(conversation, number) {
            log.end(number, EventKind::TurnFailed(FailureCode::Internal));
            self.engine.hub.forget_ended_log(conversation, number);
        }
        Ok(Next::Recheck)
    }
}
