//! Refusals as HTTP answers: a status and `{"detail": "…"}`, in one place.

use axum::Json;
use axum::response::{IntoResponse, Response};
use baton_handoff::ports::StoreError;
use baton_handoff::{BoundScope, EraseError, OverBound, Refusal};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// Every refusal.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(crate) struct Error {
    /// One sentence.
    detail: String,
}

/// A refused request.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_over_bound: bool,
}

/// A refusal beside its answer, for protocols that write it in another shape.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// One sentence.
    pub(crate) detail: String,
}

/// Marks the answer to a request that was over a bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedOverBound;

impl ApiError {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            headers: Vec::new(),
            is_over_bound: false,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A value that is not valid in a header is left out: the detail says the same.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// What it says.
    pub(crate) fn refused(&self) -> Refused {
        Refused {
            status: self.status,
            detail: self.detail.clone(),
        }
    }

    /// A refused message; `location` leads to the running turn.
    pub(crate) fn from_refusal(refusal: &Refusal, location: impl FnOnce(u32) -> String) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::not_found(detail),
            Refusal::Busy { turn } => Self::new(StatusCode::CONFLICT, detail)
                .with_header(header::LOCATION, &location(*turn)),
            Refusal::OverBound(over) => Self::from(*over),
            Refusal::ClientTools(_) => Self::bad_request(detail),
            Refusal::NotWaiting => Self::new(StatusCode::CONFLICT, detail),
            Refusal::MessageIdReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refusal::TooLong(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            // Without Retry-After: a repeat will not help.
            Refusal::Unreadable => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
            Refusal::Draining | Refusal::Contended | Refusal::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                    .with_header(header::RETRY_AFTER, "2")
            }
        }
    }
}

impl From<OverBound> for ApiError {
    fn from(over: OverBound) -> Self {
        let status = match over.bound.scope() {
            BoundScope::One | BoundScope::Address => StatusCode::TOO_MANY_REQUESTS,
            BoundScope::All => StatusCode::SERVICE_UNAVAILABLE,
        };
        tracing::debug!(bound = over.bound.name(), "a request was over a bound");
        let seconds = over.retry_after.as_millis().div_ceil(1000).max(1);
        Self {
            is_over_bound: true,
            ..Self::new(status, over.to_string())
        }
        .with_header(header::RETRY_AFTER, &seconds.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let refused = self.refused();
        let detail = self.detail;
        let mut response = (self.status, Json(Error { detail })).into_response();
        response.extensions_mut().insert(refused);
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.is_over_bound {
            response.extensions_mut().insert(RefusedOverBound);
        }
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // A cursor names a place in a list, as an id names a record.
            StoreError::BadCursor => Self::not_found(error.to_string()),
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request failed on the store");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store cannot be reached right now",
                )
                .with_header(header::RETRY_AFTER, "2")
            }
            StoreError::Damaged(_) => {
                tracing::error!(%error, "a record cannot be read");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "a record of this conversation cannot be read",
                )
            }
        }
    }
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::NotFound => Self::not_found("no such conversation"),
            EraseError::Unavailable(_) => {
                tracing::warn!(%error, "a conversation was not erased");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store cannot be reached right now",
                )
                .with_header(header::RETRY_AFTER, "2")
            }
        }
    }
}
