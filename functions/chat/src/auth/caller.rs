//! The caller of a route: a customer, a visitor or a service, or an operator with its roles.

use axum::extract::FromRequestParts;
use axum::response::Response;
use baton_handoff::ids::ConversationId;
use baton_handoff::{Claims, Conversation, Operator, Principal, Role, Scope, Tenant, View};
use baton_setup::settings::Strangers;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::denied::{needed, refused};
use super::identity::Identity;
use super::methods::identify;
use crate::app::App;
use crate::edge::address::Address;
use crate::edge::bounds::Counted;
use crate::edge::error::ApiError;

/// The principal of a request to routes of customers.
pub(crate) struct Caller {
    identity: Identity,
    /// The cookie of a visitor that this request has made, or whose cookie would end soon.
    cookie: Option<HeaderValue>,
    /// The client's address, where it counts.
    address: Option<Address>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match identify(app, parts).await? {
            Some(identity) => Ok(Self::new(app, parts, chats(identity)?)),
            None => match app.auth.strangers {
                Strangers::Open => Ok(Self::new(app, parts, Identity::of(Principal::Open))),
                Strangers::Visitors | Strangers::Refused => Err(needed()),
            },
        }
    }
}

impl Caller {
    pub(super) fn new(app: &App, parts: &Parts, identity: Identity) -> Self {
        let counts = identity.scopes.is_none() && identity.operator.is_none();
        Self {
            identity,
            cookie: None,
            address: address_of(app, parts).filter(|_| counts),
        }
    }

    /// The same caller, whose answer gives it a cookie.
    pub(super) fn with_cookie(self, cookie: Option<HeaderValue>) -> Self {
        Self { cookie, ..self }
    }

    /// What its requests count as.
    pub(crate) fn counted(&self) -> Counted {
        let owner = self.identity.principal.owner();
        Counted {
            owner: (!owner.is_none()).then_some(owner),
            address: self.address,
        }
    }

    /// Whether it is an operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.identity.operator.is_some()
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.identity.principal
    }

    /// The claims that tools may be given.
    pub(crate) fn claims(&self) -> Claims {
        self.identity.claims.clone()
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
    pub(crate) fn remember(self, response: &mut Response) {
        if let Some(cookie) = self.cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

/// The client's address, where addresses count: in `open` they do not.
pub(super) fn address_of(app: &App, parts: &Parts) -> Option<Address> {
    let address = parts.extensions.get::<Address>().copied();
    address.filter(|_| app.auth.strangers != Strangers::Open)
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

/// The tenant of a service whose key has this scope.
pub(crate) async fn service(
    app: &App,
    parts: &mut Parts,
    scope: Scope,
) -> Result<Tenant, ApiError> {
    let identity = identify(app, parts).await?.ok_or_else(needed)?;
    let scopes = identity.scopes.as_deref().unwrap_or_default();
    if scopes.contains(&scope) {
        return Ok(identity.principal.tenant().clone());
    }
    let sentence = format!("this needs an API key with the scope {}", scope.as_str());
    Err(refused(StatusCode::FORBIDDEN, &sentence))
}

/// Whether this identity may use the routes of customers: a service may with the scope for it.
pub(super) fn chats(identity: Identity) -> Result<Identity, ApiError> {
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
