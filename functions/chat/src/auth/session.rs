//! Tokens of Baton's own: those of anonymous visitors and of widgets.

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use baton_handoff::{Kind, Principal, Scope, SignInError, Subject, Tenant};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Map;

use super::jwt::{Claims, Kind as TokenKind, Mint, Verified};
use super::{Asked, Caller, Denied, Identity, Method, cookie, identify, issuer, needed, refused};
use crate::app::App;
use crate::edge::error::ApiError;

/// A cookie that ends within this time is renewed with the next message, in seconds: half of its life.
const RENEWED: u64 = cookie::LIFE / 2;

/// How long a widget's token may be valid, in minutes.
const MINUTES: std::ops::RangeInclusive<u64> = 5..=15;

/// Unless the company's server says otherwise.
const DEFAULT_MINUTES: u64 = 10;

pub(super) struct OwnTokens;

#[async_trait]
impl Method for OwnTokens {
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>> {
        let mint = app.auth.mint.as_ref()?;
        let token = asked.credential;
        if mint.is_for(TokenKind::Visitor, token) {
            let verified = mint.verify(TokenKind::Visitor, token);
            return Some(verified.map_err(Denied::from).and_then(|one| visitor(&one)));
        }
        if mint.is_for(TokenKind::Widget, token) {
            let verified = mint.verify(TokenKind::Widget, token);
            return Some(verified.map_err(Denied::from).and_then(|one| {
                check_origin(&one, asked.headers)?;
                issuer::customer(&one)
            }));
        }
        None
    }
}

fn visitor(verified: &Verified) -> Result<Identity, Denied> {
    let bad = Denied::Bad("the token names no visitor");
    let tenant = verified
        .tenant
        .as_deref()
        .and_then(|raw| Tenant::parse(raw).ok());
    let subject = Subject::parse(&verified.subject).ok();
    let (Some(tenant), Some(subject)) = (tenant, subject) else {
        return Err(bad);
    };
    Ok(Identity {
        expires: Some(verified.expires),
        ..Identity::of(Principal::new(tenant, Kind::Visitor, subject))
    })
}

/// A widget's token that leaks is of no use in a page of another origin. Pages cannot choose their `Origin`.
fn check_origin(verified: &Verified, headers: &HeaderMap) -> Result<(), Denied> {
    let Some(wanted) = &verified.origin else {
        return Ok(());
    };
    let given = headers.get(header::ORIGIN);
    if given.is_none_or(|given| given.as_bytes() == wanted.as_bytes()) {
        Ok(())
    } else {
        Err(Denied::Bad("the token is for a page of another origin"))
    }
}

fn mint(app: &App) -> Result<&Mint, ApiError> {
    app.auth.mint.as_ref().ok_or_else(|| {
        refused(
            StatusCode::FORBIDDEN,
            "this server makes no sessions: it has no BATON_SESSION_SECRET",
        )
    })
}

fn unsigned(error: &impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a token could not be signed");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "a token could not be signed",
    )
}

/// Seconds since 1970.
fn now(app: &App) -> u64 {
    app.engine.now() / 1000
}

fn visitors_token(app: &App, principal: &Principal, expires: u64) -> Result<String, ApiError> {
    let Principal::Known {
        tenant, subject, ..
    } = principal
    else {
        return Err(needed());
    };
    let claims = Claims {
        subject: subject.to_string(),
        tenant: Some(tenant.to_string()),
        name: None,
        claims: Map::new(),
        expires,
        origin: None,
    };
    let token = mint(app)?.sign(TokenKind::Visitor, &claims);
    token.map_err(|error| unsigned(&error))
}

fn nobody_yet(app: &App, tenant: Tenant) -> Result<Principal, ApiError> {
    let subject = Subject::parse(&app.engine.random_id());
    let subject = subject.map_err(|error| unsigned(&error))?;
    Ok(Principal::new(tenant, Kind::Visitor, subject))
}

/// Makes a visitor of a request without a credential. The answer carries its cookie.
pub(super) fn new_visitor(app: &App, parts: &Parts) -> Result<Caller, ApiError> {
    let principal = nobody_yet(app, Tenant::default())?;
    let token = visitors_token(app, &principal, now(app) + cookie::LIFE)?;
    Ok(Caller {
        identity: Identity::of(principal),
        cookie: HeaderValue::from_str(&cookie::given(&parts.headers, &token)).ok(),
    })
}

/// A new cookie for a visitor whose cookie ends before long.
pub(super) fn renewed(app: &App, parts: &Parts, identity: &Identity) -> Option<HeaderValue> {
    let now = now(app);
    let ends_soon = identity.expires.is_some_and(|end| end < now + RENEWED);
    let is_visitor = identity.principal.kind() == Some(Kind::Visitor);
    if !(ends_soon && is_visitor && cookie::value(&parts.headers).is_some()) {
        return None;
    }
    let token = visitors_token(app, &identity.principal, now + cookie::LIFE).ok()?;
    HeaderValue::from_str(&cookie::given(&parts.headers, &token)).ok()
}

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
