//! Operators: colleagues with a name, and with roles that say what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::audit::Audited;
use super::remembered::Remembered;
use super::{CreateError, STAYS};
use crate::engine::Engine;
use crate::ids::hex;
use crate::ports::{Change, Cursor, Index, Key, Listing, Millis, Record, StoreError};
use crate::principal::{Kind, Principal, Subject, Tenant};
use crate::record::{decode, encode};

/// The beginning of every operator's token.
const PREFIX: &str = "bo_";

/// Operators of one tenant that are listed at once.
const PAGE: usize = 100;

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
    hash: String,
    /// When it was added. Milliseconds since 1970.
    pub created_at: Millis,
    /// When it was removed. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// The operators that this process has seen lately, by name.
pub(crate) type Operators = Remembered<String, Option<KnownOperator>>;

fn operators_of(tenant: &Tenant) -> String {
    format!("{tenant}/operators")
}

fn key_of(name: &str) -> Key {
    Key::new(format!("O#{name}"), "OPERATOR")
}

fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

impl KnownOperator {
    fn record(&self) -> Record {
        Record {
            listed: Some(Listing {
                group: operators_of(&self.operator.tenant),
                rank: self.created_at,
            }),
            ..encode(self)
        }
    }
}

impl Engine {
    /// Whether a credential says that it is an operator's token.
    pub fn is_operator_token(credential: &str) -> bool {
        credential.starts_with(PREFIX)
    }

    /// Adds an operator, or gives a known one new roles and a new token; the old token ends. Returns the token, which is stored
    /// nowhere. The name is a tenant's name in form: it is a part of the token.
    ///
    /// # Errors
    /// The store's.
    pub async fn add_operator(&self, operator: Operator) -> Result<String, CreateError> {
        let name = operator.name.as_str().to_owned();
        let token = format!("{PREFIX}{name}.{:032x}", self.env.random());
        let key = key_of(&name);
        let before = self.store.get(&key).await?;
        let event = Audited::OperatorAdded {
            name: operator.name.clone(),
            roles: operator.roles.clone(),
        };
        let mut entries = self.at_a_terminal(&operator.tenant, event);
        if let Some(before) = &before {
            let before: KnownOperator = decode(before)?;
            if before.operator.tenant != operator.tenant && before.revoked_at.is_none() {
                let event = Audited::OperatorRemoved {
                    name: operator.name.clone(),
                };
                entries.extend(self.at_a_terminal(&before.operator.tenant, event));
            }
        }
        let known = KnownOperator {
            operator,
            hash: hash_of(&token),
            created_at: self.env.now(),
            revoked_at: None,
        };
        let change = match before {
            Some(before) => Change::Replace(key, before.version, known.record()),
            None => Change::Create(key, known.record()),
        };
        let changes = std::iter::once(change).chain(entries).collect();
        self.store.commit(changes).await?;
        Ok(token)
    }

    /// The operator with this token. The answer may be a minute old.
    ///
    /// # Errors
    /// The store's.
    pub async fn operator(&self, token: &str) -> Result<Option<Operator>, StoreError> {
        let name = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let Some((name, _)) = name else {
            return Ok(None);
        };
        if Tenant::parse(name).is_err() {
            return Ok(None);
        }
        let now = self.env.now();
        let known = if let Some(known) = self.operators.get(&name.to_owned(), now) {
            known
        } else {
            let known = self.known_operator(name).await?.map(|(_, known)| known);
            self.operators
                .keep(name.to_owned(), known.clone(), now + STAYS, now);
            known
        };
        // Hashes are compared, so that the duration tells nothing about the token.
        let known = known.filter(|known| known.hash == hash_of(token));
        let live = known.filter(|known| known.revoked_at.is_none());
        Ok(live.map(|known| known.operator))
    }

    /// A tenant's operators, removed ones among them; and the cursor of the next page.
    ///
    /// # Errors
    /// The store's.
    pub async fn operators(
        &self,
        tenant: &Tenant,
        after: Option<String>,
    ) -> Result<(Vec<KnownOperator>, Option<String>), StoreError> {
        let index = Index::Listed(operators_of(tenant));
        let after = after.map(Cursor);
        let page = self.store.index(&index, after.as_ref(), PAGE).await?;
        let known = page.records.iter().filter_map(|stored| {
            decode(stored)
                .inspect_err(|error| tracing::error!(%error, "an operator cannot be read"))
                .ok()
        });
        Ok((known.collect(), page.next.map(|next| next.0)))
    }

    /// Ends an operator's token. `false`: there is no such operator. Other processes may accept it for another minute.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_operator(&self, name: &str) -> Result<bool, CreateError> {
        let Some((version, mut known)) = self.known_operator(name).await? else {
            return Ok(false);
        };
        known.revoked_at = Some(self.env.now());
        let event = Audited::OperatorRemoved {
            name: known.operator.name.clone(),
        };
        let mut changes = vec![Change::Replace(key_of(name), version, known.record())];
        changes.extend(self.at_a_terminal(&known.operator.tenant, event));
        self.store.commit(changes).await?;
        Ok(true)
    }

    async fn known_operator(&self, name: &str) -> Result<Option<(u64, KnownOperator)>, StoreError> {
        let stored = self.store.get(&key_of(name)).await?;
        stored
            .map(|stored| Ok((stored.version, decode(&stored)?)))
            .transpose()
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
