//! What the claims of a token must be, and what is read of them.

use baton_setup::settings::JwtSettings;
use serde_json::{Value, json};

use super::super::{Refusal, Verified};
use super::support::{NOW, SECRET, good, secret_token, with_secret};

async fn verify(
    change: impl FnOnce(&mut JwtSettings),
    claims: &Value,
) -> Result<Verified, Refusal> {
    let token = secret_token(&json!({"alg": "HS256"}), claims, SECRET.as_bytes());
    with_secret(change).verify(&token).await
}

/// A good token with one claim changed, or left out if it is null.
async fn with(name: &str, value: Value) -> Result<Verified, Refusal> {
    let mut claims = good("shop");
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    verify(|_| {}, &claims).await
}

#[tokio::test]
async fn issuer_and_audience_must_be_ours() {
    let issuer = Refusal::Invalid("the token is of another issuer");
    for iss in [
        json!(null),
        json!("shop/"),
        json!("Shop"),
        json!(""),
        json!(["shop"]),
        json!({"shop": 1}),
    ] {
        assert_eq!(with("iss", iss.clone()).await, Err(issuer), "{iss}");
    }
    let audience = Refusal::Invalid("the token is for another audience");
    for aud in [
        json!(null),
        json!("Chat"),
        json!("chat app"),
        json!([]),
        json!(["app"]),
        json!([["chat"]]),
        json!(["chat", 7]),
        json!({"chat": "chat"}),
        json!(7),
    ] {
        assert_eq!(with("aud", aud.clone()).await, Err(audience), "{aud}");
    }
    assert!(with("aud", json!(["app", "chat"])).await.is_ok());
}

#[tokio::test]
async fn times_hold_with_a_leeway_of_a_minute() {
    let refused = |reason| Err(Refusal::Invalid(reason));
    let seconds = |result: Result<Verified, Refusal>| result.map(|good| good.expires);
    let (expired, early) = ("the token has expired", "the token is not valid yet");
    let future = "the token was issued in the future";
    for (name, value, expected) in [
        ("exp", json!(NOW - 59), Ok(NOW - 59)),
        ("exp", json!(NOW - 60), refused(expired)),
        ("exp", json!(0), refused(expired)),
        ("exp", json!(null), refused("the token has no end")),
        // A fraction is a time too (RFC 7519, 2).
        ("exp", json!(1_800_000_000.5), Ok(NOW)),
        ("nbf", json!(NOW + 60), Ok(NOW + 600)),
        ("nbf", json!(NOW + 61), refused(early)),
        ("nbf", json!(null), Ok(NOW + 600)),
        ("iat", json!(NOW + 60), Ok(NOW + 600)),
        ("iat", json!(NOW + 61), refused(future)),
        ("iat", json!(null), Ok(NOW + 600)),
        ("iat", json!(NOW - 100_000_000), Ok(NOW + 600)),
    ] {
        let verified = seconds(with(name, value.clone()).await);
        assert_eq!(verified, expected, "{name} {value}");
    }
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!("1900000000"),
            json!(-1),
            json!(1e300),
            // Milliseconds.
            json!(NOW * 1000),
            json!(true),
            json!([NOW]),
        ] {
            let verified = seconds(with(name, value.clone()).await);
            assert_eq!(
                verified,
                refused("a time in the token is none"),
                "{name} {value}"
            );
        }
    }
}

#[tokio::test]
async fn a_subject_is_a_plain_text_of_a_bounded_length() {
    for sub in [
        json!(null),
        json!(""),
        json!(" "),
        json!(42),
        json!(["coyote"]),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!(" coyote"),
        json!("x".repeat(256)),
    ] {
        let refused = Err(Refusal::Invalid("the token names no usable subject"));
        assert_eq!(with("sub", sub.clone()).await, refused, "{sub}");
    }
    for sub in [
        "x".repeat(255),
        "auth0|5f7c8e".to_owned(),
        "käufer".to_owned(),
    ] {
        assert_eq!(with("sub", json!(sub)).await.unwrap().subject, sub);
    }
}

#[tokio::test]
async fn the_settings_say_which_claims_are_subject_tenant_and_name() {
    let mut claims = good("shop");
    claims["oid"] = "42".into();
    claims["https://shop.example/tenant"] = "acme".into();
    claims["profile"] = json!({"nick": "Wile\u{7} E."});
    let change = |settings: &mut JwtSettings| {
        settings.subject_claim = "oid".to_owned();
        settings.tenant_claim = Some("https://shop.example/tenant".to_owned());
        settings.name_claim = "profile.nick".to_owned();
    };
    let verified = verify(change, &claims).await.unwrap();
    assert_eq!(verified.subject, "42");
    assert_eq!(verified.tenant.as_deref(), Some("acme"));
    assert_eq!(verified.name.as_deref(), Some("Wile E."));
    let refused = Err(Refusal::Invalid("the token names no usable tenant"));
    for tenant in [json!(null), json!(""), json!(7), json!("a\tb")] {
        claims["https://shop.example/tenant"] = tenant.clone();
        assert_eq!(verify(change, &claims).await, refused, "{tenant}");
    }
}

#[tokio::test]
async fn a_name_is_shown_or_left_out_and_locks_nobody_out() {
    for (name, shown) in [
        (json!("Wile"), Some("Wile".to_owned())),
        (json!("  Wile \n"), Some("Wile".to_owned())),
        (json!("x".repeat(500)), Some("x".repeat(100))),
        (json!("\u{0}"), None),
        (json!(7), None),
        (json!(null), None),
    ] {
        assert_eq!(
            with("name", name.clone()).await.unwrap().name,
            shown,
            "{name}"
        );
    }
}

#[tokio::test]
async fn tools_get_the_named_claims_and_2_kb_at_most() {
    let change = |settings: &mut JwtSettings| {
        settings.tool_claims = vec!["customer_no".to_owned(), "plan".to_owned()];
    };
    let mut claims = good("shop");
    claims["customer_no"] = json!({"region": "eu", "number": 7});
    claims["email"] = "wile@acme.example".into();
    let verified = verify(change, &claims).await.unwrap();
    let expected = json!({"customer_no": {"region": "eu", "number": 7}});
    assert_eq!(Value::Object(verified.claims), expected);
    assert!(with("email", json!("x")).await.unwrap().claims.is_empty());
    // {"plan":"…"} has 11 bytes besides the text.
    claims.as_object_mut().unwrap().remove("customer_no");
    claims["plan"] = "p".repeat(2048 - 11).into();
    assert!(verify(change, &claims).await.is_ok());
    claims["plan"] = "p".repeat(2048 - 10).into();
    let refused = Err(Refusal::Invalid("the claims for tools are over 2 KB"));
    assert_eq!(verify(change, &claims).await, refused);
}

#[tokio::test]
async fn only_settings_with_a_role_claim_read_roles() {
    for (roles, expected) in [
        (json!(["decide", "settle"]), vec!["decide", "settle"]),
        (json!("decide settle"), vec!["decide", "settle"]),
        (json!(["decide", 7, null, ""]), vec!["decide"]),
        (json!({"decide": true}), vec![]),
        (json!(null), vec![]),
        (json!(true), vec![]),
    ] {
        let mut claims = good("shop");
        claims["roles"] = roles.clone();
        claims["realm_access"] = json!({ "roles": roles });
        for path in ["roles", "realm_access.roles"] {
            let of_operators = verify(
                |settings| settings.role_claim = Some(path.to_owned()),
                &claims,
            );
            assert_eq!(
                of_operators.await.unwrap().roles,
                expected,
                "{path} {roles}"
            );
        }
        let of_customers = verify(|_| {}, &claims).await.unwrap();
        assert!(of_customers.roles.is_empty());
    }
}

#[tokio::test]
async fn a_customers_token_is_no_operators_where_one_issuer_signs_both() {
    let customers = with_secret(|_| {});
    let operators = with_secret(|settings| {
        settings.audiences = vec!["desk".to_owned()];
        settings.role_claim = Some("roles".to_owned());
    });
    let mut claims = good("shop");
    claims["roles"] = json!(["administer"]);
    let header = json!({"alg": "HS256"});
    let of_customer = secret_token(&header, &claims, SECRET.as_bytes());
    claims["aud"] = "desk".into();
    let of_operator = secret_token(&header, &claims, SECRET.as_bytes());
    assert!(customers.is_for(&of_customer) && !operators.is_for(&of_customer));
    assert!(operators.is_for(&of_operator) && !customers.is_for(&of_operator));
    let refused = Err(Refusal::Invalid("the token is for another audience"));
    assert_eq!(operators.verify(&of_customer).await, refused);
    assert_eq!(customers.verify(&of_operator).await, refused);
    assert!(
        customers
            .verify(&of_customer)
            .await
            .unwrap()
            .roles
            .is_empty()
    );
    let roles = operators.verify(&of_operator).await.unwrap().roles;
    assert_eq!(roles, ["administer"]);
    for other in ["", "a.b.c", "bt_live_0123456789", &"x".repeat(20_000)] {
        assert!(!customers.is_for(other) && !operators.is_for(other));
    }
}
