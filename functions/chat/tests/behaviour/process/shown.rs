//! What a customer sees of tools that call a service: looked for in the bytes of every way out.

use std::collections::BTreeMap;

use axum::routing::{get, post};
use axum::{Json, Router};
use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, says, stream};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backend::file_in;
use crate::suite::support::{Asked, Client, Folder, body, soon};

use super::local::{Local, command};

/// In the arguments of each call, in the result of the lookup and of the action, and in the refusal of the other action.
const CANARIES: [&str; 4] = [
    "canary-asked",
    "canary-found",
    "canary-done",
    "canary-refused",
];

async fn open_service() -> u16 {
    let found = json!({ "found": [{ "seat": "window", "secret": CANARIES[1] }] });
    let done = json!({ "booking": "b-7", "table": "T1", "secret": CANARIES[2] });
    let refused = json!({ "table": "T2", "reason": CANARIES[3] });
    let router = Router::new()
        .route("/find", get(|| async { Json(found) }))
        .route("/book", post(|| async { Json(done) }))
        .route(
            "/refuse",
            post(|| async { (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)) }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port
}

/// `show` is a line of each tool.
fn team(port: u16, show: &str) -> String {
    let tool = |name: &str, kind: &str, call: &str| {
        format!(
            r#"
[[tool]]
name = "{name}"
kind = "{kind}"
description = "Does it."
{show}

[tool.parameters]
table = {{ type = "string" }}
note = {{ type = "string" }}

[tool.http]
{call}
allow_private = true
"#
        )
    };
    let url = |path: &str| format!("url = \"http://localhost:{port}/{path}\"");
    let tools = [
        tool(
            "find",
            "lookup",
            &format!("method = \"GET\"\nquery = \"arguments\"\n{}", url("find")),
        ),
        tool(
            "book",
            "action",
            &format!("method = \"POST\"\n{}", url("book")),
        ),
        tool(
            "refuse",
            "action",
            &format!("method = \"POST\"\n{}", url("refuse")),
        ),
    ];
    format!(
        r#"name = "Café"
entry = "Host"

[[agent]]
name = "Host"
instructions = "Book tables."
tools = ["find", "book", "refuse"]
{}"#,
        tools.concat()
    )
}

fn host(asked: &Captured) -> Answer {
    if !asked.results().is_empty() {
        return says("Done.");
    }
    let arguments = |table: &str| json!({ "table": table, "note": CANARIES[0] }).to_string();
    stream()
        .calls("find", &arguments("T0"))
        .calls("book", &arguments("T1"))
        .calls("refuse", &arguments("T2"))
}

/// The bytes of a whole answer.
async fn bytes(client: &Client, path: &str, accept: &str) -> String {
    let request = client.request("GET", path).header("accept", accept);
    let answer = client.fetch(request).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

async fn said(client: &Client, conversation: &str, accept: &str) -> String {
    let request = client
        .request("POST", "/chat/completions")
        .header("accept", accept);
    let message = body(conversation, "a table please");
    let answer = client.fetch(request.json(&message)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The stream of the whole conversation from its begin to the end of the first turn.
async fn followed(client: &Client, conversation: &str) -> String {
    let path = format!("/conversations/{conversation}/events?after=1.0.0.0");
    let response = client.request("GET", &path).send();
    let mut response = soon("a stream", response).await.unwrap();
    let mut all = String::new();
    while !(all.contains("event: turn_completed\n") && all.ends_with("\n\n")) {
        let bytes = soon("an event", response.chunk()).await.unwrap();
        all += std::str::from_utf8(&bytes.expect("the stream goes on")).unwrap();
    }
    all
}

/// Everything that a customer can get of a conversation, by the way out.
async fn ways_out(client: &Client) -> BTreeMap<&'static str, String> {
    const LINES: &str = "application/x-ndjson";
    const EVENTS: &str = "text/event-stream";
    let turn = "/conversations/events/turns/1/events?after=";
    BTreeMap::from([
        ("lines", said(client, "lines", LINES).await),
        ("plain lines", said(client, "plain", "text/plain").await),
        ("events", said(client, "events", EVENTS).await),
        ("replayed lines", bytes(client, turn, LINES).await),
        ("replayed events", bytes(client, turn, EVENTS).await),
        ("followed", followed(client, "events").await),
        (
            "history",
            bytes(client, "/conversations/events", "*/*").await,
        ),
        (
            "export",
            bytes(client, "/conversations/events/export", "application/json").await,
        ),
        (
            "Markdown",
            bytes(client, "/conversations/events/export", "text/markdown").await,
        ),
    ])
}

/// Plays a turn with each tool, and hands out what customers and operators get.
async fn play(show: &str) -> (BTreeMap<&'static str, String>, String) {
    let port = open_service().await;
    let model = ScriptedModel::responding(host).await;
    let folder = Folder::new();
    std::fs::write(folder.path().join("team.toml"), team(port, show)).unwrap();
    let mut command = command(&file_in(&folder), &model.url());
    command.args(["--team", "team.toml"]);
    let server = Local::run(command).await;
    let client = server.client();
    let ways = ways_out(&client).await;
    assert_eq!(no_text(&ways["events"]), no_text(&ways["replayed events"]));
    assert_eq!(no_text(&ways["events"]), no_text(&ways["followed"]));
    let told = model.requests().last().unwrap().results().concat();
    assert!(
        CANARIES[1..].iter().all(|canary| told.contains(canary)),
        "{told}"
    );
    let actions: Vec<_> = [
        client.actions("done").await,
        client.actions("rejected").await,
    ]
    .concat();
    (ways, Value::Array(actions).to_string())
}

/// The events but the text, which is replayed in other pieces.
fn no_text(events: &str) -> Vec<&str> {
    let events = events.split_terminator("\n\n");
    events
        .filter(|event| !event.starts_with(':') && !event.contains("\nevent: text_delta\n"))
        .collect()
}

/// The ways out that show arguments and results where a tool shows any.
const TELLING: [&str; 6] = [
    "events",
    "replayed events",
    "followed",
    "history",
    "export",
    "Markdown",
];

#[tokio::test]
async fn a_customer_gets_no_byte_of_arguments_results_or_refusals_by_default() {
    let (ways, operators) = play("").await;
    for (way, bytes) in &ways {
        for canary in CANARIES {
            assert!(!bytes.contains(canary), "{canary} in {way}: {bytes}");
        }
        assert!(bytes.contains("refuse"), "{way}: {bytes}");
    }
    for hidden in ["T0", "T1", "T2", "b-7", "window"] {
        assert!(!ways["history"].contains(hidden), "{hidden}");
    }
    for canary in [CANARIES[0], CANARIES[2], CANARIES[3]] {
        assert!(operators.contains(canary), "{canary}: {operators}");
    }
}

#[tokio::test]
async fn a_customer_gets_the_named_members_and_no_byte_more() {
    let (ways, _) = play(r#"show = ["table", "booking", "/found/0/seat"]"#).await;
    for (way, bytes) in &ways {
        for canary in CANARIES {
            assert!(!bytes.contains(canary), "{canary} in {way}: {bytes}");
        }
    }
    for way in TELLING {
        // In JSON they stand in a string.
        let bytes = ways[way].replace('\\', "");
        for shown in [
            r#"{"table":"T0"}"#,
            r#"{"table":"T1"}"#,
            r#"{"table":"T2"}"#,
            r#"{"/found/0/seat":"window"}"#,
            r#"{"table":"T1","booking":"b-7"}"#,
        ] {
            assert!(bytes.contains(shown), "{shown} in {way}: {bytes}");
        }
    }
}

#[tokio::test]
async fn a_customer_gets_everything_of_a_tool_that_shows_all() {
    let (ways, _) = play("show = \"all\"").await;
    for way in TELLING {
        for canary in CANARIES {
            assert!(
                ways[way].contains(canary),
                "{canary} in {way}: {}",
                ways[way]
            );
        }
    }
    for way in ["lines", "plain lines", "replayed lines"] {
        assert!(!ways[way].contains("canary"), "{way}: {}", ways[way]);
    }
}
