//! The relay: the least that a server can do with Baton's crates, as the measure of what Baton adds.
//! Takes the message, makes one streaming model call, parses it, passes the text on. No history, no tools, no store.

use std::convert::Infallible;
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
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use sse_stream::{Sse, SseByteStream};
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
        .json(&call(&asked.message))
        .send()
        .await;
    let response = match response.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response,
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    let lines = SseByteStream::new(response.bytes_stream())
        .flat_map(|event| stream::iter(line(event).map(Ok::<_, Infallible>)));
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}

/// The line of one event; nothing for an event without text, so that a fault is an answer with a hole, which the client counts.
fn line<E>(event: Result<Sse, E>) -> Option<Bytes> {
    let data = event.ok()?.data?;
    let chunk: Chunk = serde_json::from_str(&data).ok()?;
    let message = chunk.choices.into_iter().next()?.delta.content?;
    if message.is_empty() {
        return None;
    }
    let content = Content {
        kind: "string",
        message,
    };
    let mut line = serde_json::to_vec(&Line { content }).ok()?;
    line.push(b'\n');
    Some(line.into())
}

#[derive(Deserialize)]
struct Asked {
    message: String,
}

#[derive(Serialize)]
struct Call<'a> {
    model: &'static str,
    stream: bool,
    stream_options: StreamOptions,
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

fn call(message: &str) -> Call<'_> {
    Call {
        model: "gpt-4o",
        stream: true,
        stream_options: StreamOptions {
            include_usage: true,
        },
        messages: [Message {
            role: "user",
            content: message,
        }],
    }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Serialize)]
struct Line {
    content: Content,
}

#[derive(Serialize)]
struct Content {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}
