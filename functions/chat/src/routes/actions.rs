//! The operator's view of actions: waiting and ended ones.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::history::Unreadable;
use baton_handoff::ids::{ActionId, ConversationId, TurnNumber};
use baton_handoff::ports::Millis;
use baton_handoff::record::{ActionApproval, ActionRecord, ActionState, Answer};
use baton_handoff::{Decision, Engine, Role, Tenant};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answers::{json_page, uncached, written};
use super::input::{Path, Query};
use super::operator::{Entries, Operator, Paging, Round, page, page_of};
use crate::app::App;
use crate::auth::caller::must;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::stream::budget::Budget;

/// An action that was accepted.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Action))]
pub(super) struct Shown {
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
    /// Why a limit on money wants an approval; null where none does.
    #[cfg_attr(test, schema(required = true))]
    over: Option<String>,
    /// The customer's yes that it needs before an operator's, or needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    confirmation: Option<Asked>,
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
    /// Until when its service may report the end of what it has begun, in milliseconds since 1970; null where none has to.
    #[cfg_attr(test, schema(value_type = Option<u64>, required = true))]
    awaited_until: Option<Millis>,
    /// How often a worker took it up.
    attempts: u32,
    /// What each try sends to the other system as `Idempotency-Key`: finds the action in that system's log.
    idempotency_key: String,
    /// Goes with a decision too: it changes with each try and with a first approval, so that an operator decides only on what was
    /// shown.
    fence: u64,
    /// The result or why there is none.
    #[cfg_attr(test, schema(required = true))]
    result: Option<String>,
    /// Why an operator decided as they did, for colleagues only.
    #[cfg_attr(test, schema(required = true))]
    reason: Option<String>,
    /// Why, for the customer.
    #[cfg_attr(test, schema(required = true))]
    reason_for_customer: Option<String>,
    /// The last decision.
    #[cfg_attr(test, schema(value_type = Option<values::Decision>, required = true))]
    decision: Option<Decision>,
    /// The operator that took it.
    #[cfg_attr(test, schema(required = true))]
    decided_by: Option<String>,
    /// When, in milliseconds since 1970.
    #[cfg_attr(test, schema(value_type = Option<u64>, required = true))]
    decided_at: Option<Millis>,
    /// The approvals so far of an action that needs two.
    approvals: Vec<Approval>,
    /// How many operators must approve it: 1 or 2.
    #[cfg_attr(test, schema(minimum = 1, maximum = 2))]
    approvals_needed: usize,
    /// Of an unknown action, asked for by its id: later ones of its conversation that are done already; 20 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    done_after: Option<Vec<Later>>,
}

/// What the customer was asked about an action.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Asked {
    /// The question.
    title: String,
    /// `yes`, `no`, `expired` or `withdrawn`; null while the card is open.
    #[cfg_attr(test, schema(required = true))]
    answer: Option<&'static str>,
    /// When, in milliseconds since 1970.
    #[cfg_attr(test, schema(value_type = Option<u64>, required = true))]
    answered_at: Option<Millis>,
}

/// An operator's approval of an action that needs two.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Approval {
    /// The operator's name.
    by: String,
    #[cfg_attr(test, schema(value_type = values::Milliseconds))]
    at: Millis,
}

impl From<ActionApproval> for Approval {
    fn from(approval: ActionApproval) -> Self {
        Self {
            by: approval.by.to_string(),
            at: approval.at,
        }
    }
}

/// An action that was accepted later and is done.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Later {
    #[cfg_attr(test, schema(value_type = values::ActionId))]
    id: ActionId,
    tool: String,
}

impl Shown {
    pub(super) fn of(engine: &Engine, action: ActionRecord) -> Self {
        let decided = action.decided.as_ref();
        let idempotency_key = action.idempotency_key();
        Self {
            approvals_needed: engine.approvals_needed(&action),
            decision: decided.map(|decided| decided.decision),
            decided_by: decided.map(|decided| decided.by.to_string()),
            decided_at: decided.map(|decided| decided.at),
            arguments_hash: action.arguments_hash(),
            // Canonical JSON, written by us.
            arguments: serde_json::from_str(&action.arguments).unwrap_or(Value::Null),
            conversation: action.id.conversation.clone(),
            turn: action.id.turn,
            id: action.id,
            agent: action.agent,
            tool: action.tool,
            amount_cents: action.amount_cents,
            over: action.over,
            confirmation: action.confirmation.map(|card| Asked {
                title: card.title,
                answer: card.answer.map(Answer::as_str),
                answered_at: card.answered_at,
            }),
            state: action.state,
            accepted_at: action.accepted_at,
            expires_at: (action.state == ActionState::Proposed).then_some(action.due_at),
            first_try_at: action.first_try_at,
            awaited_until: action.awaited_until,
            attempts: action.attempts,
            idempotency_key,
            fence: action.fence,
            result: action.result,
            reason: action.reason,
            reason_for_customer: action.reason_for_customer,
            approvals: action.approvals.into_iter().map(Approval::from).collect(),
            done_after: None,
        }
    }
}

page_of! {
    /// Actions of one state, newest first, or of one conversation, the latest turn first.
    ActionPage { actions: Shown }
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
    /// Without it, and without a conversation, the newest of each state are told, how many there are, and how long the oldest waits.
    #[param(value_type = values::ActionState, required = false)]
    state: ActionState,
    /// Only the actions of this conversation, the latest turn first.
    #[param(value_type = values::ConversationId, required = false)]
    conversation: ConversationId,
}

/// Actions of one state or of one conversation, or of all with their counts.
#[cfg_attr(test, utoipa::path(
    get, path = "/actions", operation_id = "listActions", tag = "operators",
    params(InState, Paging),
    responses(
        (status = 200, description = "A part of the list with `state` or `conversation`; the overview without both.", body = inline(Listed)),
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Operator(operator): Operator,
    paging: Paging,
    query: Query,
) -> Result<Response, ApiError> {
    must(&operator, Role::See)?;
    let tenant = &operator.tenant;
    let state = query.text("state")?.map(parse_state).transpose()?;
    let conversation = query.text("conversation")?.map(parse_conversation);
    match (conversation.transpose()?, state) {
        (Some(of), state) => {
            let entries = || in_conversation(&app, tenant, &of, state, &paging);
            page::<ActionPage, _>(&budget, entries).await
        }
        (None, Some(state)) => {
            page::<ActionPage, _>(&budget, || in_state(&app, tenant, state, &paging)).await
        }
        (None, None) => overview(&app, &budget, tenant).await,
    }
}

async fn in_conversation(
    app: &App,
    tenant: &Tenant,
    conversation: &ConversationId,
    state: Option<ActionState>,
    paging: &Paging,
) -> Result<Entries, ApiError> {
    let read = |after, limit| async move {
        let engine = &app.engine;
        let page = engine.actions_of(tenant, conversation, state, after, limit);
        Ok(round(app, page.await?))
    };
    Entries::gather(paging, read).await
}

fn round(app: &App, page: baton_handoff::ActionPage) -> Round<Shown> {
    let shown = |action| Shown::of(&app.engine, action);
    Round {
        values: page.actions.into_iter().map(shown).collect(),
        unreadable: page.unreadable,
        next: page.next,
    }
}

async fn in_state(
    app: &App,
    tenant: &Tenant,
    state: ActionState,
    paging: &Paging,
) -> Result<Entries, ApiError> {
    let read = |after, limit| async move {
        let page = app.engine.actions(tenant, state, after, limit).await?;
        Ok(round(app, page))
    };
    Entries::gather(paging, read).await
}

fn parse_conversation(raw: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(raw)
        .map_err(|_| ApiError::bad_request("that is not the id of a conversation"))
}

fn parse_state(raw: &str) -> Result<ActionState, ApiError> {
    let mut states = ActionState::ALL.into_iter();
    states.find(|state| state.as_str() == raw).ok_or_else(|| {
        let known = ActionState::ALL.map(ActionState::as_str).join(", ");
        ApiError::bad_request(format!("state must be one of {known}"))
    })
}

async fn overview(app: &App, budget: &Budget, tenant: &Tenant) -> Result<Response, ApiError> {
    let make = || async {
        let mut actions = Entries::default();
        for state in ActionState::ALL {
            actions.append(in_state(app, tenant, state, &Paging::first()).await?);
        }
        let summary = app.engine.action_summary(tenant).await?;
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
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn one(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    must(&operator, Role::See)?;
    let opened = app.engine.action(&parse_id(&id)?);
    let action = opened
        .shown_to(&operator)
        .await?
        .ok_or_else(no_such_action)?;
    let later = opened.done_after(&action).await?;
    let later = later.into_iter().map(|later| Later {
        id: later.id,
        tool: later.tool,
    });
    let done_after = Some(later.collect());
    let shown = Shown {
        done_after,
        ..Shown::of(&app.engine, action)
    };
    Ok(uncached(Json(shown)))
}

pub(super) fn parse_id(raw: &str) -> Result<ActionId, ApiError> {
    ActionId::parse(raw).map_err(|_| ApiError::bad_request("that is not the id of an action"))
}

pub(super) fn no_such_action() -> ApiError {
    ApiError::not_found("no such action")
}
