//! JWTs of the company's issuers: one for customers, one for operators. A customer's token never carries a role.

use async_trait::async_trait;
use baton_handoff::{Claims, Kind, Operator, Principal, Role, Subject, Tenant};

use super::denied::Denied;
use super::identity::Identity;
use super::jwt::Verified;
use super::method::{Asked, Method};
use crate::app::App;

pub(super) struct Issuers;

#[async_trait]
impl Method for Issuers {
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>> {
        let (token, issuers) = (asked.credential, &app.auth.issuers);
        // Three parts with dots between: neither a key nor a secret that Baton makes has this form.
        if token.split('.').count() != 3 {
            return None;
        }
        if let Some(operators) = issuers
            .operators
            .as_ref()
            .filter(|issuer| issuer.is_for(token))
        {
            let verified = operators.verify(token).await;
            return Some(
                verified
                    .map_err(Denied::from)
                    .and_then(|one| operator(&one)),
            );
        }
        let customers = issuers.customers.as_ref()?;
        let verified = customers.verify(token).await;
        Some(
            verified
                .map_err(Denied::from)
                .and_then(|one| customer(&one)),
        )
    }
}

fn names(verified: &Verified) -> Result<(Tenant, Subject), Denied> {
    let tenant = match &verified.tenant {
        None => Tenant::default(),
        Some(tenant) => {
            Tenant::parse(tenant).map_err(|_| Denied::Bad("the token names no usable tenant"))?
        }
    };
    let subject = Subject::parse(&verified.subject)
        .map_err(|_| Denied::Bad("the token names no usable subject"))?;
    Ok((tenant, subject))
}

pub(super) fn customer(verified: &Verified) -> Result<Identity, Denied> {
    let (tenant, subject) = names(verified)?;
    Ok(Identity {
        name: verified.name.clone(),
        // They were bounded when the token was checked.
        claims: Claims::new(verified.claims.clone()).unwrap_or_default(),
        expires: Some(verified.expires),
        ..Identity::of(Principal::new(tenant, Kind::Customer, subject))
    })
}

fn operator(verified: &Verified) -> Result<Identity, Denied> {
    let (tenant, subject) = names(verified)?;
    // Roles of other programs stand in the same claim.
    let roles = verified.roles.iter();
    let operator = Operator {
        roles: roles.filter_map(|role| Role::parse(role).ok()).collect(),
        name: subject,
        tenant,
    };
    Ok(Identity {
        name: verified
            .name
            .clone()
            .or_else(|| Some(operator.name.to_string())),
        expires: Some(verified.expires),
        ..Identity::operator(operator)
    })
}
