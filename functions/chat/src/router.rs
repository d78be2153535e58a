//! The one router: every path of the HTTP interface, whoever serves it.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use baton_handoff::Engine;
use baton_http::Secret;
pub use baton_setup::ModelInfo;
use baton_tools::office::BackOffice;
use http::{StatusCode, Uri};

use crate::budget::Budget;
use crate::error::ApiError;
use crate::guard;
use crate::routes::{actions, books, completions, conversations, health, page, turns};
use crate::trace;

/// Bodies of requests, in bytes: a message of 32 KB fits, however it is escaped. `\u0001` takes six bytes for one of text.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// From where this server can be reached, and who is trusted.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// It listens on loopback only.
    pub loopback: bool,
    /// Origins besides its own that browsers may call from; their hosts are its names too.
    pub origins: Vec<String>,
    /// The bearer token of operator routes.
    pub operator_token: Option<Secret>,
}

/// What the routes need.
#[derive(Clone)]
pub struct App {
    /// Where conversations go on.
    pub engine: Arc<Engine>,
    /// From where we can be reached.
    pub exposure: Arc<Exposure>,
    /// What to say of the model.
    pub model: Arc<ModelInfo>,
    /// The embedded back office, where orders and refunds are read.
    pub office: Arc<BackOffice>,
    /// Whether the page's files may be sent compressed: what stands in front of a function strips the header that says so.
    pub compress: bool,
    /// A folder to serve the page from instead of the embedded one, for working on it.
    pub static_dir: Option<Arc<std::path::Path>>,
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/chat/completions", post(completions::create))
        .route("/conversations", get(conversations::list))
        .route(
            "/conversations/{id}",
            get(conversations::history).delete(conversations::erase),
        )
        .route("/conversations/{id}/events", get(conversations::events))
        .route("/conversations/{id}/export", get(conversations::export))
        .route(
            "/conversations/{id}/turns/{turn}/events",
            get(turns::events),
        )
        .route("/conversations/{id}/turns/{turn}/stop", post(turns::stop))
        .route(
            "/conversations/{id}/turns/{turn}/regenerate",
            post(turns::regenerate),
        )
        .route("/orders", get(books::orders))
        .route("/refunds", get(books::refunds))
        .route("/actions", get(actions::list))
        .route("/actions/{id}", get(actions::one))
        .route("/actions/{id}/approve", post(actions::approve))
        .route("/actions/{id}/reject", post(actions::reject))
        .route("/actions/{id}/settle", post(actions::settle))
        .route("/health", get(health::health))
        .route("/openapi.json", get(page::openapi))
        .route("/", get(page::index))
        .route("/desk", get(page::desk))
        .route("/static/{*file}", get(page::file))
        .fallback(nowhere)
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not know that method",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(Budget::default()))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            guard::check,
        ))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            trace::request,
        ))
        .with_state(app)
}

/// A path that ends in a slash is the one without: told so by a reference that is right below any prefix of a proxy.
async fn nowhere(uri: Uri) -> Response {
    let last = uri
        .path()
        .strip_suffix('/')
        .and_then(|path| path.rsplit('/').next())
        .filter(|last| !last.is_empty());
    let Some(last) = last else {
        return ApiError::not_found("no such page").into_response();
    };
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    Redirect::permanent(&format!("../{last}{query}")).into_response()
}
