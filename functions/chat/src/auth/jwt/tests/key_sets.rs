//! Key sets of good and bad issuers.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::Refusal;
use super::super::key_set::{BadKeySet, KeySet};
use super::support::{Issuer, Mood, TestKey, encode};

fn parse(keys: &[Value]) -> Result<(), BadKeySet> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).map(drop)
}

/// What an issuer does wrong.
type Change = Box<dyn Fn(&Issuer)>;

/// An RSA key with a modulus of so many bits.
fn modulus(bits: usize) -> Value {
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] = 0xff >> (n.len() * 8 - bits);
    json!({"kty": "RSA", "kid": "k", "n": encode(n), "e": "AQAB"})
}

#[test]
fn a_key_that_cannot_check_signatures_is_left_out() {
    let mut left_out = vec![
        modulus(1024),
        modulus(2047),
        modulus(8193),
        json!({"kty": "oct", "kid": "k", "k": encode("a secret of thirty-two bytes, ok")}),
        json!({"kty": "RSA", "kid": "k"}),
        json!({"kty": "RSA", "kid": "k", "n": "", "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "k", "n": "!!", "e": "AQAB"}),
        json!({"kty": "EC", "kid": "k", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "kid": "k", "crv": "X25519", "x": encode([1; 32])}),
        json!({"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": encode([1; 31])}),
        json!({"kty": "EC", "kid": "k", "crv": "P-256", "x": encode([1; 32]), "y": encode([1; 31])}),
        json!({"kid": "k"}),
        json!("key"),
        json!(null),
    ];
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("alg", json!("none")),
        ("kid", json!(7)),
    ] {
        let mut key = modulus(2048);
        key[name] = value;
        left_out.push(key);
    }
    for key in &left_out {
        assert_eq!(
            parse(std::slice::from_ref(key)),
            Err(BadKeySet::Empty),
            "{key}"
        );
    }
    // It spoils no other.
    left_out.push(modulus(2048));
    assert_eq!(parse(&left_out), Ok(()));
    assert_eq!(parse(&[modulus(8192)]), Ok(()));
}

#[test]
fn a_key_set_is_bounded() {
    assert_eq!(parse(&vec![modulus(2048); 100]), Ok(()));
    assert_eq!(parse(&vec![modulus(2048); 101]), Err(BadKeySet::TooMany));
    assert_eq!(parse(&[]), Err(BadKeySet::Empty));
    for text in ["", "{}", "[]", "<html>", r#"{"keys":{}}"#] {
        let parsed = KeySet::parse(text.as_bytes()).map(drop);
        assert_eq!(parsed, Err(BadKeySet::Unreadable), "{text}");
    }
}

#[tokio::test]
async fn zeros_before_a_modulus_and_padding_are_no_obstacle() {
    let rsa = TestKey::rsa("rsa");
    let issuer = Issuer::start(&[]).await;
    let mut jwk = rsa.jwk();
    let n = jwk["n"].as_str().unwrap();
    // Three zeros are four characters of zeros.
    jwk["n"] = format!("AAAA{n}==").into();
    issuer.publish_json(json!({ "keys": [jwk] }));
    let token = rsa.token("RS256", &issuer.good());
    assert!(issuer.verifier().verify(&token).await.is_ok());
}

#[tokio::test]
async fn keys_of_two_types_may_share_an_id() {
    let (rsa, p256) = (TestKey::rsa("same"), TestKey::p256("same"));
    let issuer = Issuer::start(&[&rsa, &p256]).await;
    let verifier = issuer.verifier();
    for (key, algorithm) in [(&rsa, "RS256"), (&p256, "ES256")] {
        let token = key.token(algorithm, &issuer.good());
        assert!(verifier.verify(&token).await.is_ok(), "{algorithm}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_what_it_should_be_has_no_keys() {
    let key = TestKey::p256("k");
    let html = "<html>".to_owned();
    let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(256 * 1024));
    let describe = |metadata: fn(&str) -> Value| -> Change {
        Box::new(move |issuer| issuer.describe(metadata(&issuer.url)))
    };
    let becomes = |mood: Mood| -> Change { Box::new(move |issuer| issuer.becomes(mood.clone())) };
    let cases: Vec<(&str, Change)> = vec![
        (
            "of another issuer",
            describe(
                |url| json!({"issuer": "https://a.example", "jwks_uri": format!("{url}/keys")}),
            ),
        ),
        (
            "of the same issuer with a slash",
            describe(|url| json!({"issuer": format!("{url}/"), "jwks_uri": format!("{url}/keys")})),
        ),
        (
            "keys in clear text elsewhere",
            describe(|url| json!({"issuer": url, "jwks_uri": "http://keys.example/keys"})),
        ),
        (
            "keys in a file",
            describe(|url| json!({"issuer": url, "jwks_uri": "file:///etc/passwd"})),
        ),
        (
            "no address",
            describe(|url| json!({"issuer": url, "jwks_uri": 7})),
        ),
        ("no text", becomes(Mood::Says(html))),
        ("too long", becomes(Mood::Says(huge))),
        ("a redirect", becomes(Mood::Fails(StatusCode::FOUND))),
        ("an error", becomes(Mood::Fails(StatusCode::BAD_GATEWAY))),
    ];
    for (case, change) in cases {
        let issuer = Issuer::start(&[&key]).await;
        change(&issuer);
        let token = key.token("ES256", &issuer.good());
        let verified = issuer.verifier().verify(&token).await;
        assert!(
            matches!(verified, Err(Refusal::Unavailable { .. })),
            "{case}"
        );
        assert_eq!(issuer.strays(), 0, "{case}");
    }
}
