//! What a model is told of a result, in JSON and in streams; and what no model is told.

use std::sync::Arc;

use baton_tools::tokens::ToolTokens;
use serde_json::{Value, json};

use crate::server::{McpServer, Speaks, error, result, stream, text};
use crate::service::{Came, Does, answer};
use crate::support::Setup;

#[tokio::test]
async fn an_answer_in_a_stream_is_read_behind_what_comes_before_it() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|request| {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
        let last = json!({"jsonrpc": "2.0", "id": request["id"], "result": text("Order 9.")});
        // The stream stays open: the answer ends the reading.
        Does::FallsSilent(stream(&[progress, last]))
    });
    assert_eq!(
        Setup::of(&server).build().look_up().await.unwrap(),
        "Order 9."
    );
}

#[tokio::test]
async fn requests_of_an_older_server_are_declined_and_its_answer_is_still_read() {
    let server = McpServer::start(Speaks::Legacy).await;
    server.on_call(|request| {
        let ask = |id: &str, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}});
        let last = json!({"jsonrpc": "2.0", "id": request["id"], "result": text("Done without.")});
        Does::Says(stream(&[
            ask("a", "sampling/createMessage"),
            ask("b", "elicitation/create"),
            ask("c", "roots/list"),
            ask("d", "ping"),
            last,
        ]))
    });
    let shop = Setup::of(&server).build();
    assert_eq!(shop.look_up().await.unwrap(), "Done without.");
    let said: Vec<Value> = server.asked("POST").iter().map(Came::json).collect();
    assert_eq!(said.len(), 4);
    for declined in &said[..3] {
        assert_eq!(declined["error"]["code"], -32601, "{declined}");
    }
    assert_eq!(said[3], json!({"jsonrpc": "2.0", "id": "d", "result": {}}));
}

#[tokio::test]
async fn a_stream_that_an_older_server_closes_early_is_taken_up_behind_its_last_event() {
    let server = McpServer::start(Speaks::Legacy).await;
    let id = Arc::new(std::sync::Mutex::new(Value::Null));
    server.on_call(move |request| {
        let mut id = id.lock().unwrap();
        if request.is_null() {
            // The rest, asked for by GET.
            let last = json!({"jsonrpc": "2.0", "id": *id, "result": text("The rest.")});
            return Does::Says(stream(&[last]));
        }
        *id = request["id"].clone();
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Does::Says(format!("{head}id: event-1\nretry: 1\ndata:\n\n"))
    });
    let shop = Setup::of(&server).build();
    assert_eq!(shop.look_up().await.unwrap(), "The rest.");
    assert_eq!(server.calls(), 1, "the call is not repeated");
    let resumed = server.asked("GET");
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0].header("last-event-id"), ["event-1"]);
    assert_eq!(resumed[0].header("mcp-session-id"), ["session-1"]);
}

#[tokio::test]
async fn a_failed_lookup_is_a_sentence() {
    type Answers = fn(&Value) -> Does;
    let cases: [(Answers, &str); 5] = [
        (
            |request| {
                result(
                    request,
                    &json!({"isError": true, "content": [{"type": "text", "text": "No such order."}]}),
                )
            },
            "find reported an error: No such order.",
        ),
        (
            |request| error("200 OK", request, -32602),
            "find refused it: error -32602",
        ),
        (
            |_| Does::Says(answer("503 Busy", "", "")),
            "find cannot be used now: the server answered 503; it may work later.",
        ),
        (
            |_| Does::HangsUp,
            "find cannot be used now: the connection was cut before an answer came.",
        ),
        (
            |_| Does::Says(answer("200 OK", "content-type: text/html\r\n", "<p>")),
            "The answer of find is of no use: its answer is neither JSON nor a stream of events.",
        ),
    ];
    for (does, sentence) in cases {
        let server = McpServer::start(Speaks::Modern).await;
        server.on_call(does);
        let shop = Setup::of(&server).build();
        assert_eq!(shop.look_up().await.unwrap_err(), sentence);
    }
}

#[tokio::test]
async fn secrets_are_sent_and_never_come_back() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|request| {
        let words = "You sent Bearer swordfish-99 to me.";
        result(
            request,
            &json!({"content": [], "structuredContent": {"swordfish-99": words}}),
        )
    });
    let mut setup = Setup::of(&server);
    setup.server +=
        "\nheaders = { Authorization = { env = \"SHOP_TOKEN\", prefix = \"Bearer \" } }";
    assert!(setup.mistake().contains("SHOP_TOKEN, which is not set"));
    setup.variables = vec![("SHOP_TOKEN", "swordfish-99")];
    let shop = setup.build();
    let looked_up = shop.look_up().await.unwrap();
    assert_eq!(looked_up, r#"{"…":"You sent Bearer … to me."}"#);
    for method in ["server/discover", "tools/list", "tools/call"] {
        let sent = &server.asked(method)[0];
        assert_eq!(sent.header("authorization"), ["Bearer swordfish-99"]);
    }
}

#[tokio::test]
async fn a_call_says_who_asks_in_a_signed_token_and_a_list_does_not() {
    let server = McpServer::start(Speaks::Modern).await;
    let mut setup = Setup::action(&server, "");
    let tokens = ToolTokens::new("baton", "0123456789abcdef0123456789abcdef").unwrap();
    setup.tokens = Some(Arc::new(tokens));
    setup.build().act().await;
    let tokens = |method: &str| {
        let sent = server.asked(method);
        sent[0].header("baton-token").len()
    };
    assert_eq!(tokens("tools/call"), 1);
    assert_eq!(tokens("tools/list"), 0);
}
