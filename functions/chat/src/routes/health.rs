//! `GET /health`: ready or not, with the reason; and what a page needs to know before the first message.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::Health;
use http::StatusCode;
use serde::Serialize;

use super::answers::uncached;
use crate::app::App;
use crate::serve::Leaving;

/// Whether the server is ready, and what it serves.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Health))]
struct Report<'a> {
    #[cfg_attr(test, schema(inline))]
    status: Status,
    /// Why it is not ready.
    #[cfg_attr(test, schema(required = true))]
    reason: Option<String>,
    version: &'static str,
    /// Records that the sweep has met and cannot read, damaged or of a newer release. They hold up nothing else, so the server
    /// is ready all the same.
    #[cfg_attr(test, schema(maximum = 2000))]
    unreadable_records: usize,
    /// Tools whose MCP servers define them otherwise than was agreed, or not at all. Models are not told of them, and calls are
    /// refused; the server is ready all the same.
    withdrawn_tools: Vec<String>,
    #[cfg_attr(test, schema(inline))]
    model: Model<'a>,
    #[cfg_attr(test, schema(inline))]
    team: Team<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(utoipa::ToSchema))]
enum Status {
    Ready,
    Unavailable,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Model<'a> {
    name: &'a str,
    /// Answers are scripted; there is no language model.
    rehearsal: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Team<'a> {
    name: &'a str,
    /// The agent that takes new conversations.
    entry: &'a str,
    agents: Vec<&'a str>,
    first_questions: &'a [String],
}

/// Ready or not, and what is served.
#[cfg_attr(test, utoipa::path(
    get, path = "/health", operation_id = "health", tag = "server",
    responses(
        (status = 200, description = "Ready.", body = Report),
        (
            status = 503, body = Report,
            description = "Not ready; `reason` says why: it is shutting down, the store cannot be reached, nothing can be \
                           written to it, or it has not answered for 2 seconds. A small record is written to find out, at \
                           most once in 5 seconds."
        ),
    ),
))]
pub(crate) async fn health(
    State(app): State<App>,
    leaving: Option<Extension<Leaving>>,
) -> Response {
    let team = app.engine.team();
    let health = match leaving {
        Some(_) => Health::Draining,
        None => app.engine.health().await,
    };
    let (status, reason) = match health {
        Health::Ready => match team.broken_schema() {
            None => (StatusCode::OK, None),
            // Found by the first call of the tool, where schemas are not compiled at the start.
            Some(tool) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Some(format!("the schema of tool {tool} cannot be used")),
            ),
        },
        Health::Draining => (
            StatusCode::SERVICE_UNAVAILABLE,
            Some("shutting down".to_owned()),
        ),
        Health::StoreAway(error) => {
            tracing::warn!(%error, "not ready: the store does not answer");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Some("the store cannot be reached".to_owned()),
            )
        }
        Health::ReadOnly(error) => {
            tracing::warn!(%error, "not ready: nothing can be written to the store");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Some("nothing can be written to the store".to_owned()),
            )
        }
        Health::Slow => {
            tracing::warn!("not ready: the store has not answered for 2 s");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Some("the store has not answered for 2 seconds".to_owned()),
            )
        }
    };
    let mut response = uncached(Json(Report {
        status: match reason {
            None => Status::Ready,
            Some(_) => Status::Unavailable,
        },
        reason,
        version: env!("CARGO_PKG_VERSION"),
        unreadable_records: app.engine.unreadable(),
        withdrawn_tools: app.engine.withdrawn_tools(),
        model: Model {
            name: &app.model.name,
            rehearsal: app.model.rehearsal,
        },
        team: Team {
            name: &team.name,
            entry: &team.entry_agent().name,
            agents: team.agents().map(|agent| agent.name.as_ref()).collect(),
            first_questions: &team.first_questions,
        },
    }));
    *response.status_mut() = status;
    response
}
