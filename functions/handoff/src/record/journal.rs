//! Reads the turns of a conversation back from their records. Knows the store port and the records, and writes nothing.

use std::collections::BTreeMap;

use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Order, Range, Store, StoreError, Stored};
use crate::record::{ActionRecord, Meta, StepRecord, TurnRecord, decode, keys};

/// A turn with all that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct JournaledTurn {
    pub(crate) number: TurnNumber,
    pub(crate) version: u64,
    pub(crate) record: TurnRecord,
    /// In order, without gaps.
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) actions: Vec<ActionRecord>,
}

/// How much of the past is read: whole turns, newest first, until either bound is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) turns: usize,
    pub(crate) bytes: usize,
}

/// A page of this size holds the window of an ordinary conversation: 20 turns with a record and a step or two each.
const PAGE: usize = 64;

/// The META record of a conversation with its version.
pub(crate) async fn read_meta(
    store: &dyn Store,
    conversation: &ConversationId,
) -> Result<Option<(u64, Meta)>, StoreError> {
    let stored = store.get(&keys::meta(conversation)).await?;
    stored
        .map(|stored| Ok((stored.version, decode(&stored)?)))
        .transpose()
}

/// One turn.
pub(crate) async fn read_turn(
    store: &dyn Store,
    conversation: &ConversationId,
    turn: TurnNumber,
) -> Result<Option<JournaledTurn>, StoreError> {
    let mut gathered = Gathered::default();
    let mut after = None;
    loop {
        let range = Range {
            partition: keys::partition(conversation),
            prefix: keys::turn_prefix(turn),
            after,
            order: Order::Ascending,
            limit: PAGE,
        };
        let page = store.range(&range).await?;
        for stored in &page.records {
            gathered.take(stored);
        }
        after = page.records.last().map(|last| last.key.sort.clone());
        if !page.more || after.is_none() {
            let is_damaged = gathered.turns.values().any(|parts| parts.unreadable);
            return if is_damaged {
                Err(StoreError::Damaged(format!(
                    "a record of turn {turn} cannot be read"
                )))
            } else {
                Ok(gathered.finish().pop())
            };
        }
    }
}

/// The last turns before `before`, oldest first. Turns below `erased_below` do not exist any more.
pub(crate) async fn read_turns(
    store: &dyn Store,
    conversation: &ConversationId,
    before: Option<TurnNumber>,
    extent: Extent,
) -> Result<Vec<JournaledTurn>, StoreError> {
    let mut gathered = Gathered::default();
    let mut after = before.map(keys::turn_prefix);
    loop {
        let range = Range {
            partition: keys::partition(conversation),
            prefix: "T#".to_owned(),
            after,
            order: Order::Descending,
            limit: PAGE,
        };
        let page = store.range(&range).await?;
        for stored in &page.records {
            if gathered.complete >= extent.turns || gathered.bytes >= extent.bytes {
                return Ok(gathered.finish());
            }
            gathered.take(stored);
        }
        after = page.records.last().map(|last| last.key.sort.clone());
        if !page.more || after.is_none() {
            return Ok(gathered.finish());
        }
    }
}

/// Turns that were not erased.
pub(crate) fn visible(mut past: Vec<JournaledTurn>, meta: &Meta) -> Vec<JournaledTurn> {
    past.retain(|turn| turn.number >= meta.erased_below);
    past
}

/// Records of turns, put together.
#[derive(Default)]
struct Gathered {
    turns: BTreeMap<TurnNumber, Parts>,
    /// Turns whose own record was seen; read downwards, that is the last record of a turn.
    complete: usize,
    bytes: usize,
}

#[derive(Default)]
struct Parts {
    turn: Option<(u64, TurnRecord)>,
    steps: BTreeMap<u32, StepRecord>,
    actions: Vec<ActionRecord>,
    unreadable: bool,
}

impl Gathered {
    fn take(&mut self, stored: &Stored) {
        let Some((turn, part)) = keys::parse_turn_part(&stored.key.sort) else {
            tracing::warn!(sort = %stored.key.sort, "a record is none that this Baton knows");
            return;
        };
        self.bytes += stored.record.body.len();
        if matches!(part, keys::TurnPart::Turn) {
            self.complete += 1;
        }
        let parts = self.turns.entry(turn).or_default();
        if let Err(error) = parts.take(&part, stored) {
            tracing::error!(%error, "a record cannot be read");
            parts.unreadable = true;
        }
    }

    /// Turns whose own record was not read are cut off by the extent, or being erased: they are left out. So are those of which
    /// a record cannot be read: they hide nothing beside them.
    fn finish(self) -> Vec<JournaledTurn> {
        let readable = self
            .turns
            .into_iter()
            .filter(|(_, parts)| !parts.unreadable);
        let turns = readable.filter_map(|(number, parts)| {
            let (version, record) = parts.turn?;
            let steps = parts.steps.into_values().collect();
            Some(JournaledTurn {
                number,
                version,
                record,
                steps,
                actions: parts.actions,
            })
        });
        turns.collect()
    }
}

impl Parts {
    fn take(&mut self, part: &keys::TurnPart<'_>, stored: &Stored) -> Result<(), StoreError> {
        match part {
            keys::TurnPart::Turn => self.turn = Some((stored.version, decode(stored)?)),
            keys::TurnPart::Step(step) => {
                self.steps.insert(*step, decode(stored)?);
            }
            keys::TurnPart::Action(_) => self.actions.push(decode(stored)?),
        }
        Ok(())
    }
}
