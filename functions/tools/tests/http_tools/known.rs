//! What a service is told of the customer, by code and never by the model.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, Outcome};
use baton_handoff::{Claims, Kind, Principal, Speaker, Subject, Tenant};
use baton_tools::tokens::ToolTokens;
use serde_json::{Value, json};

use crate::service::{Service, json as json_answer};
use crate::support::{Booking, KEY, Setup};

fn owned_by(kind: Kind, subject: &str, claims: &Value) -> CallContext {
    let subject = Subject::parse(subject).unwrap();
    let owner = Principal::new(Tenant::default(), kind, subject).owner();
    let claims = Claims::new(claims.as_object().unwrap().clone()).unwrap();
    CallContext {
        speaker: Speaker {
            claims,
            ..Speaker::default()
        },
        ..CallContext::new(owner, ConversationId::parse("c1").unwrap(), 7)
    }
}

fn ann(claims: &Value) -> CallContext {
    owned_by(Kind::Customer, "ann/ä", claims)
}

async fn service() -> Service {
    Service::saying(json_answer("[]")).await
}

fn with(setup: &Setup, context: CallContext) -> Booking {
    Booking {
        context,
        ..setup.build()
    }
}

fn everywhere(service: &Service) -> Setup {
    Setup::action(format!(
        r#"method = "POST"
url = "http://{}/customers/{{customer.id}}/tables/{{table}}?plan={{customer.claims.plan}}&v=1"
headers = {{ X-Turn = "{{conversation.id}}.{{turn}}", X-Json = '{{"a": {{}}}}' }}

[tool.http.body_fields]
country = "{{customer.claims.address.country}}"
note_of_shop = "plan {{customer.claims.plan}}"
tags = "{{customer.claims.tags}}""#,
        service.address
    ))
}

#[tokio::test]
async fn code_fills_address_headers_and_body() {
    let service = service().await;
    let claims = json!({
        "plan": "gold & more",
        "address": { "country": "DE" },
        "tags": ["a", 1],
    });
    let tool = with(&everywhere(&service), ann(&claims));
    assert_eq!(
        tool.act(json!({ "table": "T1" })).await,
        Outcome::Done("[]".to_owned())
    );
    let came = &service.came()[0];
    assert_eq!(
        came.line,
        "POST /customers/ann%2F%C3%A4/tables/T1?plan=gold%20%26%20more&v=1 HTTP/1.1"
    );
    assert_eq!(came.header("x-turn"), ["c1.7"]);
    assert_eq!(came.header("x-json"), ["{\"a\": {}}"]);
    assert_eq!(
        came.json(),
        json!({
            "table": "T1",
            "country": "DE",
            "note_of_shop": "plan gold & more",
            "tags": ["a", 1],
        })
    );
}

#[tokio::test]
async fn what_is_not_known_is_not_sent() {
    let service = service().await;
    let plain = json!({});
    let nested = json!({ "plan": ["gold"], "address": { "country": "DE" }, "tags": 1 });
    let cases = [
        (
            owned_by(Kind::Visitor, "ann", &plain),
            "it needs the customer's id, and this customer has not signed in",
        ),
        (
            owned_by(Kind::Service, "ann", &plain),
            "it needs the customer's id, and this customer has not signed in",
        ),
        (
            ann(&plain),
            "it needs the customer's claim plan, which is not known",
        ),
        (
            ann(&json!({ "plan": null })),
            "it needs the customer's claim plan, which is not known",
        ),
        (
            ann(&nested),
            "it needs the customer's claim plan, which is no text, number or truth value",
        ),
        (
            ann(&json!({ "plan": "gold" })),
            "it needs the customer's claim address.country, which is not known",
        ),
        (
            owned_by(Kind::Customer, "..", &nested),
            "the customer's id must not be a path with `.` or `..` in it",
        ),
    ];
    for (context, why) in cases {
        let tool = with(&everywhere(&service), context);
        let outcome = tool.act(json!({ "table": "T1" })).await;
        assert_eq!(
            outcome,
            Outcome::Rejected(format!("book was not called: {why}."))
        );
    }
    assert_eq!(service.came().len(), 0);
}

#[tokio::test]
async fn a_header_takes_no_value_that_ends_it() {
    let service = service().await;
    let setup = || {
        Setup::lookup(format!(
            "method = \"GET\"\nurl = \"http://{}\"\nheaders = {{ X-Plan = \"{{customer.claims.plan}}\" }}",
            service.address
        ))
    };
    for plan in ["gold\r\nX-Admin: 1", "gold\n", "\0", "größer", "a\tb"] {
        let tool = with(&setup(), ann(&json!({ "plan": plan })));
        assert_eq!(
            tool.look_up(json!({})).await.unwrap_err(),
            "book was not called: the customer's claim plan is not printable ASCII, which its header needs.",
            "{plan:?}"
        );
    }
    assert_eq!(service.came().len(), 0);
    let tool = with(&setup(), ann(&json!({ "plan": 7 })));
    tool.look_up(json!({})).await.unwrap();
    assert_eq!(service.came()[0].header("x-plan"), ["7"]);
}

#[tokio::test]
async fn a_further_argument_does_not_stand_beside_the_value_of_code() {
    let service = service().await;
    // `more` may be anything, and so may arguments that the schema does not name.
    let setup = Setup {
        open_schema: true,
        ..Setup::lookup(format!(
            "method = \"GET\"\nurl = \"http://{}/?who={{customer.id}}\"\nquery = \"arguments\"",
            service.address
        ))
    };
    let tool = with(&setup, owned_by(Kind::Customer, "ann", &json!({})));
    tool.look_up(json!({ "who": "bob", "table": "T1" }))
        .await
        .unwrap();
    assert_eq!(service.came()[0].line, "GET /?who=ann&table=T1 HTTP/1.1");
    let setup = Setup {
        open_schema: true,
        ..Setup::action(format!(
            "method = \"POST\"\nurl = \"http://{}/\"\n[tool.http.body_fields]\nwho = \"{{customer.id}}\"",
            service.address
        ))
    };
    let tool = with(&setup, owned_by(Kind::Customer, "ann", &json!({})));
    tool.act(json!({ "who": "bob", "table": "T1" })).await;
    assert_eq!(
        service.came()[1].json(),
        json!({ "who": "ann", "table": "T1" })
    );
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn signing(setup: Setup) -> Setup {
    Setup {
        tokens: Some(Arc::new(
            ToolTokens::new("https://chat.example", SECRET).unwrap(),
        )),
        ..setup
    }
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn every_call_carries_a_token_for_its_service_and_its_place_in_a_trace() {
    let service = service().await;
    let http = format!("method = \"POST\"\nurl = \"http://{}/x\"", service.address);
    let mut tool = with(&signing(Setup::action(http.clone())), ann(&json!({})));
    tool.context.approved_by = Some(Subject::parse("carla").unwrap());
    tool.act_plainly().await;
    let lookup = with(&signing(Setup::lookup(http)), ann(&json!({})));
    for _ in 0..2 {
        lookup.look_up(json!({})).await.unwrap();
    }
    let came = service.came();
    let claims: Vec<_> = came
        .iter()
        .map(|one| claims_of(one.header("baton-token")[0]))
        .collect();
    for one in &claims {
        assert_eq!(one["iss"], "https://chat.example");
        assert_eq!(one["aud"], format!("http://{}", service.address));
        assert_eq!(one["sub"], "ann/ä");
        assert_eq!(one["conversation"], "c1");
        let life = one["exp"].as_u64().unwrap() - one["iat"].as_u64().unwrap();
        assert_eq!(life, 300);
    }
    assert_eq!(claims[0]["jti"], KEY);
    assert_eq!(claims[0]["act"], json!({ "sub": "carla" }));
    assert_eq!(claims[1].get("act"), None);
    assert_ne!(claims[1]["jti"], claims[2]["jti"]);
    for one in &came {
        let expected = tool.context.span.to_string();
        assert_eq!(one.header("traceparent"), [expected]);
    }
}

#[tokio::test]
async fn a_token_goes_nowhere_in_clear_text_and_comes_back_to_no_model() {
    let service = service().await;
    let port = service.address.port();
    let http = |host: &str| format!("method = \"GET\"\nurl = \"http://{host}:{port}/\"");
    for (host, tokens) in [
        ("tables.example", 0),
        ("plain.example", 1),
        ("127.0.0.1", 1),
    ] {
        let tool = with(&signing(Setup::lookup(http(host))), ann(&json!({})));
        tool.look_up(json!({})).await.unwrap();
        let came = service.came().pop().unwrap();
        assert_eq!(came.header("baton-token").len(), tokens, "{host}");
        assert_eq!(came.header("traceparent").len(), 1);
    }
    let unsigned = with(&Setup::lookup(http("127.0.0.1")), ann(&json!({})));
    unsigned.look_up(json!({})).await.unwrap();
    let came = service.came().pop().unwrap();
    assert_eq!(came.header("baton-token"), [""; 0]);

    let echo = Service::echoing().await;
    let http = format!("method = \"GET\"\nurl = \"http://{}\"", echo.address);
    let tool = with(&signing(Setup::lookup(http)), ann(&json!({})));
    let answer = tool.look_up(json!({})).await.unwrap();
    let token = echo.came()[0].header("baton-token")[0].to_owned();
    assert!(answer.contains("baton-token: …"), "{answer}");
    assert!(!answer.contains(&token), "{answer}");
}
