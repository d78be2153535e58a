//! Erases a conversation. Its META stays as a tombstone, so that turn numbers and fences are never used twice.

use super::open::Conversation;
use crate::budget::Posting;
use crate::engine::MAX_TRIES;
use crate::ports::{Change, CommitError, StoreError};
use crate::principal::Access;
use crate::record::{Caller, Meta, keys};

/// Why a conversation was not erased.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EraseError {
    /// There is nothing to erase.
    #[error("no such conversation")]
    NotFound,
    /// The store failed; a later attempt may succeed.
    #[error("the conversation could not be erased: {0}")]
    Unavailable(String),
}

impl Conversation {
    /// Makes all turns so far unreadable at once and removes their records soon after. A running turn loses its lease and stops.
    /// Accepted actions stay until they end. Of orders and refunds the amounts stay, because they are accounts, and no words.
    pub async fn erase(&self) -> Result<(), EraseError> {
        self.erase_if(|_| true).await
    }

    /// The same, if META is so at that moment; else there is nothing to erase.
    pub(crate) async fn erase_if(&self, may: impl Fn(&Meta) -> bool) -> Result<(), EraseError> {
        // Turns that our unconfirmed attempt has erased, if it was written. Later turns are not part of this request.
        let mut unconfirmed = None;
        for attempt in 0..MAX_TRIES {
            let unavailable = |error: StoreError| EraseError::Unavailable(error.to_string());
            let Some((version, mut meta)) =
                self.meta(Access::Oversee).await.map_err(unavailable)?
            else {
                return Err(EraseError::NotFound);
            };
            if unconfirmed.is_some_and(|below| meta.erased_below >= below) {
                self.erased();
                return Ok(());
            }
            if !meta.has_turns() || !may(&meta) {
                return Err(EraseError::NotFound);
            }
            meta.erased_below = meta.next_turn;
            (meta.bytes, meta.weighed) = (0, 0);
            meta.erasing = true;
            meta.due_at = self.engine.env.now();
            meta.title = String::new();
            meta.agent = self.engine.team.entry_agent().name.clone();
            meta.waiting.clear();
            meta.pending_reports.clear();
            meta.cards.clear();
            meta.waiting_for_client = None;
            meta.pushes.clear();
            // Erased actions are not reported: what they have moved so far stays counted.
            for spent in meta.spent.values_mut() {
                spent.open.clear();
            }
            meta.stop = None;
            meta.satisfied.clear();
            (meta.summarised, meta.summarise) = (0, None);
            // An owner finds another fence at its next write, and stops.
            meta.fence += 1;
            meta.running = None;
            let mut posted = self
                .engine
                .post_for(
                    &[Caller::Turn, Caller::Summary],
                    &self.id,
                    &mut meta,
                    &Posting::SETTLES,
                )
                .await
                .map_err(unavailable)?;
            let mut changes = std::mem::take(&mut posted.changes);
            changes.push(Change::Replace(
                keys::meta(&self.id),
                version,
                meta.record(),
            ));
            match self.engine.store.commit(changes).await {
                Ok(()) => {
                    self.engine.posted(posted);
                    self.erased();
                    return Ok(());
                }
                Err(CommitError::Conflict) => {
                    self.engine.not_posted(&posted);
                    self.engine.back_off(attempt).await;
                }
                Err(CommitError::Ambiguous(_)) => {
                    self.engine.not_posted(&posted);
                    unconfirmed = unconfirmed.or(Some(meta.erased_below));
                    self.engine.back_off(attempt).await;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    return Err(EraseError::Unavailable(error.to_string()));
                }
            }
        }
        Err(EraseError::Unavailable(
            "it is written to all the time".to_owned(),
        ))
    }

    /// Drops the conversation from memory and has its records removed soon.
    fn erased(&self) {
        drop(self.engine.memory.take(&self.id));
        let (engine, conversation) = (self.engine.clone(), self.id.clone());
        self.engine.env.spawn(Box::pin(async move {
            let _left = engine.advance(&conversation).await;
        }));
    }
}
