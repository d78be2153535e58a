//! Removes the records of turns that were erased.

use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Change, CommitError, Forgotten, Order, Range, StoreError, Stored};
use crate::record::audit;
use crate::record::notice::{CLIENTS, NoticeRecord, notices_of};
use crate::record::{ActionRecord, MessageRecord, Meta, decode, keys, recheck_after};
use crate::turn::recorder;

/// Records removed by one commit.
const PAGE: usize = 90;

/// Removes the records of erased turns, one page at a time, and then the mark in META. While an action is open the mark stays and
/// META is due again. Returns the new META, unless another process wrote it.
pub(super) async fn remove(
    engine: &Engine,
    conversation: &ConversationId,
    version: u64,
    mut meta: Meta,
) -> Result<Option<(u64, Meta)>, StoreError> {
    let tenant = meta.owner.tenant();
    let pseudonym = engine.pseudonyms(tenant).await?.of(conversation.as_str());
    let details = audit::details_partition(tenant, &pseudonym);
    let mut forgotten = Forgotten {
        conversation: conversation.clone(),
        owner: meta.owner.clone(),
        pseudonym: ConversationId::parse(&pseudonym)
            .map_err(|error| StoreError::Damaged(error.to_string()))?,
        keys: Vec::new(),
    };
    let mut left = false;
    for prefix in ["M#", "E#", keys::SUMMARIES, keys::PUSHES, "T#"] {
        let partition = keys::partition(conversation);
        left |= remove_range(engine, partition, prefix, &meta, &mut forgotten).await?;
    }
    for name in engine.told().chain([CLIENTS]) {
        let undelivered = notices_of(name, conversation);
        left |= remove_range(engine, undelivered, "", &meta, &mut forgotten).await?;
    }
    // After the actions: a decision on one that is open adds details.
    left |= remove_range(engine, details, "", &meta, &mut forgotten).await?;
    meta.erasing = left;
    if left {
        meta.due_at = engine.env.now() + recheck_after(meta.late_failures);
    }
    let change = Change::Replace(keys::meta(conversation), version, meta.record());
    // If another process wrote meanwhile, the next attempt finds nothing left to remove.
    let written = engine.store.commit(vec![change]).await.is_ok();
    Ok(written.then_some((version + 1, meta)))
}

/// Whether a record is left that must be removed later.
async fn remove_range(
    engine: &Engine,
    partition: String,
    prefix: &str,
    meta: &Meta,
    forgotten: &mut Forgotten,
) -> Result<bool, StoreError> {
    let mut left = false;
    let mut after = None;
    loop {
        let range = Range {
            partition: partition.clone(),
            prefix: prefix.to_owned(),
            after,
            order: Order::Ascending,
            limit: PAGE,
        };
        let page = engine.store.range(&range).await?;
        let mut changes = Vec::new();
        for stored in &page.records {
            match fate(stored, meta) {
                Fate::Goes(key) => {
                    forgotten.keys.extend(key);
                    changes.push(Change::Remove(stored.key.clone(), Some(stored.version)));
                }
                Fate::StaysUntilItEnds => left = true,
                Fate::Stays => {}
            }
        }
        // Before the actions go: only they know the keys.
        forget(engine, forgotten).await?;
        if !changes.is_empty() {
            match engine.store.commit(changes).await {
                Ok(()) => {}
                // The whole page may be left.
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

/// Has the tools forget the words of these actions.
async fn forget(engine: &Engine, forgotten: &mut Forgotten) -> Result<(), StoreError> {
    if forgotten.keys.is_empty() {
        return Ok(());
    }
    let done = engine.tools.forget(forgotten).await;
    forgotten.keys.clear();
    done.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The decision about a record.
enum Fate {
    /// An action with its idempotency key.
    Goes(Option<String>),
    StaysUntilItEnds,
    Stays,
}

fn fate(stored: &Stored, meta: &Meta) -> Fate {
    let sort = stored.key.sort.as_str();
    // Later turns must stay: the id of a message keeps its meaning, and listeners still receive text.
    let turn = if sort.starts_with("M#") {
        match decode::<MessageRecord>(stored) {
            Ok(message) => Some(message.turn),
            Err(error) => {
                // It holds no words of the customer. Without it the message could be accepted twice.
                tracing::error!(%error, "the record of a message id cannot be read; it is not erased");
                return Fate::StaysUntilItEnds;
            }
        }
    } else if sort.starts_with("E#") {
        recorder::turn_of(sort)
    } else if let Some(upto) = keys::parse_summary(sort) {
        Some(upto)
    } else if let Some(turn) = keys::parse_push(sort) {
        Some(turn)
    } else if stored.key.partition.starts_with("H#") {
        // One that cannot be read may hold words of before.
        decode::<NoticeRecord>(stored)
            .ok()
            .map(|notice| notice.turn)
    } else if stored.key.partition.starts_with("A#") {
        audit::turn_of_details(sort)
    } else {
        keys::parse_turn_part(sort).map(|(turn, _)| turn)
    };
    if turn.is_some_and(|turn| turn >= meta.erased_below) {
        return Fate::Stays;
    }
    let Some((_, keys::TurnPart::Action(_))) = keys::parse_turn_part(sort) else {
        return Fate::Goes(None);
    };
    match decode::<ActionRecord>(stored) {
        Ok(action) if action.state.is_terminal() => Fate::Goes(Some(action.idempotency_key())),
        Ok(_) => Fate::StaysUntilItEnds,
        Err(error) => {
            // The action may be open, and its effect must not be forgotten.
            tracing::error!(%error, "an action of an erased conversation cannot be read; it is not erased");
            Fate::StaysUntilItEnds
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Key, Record};

    fn fate_of(sort: &str, body: &str) -> Fate {
        let mut meta = Meta::new(crate::principal::Owner::none(), String::new(), 0);
        meta.erased_below = 3;
        let stored = Stored {
            key: Key::new("C#c", sort),
            version: 1,
            record: Record::new(1, body),
        };
        fate(&stored, &meta)
    }

    #[test]
    fn an_erasure_leaves_later_turns() {
        for sort in [
            "T#0000000003",
            "T#0000000003#S#0001",
            "Z#0000000003",
            "P#0000000003",
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
            "Z#0000000002",
            "P#0000000002",
            "E#0000000002#0001#000000000001#0000000000",
        ] {
            assert!(
                matches!(fate_of(sort, "damaged"), Fate::Goes(None)),
                "{sort}"
            );
        }
        let before = r#"{"turn":2,"hash":""}"#;
        assert!(matches!(fate_of("M#m", before), Fate::Goes(None)));
        // An action may be open, and its effect must not be forgotten; nor may the acceptance of a message.
        for sort in ["T#0000000002#A#0123", "M#m"] {
            let damaged = fate_of(sort, "damaged");
            assert!(matches!(damaged, Fate::StaysUntilItEnds), "{sort}");
        }
    }
}
