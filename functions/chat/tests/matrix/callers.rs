//! Every kind of caller.

use std::sync::Arc;

use baton_chat::auth::jwt::{Claims, Kind, Mint};
use baton_stores::env::SystemEnv;
use serde_json::{Map, Value, json};

use super::people::{People, ROLES};
use super::tokens::{
    OF_CUSTOMERS, OF_OPERATORS, claims_of, customer, for_a_tool, now, operator, signed, signed_as,
    tampered, with,
};
use super::{Ask, Asks, Mode, Reply};

/// The customer who is the owner, in the modes in which it is one.
const OWNER: &str = "coyote";

/// How a caller stands to the owner's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It shows no credential.
    Nobody,
    /// Its credential is bad.
    Bad,
    /// Its credential is good, and never for such a request.
    Forbidden,
    /// A key without a scope for conversations.
    Scopeless,
    /// Another visitor, customer or service, with conversations of its own.
    Other,
    /// An operator of the owner's tenant with these roles.
    Operator(&'static [&'static str]),
    /// An operator of another tenant with every role.
    OperatorElsewhere,
}

/// A caller with the headers of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Caller {
    pub(crate) fn new(name: &str, standing: Standing, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            name: name.to_owned(),
            standing,
            headers: headers.collect(),
        }
    }

    pub(crate) fn nobody() -> Self {
        Self::new("nobody", Standing::Nobody, &[])
    }

    pub(crate) fn bearer(name: &str, standing: Standing, token: &str) -> Self {
        Self::new(name, standing, &[("authorization", &bearer(token))])
    }

    fn acting(name: &str, standing: Standing, key: &str, customer: &str) -> Self {
        let headers = [
            ("authorization", &*bearer(key)),
            ("x-baton-customer", customer),
        ];
        Self::new(name, standing, &headers)
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The owner in this mode.
pub(crate) async fn owner(server: &impl Asks, mode: Mode, people: &People) -> Caller {
    match mode {
        Mode::Open => Caller::acting("the owner", Standing::Other, &people.shop, OWNER),
        Mode::Tokens => {
            let token = signed(&customer(OWNER), OF_CUSTOMERS);
            Caller::bearer("the owner", Standing::Other, &token)
        }
        Mode::Visitors => {
            let ask = Ask::new("POST", "/chat/completions", &Caller::nobody());
            let reply = server.ask(&ask.json(json!({ "message": "hello" }))).await;
            let cookie = cookie_of(&reply).expect("a visitor gets a cookie");
            Caller::new("the owner", Standing::Other, &[("cookie", &cookie)])
        }
    }
}

/// The cookie of a reply as a browser sends it back.
pub(crate) fn cookie_of(reply: &Reply) -> Option<String> {
    let cookie = reply.headers.get("set-cookie")?.first()?;
    cookie.split(';').next().map(str::to_owned)
}

/// Every caller but the owner. `sessions`: the secret of the server's own tokens.
pub(crate) async fn all(
    server: &impl Asks,
    people: &People,
    owner: &Caller,
    sessions: &str,
) -> Vec<Caller> {
    let visitor = visitors_token(server, &people.shop).await;
    // Its request for a session signs it in: from then on this visitor opens nothing.
    let signs_in = visitors_token(server, &people.shop).await;
    let aws = "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y";
    let mut callers = vec![
        Caller::nobody(),
        Caller::new(
            "a request signed for AWS",
            Standing::Nobody,
            &[("authorization", aws)],
        ),
        Caller::new(
            "nobody who names a customer",
            Standing::Nobody,
            &[("x-baton-customer", OWNER)],
        ),
        people.operator.clone(),
    ];
    callers.extend(people.operators.iter().cloned());
    callers.extend(others(people, &visitor, &signs_in));
    callers.extend(without_scope(people));
    callers.extend(bad(people, &visitor, sessions));
    callers.extend(bad_tokens(owner));
    callers.extend(bad_forms(owner, &people.shop));
    callers
}

/// The token of a new visitor.
async fn visitors_token(server: &impl Asks, key: &str) -> String {
    let service = Caller::bearer("a service", Standing::Other, key);
    let ask = Ask::new("POST", "/session", &service).json(json!({}));
    let reply = server.ask(&ask).await;
    reply.json()["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .to_owned()
}

fn others(people: &People, visitor: &str, signs_in: &str) -> Vec<Caller> {
    let other = Standing::Other;
    let of_customer = |claims: &Value| signed(claims, OF_CUSTOMERS);
    let cookie = format!("theme=dark; baton={visitor}");
    let namesake = "a customer of another tenant with the owner's name";
    let with_roles = with(customer("roadrunner"), "roles", json!(ROLES));
    let of_staff = |roles, standing| {
        let token = signed(&operator("staff", roles), OF_OPERATORS);
        Caller::bearer(
            &format!("an operator by JWT with {roles:?}"),
            standing,
            &token,
        )
    };
    let far = with(operator("staff", ROLES), "tenant", "acme");
    vec![
        Caller::bearer("another visitor", other, visitor),
        Caller::new("another visitor's cookie", other, &[("cookie", &cookie)]),
        Caller::new(
            "another visitor who names a customer",
            other,
            &[("cookie", &cookie), ("x-baton-customer", OWNER)],
        ),
        Caller::bearer(
            "another customer",
            other,
            &of_customer(&customer("roadrunner")),
        ),
        Caller::bearer(
            "a customer who says that it is an operator",
            other,
            &of_customer(&with_roles),
        ),
        Caller::bearer(
            namesake,
            other,
            &of_customer(&with(customer(OWNER), "tenant", "acme")),
        ),
        Caller::new(
            "another customer beside a cookie",
            other,
            &[
                (
                    "authorization",
                    &bearer(&of_customer(&customer("roadrunner"))),
                ),
                ("cookie", &format!("baton={signs_in}")),
                ("x-baton-customer", OWNER),
            ],
        ),
        Caller::bearer("a service with the owner's name", other, &people.namesake),
        Caller::acting(
            "a service for another customer",
            other,
            &people.shop,
            "roadrunner",
        ),
        Caller::acting(namesake, other, &people.elsewhere, OWNER),
        of_staff(&["see"], Standing::Operator(&["see"])),
        of_staff(&[], Standing::Operator(&[])),
        of_staff(&["admin", "*", "See"], Standing::Operator(&[])),
        Caller::bearer(
            "an operator of another tenant by JWT",
            Standing::OperatorElsewhere,
            &signed(&far, OF_OPERATORS),
        ),
    ]
}

fn without_scope(people: &People) -> Vec<Caller> {
    let forbidden = Standing::Forbidden;
    vec![
        Caller::bearer("a key for sessions", Standing::Scopeless, &people.sessions),
        Caller::acting(
            "a key for sessions that names a customer",
            forbidden,
            &people.sessions,
            OWNER,
        ),
        Caller::acting(
            "a key for itself that names a customer",
            forbidden,
            &people.namesake,
            OWNER,
        ),
        Caller::acting("a key that names no customer", forbidden, &people.shop, ""),
    ]
}

fn bad(people: &People, visitor: &str, sessions: &str) -> Vec<Caller> {
    let by_mint = |secret: &str, kind, expires| {
        let claims = Claims {
            subject: OWNER.to_owned(),
            tenant: Some("default".to_owned()),
            name: None,
            claims: Map::new(),
            expires,
            origin: None,
        };
        let mint = Mint::new(secret.as_bytes(), Arc::new(SystemEnv)).unwrap();
        mint.sign(kind, &claims).unwrap()
    };
    let soon = now() + 600;
    let forged = "another secret with 32 bytes or more, not the server's";
    let unknown = format!("bt_live_{}", "0".repeat(32));
    let mut wrong_key = people.shop.clone();
    wrong_key.pop();
    let bad = |name: &str, token: &str| Caller::bearer(name, Standing::Bad, token);
    let in_cookie = |name: &str, token: &str| {
        Caller::new(
            name,
            Standing::Bad,
            &[("cookie", &format!("baton={token}"))],
        )
    };
    vec![
        bad("a revoked key", &people.revoked),
        Caller::acting(
            "a revoked key for the owner",
            Standing::Bad,
            &people.revoked,
            OWNER,
        ),
        bad("an expired key", &people.expired),
        bad("an unknown key", &unknown),
        bad("a key that was cut", &wrong_key),
        bad(
            "a visitor of before",
            &by_mint(sessions, Kind::Visitor, now() - 120),
        ),
        bad("a forged visitor", &by_mint(forged, Kind::Visitor, soon)),
        bad("a forged widget", &by_mint(forged, Kind::Widget, soon)),
        bad(
            "a widget of before",
            &by_mint(sessions, Kind::Widget, now() - 120),
        ),
        // Made for tools that are called, and never for us.
        bad("a tool's token", &for_a_tool(OWNER)),
        bad(
            "a visitor's token with another subject",
            &tampered(visitor, &with(claims_of(visitor), "sub", OWNER)),
        ),
        in_cookie("a forged cookie", &by_mint(forged, Kind::Visitor, soon)),
        // Only a visitor's token is sent by a browser on its own.
        in_cookie("a key in a cookie", &people.namesake),
        in_cookie("an operator in a cookie", &people.token_in_cookie),
        Caller::new(
            "a cookie of another program",
            Standing::Bad,
            &[("cookie", "__Host-baton=1")],
        ),
        bad(
            "an operator's name with another token",
            &format!("bo_operator-1.{}", "0".repeat(32)),
        ),
        bad("an operator's name alone", "bo_operator-1."),
        bad("a guess of the secret", "an operator of the test"),
    ]
}

fn bad_tokens(owner: &Caller) -> Vec<Caller> {
    let mine = customer(OWNER);
    let token = signed(&mine, OF_CUSTOMERS);
    let unsigned = signed_as(&json!({ "alg": "none" }), &mine, OF_CUSTOMERS);
    let none = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    let other_claims = with(customer("roadrunner"), "sub", OWNER);
    let cases = [
        (
            "an expired token",
            signed(&with(mine.clone(), "exp", now() - 120), OF_CUSTOMERS),
        ),
        (
            "a token without an end",
            signed(&with(mine.clone(), "exp", Value::Null), OF_CUSTOMERS),
        ),
        (
            "a token of later",
            signed(&with(mine.clone(), "nbf", now() + 540), OF_CUSTOMERS),
        ),
        (
            "a token for another audience",
            signed(&with(mine.clone(), "aud", "desk"), OF_CUSTOMERS),
        ),
        (
            "a token of another issuer",
            signed(
                &with(mine.clone(), "iss", "https://evil.example"),
                OF_CUSTOMERS,
            ),
        ),
        (
            "a token without a tenant",
            signed(&with(mine.clone(), "tenant", Value::Null), OF_CUSTOMERS),
        ),
        (
            "a token of an impossible tenant",
            signed(&with(mine.clone(), "tenant", "default/x"), OF_CUSTOMERS),
        ),
        (
            "a token of the operators' secret",
            signed(&mine, OF_OPERATORS),
        ),
        (
            "an operator of the customers' secret",
            signed(&operator("staff", ROLES), OF_CUSTOMERS),
        ),
        (
            "an expired operator",
            signed(
                &with(operator("staff", ROLES), "exp", now() - 120),
                OF_OPERATORS,
            ),
        ),
        ("an unsigned token", none),
        ("a token that says that it is unsigned", unsigned),
        (
            "a token with the claims of another",
            tampered(&token, &with(other_claims, "exp", now() + 900)),
        ),
        (
            "a token without a signature",
            token.rsplit_once('.').unwrap().0.to_owned(),
        ),
        ("a visitor's type with the issuer's secret", {
            signed_as(
                &json!({ "alg": "HS256", "typ": "baton-visitor+jwt" }),
                &mine,
                OF_CUSTOMERS,
            )
        }),
    ];
    let mut callers: Vec<_> = cases
        .iter()
        .map(|(name, token)| Caller::bearer(name, Standing::Bad, token))
        .collect();
    // A bad header is never made good by a cookie.
    if let Some((_, cookie)) = owner.headers.iter().find(|(name, _)| *name == "cookie") {
        callers.push(Caller::new(
            "the owner's cookie beside a bad token",
            Standing::Bad,
            &[("cookie", cookie), ("authorization", "Bearer nonsense")],
        ));
    }
    callers
}

/// Good credentials in a form that is not understood.
fn bad_forms(owner: &Caller, key: &str) -> Vec<Caller> {
    let good = owner
        .headers
        .iter()
        .find(|(name, _)| *name == "authorization");
    let good = good.map_or_else(|| bearer(key), |(_, good)| good.clone());
    let token = good.strip_prefix("Bearer ").unwrap();
    let customer = ("x-baton-customer", OWNER);
    let cases = [
        (
            "two headers",
            vec![
                ("authorization", good.clone()),
                ("authorization", good.clone()),
            ],
        ),
        (
            "two headers, one of them bad",
            vec![
                ("authorization", good.clone()),
                ("authorization", bearer("nonsense")),
            ],
        ),
        ("Basic", vec![("authorization", format!("Basic {token}"))]),
        ("no scheme", vec![("authorization", token.to_owned())]),
        ("no token", vec![("authorization", "Bearer ".to_owned())]),
        (
            "two tokens",
            vec![("authorization", format!("{good}, {good}"))],
        ),
        (
            "a bad header of ours beside a good one",
            vec![
                ("authorization", good.clone()),
                ("x-baton-authorization", bearer("nonsense")),
            ],
        ),
    ];
    cases
        .into_iter()
        .map(|(name, mut headers)| {
            headers.push((customer.0, customer.1.to_owned()));
            Caller {
                name: name.to_owned(),
                standing: Standing::Bad,
                headers,
            }
        })
        .collect()
}
