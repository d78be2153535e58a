//! Servers without measure: floods, lists without end, silence.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::server::{McpServer, Speaks, find_order, result, stream, text};
use crate::service::{Does, answer};
use crate::support::Setup;

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

#[tokio::test]
async fn a_flood_is_cut_off() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\"",
        &format!("{STREAM}data: "),
        &format!("{STREAM}: "),
    ] {
        let head = head.to_owned();
        let server = McpServer::start(Speaks::Modern).await;
        server.on_call(move |_| Does::NeverEnds(head.clone()));
        let shop = Setup::of(&server).build();
        let refused = shop.look_up().await.unwrap_err();
        assert!(refused.contains("too large"), "{refused}");
    }
}

#[tokio::test]
async fn a_stream_of_small_events_without_end_is_cut_off() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|_| {
        let one = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x".repeat(9_000)}});
        Does::FallsSilent(stream(&vec![one; 600]))
    });
    let refused = Setup::of(&server).build().look_up().await.unwrap_err();
    assert!(refused.contains("too large"), "{refused}");
}

#[tokio::test]
async fn a_result_that_is_too_long_for_a_model_is_an_effect_all_the_same() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|request| result(request, &text(&"x".repeat(300 * 1024))));
    let refused = Setup::of(&server).build().look_up().await.unwrap_err();
    assert_eq!(
        refused,
        "The answer of find is of no use: it is 300 KB, the bound is 256 KB."
    );
    let done = Setup::action(&server, "").build().act().await;
    assert!(
        matches!(&done, baton_handoff::ports::Outcome::Done(text) if text.contains("cannot be shown")),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_takes_no_longer_than_the_tool_may() {
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(|_| Does::FallsSilent(String::new()));
    let mut setup = Setup::of(&server);
    setup.timeout_seconds = 1;
    let shop = setup.build();
    let began = Instant::now();
    let refused = shop.look_up().await.unwrap_err();
    assert!(refused.contains("no answer came in time"), "{refused}");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let server = McpServer::start(Speaks::Modern).await;
    let named =
        |number: usize| json!({"name": format!("t{number}"), "inputSchema": {"type": "object"}});
    let mut tools: Vec<_> = (0..100).map(named).collect();
    tools.push(find_order());
    server.set_tools(tools, 1, None);
    let refused = Setup::of(&server).build().look_up().await.unwrap_err();
    assert!(refused.contains("has no end"), "{refused}");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_session_and_a_revision_that_hang_are_not_waited_for() {
    let silent = crate::service::Service::start(|_| Does::FallsSilent(String::new())).await;
    let mut setup = Setup::at(&format!("http://{}/", silent.address));
    setup.kind = "action";
    setup.timeout_seconds = 1;
    let outcome = setup.build().act().await;
    assert!(
        matches!(outcome, baton_handoff::ports::Outcome::NotSent(_)),
        "{outcome:?}"
    );
    let refused = crate::service::Service::saying(answer("403 Forbidden", "", "")).await;
    let mut setup = Setup::at(&format!("http://{}/", refused.address));
    setup.kind = "action";
    let outcome = setup.build().act().await;
    assert!(
        matches!(outcome, baton_handoff::ports::Outcome::Rejected(_)),
        "{outcome:?}"
    );
}
