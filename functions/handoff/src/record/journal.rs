//! Reads a conversation from its records and assembles its turns: for a model's window, which takes whole turns only, and for
//! people, for whom an unreadable record spoils its own turn only. Writes nothing.

use std::collections::BTreeMap;

use crate::ids::{ActionId, ConversationId, TurnNumber};
use crate::ports::{Order, Range, Store, StoreError, Stored};
use crate::record::{ActionRecord, Meta, StepRecord, TurnRecord, decode, keys};

/// A turn with all its records.
#[derive(Debug, Clone)]
pub(crate) struct JournaledTurn {
    pub(crate) number: TurnNumber,
    pub(crate) version: u64,
    pub(crate) record: TurnRecord,
    /// In order, without gaps.
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) actions: Vec<ActionRecord>,
}

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

/// An action with its version.
pub(crate) async fn read_action(
    store: &dyn Store,
    id: &ActionId,
) -> Result<Option<(u64, ActionRecord)>, StoreError> {
    let stored = store.get(&keys::action(id)).await?;
    stored
        .map(|stored| Ok((stored.version, decode(&stored)?)))
        .transpose()
}

/// The existing ones of these actions, in one round trip. An unreadable record is left out and does not hide the others.
pub(crate) async fn read_actions(
    store: &dyn Store,
    ids: &[ActionId],
) -> Result<Vec<ActionRecord>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // META names an action twice that was settled after its end had been reported; each key is read once.
    let mut keys: Vec<_> = ids.iter().map(keys::action).collect();
    keys.sort();
    keys.dedup();
    let stored = store.get_many(&keys).await?;
    let read = stored.iter().flatten().filter_map(|stored| {
        decode(stored)
            .inspect_err(|error| tracing::error!(%error, "an action cannot be read"))
            .ok()
    });
    Ok(read.collect())
}

/// One turn.
pub(crate) async fn read_turn(
    store: &dyn Store,
    conversation: &ConversationId,
    turn: TurnNumber,
) -> Result<Option<JournaledTurn>, StoreError> {
    let all = Extent::of_window(usize::MAX, usize::MAX);
    let records = Records {
        conversation,
        prefix: keys::turn_prefix(turn),
        after: None,
        order: Order::Ascending,
    };
    let mut read = records.read(store, all).await?;
    if read.is_unreadable {
        return Err(StoreError::Damaged(format!(
            "a record of turn {turn} cannot be read"
        )));
    }
    Ok(read.turns.pop().and_then(|read| read.turn))
}

/// The last turns before `before`, oldest first. Leaves out turns with an unreadable record, and turns that the extent cuts off.
pub(crate) async fn read_turns(
    store: &dyn Store,
    conversation: &ConversationId,
    before: Option<TurnNumber>,
    extent: Extent,
) -> Result<Vec<JournaledTurn>, StoreError> {
    let read = read_piece(store, conversation, JournalCursor::Before(before), extent).await?;
    let readable = read.turns.into_iter().rev();
    Ok(readable
        .filter(|read| !read.is_unreadable)
        .filter_map(|read| read.turn)
        .collect())
}

/// The start and the direction of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JournalCursor<'a> {
    /// Turns before this one, or the last ones. Newest first.
    Before(Option<TurnNumber>),
    /// Turns after this sort key, or the first ones. Oldest first.
    Behind(Option<&'a str>),
}

/// The size of a read: whole turns until one of the bounds is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    turns: usize,
    /// Bytes of records.
    bytes: usize,
    /// This many turns are read whatever their size.
    least: usize,
    /// Records requested while their size is unknown.
    first: usize,
    /// The size of a record in the previous piece.
    typical: Option<usize>,
}

impl Extent {
    /// For a model's window: one page of records holds the whole window of an ordinary conversation.
    pub(crate) fn of_window(turns: usize, bytes: usize) -> Self {
        Self {
            turns,
            bytes,
            least: 0,
            first: MOST_RECORDS,
            typical: None,
        }
    }

    /// For people: one turn at least. `typical` is the record size found by the previous piece.
    pub(crate) fn of_piece(turns: usize, bytes: usize, typical: Option<usize>) -> Self {
        Self {
            turns,
            bytes,
            least: 1,
            first: FIRST_RECORDS,
            typical,
        }
    }
}

/// A part of a conversation, in the order in which it was read.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) turns: Vec<ReadTurn>,
    /// No records follow in this direction.
    pub(crate) is_last: bool,
    /// The typical record size, for the next piece.
    pub(crate) typical: Option<usize>,
    /// A record cannot be decoded.
    is_unreadable: bool,
}

/// A turn with its readable records.
#[derive(Debug)]
pub(crate) struct ReadTurn {
    pub(crate) number: TurnNumber,
    /// None: its own record cannot be read.
    pub(crate) turn: Option<JournaledTurn>,
    /// A record of it cannot be read.
    is_unreadable: bool,
    /// It has a record of a kind that this version of Baton does not know.
    has_unknown: bool,
    /// The highest sort key of its records.
    pub(crate) last_key: String,
}

impl ReadTurn {
    /// Whether all of it is readable.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_unreadable && !self.has_unknown
    }
}

/// Records requested at first where each may have 350 KB.
const FIRST_RECORDS: usize = 8;

/// The most records requested at once: the window of an ordinary conversation, 20 turns with a record and a step or two each.
const MOST_RECORDS: usize = 64;

/// Reads a piece of a conversation.
pub(crate) async fn read_piece(
    store: &dyn Store,
    conversation: &ConversationId,
    cursor: JournalCursor<'_>,
    extent: Extent,
) -> Result<Piece, StoreError> {
    let (after, order) = match cursor {
        JournalCursor::Before(before) => (before.map(keys::turn_prefix), Order::Descending),
        JournalCursor::Behind(key) => (key.map(str::to_owned), Order::Ascending),
    };
    let records = Records {
        conversation,
        prefix: "T#".to_owned(),
        after,
        order,
    };
    records.read(store, extent).await
}

/// Selects the records to read.
struct Records<'a> {
    conversation: &'a ConversationId,
    prefix: String,
    after: Option<String>,
    order: Order,
}

impl Records<'_> {
    async fn read(self, store: &dyn Store, extent: Extent) -> Result<Piece, StoreError> {
        let mut reading = Reading::of(extent);
        let mut after = self.after;
        loop {
            let range = Range {
                partition: keys::partition(self.conversation),
                prefix: self.prefix.clone(),
                after,
                order: self.order,
                limit: reading.next_limit(),
            };
            let page = store.range(&range).await?;
            for stored in &page.records {
                if !reading.take(stored) {
                    return Ok(reading.finish(false));
                }
            }
            after = page.records.last().map(|last| last.key.sort.clone());
            if !page.more || after.is_none() {
                reading.end_turn();
                return Ok(reading.finish(true));
            }
        }
    }
}

struct Reading {
    extent: Extent,
    turns: Vec<ReadTurn>,
    current: Option<Parts>,
    records: usize,
    bytes: usize,
    is_unreadable: bool,
}

/// The records of one turn so far.
struct Parts {
    number: TurnNumber,
    turn: Option<(u64, TurnRecord)>,
    /// Its own record exists, readable or not. A turn without it is being erased.
    exists: bool,
    steps: BTreeMap<u32, StepRecord>,
    actions: Vec<ActionRecord>,
    is_unreadable: bool,
    has_unknown: bool,
    last_key: String,
}

impl Reading {
    fn of(extent: Extent) -> Self {
        Self {
            extent,
            turns: Vec::new(),
            current: None,
            records: 0,
            bytes: 0,
            is_unreadable: false,
        }
    }

    fn typical(&self) -> Option<usize> {
        let typical = self.bytes.checked_div(self.records);
        typical.or(self.extent.typical)
    }

    fn finish(self, is_last: bool) -> Piece {
        Piece {
            typical: self.typical(),
            turns: self.turns,
            is_last,
            is_unreadable: self.is_unreadable,
        }
    }

    /// The number of records that fill the piece, if they are as large as the previous ones.
    fn next_limit(&self) -> usize {
        let Some(typical) = self.typical() else {
            return self.extent.first;
        };
        let left = self.extent.bytes.saturating_sub(self.bytes);
        left.checked_div(typical)
            .map_or(MOST_RECORDS, |records| records.saturating_add(1))
            .clamp(1, MOST_RECORDS)
    }

    /// Adds a record. `false`: the piece is full, and the record was not added.
    fn take(&mut self, stored: &Stored) -> bool {
        let Some(number) = turn_of(&stored.key.sort) else {
            warn_of_unknown(stored);
            return true;
        };
        if self
            .current
            .as_ref()
            .is_some_and(|parts| parts.number != number)
        {
            self.end_turn();
        }
        let is_full = self.turns.len() >= self.extent.turns || self.bytes >= self.extent.bytes;
        if is_full && self.turns.len() >= self.extent.least {
            return false;
        }
        self.records += 1;
        self.bytes += stored.record.body.len();
        let parts = self.current.get_or_insert_with(|| Parts::of(number));
        if let Err(error) = parts.take(stored) {
            tracing::error!(%error, "a record cannot be read");
            parts.is_unreadable = true;
            self.is_unreadable = true;
        }
        true
    }

    fn end_turn(&mut self) {
        let Some(parts) = self.current.take().filter(|parts| parts.exists) else {
            return;
        };
        let number = parts.number;
        let turn = parts.turn.map(|(version, record)| JournaledTurn {
            number,
            version,
            record,
            steps: parts.steps.into_values().collect(),
            actions: parts.actions,
        });
        self.turns.push(ReadTurn {
            number,
            turn,
            is_unreadable: parts.is_unreadable,
            has_unknown: parts.has_unknown,
            last_key: parts.last_key,
        });
    }
}

impl Parts {
    fn of(number: TurnNumber) -> Self {
        Self {
            number,
            turn: None,
            exists: false,
            steps: BTreeMap::new(),
            actions: Vec::new(),
            is_unreadable: false,
            has_unknown: false,
            last_key: String::new(),
        }
    }

    fn take(&mut self, stored: &Stored) -> Result<(), StoreError> {
        if stored.key.sort > self.last_key {
            self.last_key.clone_from(&stored.key.sort);
        }
        match keys::parse_turn_part(&stored.key.sort) {
            Some((_, keys::TurnPart::Turn)) => {
                self.exists = true;
                self.turn = Some((stored.version, decode(stored)?));
            }
            Some((_, keys::TurnPart::Step(step))) => {
                self.steps.insert(step, decode(stored)?);
            }
            Some((_, keys::TurnPart::Action(_))) => self.actions.push(decode(stored)?),
            None => {
                warn_of_unknown(stored);
                self.has_unknown = true;
            }
        }
        Ok(())
    }
}

/// The turn of a record, even of a kind that a newer Baton wrote.
fn turn_of(sort: &str) -> Option<TurnNumber> {
    sort.split('#').nth(1)?.parse().ok()
}

fn warn_of_unknown(stored: &Stored) {
    let (partition, sort) = (&stored.key.partition, &stored.key.sort);
    tracing::warn!(%partition, %sort, "a record has a kind that this version of Baton does not know");
}
