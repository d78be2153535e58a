//! What a good credential proves.

use baton_handoff::{Claims, Operator, Principal, Scope};

/// The identity that a credential proves.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) principal: Principal,
    /// A name for people.
    pub(super) name: Option<String>,
    /// The claims that tools may be given.
    pub(super) claims: Claims,
    /// The roles, if it is an operator.
    pub(super) operator: Option<Operator>,
    /// What its key may be used for, if it is a service.
    pub(super) scopes: Option<Vec<Scope>>,
    /// The end of the credential, in seconds since 1970, where it has one.
    pub(super) expires: Option<u64>,
}

impl Identity {
    pub(super) fn of(principal: Principal) -> Self {
        Self {
            principal,
            name: None,
            claims: Claims::default(),
            operator: None,
            scopes: None,
            expires: None,
        }
    }

    pub(super) fn operator(operator: Operator) -> Self {
        Self {
            name: Some(operator.name.to_string()),
            principal: operator.principal(),
            operator: Some(operator),
            claims: Claims::default(),
            scopes: None,
            expires: None,
        }
    }
}
