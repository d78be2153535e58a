//! The keys of an issuer (RFC 7517, 5): those that may check signatures, with the algorithms that fit each one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_setup::settings::JwtAlgorithm;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

/// The most keys. Issuers have two or three; Entra has a dozen.
const MOST_KEYS: usize = 100;
/// The length of RSA keys, in bits. Shorter ones can be broken (RFC 7518, 3.3); ring takes none that is longer.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usable keys of an issuer.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<JwtAlgorithm>,
    public: DecodingKey,
}

/// The answer to the question for a key.
pub(super) enum Lookup {
    /// The key.
    Found(DecodingKey),
    /// There is such a key, and it is not for this algorithm.
    Unfit,
    /// There is no key of this id.
    Unknown,
    /// The token names no key, and there is not exactly one that fits.
    Unnamed,
}

/// A key set that is of no use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BadKeySet {
    /// Not an object with a list `keys`.
    #[error("it is not a key set")]
    Unreadable,
    /// Too many keys.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// An issuer does not mean to lock all its customers out: the old keys stay.
    #[error("it has no key that can be used")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The members that matter. `alg` may be missing, as in Entra's keys.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a key set. A key that cannot be used is left out, and spoils no other.
    pub(super) fn parse(json: &[u8]) -> Result<Self, BadKeySet> {
        let document: Document = serde_json::from_slice(json).map_err(|_| BadKeySet::Unreadable)?;
        if document.keys.len() > MOST_KEYS {
            return Err(BadKeySet::TooMany);
        }
        let keys = document.keys.into_iter();
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<_> = keys.filter_map(usable).collect();
        if keys.is_empty() {
            return Err(BadKeySet::Empty);
        }
        Ok(Self(keys))
    }

    /// The key of this id for this algorithm. A token without an id means the only key that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Lookup {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let Some(id) = id else {
            let mut keys = self.0.iter().filter(fits);
            return match (keys.next(), keys.next()) {
                (Some(key), None) => Lookup::Found(key.public.clone()),
                (None | Some(_), _) => Lookup::Unnamed,
            };
        };
        // Keys of different types may share an id (RFC 7517, 4.5).
        let mut named = self.0.iter().filter(|key| key.id.as_deref() == Some(id));
        match named.clone().find(fits) {
            Some(key) => Lookup::Found(key.public.clone()),
            None if named.next().is_some() => Lookup::Unfit,
            None => Lookup::Unknown,
        }
    }
}

fn usable(jwk: Jwk) -> Option<Key> {
    let signs = jwk.r#use.as_deref().is_none_or(|purpose| purpose == "sig");
    let verifies = jwk
        .key_ops
        .as_ref()
        .is_none_or(|uses| uses.iter().any(|one| one == "verify"));
    if !signs || !verifies {
        return None;
    }
    let (public, algorithms) = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("RSA", _) => (
            rsa(&bytes(jwk.n)?, &bytes(jwk.e)?)?,
            &[
                JwtAlgorithm::Rs256,
                JwtAlgorithm::Rs384,
                JwtAlgorithm::Rs512,
                JwtAlgorithm::Ps256,
                JwtAlgorithm::Ps384,
                JwtAlgorithm::Ps512,
            ][..],
        ),
        ("EC", Some("P-256")) => (
            point(&bytes(jwk.x)?, &bytes(jwk.y)?, 32)?,
            &[JwtAlgorithm::Es256][..],
        ),
        ("EC", Some("P-384")) => (
            point(&bytes(jwk.x)?, &bytes(jwk.y)?, 48)?,
            &[JwtAlgorithm::Es384][..],
        ),
        ("OKP", Some("Ed25519")) => (edwards(&bytes(jwk.x)?)?, &[JwtAlgorithm::EdDsa][..]),
        // A secret in a public document (`oct`) is known to all.
        _ => return None,
    };
    let named = jwk.alg.as_deref();
    let algorithms: Vec<_> = algorithms
        .iter()
        .copied()
        .filter(|algorithm| named.is_none_or(|named| algorithm.is_named(named)))
        .collect();
    (!algorithms.is_empty()).then_some(Key {
        id: jwk.kid,
        algorithms,
        public,
    })
}

fn bytes(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text?.trim_end_matches('=').as_bytes())
        .ok()
}

/// Some issuers write a zero before the number, as ASN.1 does; ring takes none.
fn rsa(n: &[u8], e: &[u8]) -> Option<DecodingKey> {
    let (n, e) = (number(n), number(e));
    let zeros = n.first()?.leading_zeros() as usize;
    let bits = n.len() * 8 - zeros;
    RSA_BITS
        .contains(&bits)
        .then(|| DecodingKey::from_rsa_raw_components(n, e))
}

fn number(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.get(zeros..).unwrap_or_default()
}

/// An uncompressed point (SEC 1, 2.3.3), which is how ring takes it. Ring checks that it is on the curve.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<DecodingKey> {
    let whole = x.len() == length && y.len() == length;
    whole.then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
}

fn edwards(x: &[u8]) -> Option<DecodingKey> {
    (x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}
