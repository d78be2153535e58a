//! The handlers. Each reads a request, calls the engine, and reports the result.

pub(crate) mod actions;
pub(crate) mod answers;
pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod completions;
pub(crate) mod confirm;
pub(crate) mod conversations;
pub(crate) mod decisions;
mod export;
pub(crate) mod health;
pub(crate) mod input;
pub(crate) mod keys;
mod markdown;
mod operator;
pub(crate) mod page;
pub(crate) mod report;
pub(crate) mod session;
pub(crate) mod turns;

use baton_handoff::Conversation;
use baton_handoff::ids::{ConversationId, TurnNumber};
use http::{HeaderMap, HeaderName};

use self::input::Query;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::{Places, Purpose, StreamPlace};
use crate::edge::error::ApiError;

/// A place for one more stream of this caller.
pub(crate) fn stream_place(
    places: &Places,
    caller: &Caller,
    conversation: &Conversation,
    purpose: Purpose,
) -> Result<StreamPlace, ApiError> {
    let purpose = if caller.is_operator() {
        Purpose::Operator
    } else {
        purpose
    };
    let address = caller.counted().address;
    Ok(places.stream(purpose, &conversation.party(), address)?)
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn parse_conversation(raw: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(raw)
        .map_err(|error| ApiError::bad_request(format!("a conversation id {error}")))
}

/// Opens the conversation that the caller calls by this name.
pub(crate) fn open(app: &App, caller: &Caller, raw: &str) -> Result<Conversation, ApiError> {
    caller.open(app, &parse_conversation(raw)?)
}

/// The address of a turn's events, relative to `/chat/completions`, which is right below any prefix of a proxy.
pub(crate) fn turn_reference(conversation: &ConversationId, turn: TurnNumber) -> String {
    format!("../conversations/{conversation}/turns/{turn}/events")
}

/// Where a stream is taken up again.
#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its shape is read")]
struct LastEvent {
    /// The position of the last event that arrived: what lies behind it is sent first. Stronger than `after`.
    #[param(rename = "Last-Event-ID", value_type = crate::openapi::values::After, required = false)]
    id: String,
}

/// The same in the address.
#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct Behind {
    /// The same for clients that cannot set a header.
    #[param(value_type = crate::openapi::values::After, required = false)]
    after: String,
}

/// A client that takes nothing back.
#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its shape is read")]
struct Plain {
    /// With `plain` each response comes as a whole, once it is recorded, and nothing is taken back.
    #[param(rename = "X-Baton-Client", required = false)]
    client: String,
}

/// The listener's position: `Last-Event-ID`, which a browser sends when it reconnects, or else `?after=`. Empty means none.
fn last_position(headers: &HeaderMap, query: &Query) -> Result<Option<String>, ApiError> {
    let after = query.text("after")?.map(str::to_owned);
    let last_event = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Ok(last_event.or(after).filter(|after| !after.is_empty()))
}
