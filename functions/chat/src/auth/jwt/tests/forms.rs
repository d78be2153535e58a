//! The form of a token: changed, spliced, in another notation, with names twice, too long.

use serde_json::{Value, json};

use super::super::Refusal;
use super::support::encode;
use super::world::World;

const WRONG: Refusal = Refusal::Invalid("the signature of the token is wrong");
const HEADER: Refusal = Refusal::Invalid("the header of the token cannot be read");
const PARTS: Refusal = Refusal::Invalid("the token has not three parts");
const EXTENDED: Refusal = Refusal::Invalid("the token has extensions that are not understood");

#[tokio::test]
async fn a_changed_token_is_refused() {
    let world = World::new().await;
    for (key, algorithms) in world.keys() {
        for algorithm in algorithms {
            let token = key.token(algorithm, &world.issuer.good());
            let mut other = world.issuer.good();
            other["sub"] = "roadrunner".into();
            let other = key.token(algorithm, &other);
            let parts: Vec<_> = token.split('.').collect();
            let others: Vec<_> = other.split('.').collect();
            for spliced in [
                format!("{}.{}.{}", parts[0], others[1], parts[2]),
                format!("{}.{}.{}", parts[0], parts[1], others[2]),
                // The same header with a space.
                format!(
                    "{}.{}.{}",
                    encode(format!(r#"{{"alg": "{algorithm}","kid":"{}"}}"#, key.id)),
                    parts[1],
                    parts[2]
                ),
                format!("{}.{}.{}AA", parts[0], parts[1], parts[2]),
                format!("{}.{}.{}", parts[0], parts[1], &parts[2][4..]),
                format!(
                    "{}.{}.{}",
                    parts[0],
                    parts[1],
                    &parts[2][..parts[2].len() - 4]
                ),
                format!("{token}="),
                format!("{token} "),
                format!("{token}\n"),
                token.replace('.', "=."),
            ] {
                let refusal = world.refusal(&spliced).await;
                assert!([WRONG, HEADER].contains(&refusal), "{refusal:?} {spliced}");
            }
        }
    }
}

#[tokio::test]
async fn bits_that_encode_nothing_make_no_second_form_of_a_token() {
    let world = World::new().await;
    // 64 bytes leave four unused bits in the last character.
    let token = world.edwards.token("EdDSA", &world.issuer.good());
    let (head, last) = token.split_at(token.len() - 1);
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9') {
        if last != other.to_string() {
            assert_eq!(world.refusal(&format!("{head}{other}")).await, WRONG);
        }
    }
}

#[tokio::test]
async fn only_the_compact_form_of_a_signature_is_a_token() {
    let world = World::new().await;
    let token = world.p256.token("ES256", &world.issuer.good());
    let parts: Vec<_> = token.split('.').collect();
    let json = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    for other in [
        String::new(),
        ".".to_owned(),
        json.to_string(),
        format!("{token}.x"),
        format!("{token}.."),
        format!(".{token}"),
        format!("{}.{}", parts[0], parts[1]),
        "a.b.c.d.e".to_owned(),
    ] {
        assert_eq!(world.refusal(&other).await, PARTS, "{other}");
    }
    for other in ["..", "a.b.c", "\u{0}.\u{0}.\u{0}", "é.é.é"] {
        assert_eq!(world.refusal(other).await, HEADER, "{other}");
    }
}

#[tokio::test]
async fn no_extension_is_understood() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    for crit in [
        json!([]),
        json!(["b64"]),
        json!(["exp"]),
        json!("b64"),
        json!(null),
    ] {
        let header = json!({"alg": "ES256", "kid": "p256", "b64": true, "exp": 1, "crit": crit});
        let token = world.p256.token_of("ES256", &header.to_string(), &claims);
        assert_eq!(world.refusal(&token).await, EXTENDED, "{crit}");
    }
    // RFC 7797: readers that do not know it would check another text.
    for b64 in ["true", "false", "null"] {
        let header = format!(r#"{{"alg":"ES256","kid":"p256","b64":{b64}}}"#);
        let token = world.p256.token_of("ES256", &header, &claims);
        assert_eq!(world.refusal(&token).await, EXTENDED, "{b64}");
    }
}

#[tokio::test]
async fn a_token_of_another_type_is_refused() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    let of = |typ: Value| {
        let header = json!({"alg": "ES256", "kid": "p256", "typ": typ});
        world.p256.token_of("ES256", &header.to_string(), &claims)
    };
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(
            world.verifier.verify(&of(typ.into())).await.is_ok(),
            "{typ}"
        );
    }
    assert!(world.verifier.verify(&of(Value::Null)).await.is_ok());
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "JOSE",
        "",
        "secevent+jwt",
        "baton-visitor+jwt",
    ] {
        let refusal = world.refusal(&of(typ.into())).await;
        assert_eq!(
            refusal,
            Refusal::Invalid("the type of the token is not JWT"),
            "{typ}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_there_twice_is_refused() {
    let world = World::new().await;
    let claims = world.issuer.good().to_string();
    for header in [
        r#"{"alg":"ES256","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"none","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"rsa","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"JWT","typ":"JWT"}"#,
    ] {
        let token = world.p256.token_of("ES256", header, &claims);
        assert_eq!(world.refusal(&token).await, HEADER, "{header}");
    }
    let twice = claims.replacen('{', r#"{"sub":"roadrunner","#, 1);
    // Also in another spelling of the same name.
    let spelt = claims.replacen('{', r#"{"\u0073ub":"roadrunner","#, 1);
    for claims in [
        twice,
        spelt,
        "[]".to_owned(),
        "\"x\"".to_owned(),
        String::new(),
    ] {
        let header = r#"{"alg":"ES256","kid":"p256"}"#;
        let token = world.p256.token_of("ES256", header, &claims);
        let refusal = world.refusal(&token).await;
        assert_eq!(
            refusal,
            Refusal::Invalid("the claims of the token cannot be read"),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn a_token_over_8_kb_is_not_even_decoded() {
    let world = World::new().await;
    let mut claims = world.issuer.good();
    claims["groups"] = "g".repeat(5_700).into();
    let long = world.p256.token("ES256", &claims);
    assert!(long.len() <= 8 * 1024 && long.len() > 7 * 1024);
    assert!(world.verifier.verify(&long).await.is_ok());
    let longer = format!("{long}{}", "A".repeat(8 * 1024 + 1 - long.len()));
    let too_long = Refusal::Invalid("the token is too long");
    assert_eq!(world.refusal(&longer).await, too_long);
    assert_eq!(world.refusal(&".".repeat(16 * 1024)).await, too_long);
    assert_ne!(world.refusal(&longer[..8 * 1024]).await, too_long);
}

#[tokio::test]
async fn a_signature_of_another_form_is_refused() {
    let world = World::new().await;
    let message = {
        let token = world.p256.token("ES256", &world.issuer.good());
        token.rsplit_once('.').unwrap().0.to_owned()
    };
    let fixed = world.p256.sign("ES256", &message);
    assert_eq!(fixed.len(), 64);
    // ASN.1, as most libraries write it (RFC 7518, 3.4 wants the fixed form).
    let integer = |half: &[u8]| [&[2, 33, 0], half].concat();
    let (r, s) = fixed.split_at(32);
    let asn1 = [vec![0x30, 70], integer(r), integer(s)].concat();
    let token = format!("{message}.{}", encode(asn1));
    assert_eq!(world.refusal(&token).await, WRONG);
    let token = format!("{message}.{}", encode(fixed));
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn reasons_fit_into_a_header_and_hold_nothing_of_the_token() {
    let world = World::new().await;
    for token in ["", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30."] {
        let Refusal::Invalid(reason) = world.refusal(token).await else {
            panic!("the keys are there")
        };
        let fits = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(reason.chars().all(fits), "{reason}");
    }
}
