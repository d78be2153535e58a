//! Owners of conversations: their fences and names. A name identifies the owner's process, where the machine has names for
//! processes. A successor then need not wait for the lease of a process that has certainly ended.

use crate::engine::Engine;
use crate::ids::{ConversationId, TurnNumber};
use crate::principal::Owner;
use crate::record::{Meta, Running};

/// A conversation with the fence and holder under which it is written.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) conversation: ConversationId,
    /// The owner of the conversation. It never changes.
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    pub(crate) holder: String,
    /// The turn is recovered: an earlier owner may have streamed text of the next step.
    pub(crate) recovers: bool,
}

impl Engine {
    /// Takes the next fence for this turn.
    pub(crate) fn claim(
        &self,
        conversation: &ConversationId,
        meta: &mut Meta,
        turn: TurnNumber,
    ) -> Claim {
        let holder = self.new_holder();
        meta.fence += 1;
        meta.waiting.retain(|waiting| *waiting != turn);
        let before = meta.running.take();
        let recovers = before.is_some();
        let (recoveries, handed_over) = match &before {
            Some(gave_up) if gave_up.until == 0 => (gave_up.recoveries, gave_up.handed_over + 1),
            Some(died) => (died.recoveries + 1, died.handed_over),
            None => (0, 0),
        };
        meta.running = Some(Running {
            turn,
            holder: holder.clone(),
            until: self.env.now() + self.lease(),
            recoveries,
            handed_over,
            writes: 0,
        });
        Claim {
            conversation: conversation.clone(),
            owner: meta.owner.clone(),
            fence: meta.fence,
            holder,
            recovers,
        }
    }

    /// A new name that no owner ever had.
    pub(crate) fn new_holder(&self) -> String {
        match self.env.process() {
            Some(process) => format!("{}@{process}", self.random_id()),
            None => self.random_id(),
        }
    }

    /// Whether this owner has certainly ended with its process. It wrote before it ended, so a commit over the version read now
    /// is as safe as one after the end of its lease.
    pub(crate) fn has_ended(&self, holder: &str) -> bool {
        if sabotage!(LivingTakenForDead) {
            return true;
        }
        holder
            .split_once('@')
            .is_some_and(|(_, process)| self.env.has_ended(process))
    }
}
