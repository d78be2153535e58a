//! One span a request, with an id that every log line in it carries and the client receives.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use baton_handoff::trace::SpanContext;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;

use super::headers;
use crate::app::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken from a proxy.
const LONGEST_ID: usize = 128;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The caller's span, where the request brings one.
pub(crate) fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    SpanContext::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}

pub(crate) async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let given = given.filter(|id| (1..=LONGEST_ID).contains(&id.len()));
    let id = given.map_or_else(|| app.engine.random_id(), str::to_owned);
    // Never the path itself: it contains a conversation's id, which gives access to the conversation.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str);
    // At the highest level, so that warnings name their request even if only warnings are logged.
    let span = tracing::error_span!("request", request = id, method = %request.method(), route);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tell(&response));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Logs which request began or followed which turn: a turn outlives its request, and its own log lines name none.
fn tell(response: &Response) {
    let header = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    tracing::debug!(
        status = response.status().as_u16(),
        conversation = header(headers::CONVERSATION),
        turn = header(headers::TURN).and_then(|turn| turn.parse::<u32>().ok()),
        "a request was answered"
    );
}
