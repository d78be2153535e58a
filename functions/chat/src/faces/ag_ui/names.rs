//! The ids that Baton gives to messages, calls and interrupts of AG-UI, and reads again when they come back.

use std::sync::Arc;

use baton_handoff::ids::{ActionId, TurnNumber};
use sha2::{Digest, Sha256};

const BEGIN: &str = "baton-";

/// The longest of our ids, in bytes: three numbers and a tag.
const LONGEST: usize = 64;

/// The most messages that one stream of a turn is remembered by.
const MOST_HELD: usize = 256;

/// Gives the messages and calls of a run their ids: `baton-TURN-NUMBER-TAG`. A client appends to a message whose id it knows, so a
/// second stream of the same turn has other ids.
pub(super) struct Namer {
    tag: String,
    number: u32,
}

impl Namer {
    pub(super) fn new(run: &str, held: &Held) -> Self {
        let mut digest = Sha256::new().chain_update(run);
        for (id, _) in &held.ids {
            digest = digest.chain_update([0]).chain_update(id.as_bytes());
        }
        let digest = digest.finalize();
        let bits = digest.iter().take(6);
        let bits = bits.fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        Self {
            tag: format!("{bits:012x}"),
            number: 0,
        }
    }

    pub(super) fn next(&mut self, turn: TurnNumber) -> Arc<str> {
        self.number += 1;
        Arc::from(format!("{BEGIN}{turn}-{}-{}", self.number, self.tag))
    }
}

/// The turn of one of our ids.
pub(super) fn turn_of(id: &str) -> Option<TurnNumber> {
    let rest = id.strip_prefix(BEGIN).filter(|_| id.len() <= LONGEST)?;
    rest.split('-').next()?.parse().ok()
}

/// The messages of a client that stand behind what it says now: another stream of the same turn has brought them.
#[derive(Debug, Default)]
pub(super) struct Held {
    ids: Vec<(Arc<str>, TurnNumber)>,
    /// Whether there are messages at all, ours or not.
    any: bool,
}

impl Held {
    pub(super) fn add(&mut self, id: &str) {
        self.any = true;
        if let Some(turn) = turn_of(id)
            && self.ids.len() < MOST_HELD
        {
            self.ids.push((Arc::from(id), turn));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn has_more(&self) -> bool {
        self.any
    }

    /// Those of this turn.
    pub(super) fn of(&self, turn: TurnNumber) -> impl Iterator<Item = &str> {
        let ids = self.ids.iter().filter(move |(_, of)| *of == turn);
        ids.map(|(id, _)| &**id)
    }
}

/// The id of an interrupt: the action, and what an answer is bound to.
pub(super) fn of_interrupt(action: &ActionId, hash: &str) -> String {
    format!("{action}.{hash}")
}

/// The action of an interrupt, and what an answer is bound to.
pub(super) fn interrupt(id: &str) -> Option<(ActionId, &str)> {
    let (action, hash) = id.rsplit_once('.')?;
    Some((ActionId::parse(action).ok()?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_stream_of_a_turn_has_other_ids() {
        let first = Namer::new("run", &Held::default()).next(7);
        assert_eq!(turn_of(&first), Some(7));
        let mut held = Held::default();
        held.add(&first);
        held.add("the client's own");
        assert_eq!(held.of(7).collect::<Vec<_>>(), [&*first]);
        assert_eq!(held.of(8).count(), 0);
        assert_ne!(Namer::new("run", &held).next(7), first);
        assert_ne!(Namer::new("other", &Held::default()).next(7), first);
    }

    #[test]
    fn an_interrupt_names_the_action_and_what_was_shown() {
        let action = ActionId::parse("c.1.00ff").unwrap();
        let id = of_interrupt(&action, "abc");
        assert_eq!(interrupt(&id), Some((action, "abc")));
        for wrong in ["", "c.1.00ff", "c.1", "....", "baton-1-1-aa"] {
            assert_eq!(interrupt(wrong), None, "{wrong}");
        }
    }
}
