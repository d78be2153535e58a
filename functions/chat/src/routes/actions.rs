//! The operator's view of actions: what waits, what ended, and the decisions that only a person may take.

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::ids::ActionId;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{Decision, DecisionError, Settlement, Shown};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::conversations::{json_page, uncached};
use super::input::{Path, Query, read_object, text_field};
use super::operator::{Entries, Operator, Paging, Round, page};
use crate::budget::Budget;
use crate::error::ApiError;
use crate::router::App;

/// A reason, in bytes; it is kept with the action.
const MAX_REASON: usize = 2_000;

/// What an operator sends with a decision: the hash of the arguments that were shown, a reason, and for settling the outcome.
type Fields = Map<String, Value>;

/// With `state` a page of the actions in it, newest first; without it the newest of each state, how many there are, and
/// how long they wait.
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
    page(&budget, "actions", || in_state(&app, state, &paging)).await
}

async fn in_state(app: &App, state: ActionState, paging: &Paging) -> Result<Entries, ApiError> {
    let read = |after, limit| async move {
        let actions = app.engine.actions(state, after, limit).await?;
        Ok(Round {
            values: actions.actions.iter().map(shown).collect(),
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
        let counts = json!({
            "counts": summary.counts,
            "oldest_waiting_ms": summary.oldest_waiting,
            "unreadable": actions.unreadable(),
        });
        // An object with fields, which goes on.
        let mut overview = counts.to_string();
        overview.pop();
        overview += ",\"actions\":";
        overview += &actions.as_array();
        overview.push('}');
        Ok(overview.into_bytes())
    };
    json_page(budget, make).await
}

/// One action, also where it is not on any page that was read; with the later ones of its conversation that are done already.
pub(crate) async fn one(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let action = app.engine.action(&parse_id(&id)?).await?;
    let action = action.ok_or_else(no_such_action)?;
    let later: Vec<_> = app.engine.done_after(&action).await?;
    let later = later
        .iter()
        .map(|later| json!({ "id": later.id, "tool": later.tool }));
    let mut shown = shown(&action);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("done_after".to_owned(), later.collect());
    }
    Ok(uncached(Json(shown)))
}

pub(crate) async fn approve(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    decide(&app, &id, request, |_| Ok(Decision::Approve)).await
}

pub(crate) async fn reject(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    decide(&app, &id, request, |_| Ok(Decision::Reject)).await
}

pub(crate) async fn settle(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let outcome = |fields: &Fields| match fields.get("outcome").and_then(Value::as_str) {
        Some("done") => Ok(Decision::Settle(Settlement::Done)),
        Some("rejected") => Ok(Decision::Settle(Settlement::Rejected)),
        Some("retry") => Ok(Decision::Settle(Settlement::Retry)),
        Some(_) | None => Err(ApiError::bad_request(
            "outcome must be \"done\", \"rejected\" or \"retry\"",
        )),
    };
    decide(&app, &id, request, outcome).await
}

async fn decide(
    app: &App,
    id: &str,
    request: Request,
    decision: impl FnOnce(&Fields) -> Result<Decision, ApiError>,
) -> Result<Response, ApiError> {
    let id = parse_id(id)?;
    let (parts, body) = request.into_parts();
    let fields = read_object(&parts.headers, body).await?;
    let shown_to_operator = Shown {
        arguments_hash: text_field(&fields, "arguments_hash")?.to_owned(),
        fence: fence(&fields)?,
    };
    let reason = text_field(&fields, "reason")?;
    if reason.trim().is_empty() || reason.len() > MAX_REASON {
        return Err(ApiError::bad_request(format!(
            "a reason of 1 to {MAX_REASON} bytes is needed"
        )));
    }
    let decision = decision(&fields)?;
    match app
        .engine
        .decide(&id, decision, &shown_to_operator, reason)
        .await
    {
        Ok(action) => Ok(uncached(Json(shown(&action)))),
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

fn fence(fields: &Fields) -> Result<u64, ApiError> {
    let fence = fields.get("fence").ok_or_else(|| {
        ApiError::bad_request("fence is missing: the number that the action was shown with")
    })?;
    fence
        .as_u64()
        .ok_or_else(|| ApiError::bad_request("fence must be a whole number"))
}

fn parse_id(raw: &str) -> Result<ActionId, ApiError> {
    ActionId::parse(raw).map_err(|_| ApiError::bad_request("that is not the id of an action"))
}

fn no_such_action() -> ApiError {
    ApiError::not_found("no such action")
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
        "first_try_at": action.first_try_at,
        "attempts": action.attempts,
        "fence": action.fence,
        "result": action.result,
        "reason": action.reason,
    })
}
