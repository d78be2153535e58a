//! Operators' decisions on actions.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::ids::ActionId;
use baton_handoff::{Decision, DecisionError, Reasons, Role, Settlement};
use http::StatusCode;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::actions::{Shown, no_such_action, parse_id};
use super::answers::uncached;
use super::input::{Path, read_object, whole};
use super::operator::Operator;
use crate::app::App;
use crate::auth::caller::must;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};

/// An operator's approval or rejection.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = DecisionOnAction))]
struct Decided {
    /// The `arguments_hash` of the action as it was shown.
    arguments_hash: String,
    /// The `fence` of the action as it was shown. An action that was tried since has another one: 409.
    #[cfg_attr(test, schema(value_type = u64))]
    fence: Fence,
    /// For colleagues only: kept with the action and the audit trail; at most 2,000 bytes. A rejection needs it.
    reason: Option<String>,
    /// For the customer: a part of the result that the model and the customer get; at most 2,000 bytes.
    reason_for_customer: Option<String>,
}

/// What became of an action, as an operator found out.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Settlement))]
struct Settled {
    /// The `arguments_hash` of the action as it was shown.
    arguments_hash: String,
    /// The `fence` of the action as it was shown. An action that was tried since has another one: 409.
    #[cfg_attr(test, schema(value_type = u64))]
    fence: Fence,
    /// For colleagues only: kept with the action and the audit trail; at most 2,000 bytes. Needed.
    #[cfg_attr(test, schema(required = true, nullable = false, min_length = 1))]
    reason: Option<String>,
    /// For the customer: a part of the result that the model and the customer get; at most 2,000 bytes.
    reason_for_customer: Option<String>,
    /// `retry` queues it again.
    #[cfg_attr(test, schema(required = true, nullable = false))]
    outcome: Option<Outcome>,
}

/// A number that callers cannot know by themselves, so that its absence is explained.
struct Fence(u64);

impl<'de> Deserialize<'de> for Fence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = whole(deserializer)?;
        let missing = "missing field `fence`: the number that the action was shown with";
        given.map(Self).ok_or_else(|| D::Error::custom(missing))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(rename_all = "snake_case"))]
enum Outcome {
    Done,
    Rejected,
    Retry,
}

const NO_OUTCOME: &str = "must be \"done\", \"rejected\" or \"retry\"";

impl TryFrom<String> for Outcome {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "done" => Ok(Self::Done),
            "rejected" => Ok(Self::Rejected),
            "retry" => Ok(Self::Retry),
            _ => Err(NO_OUTCOME),
        }
    }
}

/// Lets a proposed action happen.
///
/// The action is queued and a worker executes it. A decision is taken once, and only about the arguments that were shown. Above an
/// amount that the deployment sets, the first approval only is recorded, and the action stays `proposed` until another operator
/// approves it too.
#[cfg_attr(test, utoipa::path(
    post, path = "/actions/{id}/approve", operation_id = "approveAction", tag = "operators",
    params(("id" = values::ActionId, Path)),
    request_body = Decided,
    responses(
        (status = 200, description = "The action after the decision.", body = Shown),
        refusals::OfDecisions,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn approve(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    must_approve(&operator)?;
    let (id, decided) = read(&id, request).await?;
    decide(&app, &operator, &id, Decision::Approve, decided).await
}

/// Refuses a proposed action.
///
/// The action ends as `rejected` and never has an effect. A decision is taken once, and only about the arguments that were
/// shown.
#[cfg_attr(test, utoipa::path(
    post, path = "/actions/{id}/reject", operation_id = "rejectAction", tag = "operators",
    params(("id" = values::ActionId, Path)),
    request_body = Decided,
    responses(
        (status = 200, description = "The action after the decision.", body = Shown),
        refusals::OfDecisions,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn reject(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    must_approve(&operator)?;
    let (id, decided) = read(&id, request).await?;
    decide(&app, &operator, &id, Decision::Reject, decided).await
}

/// Records what became of an action whose effect is unknown.
///
/// For an action in state `unknown`, after a look at the other system. A decision is taken once, and only about the arguments
/// that were shown.
#[cfg_attr(test, utoipa::path(
    post, path = "/actions/{id}/settle", operation_id = "settleAction", tag = "operators",
    params(("id" = values::ActionId, Path)),
    request_body = Settled,
    responses(
        (status = 200, description = "The action after the decision.", body = Shown),
        refusals::OfDecisions,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn settle(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    must(&operator, Role::Settle)?;
    let (id, settled): (_, Settled) = read(&id, request).await?;
    let outcome = match settled.outcome {
        Some(Outcome::Done) => Settlement::Done,
        Some(Outcome::Rejected) => Settlement::Rejected,
        Some(Outcome::Retry) => Settlement::Retry,
        None => return Err(ApiError::bad_request(format!("outcome {NO_OUTCOME}"))),
    };
    let decided = Decided {
        arguments_hash: settled.arguments_hash,
        fence: settled.fence,
        reason: settled.reason,
        reason_for_customer: settled.reason_for_customer,
    };
    decide(&app, &operator, &id, Decision::Settle(outcome), decided).await
}

/// Refuses an operator that may approve nothing before any look at the action, so that the answer does not say whether there is
/// one. Up to which amount an operator may approve is known with the action only.
fn must_approve(operator: &baton_handoff::Operator) -> Result<(), ApiError> {
    let mut roles = operator.roles.iter();
    if roles.any(|role| matches!(role, Role::Approve { .. })) {
        return Ok(());
    }
    must(operator, Role::Approve { up_to: None })
}

async fn read<T: DeserializeOwned>(id: &str, request: Request) -> Result<(ActionId, T), ApiError> {
    let id = parse_id(id)?;
    let (parts, body) = request.into_parts();
    Ok((id, read_object(&parts.headers, body).await?))
}

async fn decide(
    app: &App,
    operator: &baton_handoff::Operator,
    id: &ActionId,
    decision: Decision,
    decided: Decided,
) -> Result<Response, ApiError> {
    let reasons = Reasons {
        colleagues: decided.reason,
        customer: decided.reason_for_customer,
    };
    let shown = baton_handoff::Shown {
        arguments_hash: decided.arguments_hash,
        fence: decided.fence.0,
    };
    match app
        .engine
        .action(id)
        .decide(decision, &shown, operator, reasons)
        .await
    {
        Ok(action) => Ok(uncached(Json(Shown::of(&app.engine, action)))),
        Err(DecisionError::NotFound) => Err(no_such_action()),
        Err(error @ DecisionError::Role(_)) => {
            Err(ApiError::new(StatusCode::FORBIDDEN, error.to_string()))
        }
        Err(error @ DecisionError::Reasons) => Err(ApiError::bad_request(error.to_string())),
        Err(
            error @ (DecisionError::OtherArguments
            | DecisionError::Decided(_)
            | DecisionError::Changed(_)
            | DecisionError::ApprovedAlready
            | DecisionError::CustomerFirst),
        ) => Err(ApiError::new(StatusCode::CONFLICT, error.to_string())),
        Err(error @ DecisionError::TooManyReports) => {
            let refusal = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
            Err(refusal.with_header(http::header::RETRY_AFTER, "60"))
        }
        Err(DecisionError::Store(error)) => Err(error.into()),
    }
}
