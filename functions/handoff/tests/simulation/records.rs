//! What all processes of a simulation have written, and how their stores and indexes show it.

use std::collections::{BTreeMap, BTreeSet};

use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::{Change, Key, Listing, Millis, Record, StoreError, Stored};
use baton_handoff::record::keys::{self, parse_turn_part};
use baton_handoff::record::{
    ActionState, DEFAULT_TENANT, actions_in, conversations_of, conversations_with_agents,
};

use crate::world::World;

/// What the ids of conversations begin with that nobody here can read.
pub(crate) const RELIC: &str = "relic-";

/// How long an index may show what a record was before.
const LAG: Millis = 2_000;

/// The records, as all processes share them.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) now: BTreeMap<Key, Stored>,
    /// What a record was before its last change, and when that was.
    before: BTreeMap<Key, (Millis, Option<Stored>)>,
    /// Until when nobody can reach the store.
    pub(crate) away_until: Millis,
    /// A record that cannot be read for a while.
    pub(crate) blurred: Option<Blurred>,
    /// Turns of which some record could not be read for a while.
    pub(crate) once_blurred: BTreeSet<(String, TurnNumber)>,
}

/// A record that cannot be read for a while, and in which way.
pub(crate) struct Blurred {
    pub(crate) key: Key,
    pub(crate) blur: Blur,
}

/// In which way a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blur {
    /// It was written by a newer Baton.
    Newer,
    /// It is no JSON.
    Garbled,
    /// The store itself finds it damaged.
    Damaged,
}

impl Records {
    pub(crate) fn holds(&self, change: &Change) -> bool {
        let version = self.now.get(change.key()).map(|stored| stored.version);
        match change {
            Change::Create(..) => version.is_none(),
            Change::Replace(_, expected, _) => version == Some(*expected),
            Change::Remove(_, expected) => {
                expected.is_none_or(|expected| version == Some(expected))
            }
            Change::Require(_, expected) => version == *expected,
        }
    }

    pub(crate) fn apply(&mut self, change: &Change, now: Millis) {
        let (key, record) = match change {
            Change::Create(key, record) | Change::Replace(key, _, record) => (key, Some(record)),
            Change::Remove(key, _) => (key, None),
            Change::Require(..) => return,
        };
        let before = self.now.remove(key);
        let version = before.as_ref().map_or(0, |before| before.version) + 1;
        self.before.insert(key.clone(), (now, before));
        if let Some(record) = record {
            self.now.insert(
                key.clone(),
                Stored {
                    key: key.clone(),
                    version,
                    record: record.clone(),
                },
            );
        }
    }

    /// What an index can no longer show.
    pub(crate) fn forget_old(&mut self, now: Millis) {
        self.before.retain(|_, (at, _)| *at + LAG > now);
    }

    /// The index may show any record as it was before a recent change.
    pub(crate) fn as_indexed(&self, world: &World, faults: bool) -> Vec<&Stored> {
        let old: BTreeMap<&Key, &Option<Stored>> = self
            .before
            .iter()
            .filter(|_| faults && world.happens(300))
            .map(|(key, (_, before))| (key, before))
            .collect();
        let fresh = self.now.iter().filter(|(key, _)| !old.contains_key(key));
        fresh
            .map(|(_, stored)| stored)
            .chain(old.values().filter_map(|before| before.as_ref()))
            .collect()
    }

    /// A record as a reader gets it.
    pub(crate) fn show(&self, stored: &Stored) -> Result<Stored, StoreError> {
        let blurred = self.blurred.as_ref();
        let Some(Blurred { blur, .. }) = blurred.filter(|blurred| blurred.key == stored.key) else {
            return Ok(stored.clone());
        };
        match blur {
            Blur::Newer | Blur::Garbled => Ok(blurred_copy(stored, *blur)),
            Blur::Damaged => Err(StoreError::Damaged("simulated".to_owned())),
        }
    }

    /// From now on this record cannot be read.
    pub(crate) fn blur(&mut self, key: Key, blur: Blur) {
        // What concerns the whole conversation stands under no turn.
        let turn = parse_turn_part(&key.sort).map_or(0, |(turn, _)| turn);
        self.once_blurred.insert((key.partition.clone(), turn));
        self.blurred = Some(Blurred { key, blur });
    }

    /// Whether whoever saw to this turn may have found that it cannot be read.
    pub(crate) fn was_blurred(&self, conversation: &ConversationId, turn: TurnNumber) -> bool {
        let place = |turn| (keys::partition(conversation), turn);
        self.once_blurred.contains(&place(turn)) || self.once_blurred.contains(&place(0))
    }

    /// The same in a page of an index, which shows everything that stands there.
    pub(crate) fn show_in_index(&self, stored: &Stored) -> Stored {
        match &self.blurred {
            Some(blurred) if blurred.key == stored.key => blurred_copy(stored, blurred.blur),
            Some(_) | None => stored.clone(),
        }
    }

    /// Records that nobody here can read, before all others in each index.
    pub(crate) fn bury_relics(&mut self, count: u64) {
        for number in 0..count {
            let partition = format!("C#{RELIC}{number}");
            self.bury(
                Key::new(partition.clone(), "META"),
                Some(conversations_of(&baton_handoff::Owner::none())),
                conversations_with_agents(DEFAULT_TENANT),
            );
            for state in ActionState::ALL {
                let sort = format!("T#0000000001#A#{}", state.as_str());
                let key = Key::new(partition.clone(), sort);
                let list = actions_in(DEFAULT_TENANT, state);
                self.bury(key, None, list);
            }
        }
    }

    fn bury(&mut self, key: Key, listed: Option<String>, work: String) {
        let first = |group| Listing {
            group,
            rank: u64::MAX / 4,
        };
        let record = Record {
            due_at: Some(1),
            listed: listed.map(first),
            work: Some(first(work)),
            ..Record::new(u16::MAX, "{}")
        };
        let stored = Stored {
            key: key.clone(),
            version: 1,
            record,
        };
        self.now.insert(key, stored);
    }
}

fn blurred_copy(stored: &Stored, blur: Blur) -> Stored {
    let mut stored = stored.clone();
    match blur {
        Blur::Newer => stored.record.format = u16::MAX,
        Blur::Garbled | Blur::Damaged => stored.record.body.truncate(1),
    }
    stored
}
