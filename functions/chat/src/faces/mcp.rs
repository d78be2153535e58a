//! MCP: one tool that speaks with the team, and one's own conversations as resources, on `POST /mcp`. Both eras of the protocol, and
//! no sessions: each request stands for itself, on any instance.
//!
//! The protocol is rmcp's. Here is who may ask, what an answer may take, and where clients learn how to sign in.

mod call;
mod cards;
mod resources;
mod server;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use self::server::Server;
use crate::app::{App, MAX_BODY};
use crate::auth::caller::Caller;
use crate::edge::bounds::Places;
use crate::edge::deadline::answer_end;
use crate::edge::error::ApiError;
use crate::faces::{origin, reworded};
#[cfg(test)]
use crate::openapi::refusals;
use crate::routes::input::read_json;
use crate::stream::listener::HEARTBEAT;

/// Where clients learn who issues tokens for `/mcp` (RFC 9728, section 3.1).
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// A request of MCP.
///
/// One tool, `chat`, and one's own conversations as resources. JSON-RPC in, server-sent events out; the revisions 2025-11-25 and
/// 2026-07-28, without sessions.
#[cfg_attr(test, utoipa::path(
    post, path = "/mcp", operation_id = "mcp", tag = "faces",
    request_body(content = Document, description = "At most 256 KiB."),
    responses(
        (status = 200, description = "The answer, and what happens until then.", content_type = "text/event-stream", body = String),
        (status = 202, description = "A notification was taken."),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 406, response = refusals::NotAcceptable),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    // Its clients keep no cookies: a visitor could never go on.
    let caller = Caller::from_request_parts(&mut parts, &app)
        .await
        .map_err(|refused| challenge(refused, &parts.headers))?;
    if caller.is_operator() {
        let sentence = "an operator does not speak as a customer";
        return Err(ApiError::new(StatusCode::FORBIDDEN, sentence));
    }
    let body = read_json(&parts.headers, body).await?;
    let server = Server {
        app,
        places,
        caller: Arc::new(caller),
        until: answer_end(),
    };
    let manager = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), manager, config());
    let request = Request::from_parts(parts, Full::new(body));
    let mut response = service.handle(request).await.map(Body::new);
    // What the library refuses before it has read a message has no shape.
    let status = response.status();
    if status.is_client_error() && !is_json(&response) {
        let sentence = status.canonical_reason().unwrap_or("a bad request");
        response = reworded(
            response,
            (status, Json(error(status, sentence))).into_response(),
        );
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// A message of JSON-RPC 2.0.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = JsonRpcMessage)]
#[expect(dead_code, reason = "only its shape is read")]
struct Document {
    /// `2.0`
    jsonrpc: String,
    /// None in a notification.
    id: Option<Value>,
    method: String,
    params: Option<Value>,
}

/// `Host` and `Origin` were checked before, for all routes.
fn config() -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_sse_keep_alive(Some(HEARTBEAT))
        .with_sse_retry(None)
        .with_max_request_body_bytes(MAX_BODY)
        .disable_allowed_hosts()
        .disable_allowed_origins()
}

/// Adds to a refusal for want of a credential where one can be had.
fn challenge(refused: ApiError, headers: &HeaderMap) -> ApiError {
    if refused.refused().status != StatusCode::UNAUTHORIZED {
        return refused;
    }
    let address = format!("{}{METADATA}", origin(headers));
    let challenge = format!("Bearer resource_metadata=\"{address}\"");
    refused.with_header(header::WWW_AUTHENTICATE, &challenge)
}

/// Who issues tokens for `/mcp`.
///
/// RFC 9728. Without an issuer of JWTs only API keys and Baton's own tokens are taken, and none is named.
#[cfg_attr(test, utoipa::path(
    get, path = "/.well-known/oauth-protected-resource/mcp", operation_id = "mcpMetadata", tag = "faces",
    responses((status = 200, description = "The metadata of the protected resource.", body = Object)),
))]
pub(crate) async fn metadata(State(app): State<App>, headers: HeaderMap) -> Json<Value> {
    let resource = format!("{}/mcp", origin(&headers));
    Json(match &app.auth.issuers.customers {
        Some(issuer) => json!({
            "resource": resource,
            "bearer_methods_supported": ["header"],
            "authorization_servers": [issuer.issuer()],
        }),
        None => json!({ "resource": resource, "bearer_methods_supported": ["header"] }),
    })
}

/// A refusal as JSON-RPC writes it. It came before the message was read, so it names no id.
pub(super) fn error(status: StatusCode, detail: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": code(status), "message": detail },
    })
}

fn code(status: StatusCode) -> i32 {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => -32600,
        status if status.is_server_error() => -32603,
        // Of those that are free for servers.
        _ => -32000,
    }
}
