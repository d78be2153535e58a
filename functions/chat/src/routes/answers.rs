//! Response forms shared by several routes.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use baton_handoff::ids::{ConversationId, TurnNumber};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::edge::error::ApiError;
use crate::edge::headers;
use crate::stream::budget::Budget;

/// The headers of a stream, including those of the outer layers: the map need not grow.
const HEADERS: usize = 12;

/// Names the turn and the conversation of the answer.
pub(crate) fn name_turn(response: &mut Response, conversation: &ConversationId, turn: TurnNumber) {
    insert(response, headers::CONVERSATION, conversation.as_str());
    insert(response, headers::TURN, &turn.to_string());
}

/// A stream that no proxy may cache, transform or hold back.
pub(crate) fn stream_response(body: Body, media_type: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// The response behind these bytes, which are sent at once: nobody waits for them until a model has answered.
pub(crate) fn begun_by(opening: Bytes, response: Response) -> Response {
    let opening = stream::iter([Ok::<_, axum::Error>(opening)]);
    response.map(|body| Body::from_stream(opening.chain(body.into_data_stream())))
}

pub(crate) fn insert(response: &mut Response, name: HeaderName, value: &str) {
    // Our ids and paths are plain ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// As JSON, for a [`Budget`].
pub(crate) fn written<T: Serialize>(page: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(page).map_err(|error| unwritable(&error))
}

pub(super) fn unwritable(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "an answer cannot be written as JSON");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the answer cannot be written",
    )
}

/// A page that `make` writes as JSON.
pub(crate) async fn json_page<F>(
    budget: &Budget,
    make: impl Fn() -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Vec<u8>, ApiError>>,
{
    let make = || {
        let page = make();
        async { page.await.map(|page| (page, ())) }
    };
    let (page, ()) = budget.piece(make).await??;
    let chunks = page.into_iter().map(Ok::<_, Infallible>);
    let headers = [(header::CONTENT_TYPE, "application/json")];
    let body = Body::from_stream(stream::iter(chunks));
    Ok(uncached((headers, body)))
}

pub(crate) fn uncached(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}
