//! Routes, limits and the listening socket. Knows nothing of the model's words.

use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::error::{ApiError, BODY_BYTES_MAX};
use crate::exchange;
use crate::formats::Format;
use crate::player::Scenes;
use crate::quirks::Tries;

/// An answer at the default pace ends within this; a longer one is cut, so that a shutdown has an end.
const DRAIN: Duration = Duration::from_secs(5);

/// The model's behaviour.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The pause before each word and each fragment of arguments of a stream. Zero sends the answer in one piece.
    pub word_delay: Duration,
    /// Its words.
    pub scenes: Scenes,
}

impl Default for Settings {
    /// The pace of a quick human reader: 35 ms a word.
    fn default() -> Self {
        Self {
            word_delay: Duration::from_millis(35),
            scenes: Scenes::default(),
        }
    }
}

/// What all requests have in common.
struct Shared {
    settings: Settings,
    /// For quirks, which some tries show and others do not.
    tries: Tries,
}

/// All routes.
pub fn router(settings: Settings) -> Router {
    let routes = Format::ALL.into_iter().flat_map(|format| {
        let routes = format.routes().iter();
        routes.map(move |route| (route, exchange(format)))
    });
    let formats = routes.fold(Router::new(), |router, (route, handler)| {
        router.route(route, handler)
    });
    formats
        .route("/v1/models", get(models))
        .route("/health", get(health))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(Shared {
            settings,
            tries: Tries::default(),
        }))
}

/// Serves until `shutdown` resolves, then lets open answers end for up to five seconds.
///
/// # Errors
///
/// When the listener fails for good; a connection that fails ends alone.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Nagle's algorithm would hold the first words back for some 40 ms. A socket that refuses is merely slower.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let (draining, drain_began) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // No task receives this when the server itself has ended.
        let _ended = draining.send(());
    };
    let server = axum::serve(listener, router(settings))
        .with_graceful_shutdown(shutdown)
        .into_future();
    let drained = async {
        match drain_began.await {
            Ok(()) => tokio::time::sleep(DRAIN).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server => ended,
        () = drained => Ok(()),
    }
}

/// The handler of a format's routes.
fn exchange(format: Format) -> MethodRouter<Arc<Shared>> {
    post(
        move |State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body| async move {
            let Shared { settings, tries } = &*shared;
            let body: Result<Bytes, BytesRejection> = body;
            let body = body.as_deref().map_err(unreadable);
            let target = uri.path_and_query().map_or("", |target| target.as_str());
            exchange::answer(format, target, &headers, body, settings, tries)
        },
    )
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge;
    }
    ApiError::bad(format!("The body could not be read: {rejection}."))
}

async fn models() -> Response {
    let model = json!({ "id": "rehearsal", "object": "model", "created": 0, "owned_by": "baton" });
    exchange::json(
        StatusCode::OK,
        &json!({ "object": "list", "data": [model] }),
    )
}

async fn health() -> Response {
    exchange::json(StatusCode::OK, &json!({ "status": "ok", "scripted": true }))
}

async fn no_such_route(method: Method, uri: Uri) -> Response {
    let route = format!("{method} {}", uri.path());
    refuse(&uri, &ApiError::NoSuchRoute(route))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let route = format!("{method} {}", uri.path());
    refuse(&uri, &ApiError::WrongMethod(route))
}

/// In the format that the path looks like.
fn refuse(uri: &Uri, error: &ApiError) -> Response {
    let format = Format::of(uri.path()).unwrap_or(Format::Chat);
    exchange::refuse(format, error)
}
