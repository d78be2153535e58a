//! The identity behind a request, and the owner that records carry. Knows no credential: those are checked before.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::DEFAULT_TENANT;

/// The owner of a conversation without one, as records of every release carry it.
const NO_OWNER: &str = "local";

/// A tenant's name, in bytes.
const LONGEST_TENANT: usize = 64;

/// A subject, in bytes: as long as OpenID Connect lets it be.
const LONGEST_SUBJECT: usize = 255;

/// A name of a tenant or of a subject that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not a tenant.
    #[error("a tenant must match [A-Za-z0-9_-]{{1,64}}")]
    Tenant,
    /// Not a subject.
    #[error("a subject must have 1 to 255 bytes and no control characters")]
    Subject,
}

/// A company whose customers are served. Nothing of one tenant is visible in another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// Takes a string that matches `[A-Za-z0-9_-]{1,64}`.
    ///
    /// # Errors
    /// [`BadName::Tenant`] for any other.
    pub fn parse(raw: &str) -> Result<Self, BadName> {
        let fits = (1..=LONGEST_TENANT).contains(&raw.len());
        let plain = raw
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if fits && plain {
            Ok(Self(Arc::from(raw)))
        } else {
            Err(BadName::Tenant)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self(Arc::from(DEFAULT_TENANT))
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Tenant {
    type Error = BadName;
    fn try_from(raw: String) -> Result<Self, BadName> {
        Self::parse(&raw)
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> Self {
        tenant.0.as_ref().to_owned()
    }
}

/// The name of a principal among those of its kind and tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(Arc<str>);

impl Subject {
    /// Takes 1 to 255 bytes of text without control characters.
    ///
    /// # Errors
    /// [`BadName::Subject`] for any other.
    pub fn parse(raw: &str) -> Result<Self, BadName> {
        let fits = (1..=LONGEST_SUBJECT).contains(&raw.len());
        if fits && !raw.chars().any(char::is_control) {
            Ok(Self(Arc::from(raw)))
        } else {
            Err(BadName::Subject)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Subject {
    type Error = BadName;
    fn try_from(raw: String) -> Result<Self, BadName> {
        Self::parse(&raw)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0.as_ref().to_owned()
    }
}

/// The kind of a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An anonymous visitor: a browser that began a conversation.
    Visitor,
    /// A customer whose identity the company has verified.
    Customer,
    /// A program of the company, by its API key.
    Service,
    /// A colleague at the desk.
    Operator,
}

impl Kind {
    /// The kind as it stands in records and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Customer => "customer",
            Self::Service => "service",
            Self::Operator => "operator",
        }
    }
}

/// The identity behind a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A request without a credential, where the deployment allows them. All of these are one principal, and what it creates has
    /// no owner.
    Open,
    /// A principal with a name.
    Known {
        /// Its tenant.
        tenant: Tenant,
        /// Its kind.
        kind: Kind,
        /// Its name among those of its kind.
        subject: Subject,
    },
}

/// What a principal may do with a conversation, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Not even know that it exists.
    None,
    /// Read, follow, stop and erase it.
    Oversee,
    /// The same, and speak in it.
    Speak,
}

impl Principal {
    /// A principal with a name.
    pub fn new(tenant: Tenant, kind: Kind, subject: Subject) -> Self {
        Self::Known {
            tenant,
            kind,
            subject,
        }
    }

    /// The owner of what this principal creates.
    pub fn owner(&self) -> Owner {
        match self {
            Self::Open => Owner::none(),
            Self::Known {
                tenant,
                kind,
                subject,
            } => Owner(Arc::from(format!("{tenant}/{}/{subject}", kind.as_str()))),
        }
    }

    /// Its kind; none without a credential.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Open => None,
            Self::Known { kind, .. } => Some(*kind),
        }
    }

    /// Its tenant.
    pub fn tenant(&self) -> Tenant {
        match self {
            Self::Open => Tenant::default(),
            Self::Known { tenant, .. } => tenant.clone(),
        }
    }

    /// Whether it calls conversations by their real ids. Names that others choose are names in their own space.
    pub(crate) fn names_literally(&self) -> bool {
        match self {
            Self::Open => true,
            Self::Known { kind, .. } => *kind == Kind::Operator,
        }
    }

    /// Its access to a conversation of this owner, aliases apart.
    pub(crate) fn access(&self, owner: &Owner) -> Access {
        match self {
            Self::Open if owner.is_none() => Access::Speak,
            Self::Known { .. } if *owner == self.owner() => Access::Speak,
            Self::Known {
                tenant,
                kind: Kind::Operator,
                ..
            } if owner.tenant() == tenant.as_str() => Access::Oversee,
            Self::Open | Self::Known { .. } => Access::None,
        }
    }
}

/// The owner of a conversation, as records carry it: `TENANT/KIND/SUBJECT`, or `local` for none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(Arc<str>);

impl Owner {
    /// No owner: whoever has the id opens it, where the deployment allows requests without a credential.
    pub fn none() -> Self {
        Self(Arc::from(NO_OWNER))
    }

    /// A visitor.
    pub(crate) fn visitor(tenant: &str, visitor: &Subject) -> Self {
        Self(Arc::from(format!(
            "{tenant}/{}/{visitor}",
            Kind::Visitor.as_str()
        )))
    }

    /// The owner of records that stay after all else of this one was erased: nobody.
    pub(crate) fn erased(&self, pseudonym: &str) -> Self {
        Self(Arc::from(format!("{}/erased/{pseudonym}", self.tenant())))
    }

    /// Whether there is no owner.
    pub fn is_none(&self) -> bool {
        &*self.0 == NO_OWNER
    }

    /// The owner as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tenant.
    pub fn tenant(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(DEFAULT_TENANT, |(tenant, _)| tenant)
    }

    /// The subject, if the owner is of this kind.
    pub fn subject(&self, kind: Kind) -> Option<&str> {
        let (_, rest) = self.0.split_once('/')?;
        rest.strip_prefix(kind.as_str())?.strip_prefix('/')
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(tenant: &str, kind: Kind, subject: &str) -> Principal {
        let subject = Subject::parse(subject).unwrap();
        Principal::new(Tenant::parse(tenant).unwrap(), kind, subject)
    }

    #[test]
    fn an_owner_keeps_tenant_kind_and_subject_apart() {
        // A subject may contain whatever separates the parts.
        let odd = known("acme", Kind::Customer, "customer/acme/7").owner();
        assert_eq!(odd.as_str(), "acme/customer/customer/acme/7");
        assert_eq!(odd.tenant(), "acme");
        assert_eq!(odd.subject(Kind::Customer), Some("customer/acme/7"));
        assert_eq!(odd.subject(Kind::Visitor), None);
        assert_eq!(Owner::none().tenant(), "default");
        assert_ne!(
            known("default", Kind::Visitor, "local").owner(),
            Owner::none()
        );
    }

    #[test]
    fn only_its_owner_speaks_in_a_conversation() {
        let ann = known("acme", Kind::Customer, "ann");
        let others = [
            Principal::Open,
            known("acme", Kind::Customer, "bob"),
            known("acme", Kind::Visitor, "ann"),
            known("acme", Kind::Service, "ann"),
            known("other", Kind::Customer, "ann"),
            known("other", Kind::Operator, "ann"),
        ];
        assert_eq!(ann.access(&ann.owner()), Access::Speak);
        for other in others {
            assert_eq!(other.access(&ann.owner()), Access::None, "{other:?}");
        }
        let colleague = known("acme", Kind::Operator, "carl");
        assert_eq!(colleague.access(&ann.owner()), Access::Oversee);
        assert_eq!(ann.access(&Owner::none()), Access::None);
    }

    #[test]
    fn names_are_bounded_and_plain() {
        for bad in ["", "a/b", "ä", &"t".repeat(65)] {
            assert_eq!(Tenant::parse(bad), Err(BadName::Tenant), "{bad:?}");
        }
        for bad in ["", "a\nb", &"s".repeat(256)] {
            assert_eq!(Subject::parse(bad), Err(BadName::Subject), "{bad:?}");
        }
        assert!(Subject::parse("auth0|ä b").is_ok());
    }
}
