//! Keys and algorithms: what an attacker does with the header of a token. The lists of RFC 8725 and of public reports.

use baton_setup::settings::JwtAlgorithm;
use serde_json::{Value, json};

use super::super::Refusal;
use super::support::{Issuer, NOW, SECRET, TestKey, encode, good, secret_token, with_secret};
use super::world::World;

const WRONG: Refusal = Refusal::Invalid("the signature of the token is wrong");
const NOT_ALLOWED: Refusal = Refusal::Invalid("the algorithm of the token is not allowed");
const HEADER: Refusal = Refusal::Invalid("the header of the token cannot be read");
const UNFIT: Refusal = Refusal::Invalid("the algorithm of the token is not one of its key");

#[tokio::test]
async fn every_algorithm_of_every_type_of_key_is_accepted_without_alg_in_the_key() {
    let world = World::new().await;
    for (key, algorithms) in world.keys() {
        for algorithm in algorithms {
            let token = key.token(algorithm, &world.issuer.good());
            let verified = world.verifier.verify(&token).await.expect(algorithm);
            assert_eq!(verified.subject, "coyote");
            assert_eq!(verified.expires, NOW + 600);
        }
    }
}

#[tokio::test]
async fn no_signature_is_no_token() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    for name in ["none", "None", "NONE", "nOnE", "", " ", "null"] {
        for kid in ["rsa", "p256", "unknown"] {
            let header = json!({"alg": name, "kid": kid}).to_string();
            let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
            assert_eq!(world.refusal(&unsigned).await, NOT_ALLOWED, "{name}");
            let signed = world.rsa.token_of("RS256", &header, &claims);
            assert_eq!(world.refusal(&signed).await, NOT_ALLOWED, "{name}");
        }
    }
    for header in [
        r#"{"alg":null}"#,
        "{}",
        r#"{"alg":["RS256"]}"#,
        "[]",
        "x",
        "",
    ] {
        let token = world.rsa.token_of("RS256", header, &claims);
        assert_eq!(world.refusal(&token).await, HEADER, "{header}");
    }
    // With an allowed name and nothing, or zeros, behind it.
    for (key, algorithms) in world.keys() {
        for algorithm in algorithms {
            let token = key.token(algorithm, &world.issuer.good());
            let (message, signature) = token.rsplit_once('.').unwrap();
            let length = signature.len() / 4 * 3;
            for signature in [Vec::new(), vec![0; length], vec![0; 64], vec![0; 96]] {
                let token = format!("{message}.{}", encode(signature));
                assert_eq!(world.refusal(&token).await, WRONG, "{algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret_in_any_encoding() {
    let world = World::new().await;
    for (key, _) in world.keys() {
        let jwk = key.jwk();
        let der = key.public();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            encode(&der)
        );
        let member = jwk.get("n").or_else(|| jwk.get("x")).unwrap();
        let encodings = [
            der,
            pem.into_bytes(),
            jwk.to_string().into_bytes(),
            member.as_str().unwrap().as_bytes().to_vec(),
        ];
        for secret in encodings {
            for algorithm in ["HS256", "HS384", "HS512"] {
                let header = json!({"alg": algorithm, "kid": key.id});
                let token = secret_token(&header, &world.issuer.good(), &secret);
                assert_eq!(world.refusal(&token).await, NOT_ALLOWED);
            }
        }
    }
}

#[tokio::test]
async fn the_type_of_the_key_decides_the_algorithm_and_the_header_does_not() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    let all = JwtAlgorithm::PUBLIC.iter().map(|one| one.name());
    for claimed in all {
        for (key, algorithms) in world.keys() {
            let header = json!({"alg": claimed, "kid": key.id}).to_string();
            // The two names of Ed25519 are one algorithm.
            if claimed == "EdDSA" && algorithms.contains(&claimed) {
                continue;
            }
            for signed in algorithms.iter().filter(|signed| **signed != claimed) {
                let token = key.token_of(signed, &header, &claims);
                let refusal = world.refusal(&token).await;
                let fits = algorithms.contains(&claimed);
                assert_eq!(
                    refusal,
                    if fits { WRONG } else { UNFIT },
                    "{claimed} {signed}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_names_its_algorithm_has_no_other() {
    let rsa = TestKey::rsa("rsa");
    let issuer = Issuer::start(&[]).await;
    let mut jwk = rsa.jwk();
    jwk["alg"] = "PS256".into();
    issuer.publish_json(json!({ "keys": [jwk] }));
    let verifier = issuer.verifier();
    let verify = async |algorithm| verifier.verify(&rsa.token(algorithm, &issuer.good())).await;
    assert!(verify("PS256").await.is_ok());
    for algorithm in ["RS256", "PS384"] {
        assert_eq!(verify(algorithm).await, Err(UNFIT), "{algorithm}");
    }
}

#[tokio::test]
async fn the_settings_may_allow_fewer_algorithms() {
    let world = World::new().await;
    let mut settings = world.issuer.settings();
    settings.algorithms = vec![JwtAlgorithm::Es256];
    let verifier = world.issuer.verifier_of(settings);
    let good = world.issuer.good();
    assert!(
        verifier
            .verify(&world.p256.token("ES256", &good))
            .await
            .is_ok()
    );
    let token = world.rsa.token("RS256", &good);
    assert_eq!(verifier.verify(&token).await, Err(NOT_ALLOWED));
}

#[tokio::test]
async fn keys_and_addresses_in_the_header_are_ignored() {
    let world = World::new().await;
    let own = TestKey::p256("attacker");
    let strays = format!("{}/attacker", world.issuer.url);
    let claims = world.issuer.good().to_string();
    for kid in [Value::from("p256"), Value::from("attacker"), Value::Null] {
        let headers = [
            json!({"alg": "ES256", "kid": kid, "jwk": own.jwk()}),
            json!({"alg": "ES256", "kid": kid, "jku": strays}),
            json!({"alg": "ES256", "kid": kid, "x5u": strays}),
            json!({"alg": "ES256", "kid": kid, "x5c": [encode(own.public())]}),
        ];
        for header in headers {
            let token = own.token_of("ES256", &header.to_string(), &claims);
            let refusal = world.refusal(&token).await;
            assert!(matches!(refusal, Refusal::Invalid(_)), "{header}");
        }
    }
    assert_eq!(world.issuer.strays(), 0);
    // Nor do they spoil a good token.
    let header = json!({"alg": "ES256", "kid": "p256", "jku": strays, "x5u": strays});
    let token = world.p256.token_of("ES256", &header.to_string(), &claims);
    assert!(world.verifier.verify(&token).await.is_ok());
    assert_eq!(world.issuer.strays(), 0);
}

#[tokio::test]
async fn an_id_of_a_key_is_only_compared() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    for kid in [
        "../../dev/null",
        "' OR 1=1 --",
        "https://evil.example/k",
        "P256",
        "p256 ",
        "",
    ] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let token = world.p256.token_of("ES256", &header, &claims);
        let refusal = world.refusal(&token).await;
        assert_eq!(
            refusal,
            Refusal::Invalid("the key of the token is not known"),
            "{kid}"
        );
    }
    let token = world
        .p256
        .token_of("ES256", r#"{"alg":"ES256","kid":7}"#, &claims);
    assert_eq!(world.refusal(&token).await, HEADER);
    // Without one the only key that fits is meant, and with two that fit none.
    let nameless = |key: &TestKey| key.token_of("ES256", r#"{"alg":"ES256"}"#, &claims);
    assert!(world.verifier.verify(&nameless(&world.p256)).await.is_ok());
    let other = TestKey::p256("other");
    let issuer = Issuer::start(&[&world.p256, &other]).await;
    let token = other.token_of("ES256", r#"{"alg":"ES256"}"#, &issuer.good().to_string());
    assert_eq!(
        issuer.verifier().verify(&token).await,
        Err(Refusal::Invalid("the token does not name its key"))
    );
}

#[tokio::test]
async fn a_shared_secret_checks_hmac_and_nothing_else() {
    let verifier = with_secret(|_| {});
    let claims = good("shop");
    for algorithm in ["HS256", "HS384", "HS512"] {
        for kid in [Value::Null, "any".into()] {
            let header = json!({"alg": algorithm, "kid": kid});
            let token = secret_token(&header, &claims, SECRET.as_bytes());
            assert!(verifier.verify(&token).await.is_ok(), "{algorithm}");
            let forged = secret_token(&header, &claims, b"another secret");
            assert_eq!(verifier.verify(&forged).await, Err(WRONG));
            let empty = secret_token(&header, &claims, b"");
            assert_eq!(verifier.verify(&empty).await, Err(WRONG));
        }
    }
    let own = TestKey::p256("own");
    let token = own.token("ES256", &claims);
    assert_eq!(verifier.verify(&token).await, Err(NOT_ALLOWED));
}

#[tokio::test]
async fn a_foreign_or_expired_token_causes_no_fetch() {
    let world = World::new().await;
    world.verifier.ready().await;
    let fetches = world.issuer.fetches();
    let unknown = TestKey::p256("unknown");
    for (name, value) in [
        ("iss", json!("https://other.example")),
        ("aud", json!("other")),
        ("exp", json!(NOW - 3600)),
    ] {
        let mut claims = world.issuer.good();
        claims[name] = value;
        world.refusal(&unknown.token("ES256", &claims)).await;
        world.refusal(&unknown.token("HS256", &claims)).await;
    }
    assert_eq!(world.issuer.fetches(), fetches);
}
