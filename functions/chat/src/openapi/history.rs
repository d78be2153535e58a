//! Histories in their JSON form: each type mirrors one of the domain, field by field, or does not compile.

#![expect(dead_code, reason = "only their shapes are read")]

use baton_handoff::{failure, history, ids, ports, record};
use serde::Serialize;
use utoipa::ToSchema;

use super::values::{
    ActionId, ActionState, ConversationId, FailureCode, MessageId, Milliseconds, ToolOutcome,
    TurnNumber,
};

/// A line of the list of conversations.
#[derive(Serialize, ToSchema)]
#[serde(remote = "history::Summary")]
pub(crate) struct Summary {
    #[schema(value_type = ConversationId)]
    id: ids::ConversationId,
    /// Its first words.
    title: String,
    /// The active agent.
    agent: String,
    /// How many there are.
    #[schema(value_type = u32)]
    turns: ids::TurnNumber,
    #[schema(value_type = Milliseconds)]
    created_at: ports::Millis,
    #[schema(value_type = Milliseconds)]
    last_activity: ports::Millis,
    /// The turn that is running or waits first.
    #[schema(value_type = Option<TurnNumber>, required = true)]
    running: Option<ids::TurnNumber>,
}

/// What cannot be read stays as it is and hides nothing beside it.
#[derive(Serialize, ToSchema)]
#[serde(remote = "history::Unreadable")]
pub(crate) struct Unreadable {
    /// The conversation, the action, or the item of an order or a refund.
    id: String,
    /// What is wrong with it, and what can be done.
    reason: String,
    /// Of a conversation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Milliseconds>, nullable = false)]
    last_activity: Option<ports::Millis>,
}

/// A conversation, or its last turns.
#[derive(ToSchema)]
pub(crate) struct History {
    #[serde(flatten)]
    summary: Summary,
    /// Oldest first.
    items: Vec<Item>,
    /// Ask with `before` this turn for what was said earlier; null at the start.
    #[schema(value_type = Option<TurnNumber>, required = true)]
    before: Option<ids::TurnNumber>,
    /// Only in an export that could not go on, such as when the conversation was erased meanwhile: why. What was read before is in
    /// it.
    #[schema(nullable = false)]
    incomplete: Option<String>,
}

/// Tokens.
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
#[derive(Serialize, ToSchema)]
#[serde(remote = "ports::Usage")]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    /// Of the request's tokens those that the service had in its cache; absent without any.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    cached_tokens: u64,
    /// Of the request's tokens those that the service wrote into its cache; absent without any.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    cache_write_tokens: u64,
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

/// One thing in a history.
#[derive(Serialize, ToSchema)]
#[serde(remote = "history::Item", tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    /// What a customer or an agent said.
    #[schema(title = "MessageItem")]
    Message {
        #[schema(value_type = TurnNumber)]
        turn: ids::TurnNumber,
        #[schema(value_type = Role, inline)]
        role: history::Role,
        /// Which agent, if one said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        agent: Option<String>,
        text: String,
        /// The answer broke off or was stopped here; absent otherwise.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        partial: bool,
        /// When the customer said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Milliseconds>, nullable = false)]
        at: Option<ports::Millis>,
    },
    /// A tool that was called.
    #[schema(title = "ToolCallItem")]
    ToolCall {
        #[schema(value_type = TurnNumber)]
        turn: ids::TurnNumber,
        agent: String,
        /// The model's id of the call.
        call: String,
        /// The tool; where the client executes it, in the client's own words.
        name: String,
        /// The client executes it; absent otherwise.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        client: bool,
        /// What the tool shows of them, as JSON text or as the model wrote them. Null where it shows nothing.
        #[schema(required = true)]
        arguments: Option<String>,
        /// Null while it runs, or the client has not answered.
        #[schema(value_type = Option<ToolOutcome>, required = true)]
        outcome: Option<record::ToolOutcome>,
        /// What the tool shows of the result that the model was told. Null where it shows nothing.
        #[schema(required = true)]
        result: Option<String>,
        /// How long it took.
        #[schema(required = true)]
        milliseconds: Option<u64>,
    },
    /// The conversation was handed over.
    #[schema(title = "HandOffItem")]
    HandOff {
        #[schema(value_type = TurnNumber)]
        turn: ids::TurnNumber,
        from: String,
        to: String,
    },
    /// An action that was accepted, as it stands now.
    #[schema(title = "ActionItem")]
    Action {
        #[schema(value_type = TurnNumber)]
        turn: ids::TurnNumber,
        #[schema(value_type = ActionId)]
        action: ids::ActionId,
        /// The model's id of its call: that of an item `tool_call` of the turn. Null where that cannot be read.
        #[schema(required = true)]
        call: Option<String>,
        /// The tool.
        name: String,
        /// What the tool shows of them, as JSON text. Null where it shows nothing.
        #[schema(required = true)]
        arguments: Option<String>,
        #[schema(value_type = ActionState)]
        state: record::ActionState,
        /// What the tool shows of the result or the reason. Null where it shows nothing.
        #[schema(required = true)]
        result: Option<String>,
        /// The customer's card, where the action has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ShownCard>, nullable = false)]
        confirmation: Option<history::ShownCard>,
    },
    /// How a turn stands or ended; the last item of each turn.
    #[schema(title = "TurnItem")]
    Turn {
        #[schema(value_type = TurnNumber)]
        turn: ids::TurnNumber,
        /// `running` also while it waits. `unreadable`: a record of it is damaged, or a newer Baton wrote it; what can be read is
        /// shown.
        #[schema(value_type = TurnStatus)]
        status: &'static str,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<FailureCode>, nullable = false)]
        code: Option<failure::FailureCode>,
        /// What the customer was told about it, or that it cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        message: Option<&'static str>,
        /// Whether the same message may work when it is sent again.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        retryable: Option<bool>,
        /// The client's id of the message.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<MessageId>, nullable = false)]
        message_id: Option<ids::MessageId>,
        /// The turn whose answer this one says anew.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<TurnNumber>, nullable = false)]
        replaces: Option<ids::TurnNumber>,
        /// A later turn says this answer anew; absent otherwise.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
        #[schema(value_type = Usage)]
        usage: ports::Usage,
        /// How long it took, once it is over.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        milliseconds: Option<u64>,
    },
}

/// The card by which the customer confirms an action. Open while it has no answer and the action is `proposed`.
#[derive(Serialize, ToSchema)]
#[serde(remote = "history::ShownCard")]
#[schema(as = Card)]
struct ShownCard {
    /// The question.
    title: String,
    /// The arguments that the customer agrees to.
    #[schema(value_type = Object)]
    fields: serde_json::Value,
    /// What an answer is bound to.
    arguments_hash: String,
    /// Until when it can be answered.
    #[schema(value_type = Milliseconds)]
    expires_at: ports::Millis,
    /// What became of it.
    #[schema(value_type = Option<Answer>, required = true)]
    answer: Option<record::Answer>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its shape is read")]
enum Answer {
    Yes,
    No,
    Expired,
    Withdrawn,
}

#[derive(Serialize, ToSchema)]
#[serde(remote = "history::Role", rename_all = "snake_case")]
enum Role {
    Customer,
    Agent,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum TurnStatus {
    Running,
    Committed,
    Failed,
    Stopped,
    Unreadable,
}
