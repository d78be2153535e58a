//! Our own tokens.

use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use serde_json::{Map, Value, json};

use super::super::{Claims, Kind, Mint, NotSigned, Refusal, WeakSecret};
use super::support::{Clock, NOW, SECRET, encode, secret_token, with_secret};

const KINDS: [Kind; 2] = [Kind::Visitor, Kind::Widget];
const OTHER_KIND: Refusal = Refusal::Invalid("the token is of another kind");
const WRONG: Refusal = Refusal::Invalid("the signature of the token is wrong");

fn mint_of(secret: &str) -> (Mint, Arc<Clock>) {
    let clock = Arc::new(Clock::default());
    let mint = Mint::new(secret.as_bytes(), clock.clone()).unwrap();
    (mint, clock)
}

fn claims() -> Claims {
    Claims {
        subject: "v-1".to_owned(),
        tenant: Some("acme".to_owned()),
        name: Some("Wile".to_owned()),
        claims: Map::from_iter([("plan".to_owned(), json!("gold"))]),
        expires: NOW + 600,
        origin: Some("https://shop.example".to_owned()),
    }
}

#[test]
fn a_token_says_what_was_signed_until_it_expires() {
    let (mint, clock) = mint_of(SECRET);
    for kind in KINDS {
        let token = mint.sign(kind, &claims()).unwrap();
        assert!(mint.is_for(kind, &token));
        let verified = mint.verify(kind, &token).unwrap();
        let expected = claims();
        assert_eq!(verified.subject, expected.subject);
        assert_eq!(verified.tenant, expected.tenant);
        assert_eq!(verified.name, expected.name);
        assert_eq!(verified.claims, expected.claims);
        assert_eq!(verified.origin, expected.origin);
        assert_eq!(verified.expires, expected.expires);
        assert!(verified.roles.is_empty());
    }
    let token = mint.sign(Kind::Visitor, &claims()).unwrap();
    clock.advance(Duration::from_mins(11));
    let expired = Err(Refusal::Invalid("the token has expired"));
    assert_eq!(mint.verify(Kind::Visitor, &token), expired);
}

#[test]
fn no_kind_stands_for_another() {
    let (mint, _) = mint_of(SECRET);
    for signed in KINDS {
        let token = mint.sign(signed, &claims()).unwrap();
        for other in KINDS.into_iter().filter(|other| *other != signed) {
            assert!(!mint.is_for(other, &token));
            assert_eq!(mint.verify(other, &token), Err(OTHER_KIND));
        }
    }
}

/// The derivation is pinned: a release that changed it would sign out all visitors.
#[test]
fn each_kind_has_a_key_of_its_own() {
    let (mint, _) = mint_of(SECRET);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let names = ["visitor", "widget", "tool"];
    for (kind, name) in KINDS.into_iter().zip(names) {
        let typ = format!("baton-{name}+jwt");
        let header = json!({"alg": "HS256", "typ": typ});
        let payload = json!({"iss": "baton", "aud": format!("baton:{name}"), "sub": "v-1", "iat": NOW, "exp": NOW + 600});
        for signed_as in names {
            let key = hmac::sign(&secret, format!("baton-{signed_as}+jwt").as_bytes());
            let verified = mint.verify(kind, &secret_token(&header, &payload, key.as_ref()));
            let expected = if signed_as == name {
                Ok(())
            } else {
                Err(WRONG)
            };
            assert_eq!(verified.map(drop), expected, "{name} {signed_as}");
        }
    }
}

#[tokio::test]
async fn an_issuer_with_the_same_secret_neither_makes_nor_takes_them() {
    let (mint, _) = mint_of(SECRET);
    let verifier = with_secret(|settings| {
        settings.issuer = "baton".to_owned();
        settings.audiences = vec!["baton:visitor".to_owned()];
    });
    let ours = mint.sign(Kind::Visitor, &claims()).unwrap();
    let refused = Refusal::Invalid("the type of the token is not JWT");
    assert_eq!(verifier.verify(&ours).await, Err(refused));
    let payload =
        json!({"iss": "baton", "aud": "baton:visitor", "sub": "v-1", "iat": NOW, "exp": NOW + 600});
    let theirs = |header: Value| secret_token(&header, &payload, SECRET.as_bytes());
    let typed = theirs(json!({"alg": "HS256", "typ": "baton-visitor+jwt"}));
    assert_eq!(mint.verify(Kind::Visitor, &typed), Err(WRONG));
    for header in [
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "HS256"}),
        json!({"alg": "HS512", "typ": "baton-visitor+jwt"}),
        json!({"alg": "none", "typ": "baton-visitor+jwt"}),
    ] {
        assert_eq!(mint.verify(Kind::Visitor, &theirs(header)), Err(OTHER_KIND));
    }
}

#[test]
fn a_changed_token_or_one_of_another_secret_is_refused() {
    let (mint, _) = mint_of(SECRET);
    let token = mint.sign(Kind::Widget, &claims()).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let mut other = claims();
    other.subject = "v-2".to_owned();
    let other = mint.sign(Kind::Widget, &other).unwrap();
    let payload = other.split('.').nth(1).unwrap();
    for changed in [
        format!("{}.{payload}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], encode([0; 32])),
    ] {
        assert_eq!(mint.verify(Kind::Widget, &changed), Err(WRONG));
    }
    let (stranger, _) = mint_of("another secret of thirty-two by.");
    assert_eq!(stranger.verify(Kind::Widget, &token), Err(WRONG));
}

#[test]
fn what_would_be_refused_is_not_signed() {
    let (mint, clock) = mint_of(SECRET);
    let signed = |change: fn(&mut Claims)| {
        let mut claims = claims();
        change(&mut claims);
        mint.sign(Kind::Widget, &claims)
    };
    for change in [
        (|claims| claims.subject = String::new()) as fn(&mut Claims),
        |claims| claims.tenant = Some("a\nb".to_owned()),
        |claims| claims.claims["plan"] = "p".repeat(2048).into(),
        |claims| claims.name = Some("x".repeat(8 * 1024)),
    ] {
        assert!(matches!(signed(change), Err(NotSigned::Unusable(_))));
    }
    assert_eq!(Mint::new(&[7; 31], clock).map(drop), Err(WeakSecret));
}
