//! The one router: every path of the HTTP interface, for every server.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{self, MethodRouter};
use axum::{Extension, Router};
use http::{Method, StatusCode, Uri};

use crate::app::{App, MAX_BODY};
use crate::edge::address::Address;
use crate::edge::bounds::Places;
use crate::edge::error::ApiError;
use crate::edge::{announced, guard, trace};
use crate::faces::body::Bodies;
use crate::faces::{self, a2a, ag_ui, ai_sdk, mcp, openai_chat, responses};
use crate::routes::{
    actions, audit, books, completions, confirm, conversations, decisions, health, keys, page,
    report, session, turns,
};
use crate::stream::budget::Budget;

/// A method, a path and its handler. `openapi.json` must describe each of them.
type Route = (Method, &'static str, MethodRouter<App>);

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Route {
    (Method::GET, path, routing::get(handler))
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Route {
    (Method::POST, path, routing::post(handler))
}

fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Route {
    (Method::DELETE, path, routing::delete(handler))
}

/// Every route.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/chat/completions", completions::create),
        post("/agui", ag_ui::run),
        get("/agui/{id}/stream", ag_ui::follow),
        post("/a2a", a2a::call),
        get(a2a::card::PATH, a2a::card::card),
        get("/conversations", conversations::list),
        get("/conversations/{id}", conversations::history),
        delete("/conversations/{id}", conversations::erase),
        get("/conversations/{id}/export", conversations::export),
        get("/conversations/{id}/turns/{turn}/events", turns::events),
        post("/conversations/{id}/turns/{turn}/stop", turns::stop),
        post(
            "/conversations/{id}/turns/{turn}/regenerate",
            turns::regenerate,
        ),
        post(
            "/conversations/{id}/actions/{action}/confirm",
            confirm::confirm,
        ),
        get("/conversations/{id}/events", conversations::events),
        get("/session", session::read),
        post("/session", session::create),
        delete("/session", session::end),
        get("/actions", actions::list),
        get("/actions/{id}", actions::one),
        post("/actions/{id}/approve", decisions::approve),
        post("/actions/{id}/reject", decisions::reject),
        post("/actions/{id}/settle", decisions::settle),
        post("/actions/{id}/result", report::report),
        get("/audit", audit::read),
        get("/desk/conversations", conversations::list_all),
        get("/orders", books::orders),
        get("/refunds", books::refunds),
        post("/v1/chat/completions", openai_chat::create),
        get("/v1/models", openai_chat::models),
        get("/v1/models/{model}", openai_chat::model),
        post("/api/chat", ai_sdk::create),
        get("/api/chat/{id}/stream", ai_sdk::resume),
        post("/api/chat/{id}/stop", ai_sdk::stop),
        post("/v1/responses", responses::create::create),
        get("/v1/responses/{id}", responses::read::read),
        delete("/v1/responses/{id}", responses::read::delete),
        post("/v1/responses/{id}/cancel", responses::read::cancel),
        post("/v1/conversations", responses::conversations::create),
        get("/v1/conversations/{id}", responses::conversations::read),
        post("/v1/conversations/{id}", responses::conversations::update),
        delete("/v1/conversations/{id}", responses::conversations::delete),
        get(
            "/v1/conversations/{id}/items",
            responses::listed::routes::list,
        ),
        post(
            "/v1/conversations/{id}/items",
            responses::listed::routes::add,
        ),
        get(
            "/v1/conversations/{id}/items/{item}",
            responses::listed::routes::one,
        ),
        delete(
            "/v1/conversations/{id}/items/{item}",
            responses::listed::routes::delete,
        ),
        get("/health", health::health),
        get("/.well-known/jwks.json", keys::key_set),
        post("/mcp", mcp::create),
        get(mcp::METADATA, mcp::metadata),
        get("/openapi.json", page::openapi),
        get("/", page::index),
        get("/static/{*file}", page::file),
        get("/desk", page::desk),
    ]
}

/// All routes.
pub fn router(app: App) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| {
            router.route(path, handler)
        })
        .fallback(nowhere)
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not know that method",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn(announced::check))
        .layer(Extension(Budget::default()))
        .layer(Extension(Bodies::default()))
        .layer(Extension(Places::new(app.engine.bounds())))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            guard::check,
        ))
        .layer(axum::middleware::from_fn(faces::in_own_words))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            note_address,
        ))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            trace::request,
        ))
        .with_state(app)
}

/// Notes the address of the request, where it is known, among the request's extensions.
async fn note_address(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let address = Address::of(request.extensions(), request.headers(), &app.proxies);
    if let Some(address) = address {
        tracing::trace!(%address, "the client's address");
        request.extensions_mut().insert(address);
    }
    next.run(request).await
}

/// Redirects a path that ends in a slash to the path without it, by a relative reference, which is right below any prefix of a
/// proxy.
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
