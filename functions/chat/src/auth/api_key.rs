//! API keys of services. With the scope for it, a service acts for a customer of its tenant, whom a header names.

use async_trait::async_trait;
use baton_handoff::{Engine, Kind, Principal, Scope, Subject};
use http::HeaderName;

use super::denied::Denied;
use super::identity::Identity;
use super::method::{Asked, Method};
use crate::app::App;

/// The customer for whom a service acts.
const CUSTOMER: HeaderName = HeaderName::from_static("x-baton-customer");

pub(super) struct ApiKeys;

#[async_trait]
impl Method for ApiKeys {
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>> {
        if !Engine::is_api_key(asked.credential) {
            return None;
        }
        Some(identity(app, asked).await)
    }
}

async fn identity(app: &App, asked: &Asked<'_>) -> Result<Identity, Denied> {
    let key = app.engine.key(asked.credential).await?;
    let key = key.ok_or(Denied::Bad("the key is unknown, expired or revoked"))?;
    let Some(customer) = asked.headers.get(CUSTOMER) else {
        let principal = Principal::new(key.tenant, Kind::Service, key.name.clone());
        return Ok(Identity {
            name: Some(key.name.to_string()),
            scopes: Some(key.scopes),
            expires: key.expires_at.map(|end| end / 1000),
            ..Identity::of(principal)
        });
    };
    if !key.scopes.contains(&Scope::Customers) {
        return Err(Denied::Forbidden(
            "this key has no scope to act for a customer: it needs customers",
        ));
    }
    let customer = customer
        .to_str()
        .ok()
        .and_then(|raw| Subject::parse(raw).ok());
    let customer = customer.ok_or(Denied::Forbidden("X-Baton-Customer names no customer"))?;
    Ok(Identity::of(Principal::new(
        key.tenant,
        Kind::Customer,
        customer,
    )))
}
