//! An operator, its roles, and its record.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::encode;
use crate::ports::{Key, Listing, Millis, Record};
use crate::principal::{Kind, Principal, Subject, Tenant};

/// A thing that an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// See conversations, actions and the back office.
    See,
    /// Approve and reject actions, up to an amount in US cents where there is one.
    Approve {
        /// The highest amount of an action; none: any.
        up_to: Option<u64>,
    },
    /// Say what became of an action whose outcome is unknown.
    Settle,
    /// Erase conversations, and read the audit trail.
    Administer,
}

/// Text that is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is see, approve, approve:USD, settle or administer")]
pub struct BadRole;

impl Role {
    /// All roles, without a limit.
    pub const ALL: [Self; 4] = [
        Self::See,
        Self::Approve { up_to: None },
        Self::Settle,
        Self::Administer,
    ];

    /// Reads `see`, `approve`, `approve:500` (up to 500 US dollars), `settle` or `administer`.
    ///
    /// # Errors
    /// [`BadRole`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BadRole> {
        match text.split_once(':') {
            None => match text {
                "see" => Ok(Self::See),
                "approve" => Ok(Self::Approve { up_to: None }),
                "settle" => Ok(Self::Settle),
                "administer" => Ok(Self::Administer),
                _ => Err(BadRole),
            },
            Some(("approve", usd)) => {
                let usd: u64 = usd.parse().map_err(|_| BadRole)?;
                let up_to = Some(usd.checked_mul(100).ok_or(BadRole)?);
                Ok(Self::Approve { up_to })
            }
            Some(_) => Err(BadRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::See => out.write_str("see"),
            Self::Approve { up_to: None } => out.write_str("approve"),
            Self::Approve { up_to: Some(cents) } => write!(out, "approve:{}", cents / 100),
            Self::Settle => out.write_str("settle"),
            Self::Administer => out.write_str("administer"),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A colleague with roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name: in decisions, in the audit trail, at the desk.
    pub name: Subject,
    /// The tenant whose conversations and actions are seen.
    pub tenant: Tenant,
    /// What the operator may do.
    pub roles: Vec<Role>,
}

impl Operator {
    /// The operator as the principal of a request.
    pub fn principal(&self) -> Principal {
        Principal::new(self.tenant.clone(), Kind::Operator, self.name.clone())
    }

    /// Whether the operator may see, settle or administer.
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the operator may decide on an action of this amount. What has no known amount needs the role without a limit.
    pub fn may_approve(&self, amount_cents: Option<u64>) -> bool {
        self.roles.iter().any(|role| match role {
            Role::Approve { up_to: None } => true,
            Role::Approve { up_to: Some(up_to) } => {
                amount_cents.is_some_and(|amount| amount <= *up_to)
            }
            Role::See | Role::Settle | Role::Administer => false,
        })
    }
}

/// `O#name`, `OPERATOR`: an operator with a token of Baton's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownOperator {
    /// The operator.
    #[serde(flatten)]
    pub operator: Operator,
    /// The hash of the token.
    pub(crate) hash: String,
    /// When it was added. Milliseconds since 1970.
    pub created_at: Millis,
    /// When it was removed. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// The list of a tenant's operators.
pub(crate) fn operators_of(tenant: &Tenant) -> String {
    format!("{tenant}/operators")
}

pub(crate) fn key_of(name: &str) -> Key {
    Key::new(format!("O#{name}"), "OPERATOR")
}

impl KnownOperator {
    pub(crate) fn record(&self) -> Record {
        Record {
            listed: Some(Listing {
                group: operators_of(&self.operator.tenant),
                rank: self.created_at,
            }),
            ..encode(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_approves_what_is_known_to_be_within_the_limit() {
        let operator = |roles: &[&str]| Operator {
            name: Subject::parse("carl").unwrap(),
            tenant: Tenant::default(),
            roles: roles
                .iter()
                .map(|role| Role::parse(role).unwrap())
                .collect(),
        };
        let limited = operator(&["see", "approve:500"]);
        assert!(limited.may_approve(Some(50_000)));
        assert!(!limited.may_approve(Some(50_001)));
        assert!(!limited.may_approve(None));
        assert!(operator(&["approve"]).may_approve(None));
        assert!(!operator(&["see", "settle", "administer"]).may_approve(Some(1)));
        assert!(limited.may(Role::See) && !limited.may(Role::Settle));
    }

    #[test]
    fn a_role_survives_its_text_and_nothing_else_is_one() {
        for text in ["see", "approve", "approve:500", "settle", "administer"] {
            assert_eq!(Role::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "admin",
            "approve:",
            "approve:-1",
            "see:1",
            "approve:999999999999999999999",
        ] {
            assert_eq!(Role::parse(bad), Err(BadRole), "{bad:?}");
        }
    }
}
