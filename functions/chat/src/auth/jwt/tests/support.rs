//! Keys, tokens, a clock and an issuer for the tests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_handoff::ports::{Env, Millis};
use baton_http::Secret;
use baton_setup::settings::{JwtAlgorithm, JwtSettings, KeySource};
use futures_util::future::BoxFuture;
use ring::rand::SystemRandom;
use ring::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::Verifier;

/// The tests' now, in seconds.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const SECRET: &str = "a secret of thirty-two bytes, ok";
/// Long enough for any answer on loopback, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// For issuers that never answer.
pub(super) const NO_PATIENCE: Duration = Duration::from_millis(1);

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A clock that a test sets ahead.
#[derive(Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    pub(super) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    pub(super) fn set_back(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.0.fetch_sub(by, Ordering::SeqCst);
    }
}

impl Env for Clock {
    fn now(&self) -> Millis {
        NOW * 1000 + self.0.load(Ordering::SeqCst)
    }

    fn sleep_until(&self, _: Millis) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn random(&self) -> u128 {
        0
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

/// A private key with its id.
pub(super) struct TestKey {
    pub(super) id: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Point(EcdsaKeyPair, &'static str),
    Edwards(Ed25519KeyPair),
}

impl TestKey {
    pub(super) fn rsa(id: &str) -> Self {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("rsa_2048.pk8")).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::Rsa(pair),
        }
    }

    pub(super) fn p256(id: &str) -> Self {
        Self::point(id, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
    }

    pub(super) fn p384(id: &str) -> Self {
        Self::point(id, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")
    }

    fn point(id: &str, algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::Point(pair, curve),
        }
    }

    pub(super) fn edwards(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self {
            id: id.to_owned(),
            pair: Pair::Edwards(pair),
        }
    }

    /// The public key as an issuer publishes it; like Entra without `alg`.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encode(public.n), "e": encode(public.e)})
            }
            Pair::Point(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Edwards(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())})
            }
        };
        jwk["kid"] = self.id.clone().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public key as bytes.
    pub(super) fn public(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Point(pair, _) => pair.public_key().as_ref().to_vec(),
            Pair::Edwards(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The signature of a message by this algorithm.
    pub(super) fn sign(&self, algorithm: &str, message: &str) -> Vec<u8> {
        let (random, message) = (SystemRandom::new(), message.as_bytes());
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    other => panic!("{other} is not for RSA"),
                };
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, message, &mut bytes).unwrap();
                bytes
            }
            Pair::Point(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with these claims, signed by this algorithm.
    pub(super) fn token(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"alg": algorithm, "kid": self.id, "typ": "JWT"});
        self.token_of(algorithm, &header.to_string(), &claims.to_string())
    }

    /// A token of this header and these claims, whatever they are.
    pub(super) fn token_of(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", encode(self.sign(algorithm, &message)))
    }
}

/// A token with a shared secret, whatever its header.
pub(super) fn secret_token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let hash = match header["alg"].as_str() {
        Some("HS384") => ring::hmac::HMAC_SHA384,
        Some("HS512") => ring::hmac::HMAC_SHA512,
        _ => ring::hmac::HMAC_SHA256,
    };
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let key = ring::hmac::Key::new(hash, secret);
    format!(
        "{message}.{}",
        encode(ring::hmac::sign(&key, message.as_bytes()))
    )
}

/// The claims of a good token of this issuer.
pub(super) fn good(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "chat", "sub": "coyote", "exp": NOW + 600, "iat": NOW, "nbf": NOW})
}

/// Settings that accept a good token.
pub(super) fn settings(issuer: &str, keys: KeySource) -> JwtSettings {
    let algorithms = match keys {
        KeySource::Secret(_) => JwtAlgorithm::SECRET,
        KeySource::Discovery(_) | KeySource::KeySet(_) => JwtAlgorithm::PUBLIC,
    };
    JwtSettings {
        issuer: issuer.to_owned(),
        audiences: vec!["chat".to_owned()],
        keys,
        algorithms: algorithms.to_vec(),
        subject_claim: "sub".to_owned(),
        tenant_claim: None,
        name_claim: "name".to_owned(),
        tool_claims: Vec::new(),
        role_claim: None,
    }
}

/// A verifier of tokens with the shared secret.
pub(super) fn with_secret(change: impl FnOnce(&mut JwtSettings)) -> Verifier {
    let mut settings = settings("shop", KeySource::Secret(Secret::new(SECRET)));
    change(&mut settings);
    Verifier::new(settings, Arc::new(Clock::default()))
}

/// What an issuer does with a request.
#[derive(Clone)]
pub(super) enum Mood {
    Answers,
    Fails(StatusCode),
    Hangs(Arc<Notify>),
    Says(String),
}

/// An issuer of tokens.
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) clock: Arc<Clock>,
    shown: Arc<Shown>,
}

struct Shown {
    url: String,
    keys: Mutex<Value>,
    metadata: Mutex<Value>,
    mood: Mutex<Mood>,
    key_sets: AtomicUsize,
    asked_for_metadata: AtomicUsize,
    others: AtomicUsize,
}

impl Issuer {
    pub(super) async fn start(keys: &[&TestKey]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let shown = Arc::new(Shown {
            url: url.clone(),
            keys: Mutex::default(),
            metadata: Mutex::new(metadata),
            mood: Mutex::new(Mood::Answers),
            key_sets: AtomicUsize::new(0),
            asked_for_metadata: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
        });
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(shown.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let issuer = Self {
            url,
            clock: Arc::default(),
            shown,
        };
        issuer.publish(keys);
        issuer
    }

    pub(super) fn publish(&self, keys: &[&TestKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.publish_json(json!({ "keys": keys }));
    }

    pub(super) fn publish_json(&self, keys: Value) {
        *self.shown.keys.lock().unwrap() = keys;
    }

    pub(super) fn describe(&self, metadata: Value) {
        *self.shown.metadata.lock().unwrap() = metadata;
    }

    pub(super) fn becomes(&self, mood: Mood) {
        *self.shown.mood.lock().unwrap() = mood;
    }

    /// How often the key set was asked for.
    pub(super) fn fetches(&self) -> usize {
        self.shown.key_sets.load(Ordering::SeqCst)
    }

    /// How often a fetch was begun: discovery goes first.
    pub(super) fn attempts(&self) -> usize {
        self.shown.asked_for_metadata.load(Ordering::SeqCst)
    }

    /// How often another address than the two of an issuer was asked for.
    pub(super) fn strays(&self) -> usize {
        self.shown.others.load(Ordering::SeqCst)
    }

    pub(super) fn settings(&self) -> JwtSettings {
        let url = format!("{}/.well-known/openid-configuration", self.url);
        settings(&self.url, KeySource::Discovery(url.parse().unwrap()))
    }

    pub(super) fn verifier(&self) -> Verifier {
        self.verifier_of(self.settings())
    }

    pub(super) fn verifier_of(&self, settings: JwtSettings) -> Verifier {
        Verifier::with_patience(settings, self.clock.clone(), PATIENCE)
    }

    pub(super) fn hasty_verifier(&self) -> Verifier {
        Verifier::with_patience(self.settings(), self.clock.clone(), NO_PATIENCE)
    }

    pub(super) fn good(&self) -> Value {
        good(&self.url)
    }
}

async fn answer(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    let body = match uri.path() {
        "/keys" => {
            shown.key_sets.fetch_add(1, Ordering::SeqCst);
            shown.keys.lock().unwrap().to_string()
        }
        "/.well-known/openid-configuration" => {
            shown.asked_for_metadata.fetch_add(1, Ordering::SeqCst);
            shown.metadata.lock().unwrap().to_string()
        }
        _ => {
            shown.others.fetch_add(1, Ordering::SeqCst);
            shown.keys.lock().unwrap().to_string()
        }
    };
    let mood = shown.mood.lock().unwrap().clone();
    match mood {
        Mood::Answers => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Mood::Fails(status) => {
            let elsewhere = format!("{}/elsewhere", shown.url);
            (status, [(header::LOCATION, elsewhere)], body).into_response()
        }
        Mood::Hangs(released) => {
            released.notified().await;
            body.into_response()
        }
        Mood::Says(text) => text.into_response(),
    }
}
