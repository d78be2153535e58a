//! Conversations as objects. One that has begun is Baton's conversation; one that was only made is a name that says when, and nothing
//! is recorded.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::ids::ConversationId;
use baton_handoff::{EraseError, Role, View};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::check_metadata;
use crate::app::App;
use crate::auth::asking::Asking;
use crate::auth::caller::Caller;
use crate::edge::error::ApiError;
use crate::faces::body::Bodies;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::routes::answers::uncached;
use crate::routes::input::Path;
use crate::routes::{open, parse_conversation};

/// The beginning of the names of conversations that were made here: `conv_SECONDS_BITS`, in hexadecimal digits.
const MADE: &str = "conv_";

#[derive(Deserialize)]
struct Made {
    metadata: Option<BTreeMap<String, Value>>,
    items: Option<Vec<Value>>,
}

/// What may be said of a conversation.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = ConversationRequest)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Document {
    /// Checked, and not kept.
    metadata: Option<BTreeMap<String, String>>,
}

/// A new conversation.
///
/// Its id names it for the one who made it. It begins with its first message.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/conversations", operation_id = "makeConversation", tag = "faces",
    request_body(content = Document),
    responses(
        (status = 200, description = "A `conversation`.", body = Object),
        (status = 400, response = refusals::BadRequest),
        (status = 429, response = refusals::OverBound),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(bodies): Extension<Bodies>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let asking = Asking::of(&app, &mut parts).await?;
    let made: Made = bodies.read(&parts.headers, body).await?;
    made.metadata.as_ref().map_or(Ok(()), check_metadata)?;
    if made.items.is_some_and(|items| !items.is_empty()) {
        return Err(ApiError::bad_request(
            "a conversation is made without items: say the first message in it",
        ));
    }
    let caller = asking.caller(&app, &parts, None)?;
    let seconds = app.engine.now() / 1000;
    let id = format!("{MADE}{seconds:x}_{}", app.engine.random_id());
    let mut response = uncached(Json(conversation(&id, seconds)));
    caller.remember(&mut response);
    Ok(response)
}

/// A conversation.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/conversations/{id}", operation_id = "readConversationObject", tag = "faces",
    params(("id" = values::ConversationId, Path)),
    responses(
        (status = 200, description = "A `conversation`.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    object(&app, &caller, &id).await.map(uncached)
}

/// Metadata of a conversation.
///
/// They are checked, and not kept.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/conversations/{id}", operation_id = "updateConversation", tag = "faces",
    params(("id" = values::ConversationId, Path)),
    request_body(content = Document),
    responses(
        (status = 200, description = "The `conversation`, without metadata.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn update(
    State(app): State<App>,
    Extension(bodies): Extension<Bodies>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    let object = object(&app, &caller, &id).await?;
    let (parts, body) = request.into_parts();
    let made: Made = bodies.read(&parts.headers, body).await?;
    made.metadata.as_ref().map_or(Ok(()), check_metadata)?;
    Ok(uncached(object))
}

/// Erases a conversation, as `DELETE /conversations/{id}` does.
#[cfg_attr(test, utoipa::path(
    delete, path = "/v1/conversations/{id}", operation_id = "deleteConversation", tag = "faces",
    params(("id" = values::ConversationId, Path)),
    responses(
        (status = 200, description = "Erased.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    let opened = open(&app, &caller, &id)?;
    match opened.erase().await {
        Ok(()) => {}
        Err(EraseError::NotFound) if made_at(&id).is_some() => {}
        Err(error) => return Err(error.into()),
    }
    let deleted = json!({ "id": id, "object": "conversation.deleted", "deleted": true });
    Ok(uncached(Json(deleted)))
}

async fn object(app: &App, caller: &Caller, raw: &str) -> Result<Json<Value>, ApiError> {
    let opened = caller.open(app, &parse_conversation(raw)?)?;
    let history = opened.history(None, 1, View::Customer).await?;
    match (history, made_at(raw)) {
        (Some(history), _) => {
            let created_at = history.summary.created_at / 1000;
            Ok(Json(conversation(opened.id().as_str(), created_at)))
        }
        (None, Some(created_at)) => Ok(Json(conversation(raw, created_at))),
        (None, None) => Err(no_such_conversation()),
    }
}

fn conversation(id: &str, created_at: u64) -> Value {
    json!({ "id": id, "object": "conversation", "created_at": created_at, "metadata": {} })
}

/// When a conversation was made, if its name says it. Seconds since 1970.
pub(super) fn made_at(id: &str) -> Option<u64> {
    let (seconds, bits) = id.strip_prefix(MADE)?.split_once('_')?;
    ConversationId::parse(bits).ok()?;
    u64::from_str_radix(seconds, 16).ok()
}

pub(super) fn no_such_conversation() -> ApiError {
    ApiError::not_found("no such conversation")
}
