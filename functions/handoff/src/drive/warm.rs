//! A memory of conversations that this process has just advanced, so that the next message needs no read.
//!
//! Nothing here is trusted: a remembered state is only used for a commit that fails unless META still has the remembered version,
//! and turns and steps change only together with META. After a failed commit the decision is made anew from the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::ids::ConversationId;
use crate::record::Meta;
use crate::record::journal::JournaledTurn;
use crate::turn::past::Past;

/// The most conversations remembered.
const MOST: usize = 1_024;

/// Their total size: messages, texts, arguments and results, in bytes.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// A conversation as its last commit left it.
#[derive(Debug)]
pub(crate) struct Warm {
    pub(crate) version: u64,
    pub(crate) meta: Meta,
    pub(crate) past: Past,
}

/// The conversations that were advanced last.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    known: HashMap<ConversationId, Entry>,
    /// Conversations by age, the oldest first.
    ages: BTreeMap<u64, ConversationId>,
    next_age: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    age: u64,
    bytes: usize,
    warm: Warm,
}

impl Memory {
    /// Remembers a conversation, and forgets the ones that were advanced longest ago.
    pub(crate) fn keep(&self, conversation: &ConversationId, warm: Warm) {
        let bytes = size(&warm);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(conversation);
        let age = entries.next_age;
        entries.next_age += 1;
        entries.bytes += bytes;
        entries.ages.insert(age, conversation.clone());
        entries
            .known
            .insert(conversation.clone(), Entry { age, bytes, warm });
        while entries.known.len() > MOST || entries.bytes > MOST_BYTES {
            let Some((_, oldest)) = entries.ages.first_key_value() else {
                return;
            };
            let oldest = oldest.clone();
            entries.remove(&oldest);
        }
    }

    /// Takes the remembered conversation out: the caller advances it and stores it again.
    pub(crate) fn take(&self, conversation: &ConversationId) -> Option<Warm> {
        self.take_if(conversation, |_| true)
    }

    /// The same, if its META is as wanted. Otherwise it stays.
    pub(crate) fn take_if(
        &self,
        conversation: &ConversationId,
        wanted: impl FnOnce(&Meta) -> bool,
    ) -> Option<Warm> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.known.get(conversation)?;
        if wanted(&entry.warm.meta) {
            entries.remove(conversation)
        } else {
            None
        }
    }
}

impl Entries {
    fn remove(&mut self, conversation: &ConversationId) -> Option<Warm> {
        let entry = self.known.remove(conversation)?;
        self.ages.remove(&entry.age);
        self.bytes -= entry.bytes;
        Some(entry.warm)
    }
}

/// The size of its text. Everything else is small and bounded in number.
fn size(warm: &Warm) -> usize {
    let turn = |turn: &JournaledTurn| {
        let bytes_of = |results: &[crate::record::CallResult]| {
            results
                .iter()
                .map(|result| result.result.len())
                .sum::<usize>()
        };
        let partial = turn
            .record
            .partial
            .as_ref()
            .map_or(0, |partial| partial.text.len());
        let steps = turn.steps.iter().map(|step| {
            let calls = step
                .calls
                .iter()
                .map(|call| call.arguments.len())
                .sum::<usize>();
            let opaque = step.opaque.as_ref();
            let opaque = opaque.map_or(0, |opaque| opaque.text.len());
            step.text.len() + calls + opaque + bytes_of(&step.results)
        });
        turn.record.message.len() + partial + bytes_of(&turn.record.results) + steps.sum::<usize>()
    };
    let summary = warm.past.summary.as_ref();
    let summary = summary.map_or(0, |summary| summary.message().len());
    summary + warm.past.turns.iter().map(turn).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Owner;

    fn warm(version: u64) -> Warm {
        let meta = Meta::new(Owner::none(), String::new(), 0);
        Warm {
            version,
            meta,
            past: Past::default(),
        }
    }

    #[test]
    fn a_remembered_conversation_is_taken_once() {
        let memory = Memory::default();
        let id = ConversationId::parse("c").unwrap();
        memory.keep(&id, warm(1));
        memory.keep(&id, warm(2));
        assert_eq!(memory.take(&id).map(|warm| warm.version), Some(2));
        assert!(memory.take(&id).is_none());
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let memory = Memory::default();
        let id = |n: usize| ConversationId::parse(&format!("c{n}")).unwrap();
        (0..=MOST).for_each(|n| memory.keep(&id(n), warm(1)));
        assert!(memory.take(&id(0)).is_none());
        assert!(memory.take(&id(1)).is_some());
        assert!(memory.take(&id(MOST)).is_some());
    }
}
