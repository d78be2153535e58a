//! The caller of a route: a customer, a visitor or a service, or an operator with its roles.

use axum::extract::FromRequestParts;
use axum::response::Response;
use baton_handoff::ids::ConversationId;
use baton_handoff::{Claims, Conversation, Operator, Principal, Role, Scope, View};
use baton_setup::settings::Strangers;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::denied::{needed, refused};
use super::identity::Identity;
use super::methods::identify;
use super::own_tokens;
use crate::app::App;
use crate::edge::error::ApiError;

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
                let (identity, cookie) = own_tokens::new_visitor(app, parts)?;
                Ok(Self { identity, cookie })
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
        let cookie = own_tokens::renewed(app, parts, &identity);
        Ok(Self { identity, cookie })
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
