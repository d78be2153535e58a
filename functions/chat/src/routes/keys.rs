//! `GET /.well-known/jwks.json`: the keys by which services verify the tokens that Baton's calls carry.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use baton_tools::tokens::ToolTokens;
use http::header;

use crate::app::App;

/// Services ask again after this time; a new key must be published for as long before it signs.
const CACHED: &str = "public, max-age=300";

#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = KeySet)]
#[expect(dead_code, reason = "only its shape is read")]
struct KeySet {
    /// JSON Web Keys: one, two while keys are changed, none where no tokens are sent.
    keys: Vec<serde_json::Value>,
}

/// The public keys of the tokens in the header `Baton-Token` of tools' calls, as a JWK set (RFC 7517).
#[cfg_attr(test, utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "toolKeys", tag = "server",
    responses(
        (
            status = 200, description = "The keys.", body = KeySet, content_type = "application/jwk-set+json",
            headers(("Cache-Control" = String, description = "`public, max-age=300`"))
        ),
    ),
))]
pub(crate) async fn key_set(State(app): State<App>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, CACHED),
    ];
    (headers, ToolTokens::key_set(app.tool_tokens.as_ref())).into_response()
}
