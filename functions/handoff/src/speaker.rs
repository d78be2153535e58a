//! The customer behind a turn, as tools may know it: recorded with the turn, copied to its actions, and used by every later
//! attempt. Knows no credential; a model neither sees nor chooses any of it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::principal::{Kind, Owner, Principal, Subject};

/// All claims together as JSON, in bytes: they are stored with each turn and each action.
pub const MOST_CLAIMS: usize = 2 * 1024;

/// The claims of a customer that tools may be given, by the names that the settings have for them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Arc<Map<String, Value>>);

impl Claims {
    /// These claims; none at all if they are larger than 2 KB together.
    pub fn new(claims: Map<String, Value>) -> Option<Self> {
        let bytes = serde_json::to_vec(&claims).map_or(usize::MAX, |json| json.len());
        (bytes <= MOST_CLAIMS).then(|| Self(Arc::new(claims)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A claim by its name, or by a path with dots. The name as a whole goes first: names of claims may be addresses.
    pub fn get(&self, path: &str) -> Option<&Value> {
        find(&self.0, path)
    }
}

fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut dots = path.match_indices('.');
    dots.find_map(|(at, _)| {
        let inner = claims.get(path.get(..at)?)?.as_object()?;
        find(inner, path.get(at + 1..)?)
    })
}

/// Claims are a customer's data, which must not enter logs.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims({})", self.0.len())
    }
}

/// What is known of the principal in whose name a turn runs, beyond the owner of its conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// The customer who wrote in a conversation that is another owner's: the visitor's that this customer was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Subject>,
    /// The customer's claims.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
}

impl Speaker {
    /// This principal, speaking in a conversation of this owner.
    pub(crate) fn of(principal: &Principal, owner: &Owner, claims: &Claims) -> Self {
        match principal {
            Principal::Known {
                kind: Kind::Customer,
                subject,
                ..
            } => Self {
                customer: (principal.owner() != *owner).then(|| subject.clone()),
                claims: claims.clone(),
            },
            Principal::Open | Principal::Known { .. } => Self::default(),
        }
    }

    /// Whether the owner says it all: then nothing is recorded.
    pub(crate) fn is_owner(&self) -> bool {
        self.customer.is_none() && self.claims.is_empty()
    }

    /// The verified customer; none for visitors, services and those without a credential.
    pub fn verified<'a>(&'a self, owner: &'a Owner) -> Option<&'a str> {
        match &self.customer {
            Some(customer) => Some(customer.as_str()),
            None => owner.subject(Kind::Customer),
        }
    }

    /// The name of the principal among all: of the customer, where a visitor's conversation has become the customer's.
    pub(crate) fn name(&self, owner: &Owner) -> String {
        match &self.customer {
            Some(customer) => format!("{}/{}/{customer}", owner.tenant(), Kind::Customer.as_str()),
            None => owner.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::principal::Tenant;

    fn claims(value: Value) -> Claims {
        let Value::Object(map) = value else {
            unreachable!()
        };
        Claims::new(map).unwrap()
    }

    #[test]
    fn a_claim_is_found_by_its_whole_name_first_and_then_by_dots() {
        let claims = claims(json!({
            "plan": "gold",
            "address": { "country": "DE", "a.b": { "c": 1 } },
            "https://acme.example/tier": 3,
            "address.country": "AT",
        }));
        assert_eq!(claims.get("plan"), Some(&json!("gold")));
        assert_eq!(claims.get("address.country"), Some(&json!("AT")));
        assert_eq!(claims.get("address.a.b.c"), Some(&json!(1)));
        assert_eq!(claims.get("https://acme.example/tier"), Some(&json!(3)));
        for missing in ["", "plan.x", "address.", ".plan", "address.city"] {
            assert_eq!(claims.get(missing), None, "{missing:?}");
        }
        assert!(!format!("{claims:?}").contains("gold"));
    }

    #[test]
    fn claims_over_their_bound_are_none() {
        let map = |bytes: usize| Map::from_iter([("c".to_owned(), json!("x".repeat(bytes - 8)))]);
        assert!(Claims::new(map(MOST_CLAIMS)).is_some());
        assert!(Claims::new(map(MOST_CLAIMS + 1)).is_none());
    }

    #[test]
    fn only_a_customer_is_verified_and_its_owner_is_not_recorded_twice() {
        let known = |kind, subject| {
            let subject = Subject::parse(subject).unwrap();
            Principal::new(Tenant::default(), kind, subject)
        };
        let ann = known(Kind::Customer, "ann");
        let visitor = known(Kind::Visitor, "v1");
        let plan = claims(json!({ "plan": "gold" }));
        let own = Speaker::of(&ann, &ann.owner(), &Claims::default());
        assert!(own.is_owner());
        assert_eq!(own.verified(&ann.owner()), Some("ann"));
        let signed_in = Speaker::of(&ann, &visitor.owner(), &plan);
        assert_eq!(signed_in.verified(&visitor.owner()), Some("ann"));
        assert_eq!(signed_in.name(&visitor.owner()), "default/customer/ann");
        assert_eq!(signed_in.claims, plan);
        for (other, owner) in [
            (visitor.clone(), visitor.owner()),
            (Principal::Open, Owner::none()),
            (
                known(Kind::Service, "ann"),
                known(Kind::Service, "ann").owner(),
            ),
        ] {
            let speaker = Speaker::of(&other, &owner, &plan);
            assert!(speaker.is_owner());
            assert_eq!(speaker.verified(&owner), None, "{other:?}");
        }
    }
}
