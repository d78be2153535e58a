//! A2A 1.0: the card at `/.well-known/agent-card.json`, and `POST /a2a` with JSON-RPC.
//!
//! A context is a conversation and a task is a turn, `CONVERSATION.TURN`. A message is safe to send again under its `messageId`. Knows
//! the protocol; never rules about conversations.

mod call;
pub(crate) mod card;
mod encoder;
mod push;
mod send;
mod task;
mod tasks;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};

use self::call::{Call, Fault, Refused};
use super::door::Knock;
use super::reworded;
use crate::app::App;
use crate::edge::bounds::Places;
use crate::edge::error::{self, ApiError};
#[cfg(test)]
use crate::openapi::refusals;
use crate::routes::answers::uncached;
use crate::routes::input::read_object;

const VERSION: HeaderName = HeaderName::from_static("a2a-version");

/// A refusal, as the response to the call with this id.
pub(super) fn error(status: StatusCode, sentence: &str, id: &Value) -> Value {
    let fault = match status {
        StatusCode::NOT_FOUND => Fault::TaskNotFound,
        status if status.is_client_error() => Fault::Request,
        _ => Fault::Internal,
    };
    fault.saying(id, sentence)
}

/// A call of JSON-RPC.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its shape is read")]
struct A2aCall {
    /// `2.0`
    jsonrpc: String,
    /// Comes back.
    id: Value,
    /// `SendMessage`, `SendStreamingMessage`, `GetTask`, `ListTasks`, `CancelTask` or `SubscribeToTask`; where push notifications are set
    /// up, `CreateTaskPushNotificationConfig`, and the same with `Get`, `List` (`…Configs`) and `Delete`.
    method: String,
    /// As the protocol has them for the method.
    params: Value,
}

/// A call of A2A.
///
/// JSON-RPC of A2A 1.0, with the header `A2A-Version: 1.0`. Methods that stream answer with server-sent events, each a response.
#[cfg_attr(test, utoipa::path(
    post, path = "/a2a", operation_id = "callAgent", tag = "faces",
    request_body(content = A2aCall, description = "At most 256 KiB."),
    responses(
        (
            status = 200, description = "A response of JSON-RPC, also one that says what is wrong; or a stream of them.",
            content((Value = "application/json"), (String = "text/event-stream"))
        ),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn call(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let knock = Knock::arrive(app, places, parts).await?;
    let call: Call = read_object(knock.headers(), body).await?;
    let id = call.id.clone();
    let answered = match version(knock.headers()) {
        Ok(()) => dispatch(knock, call).await,
        Err(fault) => Err(fault.into()),
    };
    Ok(answered.unwrap_or_else(|refused| match refused {
        Refused::Fault(fault) => uncached(Json(fault.answer(&id))),
        Refused::Api(refused) => {
            let error::Refused { status, detail } = refused.refused();
            let own = (status, Json(error(status, &detail, &id)));
            reworded(refused.into_response(), own.into_response())
        }
    }))
}

/// Without the header a client speaks 0.3.
fn version(headers: &HeaderMap) -> Result<(), Fault> {
    let version = headers
        .get(VERSION)
        .and_then(|version| version.to_str().ok());
    match version.map(str::trim) {
        Some("1.0") => Ok(()),
        Some(_) | None => Err(Fault::Version),
    }
}

async fn dispatch(knock: Knock, call: Call) -> Result<Response, Refused> {
    let id = call.id;
    match call.method.as_str() {
        "SendMessage" => send::send(knock, call::params(call.params)?, id, false).await,
        "SendStreamingMessage" => send::send(knock, call::params(call.params)?, id, true).await,
        "GetTask" => tasks::get(&knock, &call::params(call.params)?, &id).await,
        "ListTasks" => tasks::list(&knock, call::params(call.params)?, &id).await,
        "CancelTask" => tasks::cancel(&knock, &call::params(call.params)?, &id).await,
        "SubscribeToTask" => tasks::subscribe(knock, &call::params(call.params)?, id).await,
        "CreateTaskPushNotificationConfig"
        | "GetTaskPushNotificationConfig"
        | "ListTaskPushNotificationConfigs"
        | "DeleteTaskPushNotificationConfig" => {
            push::call(&knock, &call.method, call.params, &id).await
        }
        "GetExtendedAgentCard" => Err(Fault::NoExtendedCard.into()),
        _ => Err(Fault::Method.into()),
    }
}

/// The response to a call.
fn result(id: &Value, result: &Value) -> Response {
    uncached(Json(
        json!({ "jsonrpc": "2.0", "id": id, "result": result }),
    ))
}
