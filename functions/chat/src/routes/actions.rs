//! The operator's view of actions: what waits, what ended, and the decisions that only a person may take.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use baton_handoff::ids::ActionId;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{Decision, DecisionError, Settlement};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversations::uncached;
use super::operator::{ENTRIES, Operator, Paging, page};
use super::parse_query;
use crate::error::ApiError;
use crate::router::App;

/// A reason, in bytes; it is kept with the action.
const MAX_REASON: usize = 2_000;

#[derive(Deserialize)]
struct StateQuery {
    state: Option<ActionState>,
}

/// What an operator sends with a decision.
#[derive(Deserialize)]
pub(crate) struct DecisionBody {
    /// The hash of the arguments that the operator was shown.
    arguments_hash: String,
    reason: String,
    /// For settling: what became of it.
    #[serde(default)]
    outcome: Option<Settlement>,
}

/// The operator is told what is wrong with a body, as with everything else.
type DecisionRequest = Result<Json<DecisionBody>, JsonRejection>;

/// With `state` a page of the actions in it, newest first; without it the newest of each state, how many there are, and
/// how long they wait.
pub(crate) async fn list(
    State(app): State<App>,
    _operator: Operator,
    paging: Paging,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let StateQuery { state } = parse_query(query)?;
    let Some(state) = state else {
        return overview(&app).await;
    };
    let actions = app
        .engine
        .actions(state, paging.after, paging.limit)
        .await?;
    let shown = actions.actions.iter().map(shown);
    Ok(page("actions", shown, actions.next))
}

async fn overview(app: &App) -> Result<Response, ApiError> {
    let mut actions = Vec::new();
    for state in ActionState::ALL {
        actions.extend(app.engine.actions(state, None, ENTRIES).await?.actions);
    }
    let summary = app.engine.action_summary().await?;
    let actions: Vec<_> = actions.iter().map(shown).collect();
    Ok(uncached(Json(json!({
        "counts": summary.counts,
        "oldest_waiting_ms": summary.oldest_waiting,
        "actions": actions,
    }))))
}

pub(crate) async fn approve(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    body: DecisionRequest,
) -> Result<Response, ApiError> {
    decide(&app, &id, body, |_| Ok(Decision::Approve)).await
}

pub(crate) async fn reject(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    body: DecisionRequest,
) -> Result<Response, ApiError> {
    decide(&app, &id, body, |_| Ok(Decision::Reject)).await
}

pub(crate) async fn settle(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    body: DecisionRequest,
) -> Result<Response, ApiError> {
    let outcome = |body: &DecisionBody| {
        body.outcome.map(Decision::Settle).ok_or_else(|| {
            ApiError::bad_request("outcome must be \"done\", \"rejected\" or \"retry\"")
        })
    };
    decide(&app, &id, body, outcome).await
}

async fn decide(
    app: &App,
    id: &str,
    body: DecisionRequest,
    decision: impl FnOnce(&DecisionBody) -> Result<Decision, ApiError>,
) -> Result<Response, ApiError> {
    let id = ActionId::parse(id)
        .map_err(|_| ApiError::bad_request("that is not the id of an action"))?;
    let Json(body) =
        body.map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
    if body.reason.trim().is_empty() || body.reason.len() > MAX_REASON {
        return Err(ApiError::bad_request(format!(
            "a reason of 1 to {MAX_REASON} bytes is needed"
        )));
    }
    let decision = decision(&body)?;
    match app
        .engine
        .decide(&id, decision, &body.arguments_hash, &body.reason)
        .await
    {
        Ok(action) => Ok(uncached(Json(shown(&action)))),
        Err(DecisionError::NotFound) => Err(ApiError::not_found("no such action")),
        Err(error @ (DecisionError::OtherArguments | DecisionError::Decided(_))) => {
            Err(ApiError::new(StatusCode::CONFLICT, error.to_string()))
        }
        Err(DecisionError::Store(error)) => Err(error.into()),
    }
}

fn shown(action: &ActionRecord) -> Value {
    // Arguments are canonical JSON that we wrote ourselves.
    let arguments: Value = serde_json::from_str(&action.arguments).unwrap_or(Value::Null);
    json!({
        "id": action.id,
        "conversation": action.id.conversation,
        "turn": action.id.turn,
        "agent": action.agent,
        "tool": action.tool,
        "arguments": arguments,
        "amount_cents": action.amount_cents,
        "arguments_hash": action.arguments_hash(),
        "state": action.state,
        "accepted_at": action.accepted_at,
        // Until when somebody may approve it.
        "expires_at": (action.state == ActionState::Proposed).then_some(action.look_at),
        "attempts": action.attempts,
        "result": action.result,
        "reason": action.reason,
    })
}
