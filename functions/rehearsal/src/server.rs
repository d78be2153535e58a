//! Routes, limits and the listening socket. Knows nothing of the model's words.

use std::future::{Future, IntoFuture};
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::completion::{self, Heading};
use crate::error::{self, ApiError};
use crate::reply::Usage;
use crate::request::{self, Delivery};
use crate::{player, stream};

/// An answer at the default pace ends within this; a longer one is cut, so that a shutdown has an end.
const DRAIN: Duration = Duration::from_secs(5);

/// The model's behaviour, apart from its words.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The pause before each word and each fragment of arguments of a stream. Zero sends the answer in one piece.
    pub word_delay: Duration,
}

impl Default for Settings {
    /// The pace of a quick human reader: 35 ms a word.
    fn default() -> Self {
        Self {
            word_delay: Duration::from_millis(35),
        }
    }
}

/// All routes.
pub fn router(settings: Settings) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .route("/health", get(health))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(error::BODY_BYTES_MAX))
        .with_state(settings)
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

async fn complete(
    State(settings): State<Settings>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let request = request::parse(&body.map_err(|rejection| unreadable(&rejection))?)?;
    let reply = player::reply(&request).permitted(&request);
    let usage = Usage::of(&request, &reply);
    let heading = Heading::new(&request, request.hash());
    Ok(match request.delivery {
        Delivery::Whole => completion::respond(&heading, &reply, usage),
        Delivery::Streamed { usage: include } => {
            stream::respond(heading, &reply, usage, include, settings.word_delay)
        }
    })
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge;
    }
    ApiError::Invalid {
        message: format!("The body could not be read: {rejection}."),
        param: None,
    }
}

async fn models() -> Response {
    let model = json!({ "id": "rehearsal", "object": "model", "created": 0, "owned_by": "baton" });
    error::json(
        StatusCode::OK,
        &json!({ "object": "list", "data": [model] }),
    )
}

async fn health() -> Response {
    error::json(StatusCode::OK, &json!({ "status": "ok", "scripted": true }))
}

async fn no_such_route(method: Method, uri: Uri) -> ApiError {
    ApiError::NoSuchRoute(format!("{method} {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::WrongMethod(format!("{method} {}", uri.path()))
}
