//! The tokens by which a service knows in whose name it is called: short-lived JWTs (RFC 7519), signed with Ed25519 (RFC 8037), and
//! the key set (RFC 7517) by which any library verifies them. Knows keys and claims; never a request or a conversation's content.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_handoff::ids::ActionId;
use baton_handoff::ports::CallContext;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Map, Value, json};

/// The shortest secret, in bytes.
const SECRET_BYTES: usize = 32;

/// The type of a token by which a service reports the end of an action.
const REPORT_TYPE: &str = "baton-report+jwt";

/// A key that signs, and one that is still, or already, published beside it.
const MOST_KEYS: usize = 2;

/// How long a token is valid, in seconds.
const LIFE: u64 = 5 * 60;

/// The type in the header of each token (RFC 8725, 3.11): none of another kind can stand for it.
const TYPE: &str = "baton-tool+jwt";

/// Secrets that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecrets {
    /// One is too short to be secret.
    #[error("a secret has fewer than {SECRET_BYTES} bytes; make one with: openssl rand -hex 32")]
    Weak,
    /// There is none, or there are too many.
    #[error("there must be one secret, or two while keys are changed")]
    Count,
}

/// Signs the tokens.
pub struct ToolTokens {
    issuer: String,
    signing: Key,
    published: Option<Key>,
}

struct Key {
    pair: Ed25519KeyPair,
    id: String,
}

/// What a token says.
pub(crate) struct Claims<'a> {
    /// The origin of the service.
    pub(crate) audience: &'a str,
    /// The idempotency key of an action, or a random id.
    pub(crate) id: &'a str,
    /// In whose name.
    pub(crate) context: &'a CallContext,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

impl ToolTokens {
    /// Signs in this issuer's name with the key of the first secret. The key of a second one is published only. Secrets are separated
    /// by commas or white space.
    ///
    /// # Errors
    /// See [`BadSecrets`].
    pub fn new(issuer: &str, secrets: &str) -> Result<Self, BadSecrets> {
        let is_between = |c: char| c == ',' || c.is_whitespace();
        let secrets = secrets.split(is_between).filter(|text| !text.is_empty());
        let mut keys = secrets.map(Key::of).collect::<Result<Vec<_>, _>>()?;
        if keys.len() > MOST_KEYS {
            return Err(BadSecrets::Count);
        }
        let mut keys = keys.drain(..);
        Ok(Self {
            issuer: issuer.to_owned(),
            signing: keys.next().ok_or(BadSecrets::Count)?,
            published: keys.next(),
        })
    }

    /// The public keys as a JWK set. Without a signer there are none.
    pub fn key_set(tokens: Option<&Arc<Self>>) -> String {
        let keys = tokens.into_iter().flat_map(|tokens| {
            let published = tokens.published.iter();
            std::iter::once(&tokens.signing).chain(published)
        });
        let keys: Vec<Value> = keys.map(Key::public).collect();
        json!({ "keys": keys }).to_string()
    }

    /// A token for one attempt of a call.
    pub(crate) fn sign(&self, claims: &Claims<'_>) -> String {
        let Claims {
            audience,
            id,
            context,
            now,
        } = claims;
        let mut said = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("aud".to_owned(), json!(audience)),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now + LIFE)),
            ("jti".to_owned(), json!(id)),
            ("tenant".to_owned(), json!(context.owner.tenant())),
            (
                "conversation".to_owned(),
                json!(context.conversation.as_str()),
            ),
        ]);
        // Without a verified customer there is no subject: a service that asks for one refuses the token.
        if let Some(customer) = context.customer() {
            said.insert("sub".to_owned(), json!(customer));
        }
        // RFC 8693, section 4.1.
        if let Some(operator) = &context.approved_by {
            said.insert("act".to_owned(), json!({ "sub": operator.as_str() }));
        }
        self.signed(TYPE, &Value::Object(said))
    }

    /// A token by which the service of this action reports its end, until then. Seconds since 1970.
    pub(crate) fn for_report(&self, action: &ActionId, until: u64) -> String {
        let said = json!({ "iss": self.issuer, "aud": self.issuer, "jti": action.to_string(), "exp": until });
        self.signed(REPORT_TYPE, &said)
    }

    /// Whether this is a token of ours by which the end of this action may be reported now. Seconds since 1970.
    pub fn reports(&self, token: &str, action: &ActionId, now: u64) -> bool {
        let keys = std::iter::once(&self.signing).chain(&self.published);
        let said = keys.into_iter().find_map(|key| key.verified(token));
        let Some((header, said)) = said else {
            return false;
        };
        let until = said.get("exp").and_then(Value::as_u64);
        header.get("typ").is_some_and(|kind| kind == REPORT_TYPE)
            && said.get("aud").is_some_and(|us| *us == self.issuer)
            && said.get("jti").is_some_and(|id| *id == action.to_string())
            && until.is_some_and(|until| now < until)
    }

    fn signed(&self, kind: &str, said: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.signing.id, "typ": kind });
        let message = format!("{}.{}", encoded(&header), encoded(said));
        let signature = self.signing.pair.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Key {
    fn of(secret: &str) -> Result<Self, BadSecrets> {
        if secret.len() < SECRET_BYTES {
            return Err(BadSecrets::Weak);
        }
        // Its own key, even if the same secret serves for something else.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let seed = hmac::sign(&secret, TYPE.as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref());
        let pair = pair.map_err(|_| BadSecrets::Weak)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // RFC 7638, and RFC 8037, appendix A.3: the members that make the key, in this order.
        let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let hash = digest::digest(&digest::SHA256, thumbprint.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(hash);
        Ok(Self { pair, id })
    }

    /// Header and claims of a token that this key has signed.
    fn verified(&self, token: &str) -> Option<(Value, Value)> {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key());
        key.verify(message.as_bytes(), &signature).ok()?;
        let (header, said) = message.split_once('.')?;
        Some((decoded(header)?, decoded(said)?))
    }

    fn public(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": URL_SAFE_NO_PAD.encode(self.pair.public_key()),
            "kid": self.id,
            "alg": "EdDSA",
            "use": "sig",
        })
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use baton_handoff::ids::ConversationId;
    use baton_handoff::{Kind, Principal, Subject, Tenant};

    use super::*;

    const FIRST: &str = "0123456789abcdef0123456789abcdef";
    const SECOND: &str = "abcdef0123456789abcdef0123456789";

    fn context(kind: Kind) -> CallContext {
        let subject = Subject::parse("ann").unwrap();
        let owner = Principal::new(Tenant::parse("acme").unwrap(), kind, subject).owner();
        CallContext::new(owner, ConversationId::parse("c1").unwrap(), 3)
    }

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    /// Header and claims, after the signature was checked with the key of this set that the header names.
    fn verified(token: &str, key_set: &str) -> Option<(Value, Value)> {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        let header = part(header);
        let set: Value = serde_json::from_str(key_set).unwrap();
        let keys = set["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["kid"] == header["kid"])?;
        let x = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, x)
            .verify(message.as_bytes(), &signature)
            .unwrap();
        Some((header, part(claims)))
    }

    fn sign(tokens: &ToolTokens, context: &CallContext) -> String {
        tokens.sign(&Claims {
            audience: "https://tables.example.com",
            id: "k1",
            context,
            now: 1_000,
        })
    }

    #[test]
    fn a_token_names_the_customer_the_service_and_the_operator_for_five_minutes() {
        let tokens = Arc::new(ToolTokens::new("https://chat.example.com", FIRST).unwrap());
        let set = ToolTokens::key_set(Some(&tokens));
        let mut context = context(Kind::Customer);
        context.approved_by = Some(Subject::parse("carla").unwrap());
        let (header, claims) = verified(&sign(&tokens, &context), &set).unwrap();
        assert_eq!(header["typ"], "baton-tool+jwt");
        assert_eq!(
            claims,
            json!({
                "iss": "https://chat.example.com",
                "aud": "https://tables.example.com",
                "sub": "ann",
                "tenant": "acme",
                "jti": "k1",
                "act": { "sub": "carla" },
                "conversation": "c1",
                "iat": 1_000,
                "exp": 1_300,
            })
        );
    }

    #[test]
    fn a_token_of_a_visitor_names_no_subject() {
        let tokens = Arc::new(ToolTokens::new("baton", FIRST).unwrap());
        let token = sign(&tokens, &context(Kind::Visitor));
        let (_, claims) = verified(&token, &ToolTokens::key_set(Some(&tokens))).unwrap();
        assert_eq!(claims.get("sub"), None);
        assert_eq!(claims["tenant"], "acme");
    }

    #[test]
    fn the_first_of_two_keys_signs_and_both_are_published() {
        let of = |secrets: &str| Arc::new(ToolTokens::new("baton", secrets).unwrap());
        let (before, during) = (of(FIRST), of(&format!("{SECOND},{FIRST}\n")));
        let sets = [&before, &during].map(|tokens| ToolTokens::key_set(Some(tokens)));
        let visitor = context(Kind::Visitor);
        assert!(verified(&sign(&before, &visitor), &sets[1]).is_some());
        assert!(verified(&sign(&during, &visitor), &sets[1]).is_some());
        assert!(verified(&sign(&during, &visitor), &sets[0]).is_none());
        assert_eq!(ToolTokens::key_set(None), r#"{"keys":[]}"#);
    }

    #[test]
    fn a_token_for_a_report_is_for_one_action_and_ends() {
        let of = |secrets: &str| Arc::new(ToolTokens::new("baton", secrets).unwrap());
        let (tokens, later) = (of(FIRST), of(&format!("{SECOND},{FIRST}")));
        let action = |name: &str| {
            let conversation = ConversationId::parse("c1").unwrap();
            ActionId::new(conversation, 3, "book", name, 0)
        };
        let token = tokens.for_report(&action("a"), 1_000);
        assert!(tokens.reports(&token, &action("a"), 999));
        assert!(later.reports(&token, &action("a"), 999));
        assert!(!tokens.reports(&token, &action("a"), 1_000));
        assert!(!tokens.reports(&token, &action("b"), 999));
        assert!(!of(SECOND).reports(&token, &action("a"), 999));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let said =
            encoded(&json!({ "aud": "baton", "jti": action("b").to_string(), "exp": 2_000 }));
        let forged = format!("{header}.{said}.{signature}");
        assert!(!tokens.reports(&forged, &action("b"), 999));
        let mut context = context(Kind::Customer);
        context.action = Some(action("a"));
        assert!(!tokens.reports(&sign(&tokens, &context), &action("a"), 999));
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        let bad = |secrets: &str| ToolTokens::new("baton", secrets).err();
        assert_eq!(bad("short"), Some(BadSecrets::Weak));
        assert_eq!(bad(""), Some(BadSecrets::Count));
        assert_eq!(bad(&format!("{FIRST},short")), Some(BadSecrets::Weak));
        let three = format!("{FIRST},{SECOND},{FIRST}");
        assert_eq!(bad(&three), Some(BadSecrets::Count));
    }
}
