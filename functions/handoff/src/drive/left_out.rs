//! Turns that nobody can run, because a record of theirs cannot be read: they must not be in the way of what is said later.

use super::{Next, end_log};
use crate::engine::{Claim, Engine};
use crate::event::EventKind;
use crate::failure::FailureCode;
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, CommitError, StoreError};
use crate::record::journal::{JournaledTurn, read_meta};
use crate::record::{Meta, TurnState, decode, keys};

impl Engine {
    /// A turn without its steps, of which one cannot be read.
    pub(super) async fn read_turn_alone(
        &self,
        conversation: &ConversationId,
        number: TurnNumber,
    ) -> Result<Option<JournaledTurn>, StoreError> {
        let Some(stored) = self.store.get(&keys::turn(conversation, number)).await? else {
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

    /// Takes a turn out of META whose own record is gone or cannot be read: nobody can run or end it, and it must not be in the
    /// way of all that is said later. The record stays as it is.
    pub(super) async fn leave_out(
        &self,
        claim: &Claim,
        number: TurnNumber,
    ) -> Result<Next, StoreError> {
        let conversation = &claim.conversation;
        let Some((version, mut meta)) = read_meta(&*self.store, conversation).await? else {
            return Ok(Next::Nothing);
        };
        let ours = meta
            .running
            .as_ref()
            .is_some_and(|running| running.holder == claim.holder);
        if !ours {
            return Ok(Next::LookAgain);
        }
        tracing::error!(%conversation, turn = number, "a turn is left out: its record cannot be read");
        meta.running = None;
        meta.stop = None;
        let change = Change::Replace(keys::meta(conversation), version, meta.record());
        if let Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) =
            self.store.commit(vec![change]).await
        {
            return Err(StoreError::Unavailable(error.to_string()));
        }
        if let Some(log) = self.hub.find_log(conversation, number) {
            end_log(&log, number, EventKind::TurnFailed(FailureCode::Internal));
            self.hub.forget_ended_log(conversation, number);
        }
        Ok(Next::LookAgain)
    }

    /// Records the end of a turn that META does not have any more and that was never ended.
    pub(super) async fn end_left_out(
        &self,
        conversation: &ConversationId,
        meta: &Meta,
        mut turn: JournaledTurn,
    ) -> Result<JournaledTurn, StoreError> {
        // Above that of every owner that it had, so that whoever heard one of them hears the end.
        turn.record.fence = meta.fence;
        turn.record.state = TurnState::Failed;
        turn.record.failure = Some(FailureCode::Internal);
        turn.record.ended_at = Some(self.env.now());
        let key = keys::turn(conversation, turn.number);
        let change = Change::Replace(key, turn.version, turn.record.record());
        match self.store.commit(vec![change]).await {
            Ok(()) => Ok(turn),
            // Written or not, the next look tells.
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
