//! Every way to authenticate, and the check of a request by them.

use http::request::Parts;
use http::{StatusCode, header};

use super::credential::{Credential, find};
use super::denied::{Denied, refused};
use super::identity::Identity;
use super::method::{Asked, Method};
use super::{api_key, cookie, issuer, operator, own_tokens};
use crate::app::App;
use crate::edge::error::ApiError;

/// Every way to authenticate. The first that knows a credential decides on it.
const METHODS: [&dyn Method; 5] = [
    &api_key::ApiKeys,
    &operator::Tokens,
    &own_tokens::OwnTokens,
    &issuer::Issuers,
    &operator::TheSecret,
];

/// The ways that a cookie may use. A browser sends it on its own, so no key and no operator's token stands in one.
const METHODS_OF_COOKIES: [&dyn Method; 1] = [&own_tokens::OwnTokens];

/// The identity that the request's credential proves; `None` without a credential.
pub(super) async fn identify(app: &App, parts: &Parts) -> Result<Option<Identity>, ApiError> {
    let found = match find(&parts.headers) {
        Ok(None) => return Ok(None),
        Ok(Some(found)) => found,
        Err(reason) => return Err(deny(app, parts, Denied::Bad(reason), false).await),
    };
    let asked = Asked {
        credential: found.text(),
        headers: &parts.headers,
    };
    let is_cookie = matches!(found, Credential::Cookie(_));
    let methods: &[&dyn Method] = if is_cookie {
        &METHODS_OF_COOKIES
    } else {
        &METHODS
    };
    for method in methods {
        match method.check(app, &asked).await {
            None => {}
            Some(Ok(identity)) => return Ok(Some(identity)),
            Some(Err(denied)) => return Err(deny(app, parts, denied, is_cookie).await),
        }
    }
    let denied = Denied::Bad("the credential is of no known kind");
    Err(deny(app, parts, denied, is_cookie).await)
}

async fn deny(app: &App, parts: &Parts, denied: Denied, is_cookie: bool) -> ApiError {
    match denied {
        Denied::Later(refused) => refused,
        Denied::Forbidden(reason) => refused(StatusCode::FORBIDDEN, reason),
        Denied::Bad(reason) => {
            app.auth.guesses.slow(parts, reason).await;
            let refused = refused(StatusCode::UNAUTHORIZED, reason);
            // A page cannot remove this cookie itself, and would be refused for ever.
            if is_cookie {
                refused.with_header(header::SET_COOKIE, &cookie::ended(&parts.headers))
            } else {
                refused
            }
        }
    }
}
