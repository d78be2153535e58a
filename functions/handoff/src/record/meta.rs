//! The state of a conversation.

use serde::{Deserialize, Serialize};

use super::action::ActionRecord;
use super::stored::{encode, is_false, is_zero, is_zero_place};
use crate::ids::{ActionId, TurnNumber};
use crate::ports::{Listing, Millis, Record};

/// When META is due again while an action is open. The worker that ends the action tells its conversation at once; this is for
/// the case that the message was lost.
pub(crate) const RECHECK: Millis = 15_000;

/// How often the pause before a late result is reported again may double: to a little over an hour.
const MOST_DOUBLINGS: u32 = 8;

/// When META is due again after so many failed turns that were to report a late result: while the model is away, turns that no
/// customer asked for come ever more seldom.
pub(crate) fn recheck_after(late_failures: u32) -> Millis {
    RECHECK << late_failures.min(MOST_DOUBLINGS)
}

/// The list of an owner's conversations, newest first.
pub fn conversations_of(owner: &str) -> String {
    format!("conversations:{owner}")
}

/// Who advances the conversation now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The turn that runs.
    pub turn: TurnNumber,
    /// A random name of the owner.
    pub holder: String,
    /// Until when no other process may recover the turn. Milliseconds since 1970; 0 when it was given up.
    pub until: Millis,
    /// How often its owner died since the last recorded step.
    #[serde(rename = "takeovers")]
    pub recoveries: u32,
    /// How often its owner gave it up since then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub handed_over: u32,
    /// The number of the owner's last write; lets the owner recognise its own unconfirmed commit.
    pub writes: u64,
}

/// `META`: the state of a conversation. Stays for ever, so that numbers and fences are never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Whose conversation it is.
    pub owner: String,
    /// The first words of the first message.
    pub title: String,
    /// The active agent; it stays from turn to turn.
    pub agent: String,
    /// When the first message came.
    pub created_at: Millis,
    /// When the last message came.
    pub last_activity: Millis,
    /// The number that the next accepted turn gets.
    pub next_turn: TurnNumber,
    /// The fence of the last owner; each owner has a higher one.
    pub fence: u64,
    /// Who advances it now.
    pub running: Option<Running>,
    /// Accepted turns that wait, lowest first.
    pub waiting: Vec<TurnNumber>,
    /// The turn that is to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<TurnNumber>,
    /// Accepted actions whose end is still to be reported to the model.
    #[serde(rename = "untold", default, skip_serializing_if = "Vec::is_empty")]
    pub pending_reports: Vec<ActionId>,
    /// The last place that was given out in the order of this conversation's actions.
    #[serde(default, skip_serializing_if = "is_zero_place")]
    pub places: u64,
    /// Which action has that place, unless it is known to have ended, and with it all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_placed: Option<ActionId>,
    /// When one of them is to be read again, in case it has ended.
    #[serde(rename = "look_at", default)]
    pub due_at: Millis,
    /// Turns in a row that were to tell the model of ended actions and failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_failures: u32,
    /// Turns below this number were erased.
    #[serde(default)]
    pub erased_below: TurnNumber,
    /// Erased, and records of it are left to remove.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erasing: bool,
}

impl Meta {
    /// Of a conversation that begins with this agent.
    pub(crate) fn new(owner: String, agent: String, now: Millis) -> Self {
        Self {
            owner,
            title: String::new(),
            agent,
            created_at: now,
            last_activity: now,
            next_turn: 1,
            fence: 0,
            running: None,
            waiting: Vec::new(),
            stop: None,
            pending_reports: Vec::new(),
            places: 0,
            last_placed: None,
            due_at: 0,
            late_failures: 0,
            erased_below: 0,
            erasing: false,
        }
    }

    /// Puts an action at the end of the order of this conversation's actions.
    pub(crate) fn place(&mut self, action: &mut ActionRecord) {
        self.places += 1;
        action.place = self.places;
        let before = self.last_placed.replace(action.id.clone());
        // Nothing waits for itself.
        action.after = before.filter(|before| *before != action.id);
    }

    /// The model was told that this action has ended: it is reported no more, and nothing waits for it.
    pub(crate) fn has_ended(&mut self, action: &ActionId) {
        if self.last_placed.as_ref() == Some(action) {
            self.last_placed = None;
        }
    }

    /// The turns that a reader may see.
    pub fn has_turns(&self) -> bool {
        self.next_turn > self.erased_below.max(1)
    }

    /// How long after the end of a lease META is due: clocks differ a little.
    const GRACE: Millis = 1_000;

    /// The record to write.
    pub fn record(&self) -> Record {
        let due_at = match &self.running {
            Some(running) => Some(running.until + Self::GRACE),
            None if !self.waiting.is_empty() => Some(self.last_activity + Self::GRACE),
            None if self.erasing || !self.pending_reports.is_empty() => Some(self.due_at),
            None => None,
        };
        let listed = self.has_turns().then(|| Listing {
            group: conversations_of(&self.owner),
            rank: self.last_activity,
        });
        Record {
            due_at,
            listed,
            ..encode(self)
        }
    }
}
