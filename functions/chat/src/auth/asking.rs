//! The caller of a request that may begin a conversation, in two steps: the credential first, so that what is over a bound is refused
//! before its body is read; a visitor is made only when there is a message.

use baton_handoff::ids::ConversationId;
use baton_setup::settings::Strangers;
use http::StatusCode;
use http::request::Parts;

use super::caller::{Caller, address_of, chats};
use super::denied::refused;
use super::methods::identify;
use super::own_tokens;
use crate::app::App;
use crate::edge::bounds::Counted;
use crate::edge::error::ApiError;

/// Who may be about to begin a conversation.
pub(crate) enum Asking {
    /// A caller.
    Known(Caller),
    /// One that becomes a visitor.
    Stranger(Counted),
}

impl Asking {
    /// By the credential of the request.
    pub(crate) async fn of(app: &App, parts: &mut Parts) -> Result<Self, ApiError> {
        let Some(identity) = identify(app, parts).await? else {
            return if app.auth.strangers == Strangers::Visitors {
                Ok(Self::Stranger(Counted {
                    owner: None,
                    address: address_of(app, parts),
                }))
            } else {
                use axum::extract::FromRequestParts as _;
                Caller::from_request_parts(parts, app)
                    .await
                    .map(Self::Known)
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
        Ok(Self::Known(
            Caller::new(app, parts, identity).with_cookie(cookie),
        ))
    }

    /// What its requests count as.
    pub(crate) fn counted(&self) -> Counted {
        match self {
            Self::Known(caller) => caller.counted(),
            Self::Stranger(counted) => counted.clone(),
        }
    }

    /// The caller; a stranger becomes a visitor. `name`: the client's own name for the conversation.
    pub(crate) fn caller(
        self,
        app: &App,
        parts: &Parts,
        name: Option<&ConversationId>,
    ) -> Result<Caller, ApiError> {
        match self {
            Self::Known(caller) => Ok(caller),
            Self::Stranger(_) if name.is_some() => Err(refused(
                StatusCode::UNAUTHORIZED,
                "a visitor's first message names no conversation; with BATON_AUTH=open ids can be chosen without a credential",
            )),
            Self::Stranger(_) => {
                let (identity, cookie) = own_tokens::new_visitor(app, parts)?;
                Ok(Caller::new(app, parts, identity).with_cookie(cookie))
            }
        }
    }
}
