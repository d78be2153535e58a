//! `GET /health`: ready or not, with the reason; and what a page needs to know before the first message.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::Health;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::conversations::uncached;
use crate::router::App;
use crate::serve::Leaving;

pub(crate) async fn health(
    State(app): State<App>,
    leaving: Option<Extension<Leaving>>,
    headers: HeaderMap,
) -> Response {
    let team = app.engine.team();
    let health = match leaving {
        Some(_) => Health::Draining,
        None => app.engine.health().await,
    };
    let (status, reason) = match health {
        Health::Ready => (StatusCode::OK, None),
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
    let mut response = uncached(Json(json!({
        "status": if reason.is_none() { "ready" } else { "unavailable" },
        "reason": reason,
        "version": env!("CARGO_PKG_VERSION"),
        // They take nothing from anybody else, so the server is ready all the same.
        "unreadable_records": app.engine.unreadable(),
        "model": { "name": app.model.name, "rehearsal": app.model.rehearsal },
        "team": {
            "name": team.name,
            "entry": team.entry_agent().name,
            "agents": team.agents().map(|agent| &agent.name).collect::<Vec<_>>(),
            "first_questions": team.first_questions,
        },
        // So that a page which may not list conversations need not ask to find that out.
        "lists_conversations": app.exposure.check_operator(&headers).is_ok(),
    })));
    *response.status_mut() = status;
    response
}
