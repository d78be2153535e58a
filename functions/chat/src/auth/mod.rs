//! The principal behind a request: its credential is found, checked by one of the `METHODS`, and never taken for none when it is
//! bad.
//!
//! ```text
//! routes ─▶ Caller, Operator (extractors) ─▶ credential ─▶ METHODS: api_key, operator, session, issuer
//!                                                  └─────▶ guesses: refused credentials are slowed and counted
//! ```
//!
//! A new way to authenticate is a file with a `Method`, and a line in `METHODS`.

mod api_key;
mod cookie;
mod credential;
mod guesses;
mod issuer;
pub mod jwt;
mod operator;
pub(crate) mod session;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Env, StoreError};
use baton_handoff::{Conversation, Operator, Principal, Role, Scope, View};
use baton_http::Secret;
use baton_setup::secret_beside;
use baton_setup::settings::{Settings, Strangers};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use self::credential::{Credential, find};
use self::guesses::Guesses;
use self::jwt::{Mint, Verifiers};
use crate::app::App;
use crate::edge::error::ApiError;

/// Every way to authenticate. The first that knows a credential decides on it.
const METHODS: [&dyn Method; 5] = [
    &api_key::ApiKeys,
    &operator::Tokens,
    &session::OwnTokens,
    &issuer::Issuers,
    &operator::TheSecret,
];

/// The ways that a cookie may use. A browser sends it on its own, so no key and no operator's token stands in one.
const METHODS_OF_COOKIES: [&dyn Method; 1] = [&session::OwnTokens];

/// A way to authenticate.
#[async_trait]
trait Method: Send + Sync {
    /// The identity behind a credential; `None` if the credential is of another kind.
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>>;
}

/// A credential with the headers of its request.
struct Asked<'a> {
    credential: &'a str,
    headers: &'a HeaderMap,
}

/// The identity that a credential proves.
#[derive(Debug, Clone)]
struct Identity {
    principal: Principal,
    /// A name for people.
    name: Option<String>,
    /// The roles, if it is an operator.
    operator: Option<Operator>,
    /// What its key may be used for, if it is a service.
    scopes: Option<Vec<Scope>>,
    /// The end of the credential, in seconds since 1970, where it has one.
    expires: Option<u64>,
}

impl Identity {
    fn of(principal: Principal) -> Self {
        Self {
            principal,
            name: None,
            operator: None,
            scopes: None,
            expires: None,
        }
    }

    fn operator(operator: Operator) -> Self {
        Self {
            name: Some(operator.name.to_string()),
            principal: operator.principal(),
            operator: Some(operator),
            scopes: None,
            expires: None,
        }
    }
}

/// Why a credential proves nothing.
enum Denied {
    /// It is bad: 401. The reason is for the client and never a part of the credential.
    Bad(&'static str),
    /// It cannot be checked now.
    Later(ApiError),
    /// It is good, and not for this request: 403.
    Forbidden(&'static str),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Later(error.into())
    }
}

impl From<jwt::Refusal> for Denied {
    fn from(refusal: jwt::Refusal) -> Self {
        match refusal {
            jwt::Refusal::Invalid(reason) => Self::Bad(reason),
            jwt::Refusal::Unavailable { retry_after } => {
                let seconds = retry_after.as_secs().max(1).to_string();
                let refused = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string());
                Self::Later(refused.with_header(header::RETRY_AFTER, &seconds))
            }
        }
    }
}

/// What the checks of credentials need.
pub struct Auth {
    /// How requests without a credential are treated.
    pub strangers: Strangers,
    /// The issuers of JWTs.
    pub issuers: Verifiers,
    /// Signs the tokens of visitors and widgets; none without a secret for it.
    pub mint: Option<Mint>,
    /// The token of the operator with every role.
    pub operator_token: Option<Secret>,
    /// Bad credentials of the last minute.
    guesses: Guesses,
}

impl Auth {
    /// Checks of credentials by the settings. Beside a file, missing secrets are made at the first start; the instances of a
    /// function need theirs from the settings, because each must know the tokens of all others. Waits two seconds at most for
    /// the keys of issuers.
    ///
    /// # Errors
    /// A sentence for the operator that started the program.
    pub async fn of(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Self> {
        let kept = |given: &Option<Secret>, name: &str| match (given, &settings.cloud) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, None) => secret_beside(&settings.data, name, &**env).map(Some),
            (None, Some(_)) => Ok(None),
        };
        let session = kept(&settings.session_secret, "session")?;
        if session.is_none() && settings.strangers == Strangers::Visitors {
            anyhow::bail!(
                "BATON_SESSION_SECRET is not set, and anonymous visitors need it; make one with: openssl rand -hex 32"
            );
        }
        let mint = session.map(|secret| Mint::new(secret.expose().as_bytes(), env.clone()));
        let issuers = Verifiers::new(settings.issuers.clone(), env);
        issuers.ready().await;
        Ok(Self::new(
            settings.strangers,
            issuers,
            mint.transpose()?,
            kept(&settings.operator_token, "operator")?,
        ))
    }

    /// Checks of credentials.
    pub fn new(
        strangers: Strangers,
        issuers: Verifiers,
        mint: Option<Mint>,
        operator_token: Option<Secret>,
    ) -> Self {
        Self {
            strangers,
            issuers,
            mint,
            operator_token,
            guesses: Guesses::default(),
        }
    }
}

/// The principal of a request to routes of customers.
pub(crate) struct Caller {
    identity: Identity,
    /// The cookie of a visitor that this request has made, or whose cookie would end soon.
    cookie: Option<HeaderValue>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match identify(app, parts).await? {
            Some(identity) => Ok(Self {
                identity: chats(identity)?,
                cookie: None,
            }),
            None => match app.auth.strangers {
                Strangers::Open => Ok(Self {
                    identity: Identity::of(Principal::Open),
                    cookie: None,
                }),
                Strangers::Visitors | Strangers::Refused => Err(needed()),
            },
        }
    }
}

impl Caller {
    /// The caller of a request that may begin a conversation: where visitors are welcome, one without a credential becomes a
    /// visitor. `name`: the client's own name for the conversation.
    pub(crate) async fn who_begins(
        app: &App,
        parts: &mut Parts,
        name: Option<&ConversationId>,
    ) -> Result<Self, ApiError> {
        let known = identify(app, parts).await?;
        let is_stranger = known.is_none() && app.auth.strangers == Strangers::Visitors;
        if is_stranger && name.is_some() {
            return Err(refused(
                StatusCode::UNAUTHORIZED,
                "a visitor's first message names no conversation; with BATON_AUTH=open ids can be chosen without a credential",
            ));
        }
        let Some(identity) = known else {
            return if is_stranger {
                session::new_visitor(app, parts)
            } else {
                Self::from_request_parts(parts, app).await
            };
        };
        if identity.operator.is_some() {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "an operator does not speak as a customer",
            ));
        }
        let identity = chats(identity)?;
        let cookie = session::renewed(app, parts, &identity);
        Ok(Self { identity, cookie })
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.identity.principal
    }

    /// Opens the conversation that the caller calls by this name. Of operators it needs the role to see it.
    pub(crate) fn open(&self, app: &App, name: &ConversationId) -> Result<Conversation, ApiError> {
        self.must(Role::See)?;
        Ok(app.engine.conversation(name, &self.identity.principal))
    }

    /// Refuses an operator without this role. Owners need none.
    pub(crate) fn must(&self, role: Role) -> Result<(), ApiError> {
        match &self.identity.operator {
            Some(operator) => must(operator, role),
            None => Ok(()),
        }
    }

    /// What the caller sees of tools.
    pub(crate) fn view(&self) -> View {
        match self.identity.operator {
            Some(_) => View::Operator,
            None => View::Customer,
        }
    }

    /// Gives the answer the visitor's cookie, where there is one to give.
    pub(crate) fn remember(self, response: &mut axum::response::Response) {
        if let Some(cookie) = self.cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

/// Refuses an operator without this role.
pub(crate) fn must(operator: &Operator, role: Role) -> Result<(), ApiError> {
    if operator.may(role) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        format!("that needs the role {role}"),
    ))
}

/// The operator of a request.
pub(crate) async fn operator(app: &App, parts: &mut Parts) -> Result<Operator, ApiError> {
    let identity = identify(app, parts).await?.ok_or_else(|| {
        refused(
            StatusCode::UNAUTHORIZED,
            "operator routes need an operator's token",
        )
    })?;
    identity
        .operator
        .ok_or_else(|| refused(StatusCode::FORBIDDEN, "this is for operators"))
}

/// The identity that the request's credential proves; `None` without a credential.
async fn identify(app: &App, parts: &Parts) -> Result<Option<Identity>, ApiError> {
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

/// The refusal of a request without a credential.
fn needed() -> ApiError {
    refused(StatusCode::UNAUTHORIZED, "a credential is needed")
}

/// RFC 6750, section 3: a refusal with 401 names the scheme.
fn refused(status: StatusCode, reason: &str) -> ApiError {
    let refused = ApiError::new(status, reason);
    if status == StatusCode::UNAUTHORIZED {
        refused.with_header(header::WWW_AUTHENTICATE, "Bearer")
    } else {
        refused
    }
}

/// Whether this identity may use the routes of customers: a service may with the scope for it.
fn chats(identity: Identity) -> Result<Identity, ApiError> {
    let may = identity
        .scopes
        .as_ref()
        .is_none_or(|scopes| scopes.contains(&Scope::Chat));
    if may {
        Ok(identity)
    } else {
        Err(refused(
            StatusCode::FORBIDDEN,
            "this key has no scope for that: it needs chat, or customers and the header X-Baton-Customer",
        ))
    }
}
