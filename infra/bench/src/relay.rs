//! The relay: the least that a server can do with Baton's crates, as the measure of what Baton adds.
//! Takes the message, makes one streaming model call, parses it, passes the text on. No history, no tools, no store.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use baton_bench_completion::{Call, lines};
use bytes::Bytes;
use futures_util::future;
use reqwest::Client;
use serde::Deserialize;
use tokio::net::TcpListener;

pub(crate) struct Settings {
    pub(crate) addr: SocketAddr,
    pub(crate) model_url: String,
    pub(crate) http2: bool,
}

#[derive(Clone)]
struct Relay {
    http: Client,
    url: String,
}

/// Serves until the process ends.
pub(crate) async fn serve(settings: Settings) -> Result<()> {
    // The HTTP client wants one although no TLS is spoken here; another was never installed in this process.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut http = Client::builder().no_proxy().tcp_nodelay(true);
    if settings.http2 {
        http = http.http2_prior_knowledge();
    }
    let relay = Relay {
        http: http.build().context("cannot build the HTTP client")?,
        url: format!("{}/chat/completions", settings.model_url),
    };
    let router = Router::new()
        .route("/chat/completions", post(complete))
        .route("/health", get(|| future::ready(())))
        .with_state(relay);
    let listener = TcpListener::bind(settings.addr)
        .await
        .context("the relay cannot listen")?;
    // Nagle's algorithm would hold the first words back for some 40 ms.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, router)
        .await
        .context("the relay stopped")
}

async fn complete(State(relay): State<Relay>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let response = relay
        .http
        .post(&relay.url)
        .json(&Call::new(&asked.message))
        .send()
        .await;
    let response = match response.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response,
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines(response)),
    )
        .into_response()
}

#[derive(Deserialize)]
struct Asked {
    message: String,
}
