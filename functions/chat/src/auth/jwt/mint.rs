//! Baton's own tokens (HS256): signed and checked with one secret, and no kind can stand for another.
//!
//! Each kind has a key of its own, derived from the secret, and a type and an audience of its own. The type is none that a
//! [`Verifier`](super::Verifier) accepts, so these tokens stay ours even if an issuer shares the same secret.

use std::sync::Arc;

use baton_handoff::ports::Env;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token::{LONGEST, TOO_LONG, Token};
use super::{Refusal, Verified, claims, provider};

/// The claim `iss` of our own tokens.
const ISSUER: &str = "baton";
/// The shortest secret, in bytes (RFC 7518, 3.2).
const SECRET_BYTES: usize = 32;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The cookie of an anonymous visitor.
    Visitor,
    /// A widget in a page of another origin.
    Widget,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Visitor, Self::Widget];

    /// The type in the header of its tokens, and the label of its key.
    fn typ(self) -> &'static str {
        match self {
            Self::Visitor => "baton-visitor+jwt",
            Self::Widget => "baton-widget+jwt",
        }
    }

    fn audience(self) -> &'static str {
        match self {
            Self::Visitor => "baton:visitor",
            Self::Widget => "baton:widget",
        }
    }
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The visitor or customer: 1 to 255 bytes without control characters.
    pub subject: String,
    /// The tenant, like the subject.
    pub tenant: Option<String>,
    /// A display name.
    pub name: Option<String>,
    /// Claims for tools: 2 KB at most as JSON.
    pub claims: Map<String, Value>,
    /// The end of the token, in seconds since 1970.
    pub expires: u64,
    /// The only origin that may use the token.
    pub origin: Option<String>,
}

/// The claims as they are signed.
#[derive(Serialize, Deserialize)]
struct Signed {
    iss: String,
    aud: String,
    sub: String,
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    claims: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

/// A secret that can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret has fewer than {SECRET_BYTES} bytes")]
pub struct WeakSecret;

/// A token that could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// It would be refused when it comes back.
    #[error("the claims cannot be in a token: {0}")]
    Unusable(#[source] Refusal),
    /// The library failed.
    #[error("the token could not be signed")]
    Signer(#[source] jsonwebtoken::errors::Error),
}

/// Signs and checks our own tokens.
pub struct Mint {
    pairs: [Pair; 2],
    env: Arc<dyn Env>,
}

struct Pair {
    signing: EncodingKey,
    checking: DecodingKey,
}

impl Mint {
    /// Signs with keys derived from this secret. `env` is the clock.
    ///
    /// # Errors
    /// The secret is too short.
    pub fn new(secret: &[u8], env: Arc<dyn Env>) -> Result<Self, WeakSecret> {
        if secret.len() < SECRET_BYTES {
            return Err(WeakSecret);
        }
        provider::install();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let pair = |kind: Kind| {
            let key = hmac::sign(&secret, kind.typ().as_bytes());
            // A key is never empty.
            Ok(Pair {
                signing: EncodingKey::from_secret(key.as_ref()).map_err(|_| WeakSecret)?,
                checking: DecodingKey::from_secret(key.as_ref()).map_err(|_| WeakSecret)?,
            })
        };
        let [visitor, widget] = Kind::ALL;
        Ok(Self {
            pairs: [pair(visitor)?, pair(widget)?],
            env,
        })
    }

    fn pair(&self, kind: Kind) -> &Pair {
        let [visitor, widget] = &self.pairs;
        match kind {
            Kind::Visitor => visitor,
            Kind::Widget => widget,
        }
    }

    /// A token of this kind.
    ///
    /// # Errors
    /// [`Mint::verify`] would refuse it, or the library failed.
    pub fn sign(&self, kind: Kind, claims: &Claims) -> Result<String, NotSigned> {
        let signed = Signed {
            iss: ISSUER.to_owned(),
            aud: kind.audience().to_owned(),
            sub: claims.subject.clone(),
            iat: self.env.now() / 1000,
            exp: claims.expires,
            tenant: claims.tenant.clone(),
            name: claims.name.clone(),
            claims: claims.claims.clone(),
            origin: claims.origin.clone(),
        };
        check(&signed).map_err(NotSigned::Unusable)?;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(kind.typ().to_owned());
        let token = jsonwebtoken::encode(&header, &signed, &self.pair(kind).signing)
            .map_err(NotSigned::Signer)?;
        if token.len() > LONGEST {
            return Err(NotSigned::Unusable(TOO_LONG));
        }
        Ok(token)
    }

    /// Whether a token says that it is of this kind. Believes nothing: it only chooses the check.
    pub fn is_for(&self, kind: Kind, token: &str) -> bool {
        Token::parse(token).is_ok_and(|token| token.header.typ.as_deref() == Some(kind.typ()))
    }

    /// Checks a token of this kind.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]: it is not ours, of another kind, changed, or expired.
    pub fn verify(&self, kind: Kind, token: &str) -> Result<Verified, Refusal> {
        let token = Token::parse(token)?;
        if token.header.typ.as_deref() != Some(kind.typ()) || token.header.alg != "HS256" {
            return Err(Refusal::Invalid("the token is of another kind"));
        }
        token.check(&self.pair(kind).checking, Algorithm::HS256)?;
        let all = token.claims()?;
        let expires = claims::times(&all, self.env.now())?;
        let unreadable = Refusal::Invalid("the claims of the token cannot be read");
        let signed: Signed = serde_json::from_value(Value::Object(all)).map_err(|_| unreadable)?;
        if signed.iss != ISSUER || signed.aud != kind.audience() {
            return Err(Refusal::Invalid("the token is of another kind"));
        }
        check(&signed)?;
        Ok(Verified {
            subject: signed.sub,
            tenant: signed.tenant,
            name: signed.name,
            claims: signed.claims,
            roles: Vec::new(),
            expires,
            origin: signed.origin,
        })
    }
}

fn check(signed: &Signed) -> Result<(), Refusal> {
    if !claims::is_id(&signed.sub) {
        return Err(Refusal::Invalid("the token names no usable subject"));
    }
    if !signed.tenant.as_deref().is_none_or(claims::is_id) {
        return Err(Refusal::Invalid("the token names no usable tenant"));
    }
    claims::check_size(&signed.claims)
}
