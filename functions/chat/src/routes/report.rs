//! How a service reports the end of an action that it has begun.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::{CannotReport, Report, Scope};
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};

use super::actions::{no_such_action, parse_id};
use super::answers::uncached;
use super::input::{Path, read_object};
use crate::app::App;
use crate::auth::caller;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
#[cfg(test)]
use crate::openapi::{refusals, values};

/// The header of the call that a service repeats here.
const TOKEN: HeaderName = HeaderName::from_static("baton-action-token");

/// The end of an action.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = ActionReport))]
struct Reported {
    state: End,
    /// What the model is told: the result, or why there is none. What is longer than the result of a call may be is cut.
    result: String,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = ActionEnd))]
enum End {
    /// It took effect.
    Done,
    /// It has no effect and never will.
    Rejected,
}

/// A report that is recorded.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = ActionReported))]
struct Recorded {
    state: End,
}

/// Reports the end of an action.
///
/// For the service of a tool with `result_within_minutes`, after it has answered a call with 202: with an API key that has the scope
/// `results`, and the header `Baton-Action-Token` of that call. The conversation goes on with the result. The same report may be
/// sent again. A refusal that may not be the last word, because an earlier try may still be carried out, leaves the action `unknown`.
#[cfg_attr(test, utoipa::path(
    post, path = "/actions/{id}/result", operation_id = "reportAction", tag = "services",
    params(
        ("id" = values::ActionId, Path, description = "The header `Baton-Action` of the call."),
        ("Baton-Action-Token" = String, Header, description = "That of the call.")
    ),
    request_body = Reported,
    responses(
        (status = 200, description = "Recorded, now or before.", body = Recorded),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 409, body = Error, description = "The action was not begun, or has another end; `detail` says which."),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("apiKey" = [])),
))]
pub(crate) async fn report(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let (mut parts, body) = request.into_parts();
    let tenant = caller::service(&app, &mut parts, Scope::Results).await?;
    let token = parts
        .headers
        .get(TOKEN)
        .and_then(|token| token.to_str().ok());
    let now = app.engine.now() / 1000;
    let tokens = app.tool_tokens.as_ref();
    if !tokens.is_some_and(|tokens| token.is_some_and(|token| tokens.reports(token, &id, now))) {
        let sentence = "Baton-Action-Token is missing, of another action, or too old";
        return Err(ApiError::new(StatusCode::FORBIDDEN, sentence));
    }
    let Reported { state, result } = read_object(&parts.headers, body).await?;
    let report = match state {
        End::Done => Report::Done(result),
        End::Rejected => Report::Rejected(result),
    };
    match app.engine.action(&id).report(&tenant, &report).await {
        Ok(()) => Ok(uncached(Json(Recorded { state }))),
        Err(CannotReport::NotFound) => Err(no_such_action()),
        Err(error @ (CannotReport::NotBegun | CannotReport::Over(_))) => {
            Err(ApiError::new(StatusCode::CONFLICT, error.to_string()))
        }
        Err(CannotReport::Store(error)) => Err(error.into()),
    }
}
