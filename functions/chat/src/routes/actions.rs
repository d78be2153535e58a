//! The operator's view of actions: waiting and ended ones, and the decisions reserved for a person.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::history::Unreadable;
use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::Millis;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{Decision, DecisionError, Settlement};
use http::StatusCode;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answers::{json_page, uncached, written};
use super::input::{Path, Query, read_object};
use super::operator::{Entries, Operator, Paging, Round, page};
use crate::app::App;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::stream::budget::Budget;

/// A reason, in bytes; it is kept with the action.
const MAX_REASON: usize = 2_000;

/// An operator's approval or rejection.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Decision))]
struct Decided {
    /// The `arguments_hash` of the action as it was shown.
    arguments_hash: String,
    /// The `fence` of the action as it was shown. An action that was tried since has another one: 409.
    #[cfg_attr(test, schema(value_type = u64))]
    fence: Fence,
    /// Kept with the action; at most 2,000 bytes.
    #[cfg_attr(test, schema(min_length = 1))]
    reason: String,
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
    /// Kept with the action; at most 2,000 bytes.
    #[cfg_attr(test, schema(min_length = 1))]
    reason: String,
    /// `retry` queues it again.
    #[cfg_attr(test, schema(required = true, nullable = false))]
    outcome: Option<Outcome>,
}

/// A number that callers cannot know by themselves, so that its absence is explained.
struct Fence(u64);

impl<'de> Deserialize<'de> for Fence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::deserialize(deserializer)?;
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

/// An action that was accepted.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Action))]
struct Shown {
    #[cfg_attr(test, schema(value_type = values::ActionId))]
    id: ActionId,
    #[cfg_attr(test, schema(value_type = values::ConversationId))]
    conversation: ConversationId,
    #[cfg_attr(test, schema(value_type = values::TurnNumber))]
    turn: TurnNumber,
    /// The agent that called it.
    agent: String,
    tool: String,
    /// What a decision is about.
    #[cfg_attr(test, schema(value_type = Value, required = true))]
    arguments: Value,
    /// What it moves, in US cents, where a person may have to decide on it and the amount can be told.
    #[cfg_attr(test, schema(required = true))]
    amount_cents: Option<u64>,
    /// Goes with a decision.
    arguments_hash: String,
    #[cfg_attr(test, schema(value_type = values::ActionState))]
    state: ActionState,
    #[cfg_attr(test, schema(value_type = values::Milliseconds))]
    accepted_at: Millis,
    /// Until when it may be approved, in milliseconds since 1970; null when it needs no approval (any more).
    #[cfg_attr(test, schema(value_type = Option<u64>, required = true))]
    expires_at: Option<Millis>,
    /// When the first try began that may have reached the other system, in milliseconds since 1970; null where there was none.
    #[cfg_attr(test, schema(value_type = Option<u64>, required = true))]
    first_try_at: Option<Millis>,
    /// How often a worker took it up.
    attempts: u32,
    /// Goes with a decision too: it changes with each try, so that an operator decides only on what was shown.
    fence: u64,
    /// The result or why there is none.
    #[cfg_attr(test, schema(required = true))]
    result: Option<String>,
    /// Why an operator decided as they did.
    #[cfg_attr(test, schema(required = true))]
    reason: Option<String>,
    /// Of an unknown action, asked for by its id: later ones of its conversation that are done already; 20 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    done_after: Option<Vec<Later>>,
}

/// An action that was accepted later and is done.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Later {
    #[cfg_attr(test, schema(value_type = values::ActionId))]
    id: ActionId,
    tool: String,
}

impl From<ActionRecord> for Shown {
    fn from(action: ActionRecord) -> Self {
        Self {
            arguments_hash: action.arguments_hash(),
            // Canonical JSON, written by us.
            arguments: serde_json::from_str(&action.arguments).unwrap_or(Value::Null),
            conversation: action.id.conversation.clone(),
            turn: action.id.turn,
            id: action.id,
            agent: action.agent,
            tool: action.tool,
            amount_cents: action.amount_cents,
            state: action.state,
            accepted_at: action.accepted_at,
            expires_at: (action.state == ActionState::Proposed).then_some(action.due_at),
            first_try_at: action.first_try_at,
            attempts: action.attempts,
            fence: action.fence,
            result: action.result,
            reason: action.reason,
            done_after: None,
        }
    }
}

/// Actions in one state, newest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct ActionPage {
    #[cfg_attr(test, schema(value_type = Vec<Shown>))]
    actions: Vec<Box<RawValue>>,
    /// Actions of this page whose record cannot be read: damaged, or of a newer release.
    #[cfg_attr(test, schema(value_type = Vec<values::Unreadable>))]
    unreadable: Vec<Unreadable>,
    /// For `after`; null at the end.
    #[cfg_attr(test, schema(required = true))]
    next: Option<String>,
}

impl From<Entries> for ActionPage {
    fn from(entries: Entries) -> Self {
        Self {
            actions: entries.values,
            unreadable: entries.unreadable,
            next: entries.next,
        }
    }
}

/// The newest actions of each state.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct ActionOverview {
    #[cfg_attr(test, schema(schema_with = values::counts))]
    counts: BTreeMap<&'static str, usize>,
    #[cfg_attr(test, schema(schema_with = values::oldest_waiting))]
    oldest_waiting_ms: BTreeMap<&'static str, Millis>,
    /// Those among the newest of each state whose record cannot be read.
    #[cfg_attr(test, schema(value_type = Vec<values::Unreadable>))]
    unreadable: Vec<Unreadable>,
    /// The newest 50 of each state.
    #[cfg_attr(test, schema(value_type = Vec<Shown>))]
    actions: Vec<Box<RawValue>>,
}

#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape is read")]
enum Listed {
    Page(ActionPage),
    Overview(ActionOverview),
}

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct InState {
    /// Without it the newest of each state are told, how many there are, and how long the oldest waits.
    #[param(value_type = values::ActionState, required = false)]
    state: ActionState,
}

/// Actions of one state, or of all with their counts.
#[cfg_attr(test, utoipa::path(
    get, path = "/actions", operation_id = "listActions", tag = "operators",
    params(InState, Paging),
    responses(
        (status = 200, description = "A part of the list with `state`; the overview without it.", body = inline(Listed)),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("operator" = []), ()),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    _operator: Operator,
    paging: Paging,
    query: Query,
) -> Result<Response, ApiError> {
    let Some(state) = query.text("state")?.map(parse_state).transpose()? else {
        return overview(&app, &budget).await;
    };
    page::<ActionPage, _>(&budget, || in_state(&app, state, &paging)).await
}

async fn in_state(app: &App, state: ActionState, paging: &Paging) -> Result<Entries, ApiError> {
    let read = |after, limit| async move {
        let actions = app.engine.actions(state, after, limit).await?;
        Ok(Round {
            values: actions.actions.into_iter().map(Shown::from).collect(),
            unreadable: actions.unreadable,
            next: actions.next,
        })
    };
    Entries::gather(paging, read).await
}

fn parse_state(raw: &str) -> Result<ActionState, ApiError> {
    let mut states = ActionState::ALL.into_iter();
    states.find(|state| state.as_str() == raw).ok_or_else(|| {
        let known = ActionState::ALL.map(ActionState::as_str).join(", ");
        ApiError::bad_request(format!("state must be one of {known}"))
    })
}

async fn overview(app: &App, budget: &Budget) -> Result<Response, ApiError> {
    let make = || async {
        let mut actions = Entries::default();
        for state in ActionState::ALL {
            actions.append(in_state(app, state, &Paging::first()).await?);
        }
        let summary = app.engine.action_summary().await?;
        written(&ActionOverview {
            counts: summary.counts,
            oldest_waiting_ms: summary.oldest_waiting,
            unreadable: actions.unreadable,
            actions: actions.values,
        })
    };
    json_page(budget, make).await
}

/// One action.
#[cfg_attr(test, utoipa::path(
    get, path = "/actions/{id}", operation_id = "readAction", tag = "operators",
    params(("id" = values::ActionId, Path)),
    responses(
        (status = 200, description = "The action as it is now.", body = Shown),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("operator" = []), ()),
))]
pub(crate) async fn one(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let opened = app.engine.action(&parse_id(&id)?);
    let action = opened.show().await?.ok_or_else(no_such_action)?;
    let later = opened.done_after(&action).await?;
    let later = later.into_iter().map(|later| Later {
        id: later.id,
        tool: later.tool,
    });
    let done_after = Some(later.collect());
    let shown = Shown {
        done_after,
        ..Shown::from(action)
    };
    Ok(uncached(Json(shown)))
}

/// Lets a proposed action happen.
///
/// The action is queued and a worker executes it. A decision is taken once, and only about the arguments that were shown.
#[cfg_attr(test, utoipa::path(
    post, path = "/actions/{id}/approve", operation_id = "approveAction", tag = "operators",
    params(("id" = values::ActionId, Path)),
    request_body = Decided,
    responses(
        (status = 200, description = "The action after the decision.", body = Shown),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (
            status = 409, body = Error,
            description = "Another operator decided first, or the arguments are not those that were shown. Read the action again."
        ),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("operator" = []), ()),
))]
pub(crate) async fn approve(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (id, decided) = read(&id, request).await?;
    decide(&app, &id, Decision::Approve, decided).await
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
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (
            status = 409, body = Error,
            description = "Another operator decided first, or the arguments are not those that were shown. Read the action again."
        ),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("operator" = []), ()),
))]
pub(crate) async fn reject(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (id, decided) = read(&id, request).await?;
    decide(&app, &id, Decision::Reject, decided).await
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
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (
            status = 409, body = Error,
            description = "Another operator decided first, or the arguments are not those that were shown. Read the action again."
        ),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
    security(("operator" = []), ()),
))]
pub(crate) async fn settle(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
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
    };
    decide(&app, &id, Decision::Settle(outcome), decided).await
}

async fn read<T: DeserializeOwned>(id: &str, request: Request) -> Result<(ActionId, T), ApiError> {
    let id = parse_id(id)?;
    let (parts, body) = request.into_parts();
    Ok((id, read_object(&parts.headers, body).await?))
}

async fn decide(
    app: &App,
    id: &ActionId,
    decision: Decision,
    decided: Decided,
) -> Result<Response, ApiError> {
    let reason = decided.reason;
    if reason.trim().is_empty() || reason.len() > MAX_REASON {
        return Err(ApiError::bad_request(format!(
            "a reason of 1 to {MAX_REASON} bytes is needed"
        )));
    }
    let shown = baton_handoff::Shown {
        arguments_hash: decided.arguments_hash,
        fence: decided.fence.0,
    };
    match app
        .engine
        .action(id)
        .decide(decision, &shown, &reason)
        .await
    {
        Ok(action) => Ok(uncached(Json(Shown::from(action)))),
        Err(DecisionError::NotFound) => Err(no_such_action()),
        Err(
            error @ (DecisionError::OtherArguments
            | DecisionError::Decided(_)
            | DecisionError::Changed(..)),
        ) => Err(ApiError::new(StatusCode::CONFLICT, error.to_string())),
        Err(error @ DecisionError::TooManyReports) => {
            let refusal = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
            Err(refusal.with_header(http::header::RETRY_AFTER, "60"))
        }
        Err(DecisionError::Store(error)) => Err(error.into()),
    }
}

fn parse_id(raw: &str) -> Result<ActionId, ApiError> {
    ActionId::parse(raw).map_err(|_| ApiError::bad_request("that is not the id of an action"))
}

fn no_such_action() -> ApiError {
    ApiError::not_found("no such action")
}
