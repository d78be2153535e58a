//! The record of an API key.

use serde::{Deserialize, Serialize};

use super::encode;
use crate::ports::{Key, Listing, Millis, Record};
use crate::principal::{Subject, Tenant};

/// A thing that a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Speak in conversations of its own, and read them.
    Chat,
    /// Act for a customer of its tenant, whom the request names.
    Customers,
    /// Make tokens for widgets.
    Sessions,
    /// Report the end of actions that its service has begun.
    Results,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Customers, Self::Sessions, Self::Results];

    /// The scope on the wire and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Customers => "customers",
            Self::Sessions => "sessions",
            Self::Results => "results",
        }
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// `K#hash`, `KEY`: an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its name, unique in practice: it names the service in records and logs.
    pub name: Subject,
    /// Its tenant.
    pub tenant: Tenant,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made. Milliseconds since 1970.
    pub created_at: Millis,
    /// When it ends. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// When it was revoked. Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// The list of a tenant's keys, newest first.
pub(crate) fn api_keys_of(tenant: &Tenant) -> String {
    format!("{tenant}/keys")
}

pub(crate) fn key_of(hash: &str) -> Key {
    Key::new(format!("K#{hash}"), "KEY")
}

impl ApiKey {
    pub(crate) fn record(&self) -> Record {
        Record {
            listed: Some(Listing {
                group: api_keys_of(&self.tenant),
                rank: self.created_at,
            }),
            ..encode(self)
        }
    }

    /// Whether it is usable at this moment.
    pub fn is_live(&self, now: Millis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
