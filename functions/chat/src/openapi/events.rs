//! Events as the encoders write them: lines, and the data of server-sent events.

#![expect(dead_code, reason = "only their shapes are read")]

use utoipa::ToSchema;

use super::values::{
    ActionId, ActionState, ConversationId, FailureCode, MessageId, Milliseconds, Position,
    ToolOutcome, TurnNumber,
};

/// One line of a stream in lines.
#[derive(ToSchema)]
pub(super) struct Line {
    #[schema(inline)]
    content: Content,
    id: Position,
}

#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    /// More of the answer.
    #[schema(title = "TextLine")]
    String { message: String },
    /// A tool or a hand-off was called, or a hand-off happened: `Executing NAME`, `You are now talking to AGENT`.
    #[schema(title = "FunctionLine")]
    Function { message: String },
    /// The turn failed; `message` is a sentence for the customer.
    #[schema(title = "ErrorLine")]
    Error {
        message: String,
        code: FailureCode,
        /// Whether saying it again may help.
        retryable: bool,
    },
    /// Text of that step is said anew: forget what came of it.
    #[schema(title = "ResetLine")]
    Reset { message: String, step: u32 },
    /// The customer is asked to confirm an action; `message` is the whole question.
    #[schema(title = "ConfirmLine")]
    Confirm {
        message: String,
        action: ActionId,
        /// What an answer is bound to.
        arguments_hash: String,
        expires_at: Milliseconds,
    },
    /// The client has a call to execute; the turn ends for it.
    #[schema(title = "ClientCallLine")]
    ClientCall {
        message: String,
        /// The id of the call, for its result.
        call: String,
        /// The client's name for the tool.
        name: String,
        /// All arguments, a JSON object as text.
        arguments: String,
    },
    /// The last line. `running`: this stream ends before the turn does, follow it.
    #[schema(title = "DoneLine")]
    Done {
        message: String,
        turn: TurnNumber,
        #[schema(inline)]
        status: Status,
    },
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Status {
    Committed,
    Failed,
    Stopped,
    Running,
}

/// What `data` holds, by the name of the server-sent event.
#[derive(ToSchema)]
pub(super) struct Events {
    #[schema(required = false)]
    turn_started: TurnStarted,
    #[schema(required = false)]
    text_delta: TextDelta,
    #[schema(required = false)]
    tool_called: ToolCalled,
    #[schema(required = false)]
    tool_finished: ToolFinished,
    #[schema(required = false)]
    action_queued: ActionQueued,
    #[schema(required = false)]
    confirmation_asked: ConfirmationAsked,
    #[schema(required = false)]
    client_called: ClientCalled,
    #[schema(required = false)]
    action_finished: ActionFinished,
    #[schema(required = false)]
    handed_off: HandedOff,
    #[schema(required = false)]
    usage: TurnUsage,
    #[schema(required = false)]
    reset: Reset,
    #[schema(required = false)]
    turn_completed: TurnCompleted,
    #[schema(required = false)]
    turn_failed: TurnFailed,
    #[schema(required = false)]
    turn_stopped: TurnStopped,
    #[schema(required = false)]
    turn_continues: TurnContinues,
    #[schema(required = false)]
    conversation_deleted: ConversationDeleted,
}

/// What every event has.
#[derive(ToSchema)]
struct EventBase {
    conversation: ConversationId,
    turn: TurnNumber,
    /// The model response in the turn, from 1; 0 before the first.
    step: u32,
    /// The active agent, where there is one.
    #[schema(required = false)]
    agent: String,
}

/// The answer begins.
#[derive(ToSchema)]
struct TurnStarted {
    #[serde(flatten)]
    base: EventBase,
    /// What the customer said; empty where a late result began the turn.
    message: String,
    /// The client's, if it gave one.
    #[schema(required = false)]
    message_id: MessageId,
}

/// More of the answer.
#[derive(ToSchema)]
struct TextDelta {
    #[serde(flatten)]
    base: EventBase,
    text: String,
}

/// The model called a tool.
#[derive(ToSchema)]
struct ToolCalled {
    #[serde(flatten)]
    base: EventBase,
    /// The model's id of the call.
    call: String,
    /// The tool.
    name: String,
    /// What the tool shows of them, as JSON text or as the model wrote them. Null where it shows nothing.
    #[schema(required = true)]
    arguments: Option<String>,
}

/// A call has its result.
#[derive(ToSchema)]
struct ToolFinished {
    #[serde(flatten)]
    base: EventBase,
    /// The model's id of the call.
    call: String,
    /// The tool.
    name: String,
    outcome: ToolOutcome,
    /// What the tool shows of the result that the model is told. Null where it shows nothing.
    #[schema(required = true)]
    result: Option<String>,
    /// How long it took.
    milliseconds: u64,
}

/// An action was accepted; `proposed` if a person must approve it.
#[derive(ToSchema)]
struct ActionQueued {
    #[serde(flatten)]
    base: EventBase,
    action: ActionId,
    /// The model's id of the call.
    call: String,
    /// The tool.
    name: String,
    state: ActionState,
}

/// The customer is asked to confirm an action.
#[derive(ToSchema)]
struct ConfirmationAsked {
    #[serde(flatten)]
    base: EventBase,
    action: ActionId,
    /// The tool.
    name: String,
    /// The question.
    title: String,
    /// The arguments that the customer agrees to.
    #[schema(value_type = Object)]
    fields: serde_json::Value,
    /// What an answer is bound to.
    arguments_hash: String,
    /// Until when it can be answered.
    expires_at: Milliseconds,
}

/// The client has a call to execute; the turn ends for it.
#[derive(ToSchema)]
struct ClientCalled {
    #[serde(flatten)]
    base: EventBase,
    /// The id of the call, for its result.
    call: String,
    /// The client's name for the tool.
    name: String,
    /// All arguments, a JSON object as text.
    arguments: String,
}

/// An action has ended.
#[derive(ToSchema)]
struct ActionFinished {
    #[serde(flatten)]
    base: EventBase,
    action: ActionId,
    /// The tool.
    name: String,
    state: ActionState,
    /// What the tool shows of it. Null where it shows nothing.
    #[schema(required = true)]
    result: Option<String>,
}

/// Another agent is active now.
#[derive(ToSchema)]
struct HandedOff {
    #[serde(flatten)]
    base: EventBase,
    from: String,
    to: String,
}

/// The tokens of the turn, all its model responses together.
#[derive(ToSchema)]
struct TurnUsage {
    #[serde(flatten)]
    base: EventBase,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// The text of `step` is said anew: forget what came of it.
#[derive(ToSchema)]
struct Reset {
    #[serde(flatten)]
    base: EventBase,
}

/// The turn is over.
#[derive(ToSchema)]
struct TurnCompleted {
    #[serde(flatten)]
    base: EventBase,
    #[schema(inline)]
    status: Committed,
}

/// The turn is over; `message` is a sentence for the customer.
#[derive(ToSchema)]
struct TurnFailed {
    #[serde(flatten)]
    base: EventBase,
    #[schema(inline)]
    status: Failed,
    code: FailureCode,
    message: String,
    /// Whether saying it again may help.
    retryable: bool,
}

/// The turn was stopped on request.
#[derive(ToSchema)]
struct TurnStopped {
    #[serde(flatten)]
    base: EventBase,
    #[schema(inline)]
    status: Stopped,
}

/// This stream ends before the turn does: follow it.
#[derive(ToSchema)]
struct TurnContinues {
    #[serde(flatten)]
    base: EventBase,
    #[schema(inline)]
    status: Running,
}

/// Only in the stream of a whole conversation: all turns below `turn` were erased. The stream goes on; what is said from now on is
/// sent in it.
#[derive(ToSchema)]
struct ConversationDeleted {
    #[serde(flatten)]
    base: EventBase,
}

macro_rules! words {
    ($($word:ident)*) => {
        $(
            #[derive(ToSchema)]
            #[schema(rename_all = "snake_case")]
            enum $word {
                $word,
            }
        )*
    };
}

words!(Committed Failed Stopped Running);
