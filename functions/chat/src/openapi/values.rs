//! Shared ids, numbers and words.

use std::borrow::Cow;

use baton_handoff::record::ActionState as State;
use baton_handoff::{self as handoff, failure, record};
use serde::Serialize;
use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaFormat};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

pub(crate) use super::history::{History, Summary, Unreadable};

macro_rules! values {
    ($($name:ident: $description:literal = $schema:expr;)*) => {
        $(
            #[doc = $description]
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.description(Some($description)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

values! {
    ConversationId: "Those that the server makes are 128 random bits." = pattern("^[A-Za-z0-9_-]{1,128}$");
    MessageId: "The client's name for a message: sent again with it, the message is the same turn." = pattern("^[A-Za-z0-9_-]{1,128}$");
    ActionId: "CONVERSATION.TURN.HASH" = pattern("^[A-Za-z0-9_-]{1,128}\\.[0-9]{1,9}\\.[A-Za-z0-9_-]{1,128}$");
    Position: "TURN.STEP.FENCE.OFFSET: where in a turn an event stands." = pattern("^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$").examples(["3.2.7.14"]);
    After: "The same, or empty for the beginning." = pattern("^([0-9]{1,9}\\.[0-9]{1,9}\\.[0-9]{1,18}\\.[0-9]{1,18})?$").examples(["3.2.7.14"]);
    TurnNumber: "Counted from 1 in each conversation, never used twice." = integer(1).maximum(Some(u32::MAX));
    Milliseconds: "Since 1970." = integer(0);
    TurnEvents: "Where a turn's events are, as seen from `/chat/completions`: `../conversations/{id}/turns/{turn}/events`." = text().format(Some(SchemaFormat::Custom("uri-reference".to_owned())));
    ConversationEvents: "Where a conversation's events are, as seen from the request: `../../events`." = text().format(Some(SchemaFormat::Custom("uri-reference".to_owned())));
    Markdown: "For people." = text();
    Decision: "An operator's." = text().enum_values(Some(handoff::Decision::ALL.map(handoff::Decision::as_str)));
    AuditEvent: "What was done." = text().enum_values(Some(["decided", "key_created", "key_revoked", "operator_added", "operator_removed"]));
    ActionState: "`unknown`: it is not known whether it had its effect; a person must look." = text().enum_values(Some(State::ALL.map(State::as_str)));
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn pattern(pattern: &str) -> ObjectBuilder {
    text().pattern(Some(pattern))
}

fn integer(minimum: u32) -> ObjectBuilder {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(minimum))
}

/// A reference to the schema of a conversation's id.
pub(crate) enum ConversationRef {}

impl PartialSchema for ConversationRef {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("ConversationId").into()
    }
}

/// A reference to the schema of a turn's number.
pub(crate) enum TurnRef {}

impl PartialSchema for TurnRef {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("TurnNumber").into()
    }
}

/// The schema of how many actions there are.
pub(crate) fn counts() -> Object {
    by_state(
        "How many actions there are, by state; of `done` and `rejected` 50 at most are counted, of the others 1000. `unknown` are \
         those that were given up: what other systems call dead letters, kept until an operator settles them.",
        &State::ALL,
        integer(0).maximum(Some(1000)),
    )
}

/// The schema of how long the oldest actions wait.
pub(crate) fn oldest_waiting() -> Object {
    by_state(
        "How long ago the oldest action was accepted, by state, in milliseconds; for states in which an action waits for a person \
         or a worker, where there is one.",
        &[
            State::Proposed,
            State::Queued,
            State::Running,
            State::Unknown,
        ],
        integer(0),
    )
}

fn by_state(description: &str, states: &[State], value: ObjectBuilder) -> Object {
    let states = states.iter().map(|state| state.as_str());
    let states = text().enum_values(Some(states)).build();
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property_names(Some(states))
        .additional_properties(Some(AdditionalProperties::from(value)))
        .build()
}

/// `pending`: an action was accepted and has no result yet.
#[derive(Serialize, ToSchema)]
#[serde(remote = "record::ToolOutcome", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its shape is read")]
pub(super) enum ToolOutcome {
    Ok,
    Error,
    Pending,
    HandedOff,
}

/// Why a turn failed.
#[derive(Serialize, ToSchema)]
#[serde(remote = "failure::FailureCode", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its shape is read")]
pub(super) enum FailureCode {
    ModelRefused,
    ModelUnauthorized,
    ModelRateLimited,
    ModelUnavailable,
    ModelUnreachable,
    ModelTimedOut,
    ModelCut,
    ModelBadStream,
    ModelTooLarge,
    ModelEmpty,
    AnswerMissing,
    AnswerTooLong,
    ConversationTooLong,
    ContentFiltered,
    StepLimit,
    HandOffLimit,
    BudgetExceeded,
    #[serde(rename = "taken_over_too_often")]
    RecoveredTooOften,
    Internal,
}
