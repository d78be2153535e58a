//! Two processes of the function, one conversation, one table: never two writers, and a whole history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::post;
use baton_kit::cloud::Dynamo;
use baton_kit::lambda::process::Process;
use baton_kit::lambda::url::Url;
use baton_kit::lambda::{Api, LONG};
use baton_rehearsal::scripted::{ScriptedModel, says};
use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use crate::backend::store;
use crate::cloud::{binary, on_table};
use crate::suite::support::{Asked, Client, Line, Turn, body};

/// Turns, unless `BATON_TURNS` says how many.
const TURNS: usize = 1_000;

/// One turn runs and the others wait: as many as may.
const CUSTOMERS: usize = 8;

/// A queue that takes every message and forgets it. No worker helps here.
async fn forgetful_queue() -> String {
    let take = async |headers: HeaderMap| {
        assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
        axum::Json(json!({ "MessageId": "m", "MD5OfMessageBody": "" }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(post(take));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A process that answers as many customers at once as there are, and what holds it.
struct Instance {
    _process: Process,
    _api: Api,
    url: Url,
}

impl Instance {
    async fn start(table: &Dynamo, queue: &str, model: &str) -> Self {
        let api = Api::start().await;
        let settings = [
            ("BATON_QUEUE_URL", format!("{queue}/1/actions")),
            ("BATON_TURNS_QUEUE_URL", format!("{queue}/1/turns")),
            ("AWS_ENDPOINT_URL_SQS", queue.to_owned()),
            ("AWS_LAMBDA_MAX_CONCURRENCY", CUSTOMERS.to_string()),
        ];
        let settings = [settings.as_slice(), &on_table(table, model)].concat();
        Self {
            _process: Process::start(&binary("chat"), &api, &settings),
            url: Url::start(&api, LONG).await,
            _api: api,
        }
    }
}

/// What a customer got: the turn, the fences under which it was said, and the words.
struct Told {
    turn: u32,
    fences: BTreeSet<u64>,
    text: String,
}

/// Says it and hears the answer out, wherever it goes on.
async fn say(client: &Client, message: &str) -> Told {
    let mut heard = loop {
        if let Some(turn) = try_say(client, message).await {
            break turn;
        }
    };
    let mut told = Told {
        turn: heard.number,
        fences: BTreeSet::new(),
        text: String::new(),
    };
    loop {
        for line in &heard.lines {
            match line.content.kind.as_str() {
                "string" => {
                    told.text += &line.content.message;
                    let fence = line.id.split('.').nth(2).unwrap();
                    told.fences.insert(fence.parse().unwrap());
                }
                "reset" => {
                    told.text.clear();
                    told.fences.clear();
                }
                "done" => {}
                other => panic!("a line of type {other}: {heard:?}"),
            }
        }
        if heard.status() != "running" {
            assert_eq!(heard.status(), "committed", "{heard:?}");
            return told;
        }
        let last = heard.lines.last().unwrap().id.clone();
        heard = client
            .follow("c", told.turn, &last)
            .await
            .expect("a turn that runs has an end");
    }
}

/// Says it once. Nothing if it could not be recorded because everybody writes: under its own id it may be said again.
async fn try_say(client: &Client, message: &str) -> Option<Turn> {
    let mut body = body("c", message);
    body["message_id"] = json!(message);
    let answer = client.post("/chat/completions", &body).await;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.body.lines().filter(|line| !line.is_empty());
    let turn = answer.header("x-turn").parse().unwrap();
    Some(Turn::of(
        "c".to_owned(),
        turn,
        lines.map(Line::parse).collect(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_write_one_conversation_at_once_and_its_history_is_whole() {
    let turns = std::env::var("BATON_TURNS").map_or(TURNS, |turns| turns.parse().unwrap());
    let model =
        ScriptedModel::responding(|asked| says(&format!("echo {}", asked.customer()))).await;
    let table = Dynamo::start();
    store(&table, Arc::new(baton_stores::env::SystemEnv)).await;
    let queue = forgetful_queue().await;
    let one = Instance::start(&table, &queue, &model.url()).await;
    let other = Instance::start(&table, &queue, &model.url()).await;
    let clients = [&one, &other].map(|instance| Client::new(&instance.url.base()));
    let next = AtomicUsize::new(0);
    // Each goes from one process to the other with every message.
    let customers = (0..CUSTOMERS).map(|customer| {
        let (clients, next) = (&clients, &next);
        async move {
            let mut told = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= turns {
                    return told;
                }
                let client = &clients[(customer + told.len()) % 2];
                let message = format!("message-{number}");
                told.push((message.clone(), say(client, &message).await));
            }
        }
    });
    let told: Vec<_> = join_all(customers).await.into_iter().flatten().collect();
    let mut by_turn = BTreeMap::new();
    for (message, told) in told {
        assert_eq!(told.text, format!("echo {message}"), "not their words");
        assert_eq!(told.fences.len(), 1, "two owners of one turn: {message}");
        let before = by_turn.insert(told.turn, (message, told.fences));
        assert_eq!(
            before.map(|before| before.0),
            None,
            "a turn of two messages"
        );
    }
    let numbers: Vec<_> = by_turn.keys().copied().collect();
    let expected: Vec<_> = (1..=u32::try_from(turns).unwrap()).collect();
    assert_eq!(numbers, expected);
    // Owners came one after the other.
    let fences: Vec<_> = by_turn.values().flat_map(|(_, fences)| fences).collect();
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    for client in &clients {
        let said = whole_history(client).await;
        let expected = by_turn.iter().flat_map(|(turn, (message, _))| {
            let answer = format!("echo {message}");
            [
                (*turn, "customer".to_owned(), message.clone()),
                (*turn, "agent".to_owned(), answer),
            ]
        });
        assert_eq!(said, expected.collect::<Vec<_>>());
    }
}

/// What was said, from the first turn to the last.
async fn whole_history(client: &Client) -> Vec<(u32, String, String)> {
    let export = client.get("/conversations/c/export").await.json();
    let items = export["items"].as_array().unwrap();
    items
        .iter()
        .filter(|item| item["type"] == "message")
        .map(|item| {
            let field = |name: &str| item[name].as_str().unwrap().to_owned();
            let turn = item["turn"].as_u64().unwrap();
            (turn.try_into().unwrap(), field("role"), field("text"))
        })
        .collect()
}
