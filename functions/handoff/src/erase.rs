//! Erases a conversation. Its META stays as a tombstone, so that turn numbers and fences are never used twice.

use std::sync::Arc;

use crate::drive::pause_after;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ConversationId;
use crate::journal::read_meta;
use crate::ports::{Change, CommitError, Order, Range, StoreError};
use crate::record::{ActionRecord, MessageRecord, Meta, decode, keys};

/// Records removed by one commit.
const PAGE: usize = 90;

/// Why a conversation was not erased.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EraseError {
    /// There is nothing to erase.
    #[error("no such conversation")]
    NotFound,
    /// The store does not answer as it should; trying again later may work.
    #[error("the conversation could not be erased: {0}")]
    Unavailable(String),
}

impl Engine {
    /// Makes everything said so far unreadable at once and removes it soon after. A running turn loses its lease by this and
    /// stops; accepted actions stay until they end, and orders and refunds stay: they are accounts.
    pub async fn erase(self: &Arc<Self>, conversation: &ConversationId) -> Result<(), EraseError> {
        let mut unconfirmed = false;
        for attempt in 0..MAX_TRIES {
            let unavailable = |error: StoreError| EraseError::Unavailable(error.to_string());
            let Some((version, mut meta)) = read_meta(&*self.store, conversation)
                .await
                .map_err(unavailable)?
            else {
                return Err(EraseError::NotFound);
            };
            if !meta.has_turns() {
                if !unconfirmed {
                    return Err(EraseError::NotFound);
                }
                self.look_after_soon(conversation);
                return Ok(());
            }
            meta.erased_below = meta.next_turn;
            meta.erasing = true;
            meta.look_at = self.env.now();
            meta.title = String::new();
            meta.agent = self.team.entry_agent().name.clone();
            meta.waiting.clear();
            meta.untold.clear();
            meta.stop = None;
            // Whoever runs a turn finds another fence at its next write, and stops.
            meta.fence += 1;
            meta.running = None;
            match self
                .store
                .commit(vec![Change::Replace(
                    keys::meta(conversation),
                    version,
                    meta.record(),
                )])
                .await
            {
                Ok(()) => {
                    self.look_after_soon(conversation);
                    return Ok(());
                }
                Err(CommitError::Conflict) => self.back_off(attempt).await,
                Err(CommitError::Ambiguous(_)) => {
                    unconfirmed = true;
                    self.back_off(attempt).await;
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

    fn look_after_soon(self: &Arc<Self>, conversation: &ConversationId) {
        let (engine, conversation) = (self.clone(), conversation.clone());
        self.env.spawn(Box::pin(
            async move { engine.look_after(&conversation).await },
        ));
    }

    /// Removes the records of erased turns, a page at a time, and then the mark that some are left. While one of their actions
    /// is open the mark stays, and somebody looks again. Returns META as it is now, unless somebody else wrote it.
    pub(crate) async fn erase_records(
        &self,
        conversation: &ConversationId,
        version: u64,
        mut meta: Meta,
    ) -> Result<Option<(u64, Meta)>, StoreError> {
        let mut left = false;
        for prefix in ["M#", "E#", "T#"] {
            left |= self.erase_range(conversation, prefix, &meta).await?;
        }
        meta.erasing = left;
        if left {
            meta.look_at = self.env.now() + pause_after(meta.late_failures);
        }
        let change = Change::Replace(keys::meta(conversation), version, meta.record());
        // If somebody wrote meanwhile, the next look finds nothing left to remove and tries again.
        let written = self.store.commit(vec![change]).await.is_ok();
        Ok(written.then_some((version + 1, meta)))
    }

    /// Says whether something is left that has to go once it can.
    async fn erase_range(
        &self,
        conversation: &ConversationId,
        prefix: &str,
        meta: &Meta,
    ) -> Result<bool, StoreError> {
        let mut left = false;
        let mut after = None;
        loop {
            let range = Range {
                partition: keys::partition(conversation),
                prefix: prefix.to_owned(),
                after,
                order: Order::Ascending,
                limit: PAGE,
            };
            let page = self.store.range(&range).await?;
            let mut changes = Vec::new();
            for stored in &page.records {
                match fate(stored, meta)? {
                    Fate::Goes => {
                        changes.push(Change::Remove(stored.key.clone(), Some(stored.version)));
                    }
                    Fate::StaysUntilItEnds => left = true,
                    Fate::Stays => {}
                }
            }
            if !changes.is_empty() {
                match self.store.commit(changes).await {
                    Ok(()) => {}
                    // Maybe the whole page is left.
                    Err(CommitError::Conflict | CommitError::Ambiguous(_)) => left = true,
                    Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                        return Err(StoreError::Unavailable(error.to_string()));
                    }
                }
            }
            after = page.records.last().map(|last| last.key.sort.clone());
            if !page.more || after.is_none() {
                return Ok(left);
            }
        }
    }
}

/// What becomes of a record.
enum Fate {
    Goes,
    StaysUntilItEnds,
    Stays,
}

fn fate(stored: &crate::ports::Stored, meta: &Meta) -> Result<Fate, StoreError> {
    let Some((turn, part)) = keys::parse_turn_part(&stored.key.sort) else {
        // The id of a message that was sent since must go on meaning its turn.
        let since = stored.key.sort.starts_with("M#")
            && decode::<MessageRecord>(stored)?.turn >= meta.erased_below;
        return Ok(if since { Fate::Stays } else { Fate::Goes });
    };
    if turn >= meta.erased_below {
        return Ok(Fate::Stays);
    }
    Ok(match part {
        keys::TurnPart::Action(_) if !decode::<ActionRecord>(stored)?.state.is_terminal() => {
            Fate::StaysUntilItEnds
        }
        keys::TurnPart::Action(_) | keys::TurnPart::Turn | keys::TurnPart::Step(_) => Fate::Goes,
    })
}
