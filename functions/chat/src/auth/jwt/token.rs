//! The parts of a token in the compact form (RFC 7515, 7.1), read strictly. Nothing in it is believed yet.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Refusal;

/// The longest token, in bytes. Those with many groups have 4 KB; servers in front often take 8 KB of headers.
pub(super) const LONGEST: usize = 8 * 1024;

pub(super) const TOO_LONG: Refusal = Refusal::Invalid("the token is too long");

/// A token of three parts.
pub(super) struct Token<'a> {
    /// Header and payload as they were signed.
    signed: &'a str,
    signature: &'a str,
    payload: &'a str,
    pub(super) header: Header,
}

/// The members of the header that matter. All others are ignored: addresses and keys (`jku`, `jwk`, `x5u`, `x5c`) are the token's
/// own claim about who signed it.
#[derive(Deserialize)]
pub(super) struct Header {
    /// The name of the algorithm.
    pub(super) alg: String,
    /// The id of the key.
    #[serde(default)]
    pub(super) kid: Option<String>,
    /// The media type of the whole.
    #[serde(default)]
    pub(super) typ: Option<String>,
    /// Whether there are extensions that must be understood; none is (RFC 7515, 4.1.11).
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    /// Whether the payload may be signed in another form (RFC 7797).
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

fn is_there<'de, D: Deserializer<'de>>(member: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(member).map(|_| true)
}

impl<'a> Token<'a> {
    /// Splits a token and reads its header.
    pub(super) fn parse(whole: &'a str) -> Result<Self, Refusal> {
        if whole.len() > LONGEST {
            return Err(TOO_LONG);
        }
        let parts = || {
            let (signed, signature) = whole.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.')?;
            (!payload.contains('.')).then_some((signed, signature, header, payload))
        };
        let (signed, signature, header, payload) =
            parts().ok_or(Refusal::Invalid("the token has not three parts"))?;
        let unreadable = Refusal::Invalid("the header of the token cannot be read");
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| unreadable)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| unreadable)?;
        if header.crit || header.b64 {
            return Err(Refusal::Invalid(
                "the token has extensions that are not understood",
            ));
        }
        Ok(Self {
            signed,
            signature,
            payload,
            header,
        })
    }

    /// The claims. A name that is there twice is refused: another reader may have believed the other value.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Refusal> {
        let unreadable = Refusal::Invalid("the claims of the token cannot be read");
        let payload = URL_SAFE_NO_PAD
            .decode(self.payload)
            .map_err(|_| unreadable)?;
        let Unique(claims) = serde_json::from_slice(&payload).map_err(|_| unreadable)?;
        Ok(claims)
    }

    /// Checks the signature, and nothing else. The algorithm is the key's, whatever the header says.
    pub(super) fn check(&self, key: &DecodingKey, algorithm: Algorithm) -> Result<(), Refusal> {
        match crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            // An error is an encoding that is none, or a key of another family.
            Ok(false) | Err(_) => Err(Refusal::Invalid("the signature of the token is wrong")),
        }
    }
}

/// An object without a name that is there twice.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name is there twice"));
            }
        }
        Ok(Unique(object))
    }
}
