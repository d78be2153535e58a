//! Names of things, parsed once where a raw string enters.
//! No id is secret, but a conversation's id gives access to it: never log a list of them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::principal::Owner;

/// Longest id that a client may choose, in bytes; ids become parts of database keys.
const LONGEST_ID: usize = 128;

/// A string that is not `[A-Za-z0-9_-]{1,128}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must match [A-Za-z0-9_-]{{1,128}}")]
pub struct BadId;

fn check(raw: &str) -> Result<(), BadId> {
    let fits = (1..=LONGEST_ID).contains(&raw.len());
    let plain = raw
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits && plain { Ok(()) } else { Err(BadId) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a string that matches `[A-Za-z0-9_-]{1,128}`.
            pub fn parse(raw: &str) -> Result<Self, BadId> {
                check(raw)?;
                Ok(Self(Arc::from(raw)))
            }

            /// The id as it stands in keys and on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(raw: String) -> Result<Self, BadId> {
                Self::parse(&raw)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The lasting exchange with one customer.
    ConversationId
}

text_id! {
    /// A client's own name for one message, so that sending it twice begins one turn.
    MessageId
}

/// The beginning of every id that Baton makes.
const MADE: &str = "c_";

/// The hexadecimal digits of 128 bits.
const DIGITS: usize = 32;

impl ConversationId {
    /// The id of these bits: `c_`, 32 hexadecimal digits and 6 that check them. A client's own name does not have this form by
    /// accident.
    pub fn made(bits: u128) -> Self {
        let digits = format!("{bits:032x}");
        let check = check_of(&digits);
        Self(Arc::from(format!("{MADE}{digits}{check}")))
    }

    /// The id of a conversation that its owner calls by this name: a hash, so that equal names of two owners never meet.
    pub(crate) fn named(owner: &Owner, name: &Self) -> Self {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(owner.as_str().as_bytes());
        // No name of a conversation has this byte.
        hasher.update([0]);
        hasher.update(name.as_str().as_bytes());
        let digest = hasher.finalize();
        let bits = digest.iter().take(DIGITS / 2);
        Self::made(bits.fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
    }

    /// Whether Baton made this id.
    pub fn is_made(&self) -> bool {
        self.0
            .strip_prefix(MADE)
            .and_then(|rest| rest.split_at_checked(DIGITS))
            .is_some_and(|(digits, check)| check == check_of(digits))
    }
}

/// Six hexadecimal digits: they catch a mistake and prove nothing.
fn check_of(digits: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(digits.as_bytes());
    hex(digest.get(..3).unwrap_or_default())
}

/// The number of a turn in its conversation, from 1, never used twice.
pub type TurnNumber = u32;

/// One accepted call of an action tool: conversation, turn, and a hash of tool and arguments.
///
/// Written `CONVERSATION.TURN.HASH`. It never contains the model's call id: a response that is sampled again would bring a
/// new one, and with it a second effect.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionId {
    /// The conversation in which the action was accepted.
    pub conversation: ConversationId,
    /// The turn that accepted it.
    pub turn: TurnNumber,
    hash: Arc<str>,
}

impl ActionId {
    /// The id of a call of `tool` with these identifying arguments in this turn. `occurrence` is the number of earlier actions of
    /// the turn with the same arguments.
    pub fn new(
        conversation: ConversationId,
        turn: TurnNumber,
        tool: &str,
        identity: &str,
        occurrence: u32,
    ) -> Self {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(tool.as_bytes());
        hasher.update([0]);
        hasher.update(identity.as_bytes());
        // The first occurrence adds nothing: it keeps the id that it had before repeats were distinguished.
        if occurrence > 0 {
            hasher.update([0]);
            hasher.update(occurrence.to_be_bytes());
        }
        let digest = hasher.finalize();
        Self {
            conversation,
            turn,
            hash: Arc::from(hex(digest.get(..16).unwrap_or_default())),
        }
    }

    /// Reads `CONVERSATION.TURN.HASH`.
    pub fn parse(raw: &str) -> Result<Self, BadId> {
        let mut parts = raw.split('.');
        let (Some(conversation), Some(turn), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadId);
        };
        check(hash)?;
        Ok(Self {
            conversation: ConversationId::parse(conversation)?,
            turn: turn.parse().map_err(|_| BadId)?,
            hash: Arc::from(hash),
        })
    }

    /// The id of these parts, as a record keeps them.
    pub(crate) fn known(conversation: ConversationId, turn: TurnNumber, hash: &str) -> Self {
        Self {
            conversation,
            turn,
            hash: Arc::from(hash),
        }
    }

    /// The part that distinguishes the actions of one turn.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl TryFrom<String> for ActionId {
    type Error = BadId;
    fn try_from(raw: String) -> Result<Self, BadId> {
        Self::parse(&raw)
    }
}

impl From<ActionId> for String {
    fn from(id: ActionId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.conversation, self.turn, self.hash)
    }
}

impl fmt::Debug for ActionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::{Kind, Principal, Subject, Tenant};

    #[test]
    fn an_id_is_plain_ascii_of_bounded_length() {
        assert!(ConversationId::parse("a-B_9").is_ok());
        for bad in ["", "a b", "ä", "a/b", "a#b", &"x".repeat(129)] {
            assert_eq!(ConversationId::parse(bad), Err(BadId), "{bad:?}");
        }
    }

    #[test]
    fn an_action_id_survives_its_text_and_depends_on_the_arguments() {
        let conversation = ConversationId::parse("c").unwrap();
        let one = ActionId::new(
            conversation.clone(),
            7,
            "execute_refund",
            r#"{"item_id":"1"}"#,
            0,
        );
        let two = ActionId::new(conversation, 7, "execute_refund", r#"{"item_id":"2"}"#, 0);
        assert_ne!(one, two);
        assert_eq!(ActionId::parse(&one.to_string()), Ok(one));
        assert_eq!(ActionId::parse("c.x.y"), Err(BadId));
    }

    #[test]
    fn an_id_that_baton_made_is_recognised_and_an_altered_one_is_not() {
        let id = ConversationId::made(7);
        assert_eq!(id.as_str(), "c_00000000000000000000000000000007e5090d");
        assert!(id.is_made());
        for other in [
            "c1",
            "c_",
            "00000000000000000000000000000007",
            "c_00000000000000000000000000000008e5090d",
        ] {
            assert!(!ConversationId::parse(other).unwrap().is_made(), "{other}");
        }
    }

    #[test]
    fn equal_names_of_two_owners_are_two_conversations() {
        let name = ConversationId::parse("user-7").unwrap();
        let owner = |subject: &str| {
            let subject = Subject::parse(subject).unwrap();
            Principal::new(Tenant::default(), Kind::Customer, subject).owner()
        };
        let ann = ConversationId::named(&owner("ann"), &name);
        assert_eq!(ann, ConversationId::named(&owner("ann"), &name));
        assert_ne!(ann, ConversationId::named(&owner("bob"), &name));
        assert!(ann.is_made());
    }

    #[test]
    fn a_first_occurrence_has_the_id_of_earlier_records() {
        let conversation = ConversationId::parse("c").unwrap();
        let id = |occurrence| ActionId::new(conversation.clone(), 7, "t", "{}", occurrence);
        assert_eq!(id(0).to_string(), "c.7.c277c62dc4a00825f5e8ddbaf449c64e");
        assert_ne!(id(1), id(0));
        assert_ne!(id(2), id(1));
    }
}
