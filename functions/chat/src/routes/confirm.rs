//! The customer's answer to the card of an action.

use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::CannotConfirm;
use baton_handoff::ids::ActionId;
use http::{StatusCode, header};
use serde::Deserialize;

use super::actions::{no_such_action, parse_id};
use super::answers::{insert, uncached};
use super::input::{Path, read_object};
use super::open;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
#[cfg(test)]
use crate::openapi::{refusals, values};

/// Where the result is told, as seen from this route: in the stream of the conversation.
const RESULT: &str = "../../events";

/// The customer's answer to a card.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Confirmation {
    /// The `arguments_hash` of the card as it was shown.
    arguments_hash: String,
    /// `true` confirms the action, `false` declines it.
    yes: bool,
}

/// Confirms or declines an action.
///
/// For an action that asked with `confirmation_asked`, by the owner of its conversation only, and only as it was shown. A confirmed
/// action is executed, or waits for an operator next; either way its result comes in a turn of its own. The same answer may be given
/// again.
#[cfg_attr(test, utoipa::path(
    post, path = "/conversations/{id}/actions/{action}/confirm", operation_id = "confirmAction", tag = "chat",
    params(("id" = values::ConversationId, Path), ("action" = values::ActionId, Path)),
    request_body = Confirmation,
    responses(
        (
            status = 202, description = "Recorded. The result is told in the conversation's stream, at `Location`.",
            headers(("Location" = values::ConversationEvents, description = "Where the conversation's events are."))
        ),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (
            status = 409, body = Error,
            description = "The card is not what was shown, was answered otherwise, or is over; `detail` says which."
        ),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (conversation, action): (_, ActionId) = (open(&app, &caller, &id)?, parse_id(&action)?);
    let (parts, body) = request.into_parts();
    let answer: Confirmation = read_object(&parts.headers, body).await?;
    let confirmed = conversation.confirm(&action, &answer.arguments_hash, answer.yes);
    match confirmed.await {
        Ok(()) => {
            let mut response = uncached(StatusCode::ACCEPTED);
            insert(&mut response, header::LOCATION, RESULT);
            Ok(response)
        }
        Err(CannotConfirm::NotFound) => Err(no_such_action()),
        Err(CannotConfirm::Stale(stale)) => {
            Err(ApiError::new(StatusCode::CONFLICT, stale.to_string()))
        }
        Err(CannotConfirm::Store(error)) => Err(error.into()),
    }
}
