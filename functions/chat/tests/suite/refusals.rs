//! Bad input: a status, a sentence as JSON, and nothing of it is kept.

use baton_rehearsal::scripted::ScriptedModel;
use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Asked, Server, body, clerk, soon};

#[tokio::test]
async fn a_body_that_is_not_json_is_a_400() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let long = "x".repeat(129);
    let cases: [(&[u8], &str); 19] = [
        (b"", "the body is not valid JSON"),
        (b"hello", "the body is not valid JSON"),
        (b"{\"message\": \"hello\"", "the body is not valid JSON"),
        (b"\xff\xfe{}", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"\"hello\"", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b"{}", "message is missing"),
        (b"{\"message\": null}", "message must be a string"),
        (b"{\"message\": 7}", "message must be a string"),
        (b"{\"message\": \"\"}", "message is empty"),
        (b"{\"message\": \" \\n\"}", "message is empty"),
        (
            b"{\"message\": \"\\u0000\\u200b\\ufeff\"}",
            "message is empty",
        ),
        (
            b"{\"message\": \"a\", \"message\": \"b\"}",
            "the body names \"message\" twice",
        ),
        (
            b"{\"message\": \"a\", \"x\": [{\"y\": 1, \"\\u0079\": 2}]}",
            "the body names \"y\" twice",
        ),
        (
            b"{\"message\": \"x\", \"conversation_id\": 7}",
            "conversation_id must be a string",
        ),
        (
            b"{\"message\": \"x\", \"conversation_id\": \"a b\"}",
            "conversation_id must match [A-Za-z0-9_-]{1,128}",
        ),
        (
            b"{\"message\": \"x\", \"message_id\": \"\"}",
            "message_id must match [A-Za-z0-9_-]{1,128}",
        ),
        (
            b"{\"message\": \"x\", \"overlap\": \"push\"}",
            "overlap must be ",
        ),
    ];
    let too_long = json!({ "message": "x", "conversation_id": long }).to_string();
    let cases = cases
        .into_iter()
        .chain([(too_long.as_bytes(), "conversation_id must match ")]);
    for (sent, sentence) in cases {
        let request = client
            .request("POST", "/chat/completions")
            .header("content-type", "application/json");
        let refused = client.fetch(request.body(sent.to_vec())).await;
        let sent = String::from_utf8_lossy(sent);
        assert_eq!(refused.status, 400, "{sent}");
        assert!(
            refused.detail().starts_with(sentence),
            "{sent}: {}",
            refused.detail()
        );
        assert_eq!(refused.header("content-type"), "application/json");
    }
    assert_eq!(model.requests().len(), 0);
    let listed = client.get("/conversations").await.json();
    assert_eq!(listed["conversations"], json!([]));
}

#[tokio::test]
async fn what_is_too_large_is_a_413_and_what_just_fits_is_answered() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let message = |bytes: usize| body("c", &"x".repeat(bytes));
    assert_eq!(
        client
            .post("/chat/completions", &message(32 * 1024))
            .await
            .status,
        200
    );
    let refused = client
        .post("/chat/completions", &message(32 * 1024 + 1))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.detail()),
        (413, "message is over 32768 bytes".to_owned())
    );
    let mut padded = body("c", "x");
    padded["padding"] = Value::String("x".repeat(256 * 1024));
    let refused = client.post("/chat/completions", &padded).await;
    assert_eq!(
        (refused.status.as_u16(), refused.detail()),
        (413, "the body is over 262144 bytes".to_owned())
    );
}

/// As Python's `json.dumps` writes it: each character that is not ASCII, or is a control character, as `\\uXXXX`.
fn escaped(message: &str) -> String {
    let units = message.encode_utf16();
    let escaped: Vec<_> = units.map(|unit| format!("\\u{unit:04x}")).collect();
    let escaped = escaped.concat();
    format!(r#"{{"conversation_id": "c", "message": "{escaped}"}}"#)
}

#[tokio::test]
async fn a_message_of_32_kb_fits_however_it_is_escaped() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for character in ["ж", "\u{1}x", "€", "🙂"] {
        let message = character.repeat(32 * 1024 / character.len());
        let send = |message: &str| {
            let request = client
                .request("POST", "/chat/completions")
                .header("content-type", "application/json");
            client.fetch(request.body(escaped(message)))
        };
        let answer = send(&message).await;
        assert_eq!(answer.status, 200, "{character:?}: {answer:?}");
        let asked = model.requests().pop().unwrap();
        assert_eq!(asked.customer(), message, "{character:?}");
        let refused = send(&format!("{message}xxx")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.detail()),
            (413, "message is over 32768 bytes".to_owned())
        );
    }
}

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_not_waited_for() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let refused = async |target: &str, header: &str| {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "{target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
             {header}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = socket.read_to_string(&mut answer);
        soon("a refusal", read).await.unwrap();
        answer
    };
    // With and without use for a body.
    for target in [
        "POST /chat/completions",
        "POST /conversations/c/turns/1/regenerate",
        "POST /actions/c.1.00000000000000000000000000000000/approve",
        "DELETE /conversations/c",
        "GET /health",
        "GET /nowhere",
    ] {
        let answer = refused(target, "content-length: 107374182400").await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{target}: {answer}");
        assert!(answer.contains("the body is over 262144 bytes"), "{answer}");
        let answer = refused(target, "expect: 200-ok").await;
        assert!(answer.starts_with("HTTP/1.1 417 "), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_path_that_ends_in_a_slash_is_the_one_without_below_any_prefix() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "hello").await;
    for (method, path, whole) in [
        ("GET", "/health/", "health"),
        ("GET", "/desk/", "desk"),
        ("POST", "/chat/completions/", "chat/completions"),
        ("GET", "/conversations/?limit=1", "conversations?limit=1"),
        ("GET", "/conversations/c/", "conversations/c"),
        ("DELETE", "/conversations/c/", "conversations/c"),
    ] {
        let answer = client.fetch(client.request(method, path)).await;
        assert_eq!(answer.status, 308, "{method} {path}: {answer:?}");
        let asked = reqwest::Url::parse(&format!("https://acme.example/shop{path}")).unwrap();
        let meant = asked.join(answer.header("location")).unwrap();
        assert_eq!(meant.as_str(), format!("https://acme.example/shop/{whole}"));
    }
    for path in ["//", "/static//", "//evil.example//"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn wrong_paths_methods_and_media_types_are_refused_in_json() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "hello").await;
    let cases = [
        ("GET", "/nowhere", 404),
        ("POST", "/conversations/c/turns/1/nothing", 404),
        ("GET", "/conversations/unknown", 404),
        ("GET", "/conversations/unknown/export", 404),
        ("DELETE", "/conversations/unknown", 404),
        ("GET", "/conversations/c/turns/2/events", 404),
        ("GET", "/conversations/c/turns/0/events", 404),
        ("GET", "/conversations/a%20b", 400),
        ("GET", "/conversations/c/turns/one/events", 400),
        ("GET", "/conversations/c/turns/01/events", 400),
        ("GET", "/conversations/c/turns/+1/events", 400),
        ("POST", "/conversations/c/turns/01/stop", 400),
        ("GET", "/conversations/c/turns/1/events?after=here", 400),
        ("GET", "/conversations/c/turns/1/events?after=2.1.1.1", 400),
        ("GET", "/conversations?limit=many", 400),
        ("GET", "/orders?after=nonsense", 404),
        ("GET", "/actions?state=lost", 400),
        ("GET", "/actions?conversation=a%20b", 400),
        ("GET", "/actions?conversation=c&after=nonsense", 404),
        ("GET", "/chat/completions", 405),
        ("PUT", "/chat/completions", 405),
        ("DELETE", "/health", 405),
    ];
    for (method, path, status) in cases {
        let refused = client.fetch(client.request(method, path)).await;
        assert_eq!(refused.status, status, "{method} {path}: {refused:?}");
        assert!(!refused.detail().is_empty(), "{method} {path}");
    }
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let request = client
            .request("POST", "/chat/completions")
            .header("content-type", media_type);
        let refused = client.fetch(request.body(body("c", "x").to_string())).await;
        assert_eq!(refused.status, 415, "{media_type}");
        assert_eq!(refused.detail(), "send the body as application/json");
    }
    let request = client
        .request("POST", "/chat/completions")
        .header("content-type", "application/json; charset=\"utf-16\"");
    let refused = client.fetch(request.body(body("c", "x").to_string())).await;
    assert_eq!(refused.status, 415);
    for media_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.acme+json",
    ] {
        let request = client
            .request("POST", "/chat/completions")
            .header("content-type", media_type);
        assert_eq!(
            client
                .fetch(request.body(body("c", "x").to_string()))
                .await
                .status,
            200,
            "{media_type}"
        );
    }
}

#[tokio::test]
async fn a_decision_that_is_not_one_is_a_400_in_a_sentence() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let (approve, settle) = ("approve", "settle");
    let cases = [
        (approve, "", "the body is not valid JSON"),
        (approve, "[]", "the body must be a JSON object"),
        (approve, "{}", "arguments_hash is missing"),
        (
            approve,
            r#"{"arguments_hash": 7}"#,
            "arguments_hash must be a string",
        ),
        (
            approve,
            r#"{"arguments_hash": "x"}"#,
            "fence is missing: the number that the action was shown with",
        ),
        (
            approve,
            r#"{"arguments_hash": "x", "fence": -1}"#,
            "fence must be a whole number",
        ),
        (
            "reject",
            r#"{"arguments_hash": "x", "fence": 0}"#,
            "a reason for colleagues is needed",
        ),
        (
            "reject",
            r#"{"arguments_hash": "x", "fence": 0, "reason": " "}"#,
            "a reason for colleagues is needed",
        ),
        (
            settle,
            r#"{"arguments_hash": "x", "fence": 0, "outcome": "done"}"#,
            "a reason for colleagues is needed",
        ),
        (
            settle,
            r#"{"arguments_hash": "x", "fence": 0, "reason": "x"}"#,
            "outcome must be ",
        ),
        (
            settle,
            r#"{"arguments_hash": "x", "fence": 0, "reason": "x", "outcome": "lost"}"#,
            "outcome must be ",
        ),
    ];
    for (decision, sent, sentence) in cases {
        let path = format!("/actions/c.1.00000000000000000000000000000000/{decision}");
        let request = client
            .request("POST", &path)
            .header("content-type", "application/json");
        let refused = client.fetch(request.body(sent)).await;
        assert_eq!(refused.status, 400, "{decision} {sent}");
        let detail = refused.detail();
        assert!(detail.starts_with(sentence), "{decision} {sent}: {detail}");
    }
    let form = client
        .request(
            "POST",
            "/actions/c.1.00000000000000000000000000000000/approve",
        )
        .header("content-type", "text/plain");
    assert_eq!(client.fetch(form.body("{}")).await.status, 415);
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_in_a_sentence() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let number = "must be a whole number that is neither too small nor too large";
    for (path, sentence) in [
        ("/conversations?limit=many", format!("limit {number}")),
        ("/conversations?limit=-1", format!("limit {number}")),
        ("/conversations?limit=0", format!("limit {number}")),
        ("/conversations/c?turns=0", format!("turns {number}")),
        ("/orders?limit=1&limit=2", "limit is given twice".to_owned()),
        (
            "/conversations/c?before=4294967296",
            format!("before {number}"),
        ),
        ("/conversations/c?turns=", format!("turns {number}")),
        (
            "/actions?state=lost",
            "state must be one of proposed, queued, running, done, rejected, unknown".to_owned(),
        ),
        (
            "/actions/lost",
            "that is not the id of an action".to_owned(),
        ),
    ] {
        let refused = client.get(path).await;
        assert_eq!(
            (refused.status.as_u16(), refused.detail()),
            (400, sentence),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_refused_in_json() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for (method, path) in [
        ("GET", "/conversations/%ff"),
        ("DELETE", "/conversations/%ff"),
        ("GET", "/conversations/c/turns/%fe/events"),
        ("GET", "/actions/%ff"),
        ("POST", "/actions/%ff/approve"),
        ("GET", "/static/%ff.js"),
    ] {
        let refused = client.fetch(client.request(method, path)).await;
        assert_eq!(refused.status, 400, "{method} {path}");
        assert_eq!(refused.detail(), "the path is not percent-encoded UTF-8");
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_before_it_is_read_as_something_else() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let sent = |coding: &str| {
        let request = client
            .request("POST", "/chat/completions")
            .header("content-encoding", coding);
        client.fetch(request.json(&body("c", "hello")))
    };
    let refused = sent("gzip").await;
    assert_eq!(refused.status, 415);
    assert_eq!(refused.detail(), "send the body without a Content-Encoding");
    assert_eq!(refused.header("accept-encoding"), "identity");
    assert_eq!(sent("identity").await.status, 200);
}

#[tokio::test]
async fn an_expectation_that_nobody_meets_is_refused() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let sent = |expected: &str| {
        let request = client
            .request("POST", "/chat/completions")
            .header("expect", expected);
        client.fetch(request.json(&body("c", "hello")))
    };
    let refused = sent("200-ok").await;
    assert_eq!(refused.status, 417);
    assert_eq!(refused.detail(), "expect 100-continue or nothing");
    assert_eq!(sent("100-Continue").await.status, 200);
}

#[tokio::test]
async fn a_wrong_key_in_a_header_is_a_mistake_beside_an_id_in_the_body_too() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut said = body("c", "hello");
    said["message_id"] = json!("m1");
    let say = |key: &'static str| {
        let request = client.request("POST", "/chat/completions");
        client.fetch(request.header("idempotency-key", key).json(&said))
    };
    let refused = say("not a key").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.detail().starts_with("Idempotency-Key must match"));
    assert_eq!(say("\"m2\"").await.status, 200);
    // An empty cursor is that of the first page, and a page has a longest length, whatever is asked for.
    for list in ["conversations", "actions?state=done", "orders", "refunds"] {
        let more = if list.contains('?') { '&' } else { '?' };
        let page = client
            .get(&format!("/{list}{more}after=&limit=100000"))
            .await;
        assert_eq!(page.status, 200, "{list}: {page:?}");
    }
}
