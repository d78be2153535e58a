//! What is kept of a conversation, and under which keys. Knows JSON; not where it is stored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::FailureCode;
use crate::ids::{ActionId, ConversationId, MessageId, TurnNumber};
use crate::ports::{Key, Listing, Millis, Record, StoreError, Stored, ToolCall, Usage};

/// The format of every record below. Raise it with a change that an older Baton would misread.
const FORMAT: u16 = 1;

/// The keys of one conversation's records.
pub mod keys {
    use super::{ActionId, ConversationId, Key, MessageId, TurnNumber};

    /// The partition of a conversation.
    pub fn partition(conversation: &ConversationId) -> String {
        format!("C#{conversation}")
    }

    /// Its META record.
    pub fn meta(conversation: &ConversationId) -> Key {
        Key::new(partition(conversation), "META")
    }

    /// The record that remembers a client's message id.
    pub fn message(conversation: &ConversationId, id: &MessageId) -> Key {
        Key::new(partition(conversation), format!("M#{id}"))
    }

    /// What the sort keys of a turn and of all that belongs to it begin with.
    pub fn turn_prefix(turn: TurnNumber) -> String {
        format!("T#{turn:010}")
    }

    /// A turn.
    pub fn turn(conversation: &ConversationId, turn: TurnNumber) -> Key {
        Key::new(partition(conversation), turn_prefix(turn))
    }

    /// A step of a turn.
    pub fn step(conversation: &ConversationId, turn: TurnNumber, step: u32) -> Key {
        Key::new(
            partition(conversation),
            format!("{}#S#{step:04}", turn_prefix(turn)),
        )
    }

    /// An action of a turn.
    pub fn action(action: &ActionId) -> Key {
        Key::new(
            partition(&action.conversation),
            format!("{}#A#{}", turn_prefix(action.turn), action.hash()),
        )
    }

    /// What a sort key under `T#` names.
    pub enum TurnPart<'a> {
        /// The turn itself.
        Turn,
        /// A step with its number.
        Step(u32),
        /// An action with its hash.
        Action(&'a str),
    }

    /// Takes a sort key under `T#` apart.
    pub fn parse_turn_part(sort: &str) -> Option<(TurnNumber, TurnPart<'_>)> {
        let mut parts = sort.strip_prefix("T#")?.splitn(3, '#');
        let turn = parts.next()?.parse().ok()?;
        let part = match (parts.next(), parts.next()) {
            (None, _) => TurnPart::Turn,
            (Some("S"), Some(step)) => TurnPart::Step(step.parse().ok()?),
            (Some("A"), Some(hash)) => TurnPart::Action(hash),
            (Some(_), _) => return None,
        };
        Some((turn, part))
    }
}

/// The list of an owner's conversations, newest first.
pub fn conversations_of(owner: &str) -> String {
    format!("conversations:{owner}")
}

/// The list of the actions in a state, newest first.
pub fn actions_in(state: ActionState) -> String {
    format!("actions:{}", state.as_str())
}

/// Who advances the conversation now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The turn that runs.
    pub turn: TurnNumber,
    /// A random name of the owner.
    pub holder: String,
    /// Until when nobody else may take over. Milliseconds since 1970; 0 when it was given up.
    pub until: Millis,
    /// How often it was taken over since the last recorded step.
    pub takeovers: u32,
    /// The number of the owner's last write, by which it knows its own commit again when nobody confirmed it.
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
    /// The turn that somebody asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<TurnNumber>,
    /// Accepted actions whose end the model was not told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<ActionId>,
    /// When somebody must look whether one of them has ended.
    #[serde(default)]
    pub look_at: Millis,
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

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Meta {
    /// The turns that a reader may see.
    pub fn has_turns(&self) -> bool {
        self.next_turn > self.erased_below.max(1)
    }

    /// How long after the end of a lease somebody looks whether its owner died: clocks differ a little.
    const GRACE: Millis = 1_000;

    /// The record to write.
    pub fn record(&self) -> Record {
        let due_at = match &self.running {
            Some(running) => Some(running.until + Self::GRACE),
            None if !self.waiting.is_empty() => Some(self.last_activity + Self::GRACE),
            None if self.erasing || !self.untold.is_empty() => Some(self.look_at),
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

/// `M#message_id`: which turn took a client's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The turn.
    pub turn: TurnNumber,
    /// A hash of the message, to refuse another one under the same id.
    pub hash: String,
}

impl MessageRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}

/// How far a turn is. That it runs stands in META, which alone decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Waits or runs.
    Accepted,
    /// Over, well.
    Committed,
    /// Over, with a failure.
    Failed,
    /// Over, on request.
    Stopped,
}

impl TurnState {
    /// The state on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "running",
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How a turn began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The customer wrote.
    Customer,
    /// A result came after its turn had ended.
    LateResult,
    /// Another turn is said anew.
    Regenerated {
        /// The turn that this one replaces.
        of: TurnNumber,
    },
}

/// Text that was streamed but whose response never became whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Who said it.
    pub agent: String,
    /// What was said.
    pub text: String,
}

/// `T#turn`: a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// How far it is.
    pub state: TurnState,
    /// How it began.
    pub origin: Origin,
    /// What the customer wrote; empty for a turn that a late result began.
    pub message: String,
    /// The client's id for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// A random number of who accepted it, by which that process knows its own commit again when nobody confirmed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub receipt: u32,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// The fence under which it ended.
    #[serde(default)]
    pub fence: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCode>,
    /// Tokens of all its responses.
    #[serde(default)]
    pub usage: Usage,
    /// The results of the last step's calls, when the turn ended before the model was told them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// What was streamed of a response that never became whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
}

impl TurnRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}

/// How a tool call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It has a result.
    Ok,
    /// The model is told what is wrong.
    Error,
    /// An action was accepted and has no result yet.
    Pending,
    /// Another agent is active now.
    HandedOff,
}

impl ToolOutcome {
    /// The outcome on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Pending => "pending",
            Self::HandedOff => "handed_off",
        }
    }
}

/// A result as the model was told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The model's id of the call.
    pub call: String,
    /// How it went.
    pub outcome: ToolOutcome,
    /// The text.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
    /// The end of the action behind it; none while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedAction>,
    /// The agent that took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_to: Option<String>,
}

/// The end of an action as the model was told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedAction {
    /// The action.
    pub action: ActionId,
    /// How it ended.
    pub state: ActionState,
}

/// A result that came after its call had been answered as pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateResult {
    /// The action.
    pub action: ActionId,
    /// Its tool.
    pub tool: String,
    /// How it ended.
    pub state: ActionState,
    /// What the model is told.
    pub result: String,
}

/// An action that a step accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedAction {
    /// The model's id of the call.
    pub call: String,
    /// The action; two calls of one step may mean the same one.
    pub action: ActionId,
    /// In which state it was accepted.
    pub state: ActionState,
}

/// `T#turn#S#step`: the journal, one whole model response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Who spoke.
    pub agent: String,
    /// Under which fence it was streamed.
    pub fence: u64,
    /// What was said.
    pub text: String,
    /// What was called.
    pub calls: Vec<ToolCall>,
    /// The actions that these calls stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<AcceptedAction>,
    /// The results of the step before, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// Late results that the model was told before it said this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateResult>,
    /// The tokens of this response.
    pub usage: Usage,
}

impl StepRecord {
    /// The record to write.
    pub fn record(&self) -> Record {
        encode(self)
    }
}

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// A person must approve it.
    Proposed,
    /// Waits for a worker.
    Queued,
    /// A worker is at it, or died at it.
    Running,
    /// It has its effect.
    Done,
    /// It has no effect and never will.
    Rejected,
    /// Nobody knows; a person must look.
    Unknown,
}

impl ActionState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Proposed,
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Rejected,
        Self::Unknown,
    ];

    /// The state on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing of its own accord changes it any more.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Done | Self::Rejected | Self::Unknown => true,
            Self::Proposed | Self::Queued | Self::Running => false,
        }
    }
}

/// `T#turn#A#action`: one accepted call of an action tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The action.
    pub id: ActionId,
    /// Whose conversation it is.
    pub owner: String,
    /// The tool.
    pub tool: String,
    /// Canonical arguments, JSON.
    pub arguments: String,
    /// Who called it.
    pub agent: String,
    /// How far it is.
    pub state: ActionState,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it may be tried again, or must be looked at.
    pub look_at: Millis,
    /// How often a worker claimed it.
    pub attempts: u32,
    /// The fence of the last claim.
    pub fence: u64,
    /// The worker that claimed it last.
    pub holder: String,
    /// The result or the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why an operator decided as they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ActionRecord {
    /// The record to write. Due until it is over; whether the model was told stands in META and in the journal.
    pub fn record(&self) -> Record {
        let open = !self.state.is_terminal();
        Record {
            due_at: open.then_some(self.look_at),
            listed: Some(Listing {
                group: actions_in(self.state),
                rank: self.accepted_at,
            }),
            ..encode(self)
        }
    }

    /// What an operator's decision is bound to.
    pub fn arguments_hash(&self) -> String {
        use sha2::{Digest, Sha256};
        crate::ids::hex(&Sha256::digest(self.arguments.as_bytes()))
    }

    /// What the other side knows this effect by: the same for every try.
    pub fn idempotency_key(&self) -> String {
        use sha2::{Digest, Sha256};
        crate::ids::hex(&Sha256::digest(self.id.to_string().as_bytes()))
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Record {
    // These types hold strings, numbers and lists of them: nothing that serde_json can refuse.
    let body = serde_json::to_string(value).unwrap_or_default();
    Record {
        format: FORMAT,
        body,
        due_at: None,
        listed: None,
        expires_at: None,
    }
}

/// Reads a record of one of the types above.
pub fn decode<T: DeserializeOwned>(stored: &Stored) -> Result<T, StoreError> {
    if stored.record.format > FORMAT {
        return Err(StoreError::Damaged(format!(
            "the record {} {} has format {}, which is newer than this Baton's format {FORMAT}; use a newer Baton",
            stored.key.partition, stored.key.sort, stored.record.format
        )));
    }
    serde_json::from_str(&stored.record.body).map_err(|error| {
        StoreError::Damaged(format!(
            "the record {} {} cannot be read: {error}",
            stored.key.partition, stored.key.sort
        ))
    })
}
