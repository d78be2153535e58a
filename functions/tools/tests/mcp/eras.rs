//! Servers of both eras: what they are sent, and how the revision is found.

use serde_json::{Value, json};

use crate::server::{McpServer, Speaks, error, find_order, result, text};
use crate::service::{Does, answer};
use crate::support::{KEY, Setup};

#[tokio::test]
async fn a_modern_server_is_asked_without_a_handshake() {
    let server = McpServer::start(Speaks::Modern).await;
    let shop = Setup::of(&server).build();
    assert!(server.methods().is_empty(), "a start asks nothing");
    for _ in 0..2 {
        assert_eq!(shop.look_up().await.unwrap(), "Order 7.");
    }
    assert_eq!(
        server.methods(),
        ["server/discover", "tools/list", "tools/call", "tools/call"]
    );
    let call = &server.asked("tools/call")[0];
    assert_eq!(
        call.header("accept"),
        ["application/json, text/event-stream"]
    );
    assert_eq!(call.header("content-type"), ["application/json"]);
    assert!(call.line.starts_with("POST /mcp "));
    let request = call.json();
    assert_eq!(request["params"]["arguments"], json!({"number": "7"}));
    let span = shop.found.context.span.to_string();
    assert_eq!(request["params"]["_meta"]["traceparent"], span);
    assert_eq!(call.header("traceparent"), [span]);
}

#[tokio::test]
async fn an_older_server_gets_one_handshake_and_its_session() {
    for speaks in [Speaks::Legacy, Speaks::Stateless] {
        let server = McpServer::start(speaks).await;
        let shop = Setup::of(&server).build();
        for _ in 0..2 {
            assert_eq!(shop.look_up().await.unwrap(), "Order 7.");
        }
        assert_eq!(
            server.methods(),
            [
                "server/discover",
                "initialize",
                "notifications/initialized",
                "tools/list",
                "tools/call",
                "tools/call"
            ]
        );
        let call = &server.asked("tools/call")[0];
        assert!(call.header("mcp-method").is_empty());
        let expected: &[&str] = if speaks == Speaks::Legacy {
            &["session-1"]
        } else {
            &[]
        };
        assert_eq!(call.header("mcp-session-id"), expected);
        let meta = &call.json()["params"]["_meta"];
        assert!(
            meta.get("io.modelcontextprotocol/protocolVersion")
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_anew_and_the_call_is_made_once() {
    let server = McpServer::start(Speaks::Legacy).await;
    let effects = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = effects.clone();
    server.on_call(move |request| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        result(request, &text("Booked."))
    });
    let shop = Setup::action(&server, "").build();
    let done = baton_handoff::ports::Outcome::Done("Booked.".to_owned());
    assert_eq!(shop.act().await, done);
    server.end_sessions();
    assert_eq!(shop.act().await, done);
    assert_eq!(
        server.methods()[5..],
        [
            "tools/call",
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call"
        ]
    );
    // The server refused the one with the old session before it did anything.
    assert_eq!(effects.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(server.calls(), 3);
}

#[tokio::test]
async fn a_server_that_changes_its_revision_is_asked_for_it_again() {
    let server = McpServer::start(Speaks::Modern).await;
    let shop = Setup::of(&server).build();
    assert!(shop.look_up().await.is_ok());
    server.speak(Speaks::Stateless);
    let refused = shop.look_up().await.unwrap_err();
    assert!(refused.contains("another revision"), "{refused}");
    assert_eq!(shop.look_up().await.unwrap(), "Order 7.");
    server.speak(Speaks::Modern);
    let refused = shop.look_up().await.unwrap_err();
    assert!(refused.contains("another revision"), "{refused}");
    assert_eq!(shop.look_up().await.unwrap(), "Order 7.");
}

#[tokio::test]
async fn arguments_stand_in_the_headers_that_the_server_names_and_in_the_body() {
    let server = McpServer::start(Speaks::Modern).await;
    let shop = Setup::of(&server).build();
    let arguments = json!({"number": "7", "region": "Île"});
    shop.look_up_with(arguments.clone()).await.unwrap();
    shop.look_up().await.unwrap();
    let calls = server.asked("tools/call");
    assert_eq!(calls[0].header("mcp-param-region"), ["=?base64?w45sZQ==?="]);
    assert_eq!(calls[0].json()["params"]["arguments"], arguments);
    assert!(calls[1].header("mcp-param-region").is_empty());
}

#[tokio::test]
async fn the_key_of_an_action_stands_where_the_team_file_says() {
    for (call, place) in [
        ("", None),
        (
            r#"key = { argument = "request_id" }"#,
            Some("/params/arguments/request_id"),
        ),
        (
            r#"key = { meta = "com.example/key" }"#,
            Some("/params/_meta/com.example~1key"),
        ),
    ] {
        let server = McpServer::start(Speaks::Modern).await;
        let shop = Setup::action(&server, call).build();
        shop.act().await;
        let call = server.asked("tools/call").remove(0);
        match place {
            Some(place) => assert_eq!(call.json().pointer(place), Some(&json!(KEY))),
            None => assert!(!call.body.contains(KEY)),
        }
    }
}

#[tokio::test]
async fn a_model_cannot_put_a_key_in_the_place_of_ours() {
    let server = McpServer::start(Speaks::Modern).await;
    let mut setup = Setup::action(&server, r#"key = { argument = "request_id" }"#);
    setup.timeout_seconds = 15;
    let shop = setup.build();
    // The schema takes arguments that it does not name.
    let request = shop.look_up_with(json!({"number": "7", "request_id": "mine"}));
    assert!(request.await.is_ok());
    shop.act().await;
    let calls = server.asked("tools/call");
    assert_eq!(calls[1].json()["params"]["arguments"]["request_id"], KEY);
}

#[tokio::test]
async fn a_server_without_a_revision_in_common_is_not_called() {
    let server = McpServer::start(Speaks::Modern).await;
    server.speak(Speaks::Legacy);
    // It answers the question for its revisions as one of the future would.
    let future = crate::service::Service::start(move |_| {
        let data = json!({"supported": ["2031-01-01"]});
        let error = json!({"code": -32022, "message": "no", "data": data});
        let body = json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string();
        Does::Says(answer(
            "400 Bad Request",
            "content-type: application/json\r\n",
            &body,
        ))
    })
    .await;
    let mut setup = Setup::action(&server, "");
    setup.server = format!("url = \"http://{}/\"", future.address);
    let outcome = setup.build().act().await;
    let baton_handoff::ports::Outcome::Rejected(reason) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("no revision"), "{reason}");
}

#[tokio::test]
async fn a_list_in_pages_is_read_to_its_end() {
    let server = McpServer::start(Speaks::Modern).await;
    let named = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let tools: Vec<Value> = vec![named("a"), named("b"), named("c"), find_order()];
    server.set_tools(tools, 1, None);
    let shop = Setup::of(&server).build();
    assert!(shop.look_up().await.is_ok());
    assert_eq!(server.asked("tools/list").len(), 4);
}

#[tokio::test]
async fn an_error_of_the_handshake_is_not_an_effect() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|request| error("200 OK", request, -32603));
    let broken = crate::service::Service::saying(answer("500 Oops", "", "")).await;
    let mut setup = Setup::action(&server, "");
    setup.server = format!("url = \"http://{}/\"", broken.address);
    let outcome = setup.build().act().await;
    assert!(
        matches!(outcome, baton_handoff::ports::Outcome::NotSent(_)),
        "{outcome:?}"
    );
}
