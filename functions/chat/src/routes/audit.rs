//! The audit trail: who decided what and when.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::ids::ActionId;
use baton_handoff::ports::Millis;
use baton_handoff::{AuditLine, Audited, AuditedDecision, Day, Decision, Role, Scope};
use serde::Serialize;
use serde_json::Value;

use super::input::Query;
use super::operator::{Entries, Operator, Paging, Round, page, page_of};
use crate::app::App;
use crate::auth::caller::must;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::stream::budget::Budget;

/// What an operator, or a person at a terminal of the installation, has done. Which fields there are depends on `event`.
#[derive(Serialize, Default)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = AuditEntry))]
struct Entry {
    #[cfg_attr(test, schema(value_type = values::Milliseconds))]
    at: Millis,
    /// The operator's name; null: a person at a terminal.
    #[cfg_attr(test, schema(required = true))]
    by: Option<String>,
    #[cfg_attr(test, schema(value_type = values::AuditEvent))]
    event: &'static str,
    /// Of a key or an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    name: Option<String>,
    /// Of a key that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    scopes: Option<Vec<&'static str>>,
    /// Of a key that was made and ends: when, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = Option<u64>, nullable = false))]
    expires_at: Option<Millis>,
    /// Of an operator that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    roles: Option<Vec<String>>,
    /// Of a decision: what was decided, and on which action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    action: Option<DecisionEntry>,
}

/// An operator's decision on an action.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct DecisionEntry {
    #[cfg_attr(test, schema(value_type = values::Decision))]
    decision: Decision,
    /// Another operator had to approve it too.
    first_of_two: bool,
    tool: String,
    /// US cents; null: not known.
    #[cfg_attr(test, schema(required = true))]
    amount_cents: Option<u64>,
    /// Of what was shown.
    arguments_hash: String,
    /// Of what was shown.
    fence: u64,
    /// The customer, by a pseudonym: the same in all entries.
    customer: String,
    /// The conversation, by a pseudonym.
    conversation: String,
    /// What was shown and why it was decided so; null once the conversation was deleted.
    #[cfg_attr(test, schema(required = true))]
    shown: Option<DecisionDetails>,
}

/// What was shown to an operator, and why it was decided so.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct DecisionDetails {
    #[cfg_attr(test, schema(value_type = values::ActionId))]
    action: ActionId,
    #[cfg_attr(test, schema(value_type = Value, required = true))]
    arguments: Value,
    /// For colleagues.
    #[cfg_attr(test, schema(required = true))]
    reason: Option<String>,
    /// For the customer.
    #[cfg_attr(test, schema(required = true))]
    reason_for_customer: Option<String>,
}

impl From<AuditLine> for Entry {
    fn from(line: AuditLine) -> Self {
        let entry = Self {
            at: line.entry.at,
            by: line.entry.by.map(|by| by.to_string()),
            ..Self::default()
        };
        let details = line.details.map(|details| DecisionDetails {
            action: details.action,
            // Canonical JSON, written by us.
            arguments: serde_json::from_str(&details.arguments).unwrap_or(Value::Null),
            reason: details.reason,
            reason_for_customer: details.reason_for_customer,
        });
        match line.entry.event {
            Audited::Decided(decision) => Self {
                event: "decided",
                action: Some(DecisionEntry::of(decision, details)),
                ..entry
            },
            Audited::KeyCreated {
                name,
                scopes,
                expires_at,
            } => Self {
                event: "key_created",
                name: Some(name.to_string()),
                scopes: Some(scopes.into_iter().map(Scope::as_str).collect()),
                expires_at,
                ..entry
            },
            Audited::KeyRevoked { name } => Self {
                event: "key_revoked",
                name: Some(name.to_string()),
                ..entry
            },
            Audited::OperatorAdded { name, roles } => Self {
                event: "operator_added",
                name: Some(name.to_string()),
                roles: Some(roles.iter().map(ToString::to_string).collect()),
                ..entry
            },
            Audited::OperatorRemoved { name } => Self {
                event: "operator_removed",
                name: Some(name.to_string()),
                ..entry
            },
        }
    }
}

impl DecisionEntry {
    fn of(decision: AuditedDecision, shown: Option<DecisionDetails>) -> Self {
        Self {
            decision: decision.decision,
            first_of_two: decision.first_of_two,
            tool: decision.tool,
            amount_cents: decision.amount_cents,
            arguments_hash: decision.arguments_hash,
            fence: decision.fence,
            customer: decision.customer,
            conversation: decision.conversation,
            shown,
        }
    }
}

page_of! {
    /// A part of a day's audit trail, in the order of time.
    AuditTrail { entries: Entry }
}

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct OfDay {
    /// A day in UTC.
    #[param(format = Date, example = "2026-01-31")]
    day: String,
}

/// Decisions on actions, and changes of keys and operators, of one day in UTC.
///
/// For operators with the role `administer`.
#[cfg_attr(test, utoipa::path(
    get, path = "/audit", operation_id = "readAuditTrail", tag = "operators",
    params(OfDay, Paging),
    responses(
        (status = 200, description = "A part of the day's trail.", body = AuditTrail),
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn read(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Operator(operator): Operator,
    paging: Paging,
    query: Query,
) -> Result<Response, ApiError> {
    must(&operator, Role::Administer)?;
    let day = query.text("day")?.map(Day::parse);
    let Some(Ok(day)) = day else {
        return Err(ApiError::bad_request(
            "day must be a day in UTC, such as 2026-01-31",
        ));
    };
    let (engine, tenant, day) = (&app.engine, &operator.tenant, &day);
    let read = |after: Option<String>, limit| async move {
        let trail = engine.audit(tenant, day, after, limit).await?;
        Ok(Round {
            values: trail.lines.into_iter().map(Entry::from).collect(),
            unreadable: trail.unreadable,
            next: trail.next,
        })
    };
    page::<AuditTrail, _>(&budget, || Entries::gather(&paging, read)).await
}
