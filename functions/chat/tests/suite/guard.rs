//! Who may call: hosts, origins, operators.

use baton_rehearsal::scripted::ScriptedModel;
use serde_json::json;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Answer, Client, Server, Setup, body, clerk, soon};

const OPERATOR_ROUTES: [(&str, &str); 8] = [
    ("GET", "/audit?day=2026-01-31"),
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

async fn exposed(model: &ScriptedModel, origins: &[&str]) -> Server {
    let mut setup = Setup::new(model);
    setup.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    setup.open().await
}

async fn status(client: &Client, (method, path): (&str, &str), headers: &[(&str, &str)]) -> u16 {
    let mut request = client.bare(method, path);
    if method == "POST" {
        request = request
            .json(&json!({ "arguments_hash": "x", "fence": 0, "reason": "x", "outcome": "done" }));
    }
    request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    client.fetch(request).await.status.as_u16()
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
    let server = exposed(&model, &["https://chat.example"]).await;
    let client = server.client();
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
async fn answer_to(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    soon("an answer", read).await.unwrap();
    answer
}

#[tokio::test]
async fn health_answers_a_balancer_by_whatever_name_and_version_it_asks() {
    let model = ScriptedModel::responding(clerk).await;
    let server = exposed(&model, &["https://chat.example"]).await;
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
            let answer = answer_to(&server, &format!("{method} /health {asked}")).await;
            let status = answer.lines().next().unwrap();
            assert!(status.ends_with(" 200 OK"), "{method} {asked}: {answer}");
        }
        let other = answer_to(&server, &format!("GET /openapi.json {asked}")).await;
        let is_known = asked.contains("chat.example") || asked.contains("10.1.2.3");
        assert_eq!(other.contains(" 200 OK"), is_known, "{asked}: {other}");
    }
    // A browser on another site is told nothing.
    let asked = format!("HTTP/1.1\r\nhost: evil.example\r\norigin: http://x.example\r\n{close}");
    let answer = answer_to(&server, &format!("GET /health {asked}")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn a_request_whose_host_can_be_read_in_two_ways_reaches_no_route() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
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
        let answer = answer_to(&server, &asked).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{asked}: {answer}");
    }
}

#[tokio::test]
async fn another_site_may_link_to_an_answer_and_not_embed_it() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
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
    let server = exposed(&model, &["https://chat.example"]).await;
    let client = server.client();
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
async fn operator_routes_need_a_token_wherever_the_server_is_and_whatever_is_said_of_the_host() {
    let model = ScriptedModel::responding(clerk).await;
    for origins in [&[] as &[&str], &["https://chat.example"]] {
        let server = exposed(&model, origins).await;
        let client = server.client();
        for route in OPERATOR_ROUTES {
            for headers in [
                &[] as &[(&str, &str)],
                &[("host", "localhost")],
                &[("authorization", "Bearer wrong")],
                &[("authorization", "Basic an operator of the tests")],
            ] {
                let found = status(&client, route, headers).await;
                assert_eq!(found, 401, "{route:?} {headers:?}");
            }
            let token = [("authorization", "Bearer an operator of the tests")];
            let known = status(&client, route, &token).await;
            assert!(
                known == 200 || known == 404 && route.1.starts_with("/actions/"),
                "{route:?}: {known}"
            );
        }
        // Customers need no token, and the page of the desk holds no secret.
        assert_eq!(client.say("c", "hello").await.status(), "committed");
        assert_eq!(client.items("c").await.len(), 3);
        assert_eq!(client.get("/desk").await.status, 200);
    }
}
