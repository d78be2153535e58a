//! What the head of a request announces and no route can meet is refused before any route, with or without use for a body.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;

use crate::edge::error::ApiError;
use crate::faces::largest_body;

/// Refuses expectations of another kind than that of a body, and bodies that are announced as too large.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let announced = request.body().size_hint().lower();
    let largest = largest_body(request.uri().path());
    let fits = usize::try_from(announced).is_ok_and(|announced| announced <= largest);
    if let Err(refused) = check_expectation(request.headers()) {
        refused.into_response()
    } else if fits {
        next.run(request).await
    } else {
        too_large(largest).into_response()
    }
}

/// RFC 9110, section 10.1.1: there is one expectation, and hyper meets it.
fn check_expectation(headers: &HeaderMap) -> Result<(), ApiError> {
    let continues =
        |expected: &HeaderValue| expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().all(continues) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::EXPECTATION_FAILED,
        "expect 100-continue or nothing",
    ))
}

/// The refusal of a body over the bound, however its size was found.
pub(crate) fn too_large(largest: usize) -> ApiError {
    let detail = format!("the body is over {largest} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
