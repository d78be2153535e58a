//! Conversations that are too long for anybody's memory: what clients do not read, and what cannot be read.

use std::path::Path;

use baton_rehearsal::scripted::{ScriptedModel, says};
use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::backend::file_in;
use crate::suite::support::{Asked, Client, Folder, PATIENCE, soon};

use super::local::{Local, command};

/// The largest message, and an answer that makes a turn of 128 KB with it.
const MESSAGE: usize = 32 * 1024;
const ANSWER: usize = 96 * 1024;

/// A conversation of 20 MB.
const TURNS: usize = 160;

/// Who asks and reads nothing.
const LISTENERS: usize = 300;

/// What all of them together may cost, in KB.
const MOST_KB: usize = 50_000;

async fn model() -> ScriptedModel {
    ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "hello" => says("Hello."),
        _ => says(&"y".repeat(ANSWER)),
    })
    .await
}

/// A server that logs next to nothing: nobody reads what it logs, and a full pipe would hold it up.
async fn start(file: &Path, model: &ScriptedModel) -> Local {
    let mut command = command(file, &model.url());
    command.env("BATON_LOG", "off");
    Local::run(command).await
}

async fn talk(client: &Client, turns: usize) {
    let message = "x".repeat(MESSAGE);
    for _ in 0..turns {
        assert_eq!(client.say("c", &message).await.status(), "committed");
    }
}

/// The most that the process ever had in memory, in KB.
fn peak(server: &Local) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Asks for something and waits for the begin of an answer, of which nothing is taken.
async fn ask(address: &str, path: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    while soon("an answer", socket.peek(&mut begin)).await.unwrap() < begin.len() {}
    (socket, String::from_utf8(begin.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_listeners_that_read_nothing_cost_less_than_50_mb() {
    let model = model().await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let server = start(&file, &model).await;
    talk(&server.client(), TURNS).await;
    server.client().say("short", "hello").await;
    server.kill().await;
    for path in [
        "/conversations/c/export",
        "/conversations/c?turns=500",
        "/conversations/c",
    ] {
        // A new one each time: what it ever had in memory is what this has cost.
        let server = start(&file, &model).await;
        let client = server.client();
        let address = server.base.strip_prefix("http://").unwrap();
        assert_eq!(client.items("short").await.len(), 3, "{path}");
        let before = peak(&server);
        let listeners = join_all((0..LISTENERS).map(|_| ask(address, path))).await;
        for (_, begin) in &listeners {
            // Those for which there is no memory are told to come again.
            assert!(
                ["HTTP/1.1 200", "HTTP/1.1 503"].contains(&begin.as_str()),
                "{begin}"
            );
        }
        let begun = listeners.iter().filter(|(_, begin)| begin.ends_with("200"));
        let begun = begun.count();
        let cost = peak(&server).saturating_sub(before);
        println!("{path}: {begun} answers begun, {cost} KB");
        assert!(begun > 50, "{path}: {begun}");
        assert!(cost < MOST_KB, "{path}: {cost} KB");
        // Others are served meanwhile.
        assert_eq!(client.get("/health").await.status, 200, "{path}");
        assert_eq!(client.items("short").await.len(), 3, "{path}");
        drop(listeners);
        let export = client.get("/conversations/c/export").await;
        let items = export.json()["items"].as_array().unwrap().len();
        assert_eq!(items, 3 * TURNS, "{path}");
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_ends_in_good_form_when_its_conversation_is_erased_meanwhile() {
    let model = model().await;
    let folder = Folder::new();
    let server = start(&file_in(&folder), &model).await;
    let client = server.client();
    talk(&client, TURNS).await;
    let export = |accept: &str| {
        let request = client.request("GET", "/conversations/c/export");
        request.header("accept", accept).send()
    };
    let json = soon("an export", export("application/json")).await.unwrap();
    let markdown = soon("an export", export("text/markdown")).await.unwrap();
    let erased = client
        .fetch(client.request("DELETE", "/conversations/c"))
        .await;
    assert_eq!(erased.status, 204);
    let json: Value = soon("the rest", json.json()).await.unwrap();
    assert_eq!(
        json["incomplete"],
        "the conversation was erased while it was exported"
    );
    let items = json["items"].as_array().unwrap();
    assert!((1..3 * TURNS).contains(&items.len()), "{}", items.len());
    assert_eq!(json["before"], Value::Null);
    let markdown = soon("the rest", markdown.text()).await.unwrap();
    assert!(
        markdown.ends_with(
            "\n**This export is not complete: the conversation was erased while it was exported.**\n"
        ),
        "{}",
        markdown.len()
    );
}

fn damage(file: &Path, change: &str) {
    let db = Connection::open(file).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    assert_eq!(db.execute(change, []).unwrap(), 1, "{change}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_spoils_its_own_turn_only() {
    let model =
        ScriptedModel::responding(|asked| says(&format!("echo {}", asked.customer()))).await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let server = start(&file, &model).await;
    let client = server.client();
    for number in 1..=4 {
        client.say("c", &format!("m{number}")).await;
    }
    let whole = client.items("c").await;
    damage(
        &file,
        "UPDATE records SET body = '{' WHERE partition = 'C#c' AND sort LIKE 'T#0000000002#S#%'",
    );
    damage(
        &file,
        "UPDATE records SET format = 99 WHERE partition = 'C#c' AND sort = 'T#0000000003'",
    );
    let of_turn = |items: &[Value], turn: u32| -> Vec<Value> {
        let items = items.iter().filter(|item| item["turn"] == turn);
        items.cloned().collect()
    };
    let export = client.get("/conversations/c/export").await.json();
    let exported = export["items"].as_array().unwrap().clone();
    assert_eq!(export.get("incomplete"), None);
    for items in [client.items("c").await, exported] {
        for turn in [1, 4] {
            assert_eq!(of_turn(&items, turn), of_turn(&whole, turn));
        }
        let second = of_turn(&items, 2);
        assert_eq!(second[0]["text"], "m2");
        assert_eq!(second.last().unwrap()["status"], "unreadable");
        let third = of_turn(&items, 3);
        assert_eq!(third.len(), 1);
        assert_eq!(third[0]["status"], "unreadable");
        assert_eq!(third[0]["message"], "A part of this turn cannot be read.");
    }
    let page = client.get("/conversations/c?turns=1&before=4").await.json();
    assert_eq!(
        (page["before"].as_u64(), page["items"][0]["turn"].as_u64()),
        (Some(3), Some(3))
    );
}
