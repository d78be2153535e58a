//! The state of a conversation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::action::ActionRecord;
use super::client::WaitingForClient;
use super::confirmation::OpenCard;
use super::spending::Spending;
use super::spent::Spent;
use super::stored::{encode, is_false, is_zero, is_zero_place};
use super::summary::Summarise;
use crate::ids::{ActionId, TurnNumber};
use crate::ports::{Listing, Millis, Record};
use crate::principal::Owner;
use crate::team::Mark;

/// When META is due again while an action is open. The worker that ends the action notifies the conversation at once; this covers
/// a lost message.
pub(crate) const RECHECK: Millis = 15_000;

/// How often the pause before another report of a late result may double: to a little over an hour.
const MOST_DOUBLINGS: u32 = 8;

/// When META is due again after this many failed turns with a late result: while the model is away, turns without a customer's
/// message become ever rarer.
pub(crate) fn recheck_after(late_failures: u32) -> Millis {
    RECHECK << late_failures.min(MOST_DOUBLINGS)
}

/// The list of an owner's conversations, newest first.
pub fn conversations_of(owner: &Owner) -> String {
    format!("{owner}/conversations")
}

/// The list of an owner's conversations that were erased, of which META stays.
pub(crate) fn erased_of(owner: &Owner) -> String {
    format!("{owner}/erased")
}

/// The list of a tenant's conversations that the agents have, newest first.
pub fn conversations_with_agents(tenant: &str) -> String {
    format!("{tenant}/conversations/agents")
}

/// The present owner of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The running turn.
    pub turn: TurnNumber,
    /// A random name of the owner.
    pub holder: String,
    /// Until when no other process may recover the turn. Milliseconds since 1970; 0 when it was released.
    pub until: Millis,
    /// How many owners died since the last recorded step.
    #[serde(rename = "takeovers")]
    pub recoveries: u32,
    /// How many owners handed it over since then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub handed_over: u32,
    /// The number of the owner's last write; lets the owner recognise its own unconfirmed commit.
    pub writes: u64,
}

/// `META`: the state of a conversation. Stays for ever, so that numbers and fences are never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The owner of the conversation.
    pub owner: Owner,
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
    /// The running turn and its owner.
    pub running: Option<Running>,
    /// Waiting turns, lowest first.
    pub waiting: Vec<TurnNumber>,
    /// The turn that must stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<TurnNumber>,
    /// Accepted actions whose end must still be reported to the model.
    #[serde(rename = "untold", default, skip_serializing_if = "Vec::is_empty")]
    pub pending_reports: Vec<ActionId>,
    /// What its actions have moved, by the names of limits on money.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, Spent>,
    /// The cards that its customer may confirm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<OpenCard>,
    /// The calls whose results its client may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for_client: Option<WaitingForClient>,
    /// The last assigned place in the order of this conversation's actions.
    #[serde(default, skip_serializing_if = "is_zero_place")]
    pub places: u64,
    /// The action at that place. None if it, and so every earlier one, is known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_placed: Option<ActionId>,
    /// Marks of earlier successes that tools with `after` need, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub satisfied: Vec<Mark>,
    /// When these actions must be read again, in case one has ended.
    #[serde(rename = "look_at", default)]
    pub due_at: Millis,
    /// Failed turns in a row that had late results to report.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_failures: u32,
    /// Turns below this number were erased.
    #[serde(default)]
    pub erased_below: TurnNumber,
    /// Its part of the budgets; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending: Option<Spending>,
    /// The last turn that its newest summary covers; 0: there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub summarised: TurnNumber,
    /// The summary that is to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summarise: Option<Summarise>,
    /// The number of the last notice for endpoints.
    #[serde(default, skip_serializing_if = "is_zero_place")]
    pub notices: u64,
    /// Turns for which a client has brought an endpoint, and that may not be told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushes: Vec<TurnNumber>,
    /// The bytes of its records, as written. Those of before it was counted are not in it.
    #[serde(default, skip_serializing_if = "is_zero_place")]
    pub bytes: u64,
    /// How many there were when its owner's conversations were weighed last.
    #[serde(default, skip_serializing_if = "is_zero_place")]
    pub weighed: u64,
    /// The conversation is erased, and some of its records must still be removed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erasing: bool,
}

impl Meta {
    /// META of a new conversation with this agent.
    pub(crate) fn new(owner: Owner, agent: String, now: Millis) -> Self {
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
            spent: BTreeMap::new(),
            cards: Vec::new(),
            waiting_for_client: None,
            places: 0,
            last_placed: None,
            satisfied: Vec::new(),
            due_at: 0,
            late_failures: 0,
            erased_below: 0,
            spending: None,
            summarised: 0,
            summarise: None,
            notices: 0,
            pushes: Vec::new(),
            bytes: 0,
            weighed: 0,
            erasing: false,
        }
    }

    /// Puts an action at the end of the order of this conversation's actions.
    pub(crate) fn place(&mut self, action: &mut ActionRecord) {
        self.places += 1;
        action.place = self.places;
        let before = self.last_placed.replace(action.id.clone());
        // An action does not wait for itself.
        action.after = before.filter(|before| *before != action.id);
    }

    /// The end of this action was reported to the model: it is not reported again, and no action waits for it.
    pub(crate) fn has_ended(&mut self, action: &ActionId) {
        self.close_card(action);
        if self.last_placed.as_ref() == Some(action) {
            self.last_placed = None;
        }
    }

    /// Whether this turn is still to end.
    pub(crate) fn is_open(&self, turn: TurnNumber) -> bool {
        let runs = self.running.as_ref().is_some_and(|now| now.turn == turn);
        runs || self.waiting.contains(&turn)
    }

    /// Whether this turn, which has ended, waits for its customer: for a confirmation, or for results of the client's calls.
    pub(crate) fn waits_for_customer(&self, turn: TurnNumber) -> bool {
        let client = self.waiting_for_client.as_ref();
        self.cards.iter().any(|card| card.turn == turn)
            || client.is_some_and(|client| client.turn == turn)
    }

    /// Nobody confirms this action any more.
    pub(crate) fn close_card(&mut self, action: &ActionId) {
        self.cards.retain(|card| !card.is(action));
    }

    /// The turns visible to readers.
    pub fn has_turns(&self) -> bool {
        self.next_turn > self.erased_below.max(1)
    }

    /// How long after the end of a lease META is due: clocks differ a little.
    const GRACE: Millis = 1_000;

    /// When a conversation without turns is due.
    fn due_at_rest(&self) -> Option<Millis> {
        let reports = self.erasing || !self.pending_reports.is_empty();
        let summary = self.summarise.as_ref().map(|summary| {
            if summary.is_open() {
                self.due_at
            } else {
                summary.until + Self::GRACE
            }
        });
        let reports = reports.then_some(self.due_at);
        reports.into_iter().chain(summary).min()
    }

    /// The record to write.
    pub fn record(&self) -> Record {
        let due_at = match &self.running {
            Some(running) => Some(running.until + Self::GRACE),
            None if !self.waiting.is_empty() => Some(self.last_activity + Self::GRACE),
            None => self.due_at_rest(),
        };
        // A conversation without an owner is in no owner's list.
        let listed = (!self.owner.is_none()).then(|| Listing {
            group: if self.has_turns() {
                conversations_of(&self.owner)
            } else {
                erased_of(&self.owner)
            },
            rank: self.last_activity,
        });
        let work = self.has_turns().then(|| Listing {
            group: conversations_with_agents(self.owner.tenant()),
            rank: self.created_at,
        });
        Record {
            due_at,
            listed,
            work,
            ..encode(self)
        }
    }
}
