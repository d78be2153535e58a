//! The contract of the original, and what was added to it: lines, headers, formats, positions.

use std::collections::BTreeSet;

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Asked, Line, Server, SseEvent, body, clerk, soon};

#[tokio::test]
pub(crate) async fn a_turn_is_one_json_object_a_line() {
    let script = [
        says("One moment. ").calls("transfer_to_issues_and_repairs", "{}"),
        calls("look_up_item", json!({ "search_query": "unicycle" })),
        says("It says \"boom\".\n"),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let answer = server
        .client()
        .post("/chat/completions", &body("c", "help"))
        .await;
    assert_eq!(answer.status, 200);
    let expected = [
        r#"{"content":{"type":"string","message":"One "},"id":"1.1.1.4"}"#,
        r#"{"content":{"type":"string","message":"moment. "},"id":"1.1.1.12"}"#,
        r#"{"content":{"type":"function","message":"Executing transfer_to_issues_and_repairs"},"id":"1.1.1.13"}"#,
        r#"{"content":{"type":"function","message":"You are now talking to IssuesAndRepairsAgent"},"id":"1.1.1.14"}"#,
        r#"{"content":{"type":"function","message":"Executing look_up_item"},"id":"1.2.1.1"}"#,
        r#"{"content":{"type":"string","message":"It "},"id":"1.3.1.3"}"#,
        r#"{"content":{"type":"string","message":"says "},"id":"1.3.1.8"}"#,
        r#"{"content":{"type":"string","message":"\"boom\".\n"},"id":"1.3.1.16"}"#,
        r#"{"content":{"type":"done","message":"","turn":1,"status":"committed"},"id":"1.3.1.17"}"#,
    ];
    assert_eq!(answer.body.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_headers_say_what_it_is_and_that_nobody_may_keep_it() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let cases = [
        ("", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("application/json", "application/x-ndjson"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html, text/plain;q=0.5", "text/plain; charset=utf-8"),
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream", "text/event-stream"),
        (
            "text/event-stream;q=0, text/plain",
            "text/plain; charset=utf-8",
        ),
        (
            "text/plain;q=0.2, text/event-stream;q=0.3",
            "text/event-stream",
        ),
    ];
    for (turn, (accept, media_type)) in (1..).zip(cases) {
        let mut request = client
            .request("POST", "/chat/completions")
            .json(&body("c", "hello"));
        if !accept.is_empty() {
            request = request.header("accept", accept);
        }
        let answer = client.fetch(request).await;
        assert_eq!(answer.header("content-type"), media_type, "{accept}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("vary"), "Accept");
        assert_eq!(answer.header("x-accel-buffering"), "no");
        assert_eq!(answer.header("x-conversation-id"), "c");
        assert_eq!(answer.header("x-turn"), format!("{turn}"));
        assert_eq!(answer.header("content-encoding"), "");
    }
}

#[tokio::test]
async fn without_a_conversation_id_a_new_one_is_made_that_nobody_can_guess() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut ids = BTreeSet::new();
    for body in [
        json!({ "message": "a" }),
        json!({ "message": "b" }),
        json!({ "message": "c", "conversation_id": null }),
    ] {
        let turn = client.send(&body).await.rest().await;
        assert_eq!(turn.number, 1);
        let digits = turn.conversation.strip_prefix("c_").unwrap();
        // 128 bits, and six digits that check them.
        assert_eq!(digits.len(), 32 + 6, "{digits}");
        assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        ids.insert(turn.conversation);
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
pub(crate) async fn every_word_is_sent_before_the_model_says_the_next_one() {
    let gates: Vec<Gate> = (0..4).map(|_| Gate::new()).collect();
    let answer = gates
        .iter()
        .enumerate()
        .fold(stream(), |answer, (at, gate)| {
            answer.says(&format!("word{at} ")).gate(gate)
        });
    let model = ScriptedModel::start([answer]).await;
    let server = Server::open(&model).await;
    let mut listening = server.client().send(&body("c", "hello")).await;
    for (at, gate) in gates.iter().enumerate() {
        assert_eq!(
            listening.next().await.unwrap().content.message,
            format!("word{at} ")
        );
        gate.open();
    }
    assert_eq!(listening.rest().await.status(), "committed");
}

/// The original's page takes each network chunk for whole lines. One that is not loses the reply there.
#[tokio::test]
async fn every_chunk_on_the_wire_holds_whole_lines() {
    let long = "ä€😀 ".repeat(2_000);
    let model = ScriptedModel::start([says("One two three. ").says(&long)]).await;
    let server = Server::open(&model).await;
    let chunks = raw_chunks(&server, &body("c", "hello")).await;
    assert!(chunks.len() > 1);
    let mut text = String::new();
    for chunk in chunks {
        assert!(chunk.ends_with('\n'), "{chunk:?}");
        text.extend(
            chunk
                .lines()
                .filter(|line| !line.is_empty())
                .map(|line| Line::parse(line).content.message),
        );
    }
    assert_eq!(text, format!("One two three. {long}"));
}

/// The original's other client collects bytes and splits at line ends; it must come to the same, however the network cuts.
#[tokio::test]
async fn a_client_that_splits_lines_itself_reads_the_same_from_any_cut() {
    let model = ScriptedModel::start([
        says("Grüße an alle. ").calls("transfer_to_sales_agent", "{}"),
        says("Hallo."),
    ])
    .await;
    let server = Server::open(&model).await;
    let whole = raw_chunks(&server, &body("c", "hello")).await.concat();
    let read = |size: usize| {
        let (mut shown, mut unread) = (Vec::new(), Vec::new());
        for piece in whole.as_bytes().chunks(size) {
            unread.extend_from_slice(piece);
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                let line: Value = serde_json::from_slice(&line).unwrap();
                shown.push(line["content"]["message"].as_str().unwrap().to_owned());
            }
        }
        assert!(unread.is_empty(), "the last line has an end");
        shown
    };
    let expected = [
        "Grüße ",
        "an ",
        "alle. ",
        "Executing transfer_to_sales_agent",
        "You are now talking to SalesAgent",
        "Hallo.",
        "",
    ];
    for size in [1, 2, 3, 7, 64, whole.len()] {
        assert_eq!(read(size), expected, "in pieces of {size}");
    }
}

/// The chunks of the response's chunked coding, as they stand on the wire.
async fn raw_chunks(server: &Server, body: &Value) -> Vec<String> {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let body = body.to_string();
    let request = format!(
        "POST /chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    soon("the response", socket.read_to_end(&mut bytes))
        .await
        .unwrap();
    let head = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let mut rest = &bytes[head..];
    let mut chunks = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return chunks;
        }
        let chunk = &rest[end + 2..end + 2 + size];
        chunks.push(String::from_utf8(chunk.to_vec()).unwrap());
        rest = &rest[end + 4 + size..];
    }
}

#[tokio::test]
async fn the_same_as_typed_events_in_order_with_one_that_ends_the_stream() {
    let script = [
        calls("transfer_to_sales_agent", json!({})).costs(10, 2),
        calls("execute_order", json!({ "product": "Anvil", "price": 30 })).costs(20, 4),
        says("Ordered.").costs(30, 6),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let events = server.client().events_of("c", "an anvil please").await;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let expected = [
        "turn_started",
        "tool_called",
        "handed_off",
        "tool_called",
        "action_queued",
        "action_finished",
        "tool_finished",
        "text_delta",
        "usage",
        "turn_completed",
    ];
    assert_eq!(names, expected);
    let data = |name: &str| &find(&events, name).data;
    for event in &events {
        assert_eq!(
            (&event.data["conversation"], &event.data["turn"]),
            (&json!("c"), &json!(1)),
            "{event:?}"
        );
    }
    assert_eq!(data("handed_off")["from"], "TriageAgent");
    assert_eq!(data("handed_off")["to"], "SalesAgent");
    assert_eq!(data("text_delta")["text"], "Ordered.");
    assert_eq!(data("text_delta")["agent"], "SalesAgent");
    let queued = data("action_queued");
    assert_eq!(
        (&queued["name"], &queued["state"]),
        (&json!("execute_order"), &json!("queued"))
    );
    let finished = data("action_finished");
    assert_eq!(
        (&finished["action"], &finished["state"]),
        (&queued["action"], &json!("done"))
    );
    let told = data("tool_finished");
    assert_eq!(
        (&told["name"], &told["outcome"], &told["call"]),
        (&json!("execute_order"), &json!("ok"), &queued["call"])
    );
    assert!(
        told["result"].as_str().unwrap().contains("order_id"),
        "{told}"
    );
    assert!(told["milliseconds"].is_u64());
    let usage = data("usage");
    assert_eq!(
        (
            &usage["prompt_tokens"],
            &usage["completion_tokens"],
            &usage["total_tokens"]
        ),
        (&json!(60), &json!(12), &json!(72))
    );
    assert_eq!(data("turn_completed")["status"], "committed");
    let arguments = events
        .iter()
        .filter(|event| event.name == "tool_called")
        .map(|event| &event.data["arguments"]);
    // A hand-off shows its name alone, an order what its tool shows.
    let arguments: Vec<&Value> = arguments.collect();
    assert_eq!(
        arguments,
        [&Value::Null, &json!(r#"{"product":"Anvil","price":30}"#)]
    );
}

#[tokio::test]
async fn a_failed_turn_ends_its_typed_events_with_one_failure() {
    let model = ScriptedModel::start([says("Well, ").finishes("content_filter")]).await;
    let server = Server::open(&model).await;
    let events = server.client().events_of("c", "hello").await;
    let last = &events.last().unwrap().data;
    assert_eq!(events.last().unwrap().name, "turn_failed");
    assert_eq!(last["code"], "content_filtered");
    assert_eq!(last["retryable"], false);
    assert!(last["message"].as_str().unwrap().starts_with("Sorry, "));
}

fn find<'a>(events: &'a [SseEvent], name: &str) -> &'a SseEvent {
    events.iter().find(|event| event.name == name).unwrap()
}

#[tokio::test]
pub(crate) async fn a_stream_can_be_resumed_behind_any_of_its_lines() {
    let model = ScriptedModel::start([
        says("One moment. ").calls("transfer_to_sales_agent", "{}"),
        says("What can I sell you?"),
    ])
    .await;
    let server = Server::open(&model).await;
    let live = server.client().say("c", "hello").await;
    // From the log of this server, and from the journal alone.
    let server = server.restart().await;
    for (seen, line) in (1..).zip(&live.lines) {
        let rest = server.client().follow("c", 1, &line.id).await;
        let missed: String = live.lines[seen..]
            .iter()
            .map(|line| line.content.message.as_str())
            .collect();
        match rest {
            None => assert_eq!(seen, live.lines.len()),
            Some(rest) => {
                let told: String = rest
                    .lines
                    .iter()
                    .map(|line| line.content.message.as_str())
                    .collect();
                assert_eq!(told, missed, "behind {}", line.id);
            }
        }
    }
    let whole = server.client().follow("c", 1, "").await.unwrap();
    assert_eq!(whole.seen(), live.seen());
}

#[tokio::test]
async fn a_second_listener_hears_the_beginning_and_what_comes() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("One ").gate(&gate).says("two.")]).await;
    let server = Server::open(&model).await;
    let mut first = server.client().send(&body("c", "hello")).await;
    assert_eq!(first.next().await.unwrap().content.message, "One ");
    let follower = tokio::spawn({
        let client = server.client();
        async move { client.follow("c", 1, "").await.unwrap() }
    });
    gate.open();
    assert_eq!(
        follower.await.unwrap().seen(),
        ["One two.", "done: committed"]
    );
    assert_eq!(first.rest().await.answer(), "One two.");
    assert_eq!(model.requests()[0].customer(), "hello");
}

#[tokio::test]
async fn every_answer_about_a_turn_names_it_and_may_not_be_kept() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let request = client
        .request("POST", "/chat/completions")
        .header("prefer", "Respond-Async; wait=10");
    let accepted = client.fetch(request.json(&body("c", "hello"))).await;
    assert_eq!(accepted.status, 202);
    client.turn_ends("c", 1).await;
    let events = client.get(&accepted.location()).await;
    assert_eq!(events.status, 200);
    let last = Line::parse(events.body.lines().last().unwrap()).id;
    let nothing_left = client
        .get(&format!("{}?after={last}", accepted.location()))
        .await;
    assert_eq!(nothing_left.status, 204);
    for answer in [&accepted, &events, &nothing_left] {
        assert_eq!(answer.header("x-conversation-id"), "c", "{answer:?}");
        assert_eq!(answer.header("x-turn"), "1", "{answer:?}");
    }
    let stopped = client
        .fetch(client.request("POST", "/conversations/c/turns/1/stop"))
        .await;
    assert_eq!(stopped.status, 202);
    let erased = client
        .fetch(client.request("DELETE", "/conversations/c"))
        .await;
    assert_eq!(erased.status, 204);
    for answer in [accepted, events, nothing_left, stopped, erased] {
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    }
}
