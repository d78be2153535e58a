//! Tokens of the company's issuers, signed with a shared secret.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// Shared with the issuer of customers' tokens.
pub(crate) const OF_CUSTOMERS: &str = "a secret of the customers' issuer: 32 bytes";

/// Shared with the issuer of operators' tokens.
pub(crate) const OF_OPERATORS: &str = "a secret of the operators' issuer: 32 bytes";

const CUSTOMERS: &str = "https://login.acme.example";
const OPERATORS: &str = "https://staff.acme.example";

/// The settings of both issuers.
pub(crate) fn settings() -> [(&'static str, String); 8] {
    let pair = |name, value: &str| (name, value.to_owned());
    [
        pair("BATON_JWT_ISSUER", CUSTOMERS),
        pair("BATON_JWT_AUDIENCE", "chat"),
        pair("BATON_JWT_SECRET", OF_CUSTOMERS),
        pair("BATON_JWT_TENANT_CLAIM", "tenant"),
        pair("BATON_OPERATOR_JWT_ISSUER", OPERATORS),
        pair("BATON_OPERATOR_JWT_AUDIENCE", "desk"),
        pair("BATON_OPERATOR_JWT_SECRET", OF_OPERATORS),
        pair("BATON_OPERATOR_JWT_TENANT_CLAIM", "tenant"),
    ]
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The claims of a customer of the tenant `default`, valid for ten minutes.
pub(crate) fn customer(subject: &str) -> Value {
    json!({ "iss": CUSTOMERS, "aud": "chat", "sub": subject, "tenant": "default", "exp": now() + 600 })
}

/// The claims of an operator of the tenant `default`, valid for ten minutes.
pub(crate) fn operator(subject: &str, roles: &[&str]) -> Value {
    json!({
        "iss": OPERATORS, "aud": "desk", "sub": subject, "tenant": "default", "exp": now() + 600, "roles": roles,
    })
}

/// The claims with another value of one of them.
pub(crate) fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

/// A token with these claims.
pub(crate) fn signed(claims: &Value, secret: &str) -> String {
    signed_as(&json!({ "alg": "HS256", "typ": "JWT" }), claims, secret)
}

/// A token with this header too.
pub(crate) fn signed_as(header: &Value, claims: &Value, secret: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let begin = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, begin.as_bytes());
    format!("{begin}.{}", encode(signature.as_ref()))
}

/// The claims of a token.
pub(crate) fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A token of the form that services of tools get, in the name of this customer.
pub(crate) fn for_a_tool(customer: &str) -> String {
    let header = json!({ "alg": "EdDSA", "kid": "k", "typ": "baton-tool+jwt" });
    let claims = json!({
        "iss": "baton", "aud": "https://tables.example.com", "sub": customer, "tenant": "default",
        "iat": now(), "exp": now() + 300, "jti": "k1", "conversation": "c1",
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([0; 64]);
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// The token with other claims and the signature that it had.
pub(crate) fn tampered(token: &str, claims: &Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{payload}.{}", parts[0], parts[2])
}
