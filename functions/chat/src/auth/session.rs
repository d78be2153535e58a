//! Sessions: the identity behind a request, new visitors, tokens of widgets, and visitors that sign in.

use axum::extract::FromRequestParts;
use baton_handoff::{Kind, Scope, SignInError, Subject, Tenant};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::Map;

use super::caller::Caller;
use super::cookie;
use super::denied::{Denied, refused};
use super::identity::Identity;
use super::jwt::{Claims, Kind as TokenKind};
use super::methods::identify;
use super::own_tokens::{count_visitor, mint, nobody_yet, now, unsigned, visitor, visitors_token};
use crate::app::App;
use crate::edge::error::ApiError;

/// How long a widget's token may be valid, in minutes.
const MINUTES: std::ops::RangeInclusive<u64> = 5..=15;

/// Unless the company's server says otherwise.
const DEFAULT_MINUTES: u64 = 10;

/// What is asked of a session.
#[derive(Default)]
pub(crate) struct Wanted {
    /// The customer of a widget's token.
    pub(crate) subject: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) minutes: Option<u64>,
    /// The token of the visitor that signs in, where it is in no cookie.
    pub(crate) visitor: Option<String>,
}

/// A session as it is given.
pub(crate) struct Session {
    pub(crate) kind: Option<Kind>,
    pub(crate) name: Option<String>,
    /// A new token.
    pub(crate) token: Option<String>,
    /// The end of the credential or of the new token, in seconds since 1970.
    pub(crate) expires: Option<u64>,
    /// A header `Set-Cookie`.
    pub(crate) cookie: Option<String>,
}

/// The identity behind a request, without a change.
pub(crate) async fn look(app: &App, parts: &Parts) -> Result<Session, ApiError> {
    let known = identify(app, parts).await?;
    Ok(known.map_or_else(
        || Session {
            kind: None,
            name: None,
            token: None,
            expires: None,
            cookie: None,
        },
        Session::of,
    ))
}

impl Session {
    fn of(identity: Identity) -> Self {
        Self {
            kind: identity.principal.kind(),
            name: identity.name,
            token: None,
            expires: identity.expires,
            cookie: None,
        }
    }
}

/// Makes a visitor, a widget's token for a service, or signs a visitor in as the customer that asks. A stranger that becomes a
/// visitor gets the cookie too: a page can then name its first conversation, and send its first message again safely.
pub(crate) async fn make(
    app: &App,
    parts: &mut Parts,
    wanted: &Wanted,
) -> Result<Session, ApiError> {
    let Some(identity) = identify(app, parts).await? else {
        // As every route does where visitors are not welcome.
        if app.auth.strangers != baton_setup::settings::Strangers::Visitors {
            Caller::from_request_parts(parts, app).await?;
            return Err(refused(
                StatusCode::FORBIDDEN,
                "there are no visitors here: BATON_AUTH is open",
            ));
        }
        count_visitor(app, parts)?;
        let session = visitor_in(app, Tenant::default())?;
        let cookie = session
            .token
            .as_ref()
            .map(|token| cookie::given(&parts.headers, token));
        return Ok(Session { cookie, ..session });
    };
    match identity.principal.kind() {
        Some(Kind::Service) => for_service(app, &identity, wanted),
        Some(Kind::Customer) => sign_in(app, parts, identity, wanted).await,
        Some(Kind::Visitor) => Ok(Session::of(identity)),
        Some(Kind::Operator) | None => Err(refused(
            StatusCode::FORBIDDEN,
            "an operator has no session of a customer",
        )),
    }
}

/// The header that ends the cookie of this browser, where it has one.
pub(crate) fn leave(headers: &HeaderMap) -> Option<String> {
    cookie::value(headers).map(|_| cookie::ended(headers))
}

fn visitor_in(app: &App, tenant: Tenant) -> Result<Session, ApiError> {
    let principal = nobody_yet(app, tenant)?;
    let expires = now(app) + cookie::LIFE;
    Ok(Session {
        kind: Some(Kind::Visitor),
        name: None,
        token: Some(visitors_token(app, &principal, expires)?),
        expires: Some(expires),
        cookie: None,
    })
}

/// A token that the company's server gives to its page: for a customer it names, or for a new visitor of its tenant.
fn for_service(app: &App, identity: &Identity, wanted: &Wanted) -> Result<Session, ApiError> {
    let scopes = identity.scopes.as_deref().unwrap_or_default();
    if !scopes.contains(&Scope::Sessions) {
        return Err(refused(
            StatusCode::FORBIDDEN,
            "this key has no scope for that: it needs sessions",
        ));
    }
    let tenant = identity.principal.tenant();
    let Some(subject) = &wanted.subject else {
        return visitor_in(app, tenant);
    };
    let subject = Subject::parse(subject)
        .map_err(|error| ApiError::bad_request(format!("subject: {error}")))?;
    let minutes = wanted.minutes.unwrap_or(DEFAULT_MINUTES);
    if !MINUTES.contains(&minutes) {
        return Err(ApiError::bad_request("minutes must be between 5 and 15"));
    }
    let expires = now(app) + minutes * 60;
    let claims = Claims {
        subject: subject.to_string(),
        tenant: Some(tenant.to_string()),
        name: wanted.name.clone(),
        claims: Map::new(),
        expires,
        origin: wanted.origin.clone(),
    };
    let token = mint(app)?.sign(TokenKind::Widget, &claims);
    Ok(Session {
        kind: Some(Kind::Customer),
        name: claims.name,
        token: Some(token.map_err(|error| unsigned(&error))?),
        expires: Some(expires),
        cookie: None,
    })
}

async fn sign_in(
    app: &App,
    parts: &Parts,
    identity: Identity,
    wanted: &Wanted,
) -> Result<Session, ApiError> {
    let in_cookie = cookie::value(&parts.headers);
    let Some(token) = wanted.visitor.as_deref().or(in_cookie) else {
        return Ok(Session::of(identity));
    };
    // A cookie that is of no use any more must not stand in the way of a customer.
    let ended = in_cookie.map(|_| cookie::ended(&parts.headers));
    let verified = mint(app)?.verify(TokenKind::Visitor, token);
    let visitor = verified.map_err(Denied::from).and_then(|one| visitor(&one));
    match visitor {
        Ok(visitor) => {
            let signed_in = app
                .engine
                .sign_in(&visitor.principal, &identity.principal)
                .await;
            signed_in.map_err(not_signed_in)?;
        }
        Err(_) if wanted.visitor.is_none() => {}
        Err(_) => return Err(ApiError::bad_request("visitor is no token of a visitor")),
    }
    Ok(Session {
        cookie: ended,
        ..Session::of(identity)
    })
}

fn not_signed_in(error: SignInError) -> ApiError {
    match error {
        SignInError::Store(error) => error.into(),
        SignInError::Taken | SignInError::TooMany | SignInError::NotTogether => {
            ApiError::new(StatusCode::CONFLICT, error.to_string())
        }
    }
}
