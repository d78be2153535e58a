//! Tokens of Baton's own: those of anonymous visitors and of widgets.

use async_trait::async_trait;
use baton_handoff::{Bound, Kind, Principal, Subject, Tenant};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Map;

use super::caller::address_of;
use super::denied::{Denied, needed, refused};
use super::identity::Identity;
use super::jwt::{Claims, Kind as TokenKind, Mint, Verified};
use super::method::{Asked, Method};
use super::{cookie, issuer};
use crate::app::App;
use crate::edge::error::ApiError;

/// A cookie that ends within this time is renewed with the next message, in seconds: half of its life.
const RENEWED: u64 = cookie::LIFE / 2;

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

pub(super) fn visitor(verified: &Verified) -> Result<Identity, Denied> {
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

pub(super) fn mint(app: &App) -> Result<&Mint, ApiError> {
    app.auth.mint.as_ref().ok_or_else(|| {
        refused(
            StatusCode::FORBIDDEN,
            "this server makes no sessions: it has no BATON_SESSION_SECRET",
        )
    })
}

pub(super) fn unsigned(error: &impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a token could not be signed");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "a token could not be signed",
    )
}

/// Seconds since 1970.
pub(super) fn now(app: &App) -> u64 {
    app.engine.now() / 1000
}

pub(super) fn visitors_token(
    app: &App,
    principal: &Principal,
    expires: u64,
) -> Result<String, ApiError> {
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

pub(super) fn nobody_yet(app: &App, tenant: Tenant) -> Result<Principal, ApiError> {
    let subject = Subject::parse(&app.engine.random_id());
    let subject = subject.map_err(|error| unsigned(&error))?;
    Ok(Principal::new(tenant, Kind::Visitor, subject))
}

/// Counts one more visitor of the client's address.
pub(super) fn count_visitor(app: &App, parts: &Parts) -> Result<(), ApiError> {
    if let Some(address) = address_of(app, parts) {
        app.engine
            .count(Bound::VisitorsAddress, &address.to_string())?;
    }
    Ok(())
}

/// Makes a visitor of a request without a credential. The answer carries its cookie.
pub(super) fn new_visitor(
    app: &App,
    parts: &Parts,
) -> Result<(Identity, Option<HeaderValue>), ApiError> {
    let principal = nobody_yet(app, Tenant::default())?;
    count_visitor(app, parts)?;
    let token = visitors_token(app, &principal, now(app) + cookie::LIFE)?;
    let cookie = HeaderValue::from_str(&cookie::given(&parts.headers, &token)).ok();
    Ok((Identity::of(principal), cookie))
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
