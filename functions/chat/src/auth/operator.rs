//! Operators: those with a token of their own, and the one with the deployment's secret.

use async_trait::async_trait;
use baton_handoff::{Engine, Operator, Role, Subject, Tenant};
use sha2::{Digest, Sha256};

use super::denied::Denied;
use super::identity::Identity;
use super::method::{Asked, Method};
use crate::app::App;

/// The name of the operator with the deployment's secret.
const THE_OPERATOR: &str = "operator";

/// Operators that `baton operator add` has made.
pub(super) struct Tokens;

#[async_trait]
impl Method for Tokens {
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>> {
        if !Engine::is_operator_token(asked.credential) {
            return None;
        }
        Some(match app.engine.operator(asked.credential).await {
            Ok(Some(operator)) => Ok(Identity::operator(operator)),
            Ok(None) => Err(Denied::Bad("the operator's token is unknown or was ended")),
            Err(error) => Err(error.into()),
        })
    }
}

/// The one operator with every role, by the secret of the deployment. Any text may be this secret, so this method comes last.
pub(super) struct TheSecret;

#[async_trait]
impl Method for TheSecret {
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>> {
        let secret = app.auth.operator_token.as_ref()?;
        let operator = Operator {
            name: Subject::parse(THE_OPERATOR).ok()?,
            tenant: Tenant::default(),
            roles: Role::ALL.to_vec(),
        };
        Some(if same_secret(asked.credential, secret.expose()) {
            Ok(Identity::operator(operator))
        } else {
            Err(Denied::Bad("the token is wrong"))
        })
    }
}

/// Compares hashes, so that the duration reveals nothing about the secret.
fn same_secret(given: &str, secret: &str) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(secret.as_bytes())
}
