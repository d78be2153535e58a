//! Reads the turns of a conversation in pieces of bounded size, for people: a record that cannot be read spoils its own turn
//! only. Knows the store port and the records; nothing of items.

use std::collections::BTreeMap;

use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Order, Range, Store, StoreError, Stored};
use crate::record::journal::JournaledTurn;
use crate::record::{ActionRecord, StepRecord, TurnRecord, decode, keys};

/// Where a piece begins, and in which direction it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Turns before this one, or the last ones. Newest first.
    Before(Option<TurnNumber>),
    /// Turns behind this sort key, or the first ones. Oldest first.
    Behind(Option<&'a str>),
}

/// How large a piece becomes: whole turns until one of the bounds is reached, and one turn at least, whatever its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) turns: usize,
    /// Of records.
    pub(crate) bytes: usize,
    /// The size of a record in an earlier piece, so that no more are read than are needed.
    pub(crate) typical: Option<usize>,
}

/// A part of a conversation, in the order in which it was read.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) turns: Vec<ReadTurn>,
    /// Nothing follows in this direction.
    pub(crate) is_last: bool,
    /// For the next piece.
    pub(crate) typical: Option<usize>,
}

/// A turn with what can be read of it.
#[derive(Debug)]
pub(crate) struct ReadTurn {
    pub(crate) number: TurnNumber,
    /// None: its own record cannot be read.
    pub(crate) turn: Option<JournaledTurn>,
    /// Some record of it cannot be read.
    pub(crate) is_damaged: bool,
    /// The highest sort key of its records.
    pub(crate) last_key: String,
}

/// Records that are asked for before anything is known of their size. Each may have 350 KB.
const FIRST_RECORDS: usize = 8;

/// Records that are asked for at once, at most.
const MOST_RECORDS: usize = 64;

/// Reads a piece.
pub(crate) async fn read(
    store: &dyn Store,
    conversation: &ConversationId,
    place: Place<'_>,
    extent: Extent,
) -> Result<Piece, StoreError> {
    let (mut after, order) = match place {
        Place::Before(before) => (before.map(keys::turn_prefix), Order::Descending),
        Place::Behind(key) => (key.map(str::to_owned), Order::Ascending),
    };
    let mut reading = Reading::of(extent);
    loop {
        let range = Range {
            partition: keys::partition(conversation),
            prefix: "T#".to_owned(),
            after,
            order,
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

struct Reading {
    extent: Extent,
    turns: Vec<ReadTurn>,
    current: Option<Parts>,
    records: usize,
    bytes: usize,
}

/// What was read of one turn.
struct Parts {
    number: TurnNumber,
    turn: Option<(u64, TurnRecord)>,
    /// Its own record exists, readable or not. One without is being erased.
    exists: bool,
    steps: BTreeMap<u32, StepRecord>,
    actions: Vec<ActionRecord>,
    is_damaged: bool,
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
        }
    }

    /// As many records as will fill the piece, if they are as large as those before.
    fn next_limit(&self) -> usize {
        let Some(typical) = self.typical() else {
            return FIRST_RECORDS;
        };
        let left = self.extent.bytes.saturating_sub(self.bytes);
        left.checked_div(typical)
            .map_or(MOST_RECORDS, |records| records + 1)
            .clamp(1, MOST_RECORDS)
    }

    /// `false`: the piece is full, and the record was not taken.
    fn take(&mut self, stored: &Stored) -> bool {
        let Some(number) = turn_of(&stored.key.sort) else {
            let error = unknown(stored);
            tracing::error!(%error, "a record cannot be read");
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
        if is_full && !self.turns.is_empty() {
            return false;
        }
        self.records += 1;
        self.bytes += stored.record.body.len();
        let parts = self.current.get_or_insert_with(|| Parts::of(number));
        if let Err(error) = parts.take(stored) {
            tracing::error!(%error, "a record cannot be read");
            parts.is_damaged = true;
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
            is_damaged: parts.is_damaged,
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
            is_damaged: false,
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
            None => return Err(unknown(stored)),
        }
        Ok(())
    }
}

/// The turn to which a record belongs, also one of a kind that a newer Baton wrote.
fn turn_of(sort: &str) -> Option<TurnNumber> {
    sort.split('#').nth(1)?.parse().ok()
}

fn unknown(stored: &Stored) -> StoreError {
    StoreError::Damaged(format!(
        "the record {} {} is none that this Baton knows",
        stored.key.partition, stored.key.sort
    ))
}
