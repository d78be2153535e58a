//! Erases a conversation. Its META stays as a tombstone, so that turn numbers and fences are never used twice.

use std::sync::Arc;

use crate::drive::pause_after;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::ConversationId;
use crate::ports::{Change, CommitError, Order, Range, StoreError, Stored};
use crate::record::journal::read_meta;
use crate::record::{ActionRecord, MessageRecord, Meta, decode, keys};
use crate::turn::recorder;

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
        // Turns that an unconfirmed try of ours has erased, if it was written: what came after it is not ours to erase.
        let mut unconfirmed = None;
        for attempt in 0..MAX_TRIES {
            let unavailable = |error: StoreError| EraseError::Unavailable(error.to_string());
            let Some((version, mut meta)) = read_meta(&*self.store, conversation)
                .await
                .map_err(unavailable)?
            else {
                return Err(EraseError::NotFound);
            };
            if unconfirmed.is_some_and(|below| meta.erased_below >= below) {
                self.erased(conversation);
                return Ok(());
            }
            if !meta.has_turns() {
                return Err(EraseError::NotFound);
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
                    self.erased(conversation);
                    return Ok(());
                }
                Err(CommitError::Conflict) => self.back_off(attempt).await,
                Err(CommitError::Ambiguous(_)) => {
                    unconfirmed = unconfirmed.or(Some(meta.erased_below));
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

    /// Nothing of it stays in memory, and the records go soon.
    fn erased(self: &Arc<Self>, conversation: &ConversationId) {
        drop(self.memory.take(conversation));
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
                match fate(stored, meta) {
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

fn fate(stored: &Stored, meta: &Meta) -> Fate {
    let sort = stored.key.sort.as_str();
    // Whatever was said since must stay: the id of a message goes on meaning its turn, and text is on its way to listeners.
    let turn = if sort.starts_with("M#") {
        match decode::<MessageRecord>(stored) {
            Ok(message) => Some(message.turn),
            Err(error) => {
                // It has no word of the customer's, and without it the message could be taken twice.
                tracing::error!(%error, "the id of a message cannot be read and stays");
                return Fate::StaysUntilItEnds;
            }
        }
    } else if sort.starts_with("E#") {
        recorder::turn_of(sort)
    } else {
        keys::parse_turn_part(sort).map(|(turn, _)| turn)
    };
    if turn.is_some_and(|turn| turn >= meta.erased_below) {
        return Fate::Stays;
    }
    let Some((_, keys::TurnPart::Action(_))) = keys::parse_turn_part(sort) else {
        return Fate::Goes;
    };
    match decode::<ActionRecord>(stored) {
        Ok(action) if action.state.is_terminal() => Fate::Goes,
        Ok(_) => Fate::StaysUntilItEnds,
        Err(error) => {
            // It may be open, and what it moves must not be forgotten.
            tracing::error!(%error, "an action of an erased conversation cannot be read and stays");
            Fate::StaysUntilItEnds
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Key, Record};

    fn fate_of(sort: &str, body: &str) -> Fate {
        let mut meta = Meta::new(String::new(), String::new(), 0);
        meta.erased_below = 3;
        let record = Record {
            format: 1,
            body: body.to_owned(),
            due_at: None,
            listed: None,
            expires_at: None,
        };
        let stored = Stored {
            key: Key::new("C#c", sort),
            version: 1,
            record,
        };
        fate(&stored, &meta)
    }

    #[test]
    fn an_erasure_leaves_what_came_after_it() {
        for sort in [
            "T#0000000003",
            "T#0000000003#S#0001",
            "E#0000000003#0001#000000000001#0000000000",
        ] {
            assert!(matches!(fate_of(sort, ""), Fate::Stays), "{sort}");
        }
        let since = r#"{"turn":3,"hash":""}"#;
        assert!(matches!(fate_of("M#m", since), Fate::Stays));
    }

    #[test]
    fn an_erasure_removes_words_from_before_it_whether_or_not_they_can_be_read() {
        for sort in [
            "T#0000000002",
            "T#0000000002#S#0001",
            "E#0000000002#0001#000000000001#0000000000",
        ] {
            assert!(matches!(fate_of(sort, "damaged"), Fate::Goes), "{sort}");
        }
        let before = r#"{"turn":2,"hash":""}"#;
        assert!(matches!(fate_of("M#m", before), Fate::Goes));
        // An action may be open, and what it moves must not be forgotten; nor that a message was taken.
        for sort in ["T#0000000002#A#0123", "M#m"] {
            let damaged = fate_of(sort, "damaged");
            assert!(matches!(damaged, Fate::StaysUntilItEnds), "{sort}");
        }
    }
}
