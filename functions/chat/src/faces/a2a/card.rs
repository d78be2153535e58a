//! The agent's card: what it is called, where it listens, what it can.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use baton_handoff::team::Team;
use baton_setup::settings::Strangers;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::app::App;
use crate::faces::origin;

/// Where the card is.
pub(crate) const PATH: &str = "/.well-known/agent-card.json";

/// Clients ask again after this time.
const CACHED: &str = "public, max-age=300";

/// The card of the team, for clients of A2A.
///
/// Its address is the host that was asked.
#[cfg_attr(test, utoipa::path(
    get, path = "/.well-known/agent-card.json", operation_id = "agentCard", tag = "faces",
    responses(
        (
            status = 200, description = "An `AgentCard` of A2A 1.0.", body = Object,
            headers(("Cache-Control" = String, description = "`public, max-age=300`"))
        ),
    ),
))]
pub(crate) async fn card(State(app): State<App>, headers: HeaderMap) -> Response {
    let pushes = app.engine.takes_pushes();
    let mut card = of(app.engine.team(), &origin(&headers), pushes);
    if app.auth.strangers != Strangers::Open
        && let Some(card) = card.as_object_mut()
    {
        let bearer = json!({ "bearer": { "httpAuthSecurityScheme": { "scheme": "Bearer" } } });
        card.insert("securitySchemes".to_owned(), bearer);
        let needed = json!([{ "schemes": { "bearer": { "list": [] } } }]);
        card.insert("securityRequirements".to_owned(), needed);
    }
    ([(header::CACHE_CONTROL, CACHED)], Json(card)).into_response()
}

fn of(team: &Team, origin: &str, pushes: bool) -> Value {
    let agents: Vec<_> = team.agents().map(|agent| agent.name.as_str()).collect();
    let description = format!(
        "Answers customers by chat. Its agents hand the conversation to each other: {}.",
        agents.join(", ")
    );
    json!({
        "name": team.name,
        "description": description,
        "version": env!("CARGO_PKG_VERSION"),
        "supportedInterfaces": [
            { "url": format!("{origin}/a2a"), "protocolBinding": "JSONRPC", "protocolVersion": "1.0" },
        ],
        "capabilities": { "streaming": true, "pushNotifications": pushes, "extendedAgentCard": false },
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{
            "id": "chat", "name": team.name, "description": description,
            "tags": ["customer support", "chat"], "examples": team.first_questions,
        }],
    })
}
