//! One span a request, with an id that every log line in it carries and that the client is told.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument;

use crate::router::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id that a proxy gave is kept up to this length.
const LONGEST_ID: usize = 128;

pub(crate) async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let given = given.filter(|id| (1..=LONGEST_ID).contains(&id.len()));
    let id = given.map_or_else(|| app.engine.random_id(), str::to_owned);
    let span =
        tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
