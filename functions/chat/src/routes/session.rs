//! `/session`: the identity behind a request, and tokens for pages.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::answers::uncached;
use super::input::{read_object, whole};
use crate::app::App;
use crate::auth::session::{Session, Wanted, leave, look, make};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
#[cfg(test)]
use crate::openapi::refusals;

/// The session that is asked for. All of it may be missing.
#[derive(Default, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = SessionWanted))]
struct Asked {
    /// For a service: the customer that the token is for. Without it the token is one of a new visitor.
    subject: Option<String>,
    /// For a service: the customer's name for people.
    name: Option<String>,
    /// For a service: the only origin whose pages may use the token.
    origin: Option<String>,
    /// For a service: how long the token is valid.
    #[serde(deserialize_with = "whole")]
    #[cfg_attr(test, schema(minimum = 5, maximum = 15, default = 10))]
    minutes: Option<u64>,
    /// For a customer: the token of the visitor that signs in, where the browser has it in no cookie.
    visitor: Option<String>,
}

/// A session.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Session))]
struct Shown {
    /// `visitor`, `customer`, `service` or `operator`; null without a credential.
    #[cfg_attr(test, schema(required = true))]
    kind: Option<&'static str>,
    /// The name for people, where there is one.
    #[cfg_attr(test, schema(required = true))]
    name: Option<String>,
    /// A new token, for `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    token: Option<String>,
    /// When the credential or the new token ends, in milliseconds since 1970; null where it does not.
    #[cfg_attr(test, schema(required = true))]
    expires_at: Option<u64>,
    /// How requests without a credential are treated: `open`, `visitors` or `refused`.
    strangers: &'static str,
}

fn shown(app: &App, session: Session) -> Response {
    let body = Shown {
        kind: session.kind.map(baton_handoff::Kind::as_str),
        name: session.name,
        token: session.token,
        expires_at: session.expires.map(|seconds| seconds.saturating_mul(1000)),
        strangers: app.auth.strangers.as_str(),
    };
    with_cookie(uncached(Json(body)), session.cookie)
}

fn with_cookie(mut response: Response, cookie: Option<String>) -> Response {
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The identity behind this request.
#[cfg_attr(test, utoipa::path(
    get, path = "/session", operation_id = "readSession", tag = "chat",
    responses(
        (status = 200, description = "Known or not.", body = Shown),
        (status = 401, response = refusals::BadCredential),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn read(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _body) = request.into_parts();
    let session = look(&app, &parts).await?;
    Ok(shown(&app, session))
}

/// Makes a session, or signs a visitor in.
///
/// Without a credential it makes a visitor, where visitors are welcome, and gives it the cookie as well as the token. With a service's key it makes the token that the
/// company's server gives to its page, for 5 to 15 minutes. With a customer's credential the visitor of the cookie, or of
/// `visitor`, becomes this customer, who keeps its conversations; once, and for ever.
#[cfg_attr(test, utoipa::path(
    post, path = "/session", operation_id = "makeSession", tag = "chat",
    request_body = Asked,
    responses(
        (status = 200, description = "The session.", body = Shown),
        (status = 400, response = refusals::BadRequest),
        (status = 401, response = refusals::BadCredential),
        (status = 403, response = refusals::Forbidden),
        (status = 409, body = Error, description = "The visitor has become another customer, or is of another tenant."),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let is_empty = http_body::Body::is_end_stream(&body);
    let asked: Asked = if is_empty {
        Asked::default()
    } else {
        read_object(&parts.headers, body).await?
    };
    let wanted = Wanted {
        subject: asked.subject,
        name: asked.name,
        origin: asked.origin,
        minutes: asked.minutes,
        visitor: asked.visitor,
    };
    let session = make(&app, &mut parts, &wanted).await?;
    Ok(shown(&app, session))
}

/// Leaves: ends the cookie of this browser, good or bad.
///
/// The browser is nobody then. A token that was copied out of the cookie stays good until it ends by itself; tokens that a page
/// keeps are the page's to forget.
#[cfg_attr(test, utoipa::path(
    delete, path = "/session", operation_id = "endSession", tag = "chat",
    responses((status = 204, description = "The browser has no cookie of Baton's any more.")),
))]
pub(crate) async fn end(headers: HeaderMap) -> Response {
    with_cookie(uncached(StatusCode::NO_CONTENT), leave(&headers))
}
