//! Errors of a request, in the form of the OpenAI API. Knows nothing of the script.

use std::fmt;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A long conversation with its tools is some hundred kilobytes.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The request is wrong and will stay wrong: 400.
    Invalid {
        /// A sentence for the developer.
        message: String,
        /// The field that is wrong, as a path such as `messages.[1].role`.
        param: Option<String>,
    },
    /// The body is above the bound: 413.
    TooLarge,
    /// No such route: 404.
    NoSuchRoute(String),
    /// The route exists under another method: 405.
    WrongMethod(String),
}

impl ApiError {
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            param: Some(param.into()),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { message, param } => {
                write!(f, "{}: {message}", param.as_deref().unwrap_or("body"))
            }
            Self::TooLarge => f.write_str("the body is too large"),
            Self::NoSuchRoute(route) | Self::WrongMethod(route) => f.write_str(route),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, message, param, code) = match self {
            Self::Invalid { message, param } => (StatusCode::BAD_REQUEST, message, param, None),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The body is larger than {BODY_BYTES_MAX} bytes."),
                None,
                Some("request_too_large"),
            ),
            Self::NoSuchRoute(route) => (
                StatusCode::NOT_FOUND,
                format!("There is no route {route}."),
                None,
                Some("unknown_url"),
            ),
            Self::WrongMethod(route) => (
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{route} is not allowed: the route exists under another method."),
                None,
                Some("method_not_supported"),
            ),
        };
        let envelope = Envelope {
            error: Detail {
                message: &message,
                r#type: "invalid_request_error",
                param: param.as_deref(),
                code,
            },
        };
        json(status, &envelope)
    }
}

/// A JSON response. Every type passed here can be serialised: none has a map with non-string keys.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
