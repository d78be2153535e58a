//! The handlers. Each reads a request, asks the engine, and says what came of it.

pub(crate) mod actions;
pub(crate) mod books;
pub(crate) mod completions;
pub(crate) mod conversations;
mod export;
pub(crate) mod health;
mod operator;
pub(crate) mod page;
pub(crate) mod turns;

use baton_handoff::ids::{ConversationId, TurnNumber};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The owner of every conversation until customers are authenticated.
pub(crate) const OWNER: &str = "local";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

fn parse_conversation(raw: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(raw)
        .map_err(|error| ApiError::bad_request(format!("a conversation id {error}")))
}

fn turn_path(conversation: &ConversationId, turn: TurnNumber) -> String {
    format!("/conversations/{conversation}/turns/{turn}/events")
}

/// Parses query parameters; what is wrong with them is said in a sentence.
fn parse_query<T: DeserializeOwned>(query: Option<String>) -> Result<T, ApiError> {
    let uri = http::Uri::builder()
        .path_and_query(format!("/?{}", query.unwrap_or_default()))
        .build();
    let uri = uri.map_err(|_| ApiError::bad_request("the query is not one"))?;
    axum::extract::Query::try_from_uri(&uri)
        .map(|axum::extract::Query(query)| query)
        .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
}

#[derive(Deserialize)]
struct EventsQuery {
    after: Option<String>,
}

/// What a listener has already: `Last-Event-ID`, which a browser sends when it comes back, or else `?after=`. Empty is nothing.
fn last_position(headers: &HeaderMap, query: Option<String>) -> Result<Option<String>, ApiError> {
    let EventsQuery { after } = parse_query(query)?;
    let last_event = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Ok(last_event.or(after).filter(|after| !after.is_empty()))
}
