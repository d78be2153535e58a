//! Who may call: hosts, origins, operators.

use baton_chat::Exposure;
use baton_http::Secret;
use baton_rehearsal::scripted::ScriptedModel;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Answer, Client, House, Setup, body, clerk, soon};

const OPERATOR_ROUTES: [(&str, &str); 8] = [
    ("GET", "/conversations"),
    ("GET", "/actions"),
    ("GET", "/orders"),
    ("GET", "/refunds"),
    ("GET", "/actions/c.1.00000000000000000000000000000000"),
    (
        "POST",
        "/actions/c.1.00000000000000000000000000000000/approve",
    ),
    (
        "POST",
        "/actions/c.1.00000000000000000000000000000000/reject",
    ),
    (
        "POST",
        "/actions/c.1.00000000000000000000000000000000/settle",
    ),
];

async fn exposed(model: &ScriptedModel, exposure: Exposure) -> House {
    let mut setup = Setup::new(model);
    setup.exposure = exposure;
    setup.open().await
}

async fn status(client: &Client, (method, path): (&str, &str), headers: &[(&str, &str)]) -> u16 {
    let mut request = client.request(method, path);
    if method == "POST" {
        request = request
            .json(&json!({ "arguments_hash": "x", "fence": 0, "reason": "x", "outcome": "done" }));
    }
    request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    client.fetch(request).await.status.as_u16()
}

/// What the page is told, so that it asks for the list only where it gets one.
async fn lists_conversations(client: &Client, health: RequestBuilder) -> Value {
    client.fetch(health).await.json()["lists_conversations"].clone()
}

/// A refusal is kept by caches and read by browsers as any other answer is.
fn carries_the_guards_headers(answer: &Answer) {
    assert_eq!(answer.header("vary"), "Origin");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn a_rebound_name_reaches_no_route() {
    let model = ScriptedModel::responding(clerk).await;
    let origins = vec!["https://chat.example".to_owned()];
    let house = exposed(
        &model,
        Exposure {
            loopback: true,
            origins,
            operator_token: None,
        },
    )
    .await;
    let client = house.client();
    for route in [
        ("GET", "/"),
        ("GET", "/openapi.json"),
        ("GET", "/conversations"),
        ("GET", "/conversations/c"),
    ] {
        assert_eq!(
            status(&client, route, &[("host", "evil.example")]).await,
            421,
            "{route:?}"
        );
        assert_ne!(
            status(&client, route, &[("host", "chat.example")]).await,
            421,
            "{route:?}"
        );
    }
    let request = client
        .request("POST", "/chat/completions")
        .header("host", "evil.example");
    let refused = client.fetch(request.json(&body("c", "hello"))).await;
    assert_eq!(refused.status, 421);
    assert!(refused.detail().contains("BATON_ORIGINS"));
    carries_the_guards_headers(&refused);
    assert_eq!(model.requests().len(), 0);
}

/// What the server answers to these bytes, to the end of the connection.
async fn answer_to(house: &House, request: &str) -> String {
    let mut socket = TcpStream::connect(house.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    soon("an answer", read).await.unwrap();
    answer
}

#[tokio::test]
async fn health_answers_a_balancer_by_whatever_name_and_version_it_asks() {
    let model = ScriptedModel::responding(clerk).await;
    let house = exposed(
        &model,
        Exposure {
            loopback: false,
            origins: vec!["https://chat.example".to_owned()],
            operator_token: Some(Secret::new("secret")),
        },
    )
    .await;
    let close = "connection: close\r\n\r\n";
    for asked in [
        "HTTP/1.0\r\n\r\n".to_owned(),
        format!("HTTP/1.1\r\n{close}"),
        format!("HTTP/1.1\r\nhost:\r\n{close}"),
        format!("HTTP/1.1\r\nhost: i-0123.internal:8501\r\n{close}"),
        format!("HTTP/1.1\r\nhost: 10.1.2.3:8501\r\n{close}"),
        "HTTP/1.0\r\nhost: chat.example\r\n\r\n".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = answer_to(&house, &format!("{method} /health {asked}")).await;
            let status = answer.lines().next().unwrap();
            assert!(status.ends_with(" 200 OK"), "{method} {asked}: {answer}");
        }
        let other = answer_to(&house, &format!("GET /openapi.json {asked}")).await;
        let is_known = asked.contains("chat.example") || asked.contains("10.1.2.3");
        assert_eq!(other.contains(" 200 OK"), is_known, "{asked}: {other}");
    }
    // A browser on another site is told nothing.
    let asked = format!("HTTP/1.1\r\nhost: evil.example\r\norigin: http://x.example\r\n{close}");
    let answer = answer_to(&house, &format!("GET /health {asked}")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn a_request_whose_host_can_be_read_in_two_ways_reaches_no_route() {
    let model = ScriptedModel::responding(clerk).await;
    let house = House::open(&model).await;
    let end = "connection: close\r\n\r\n";
    for (target, headers, status) in [
        ("/", "host: localhost\r\n", 200),
        ("/", "host: localhost\r\nhost: localhost\r\n", 400),
        ("/health", "host: localhost\r\nhost: evil.example\r\n", 400),
        ("/", "host: [127.0.0.1].evil.example\r\n", 400),
        ("/actions", "host: 127.0.0.1:80@evil.example\r\n", 400),
        ("/actions", "host: localhost:evil\r\n", 400),
        ("/actions", "host: [localhost]\r\n", 400),
        ("http://localhost/", "host: localhost\r\n", 200),
        ("http://evil.example/", "host: localhost\r\n", 400),
        (
            "/",
            "host: a\r\norigin: http://a\r\norigin: http://b\r\n",
            400,
        ),
        ("/", "host: localhost\r\norigin: https://localhost\r\n", 403),
    ] {
        let asked = format!("GET {target} HTTP/1.1\r\n{headers}{end}");
        let answer = answer_to(&house, &asked).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{asked}: {answer}");
    }
}

#[tokio::test]
async fn another_site_may_link_to_an_answer_and_not_embed_it() {
    let model = ScriptedModel::responding(clerk).await;
    let house = House::open(&model).await;
    let client = house.client();
    let embedded = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    assert_eq!(
        status(&client, ("GET", "/conversations/c"), &embedded).await,
        403
    );
    let linked = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(status(&client, ("GET", "/"), &linked).await, 200);
    let page = client.get("/").await;
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
}

#[tokio::test]
async fn another_site_may_not_call_unless_it_is_listed() {
    let model = ScriptedModel::responding(clerk).await;
    let origins = vec!["https://chat.example".to_owned()];
    let house = exposed(
        &model,
        Exposure {
            loopback: true,
            origins,
            operator_token: None,
        },
    )
    .await;
    let client = house.client();
    for origin in ["http://evil.example", "null", "https://chat.example.evil"] {
        let request = client
            .request("POST", "/chat/completions")
            .header("origin", origin);
        let refused = client.fetch(request.json(&body("c", "hello"))).await;
        assert_eq!(refused.status, 403, "{origin}");
        assert_eq!(refused.header("access-control-allow-origin"), "");
        carries_the_guards_headers(&refused);
    }
    assert_eq!(model.requests().len(), 0);
    let request = client
        .request("POST", "/chat/completions")
        .header("origin", "https://chat.example");
    let answer = client.fetch(request.json(&body("c", "hello"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://chat.example"
    );
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("x-conversation-id")
    );
    let preflight = client
        .request("OPTIONS", "/chat/completions")
        .header("access-control-request-method", "POST");
    let allowed = client
        .fetch(preflight.header("origin", "https://chat.example"))
        .await;
    assert_eq!(allowed.status, 204);
    assert!(
        allowed
            .header("access-control-allow-headers")
            .contains("idempotency-key")
    );
}

#[tokio::test]
async fn operator_routes_need_the_token_where_there_is_one() {
    let model = ScriptedModel::responding(clerk).await;
    let token = Some(Secret::new("correct horse"));
    let house = exposed(
        &model,
        Exposure {
            loopback: true,
            origins: Vec::new(),
            operator_token: token,
        },
    )
    .await;
    let client = house.client();
    for route in OPERATOR_ROUTES {
        assert_eq!(status(&client, route, &[]).await, 401, "{route:?}");
        assert_eq!(
            status(&client, route, &[("authorization", "Bearer wrong")]).await,
            401,
            "{route:?}"
        );
        assert_eq!(
            status(&client, route, &[("authorization", "Basic correct horse")]).await,
            401,
            "{route:?}"
        );
        let known = status(&client, route, &[("authorization", "Bearer correct horse")]).await;
        assert!(
            known == 200 || known == 404 && route.1.starts_with("/actions/"),
            "{route:?}: {known}"
        );
    }
    let health = client.request("GET", "/health");
    assert_eq!(lists_conversations(&client, health).await, false);
    let health = client
        .request("GET", "/health")
        .header("authorization", "Bearer correct horse");
    assert_eq!(lists_conversations(&client, health).await, true);
    // Customers need no token.
    assert_eq!(client.say("c", "hello").await.status(), "committed");
    assert_eq!(client.items("c").await.len(), 3);
}

#[tokio::test]
async fn operator_routes_are_absent_off_loopback_and_behind_a_proxy_without_a_token() {
    let model = ScriptedModel::responding(clerk).await;
    let open = |loopback: bool, origins: &[&str]| Exposure {
        loopback,
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        operator_token: None,
    };
    let proxied: &[(&str, &str)] = &[("x-forwarded-for", "192.0.2.1")];
    let cases = [
        (open(false, &[]), &[] as &[_]),
        (open(true, &[]), proxied),
        // A proxy on the same machine that says nothing of itself.
        (open(true, &["https://chat.example"]), &[]),
    ];
    for (exposure, headers) in cases {
        let house = exposed(&model, exposure).await;
        let desk = [("GET", "/desk"), ("GET", "/static/desk.html")];
        for route in OPERATOR_ROUTES.into_iter().chain(desk) {
            let found = status(&house.client(), route, headers).await;
            assert_eq!(found, 404, "{route:?} {headers:?}");
        }
        let client = house.client();
        let health = headers.iter().fold(
            client.request("GET", "/health"),
            |request, (name, value)| request.header(*name, *value),
        );
        assert_eq!(
            lists_conversations(&client, health).await,
            false,
            "{headers:?}"
        );
    }
    let house = exposed(&model, open(true, &[])).await;
    for route in [OPERATOR_ROUTES[0], ("GET", "/desk")] {
        assert_eq!(status(&house.client(), route, &[]).await, 200, "{route:?}");
    }
    let health = house.client().request("GET", "/health");
    assert_eq!(lists_conversations(&house.client(), health).await, true);
}

#[tokio::test]
async fn health_names_a_tool_whose_schema_the_first_call_could_not_compile() {
    let model = ScriptedModel::responding(clerk).await;
    let house = Setup::new(&model)
        .with_team(&[("minimum = 0", "minimum = \"0\"")])
        .open()
        .await;
    let client = house.client();
    assert_eq!(client.get("/health").await.status, 200);
    let turn = client.say("c", "order anvil 30").await;
    assert!(
        turn.answer()
            .starts_with("execute_order was not called: its schema cannot be used"),
        "{turn:?}"
    );
    let health = client.get("/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(
        health.json()["reason"],
        "the schema of tool execute_order cannot be used"
    );
}
