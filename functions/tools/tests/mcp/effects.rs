//! Actions: at most one call without a key, whatever the server does; and what each end of it means.

use baton_handoff::ports::Outcome;
use serde_json::json;

use crate::server::{McpServer, Speaks, error, result, stream, text};
use crate::service::{Does, answer};
use crate::support::Setup;

const KEY: &str = r#"key = { argument = "request_id" }"#;

/// How an action without a key and one with a key end.
async fn ends(
    does: impl Fn(&serde_json::Value) -> Does + Send + Clone + 'static,
) -> (Outcome, Outcome) {
    let mut ends = Vec::new();
    for call in ["", KEY] {
        let server = McpServer::start(Speaks::Modern).await;
        server.on_call(does.clone());
        let mut setup = Setup::action(&server, call);
        setup.timeout_seconds = 2;
        ends.push(setup.build().act().await);
        assert_eq!(server.calls(), 1, "a call is sent once");
    }
    let with = ends.pop().unwrap();
    (ends.pop().unwrap(), with)
}

fn is_unknown_and_again(ends: &(Outcome, Outcome)) -> bool {
    matches!(ends, (Outcome::Unknown(_), Outcome::Retry(..)))
}

fn are_rejected(ends: &(Outcome, Outcome)) -> bool {
    matches!(ends, (Outcome::Rejected(_), Outcome::Rejected(_)))
}

#[tokio::test]
async fn a_call_that_is_cut_is_unknown_without_a_key_and_tried_again_with_one() {
    let half =
        |_: &_| Does::Says("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"json".to_owned());
    for cut in [
        ends(|_| Does::HangsUp).await,
        ends(half).await,
        // A stream that ends without an answer.
        ends(|_| {
            Does::Says(stream(&[
                json!({"jsonrpc": "2.0", "method": "notifications/x"}),
            ]))
        })
        .await,
        // Silence, before and after the head of an answer.
        ends(|_| Does::FallsSilent(String::new())).await,
        ends(|_| Does::FallsSilent(stream(&[]))).await,
    ] {
        assert!(is_unknown_and_again(&cut), "{cut:?}");
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_never_taken_for_ours() {
    let other = |request: &serde_json::Value| {
        let id = request["id"].as_u64().unwrap() + 1;
        let body = json!({"jsonrpc": "2.0", "id": id, "result": text("Not yours.")});
        Does::Says(crate::service::json(&body.to_string()))
    };
    let ended = ends(other).await;
    assert!(is_unknown_and_again(&ended), "{ended:?}");
    let late = |request: &serde_json::Value| {
        let answer = |id: serde_json::Value, said: &str| json!({"jsonrpc": "2.0", "id": id, "result": text(said)});
        let (mine, other) = (request["id"].clone(), json!(9_999));
        let text = json!(mine.to_string());
        Does::Says(stream(&[
            answer(other, "Not yours."),
            answer(text, "Not yours."),
            answer(mine, "Yours."),
        ]))
    };
    let done = Outcome::Done("Yours.".to_owned());
    assert_eq!(ends(late).await, (done.clone(), done));
}

#[tokio::test]
async fn an_error_that_says_nothing_of_effects_is_no_refusal() {
    let failed = |request: &serde_json::Value| {
        result(
            request,
            &json!({"isError": true, "content": [{"type": "text", "text": "Timed out."}]}),
        )
    };
    for ended in [
        ends(|request| error("200 OK", request, -32603)).await,
        ends(|request| error("500 Oops", request, -32603)).await,
        ends(|_| Does::Says(answer("502 Bad Gateway", "", "oops"))).await,
        ends(|_| Does::Says(answer("200 OK", "content-type: text/html\r\n", "<p>"))).await,
        ends(|_| Does::Says(answer("202 Accepted", "", ""))).await,
        ends(failed).await,
    ] {
        assert!(is_unknown_and_again(&ended), "{ended:?}");
    }
    // Where the operator knows better.
    let server = McpServer::start(Speaks::Modern).await;
    server.on_call(failed);
    let shop = Setup::action(&server, "errors = \"refusals\"").build();
    assert_eq!(shop.act().await, Outcome::Rejected("Timed out.".to_owned()));
}

#[tokio::test]
async fn what_the_protocol_itself_refuses_has_no_effect() {
    for ended in [
        ends(|request| error("200 OK", request, -32602)).await,
        ends(|request| error("404 Not Found", request, -32601)).await,
        ends(|request| error("400 Bad Request", request, -32020)).await,
        ends(|_| Does::Says(answer("401 Unauthorized", "", ""))).await,
        ends(|_| {
            Does::Says(answer(
                "307 Elsewhere",
                "location: http://127.0.0.1:1/\r\n",
                "",
            ))
        })
        .await,
        ends(|request| {
            result(
                request,
                &json!({"resultType": "input_required", "inputRequests": {}}),
            )
        })
        .await,
    ] {
        assert!(are_rejected(&ended), "{ended:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_busy_is_asked_again_only_with_a_key() {
    let busy = |_: &_| Does::Says(answer("429 Too Many", "retry-after: 7\r\n", ""));
    let ended = ends(busy).await;
    let (Outcome::Rejected(_), Outcome::Busy(_, after)) = &ended else {
        panic!("{ended:?}")
    };
    assert_eq!(after.map(|after| after.as_secs()), Some(7));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = McpServer::start(Speaks::Modern).await;
    let address = target.address;
    let ended = ends(move |_| {
        let headers = format!("location: http://{address}/mcp\r\n");
        Does::Says(answer("302 Found", &headers, ""))
    })
    .await;
    assert!(
        matches!(ended, (Outcome::Unknown(_), Outcome::Unknown(_))),
        "{ended:?}"
    );
    assert!(target.methods().is_empty());
}

#[tokio::test]
async fn where_nothing_was_sent_the_action_may_be_tried_again() {
    // A port that nothing listens on.
    let shop = Setup::at("http://127.0.0.1:1/mcp");
    let shop = Setup {
        kind: "action",
        ..shop
    };
    let outcome = shop.build().act().await;
    assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_server_at_a_private_address_needs_the_operators_word() {
    let server = McpServer::start(Speaks::Modern).await;
    let url = format!("url = \"http://127.0.0.1:{}/mcp\"", server.address.port());
    let setup = |lines: String, networks: Vec<&'static str>| Setup {
        server: lines,
        networks,
        ..Setup::action(&server, "")
    };
    let mistake = setup(url.clone(), Vec::new()).mistake();
    assert!(mistake.contains("has the address 127.0.0.1"), "{mistake}");
    // A name that leads there is found out when it is called.
    let named = format!(
        "url = \"http://shop.example:{}/mcp\"",
        server.address.port()
    );
    let outcome = setup(named, Vec::new()).build().act().await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert!(server.methods().is_empty());
    let allowed = setup(format!("{url}\nallow_private = true"), Vec::new());
    assert!(matches!(allowed.build().act().await, Outcome::Done(_)));
}
