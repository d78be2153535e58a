//! A team whose tools call a service: the whole way from a customer's words to the service's books and back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_handoff::{Scope, Subject, Tenant};
use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, calls, says, stream};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backend::file_in;
use crate::suite::matrix::shared::people;
use crate::suite::support::{Asked, Folder, until};

use super::local::{Local, command};

const TOKEN: &str = "t0ken-of-the-server";

/// A restaurant's service, as its owner would write it: one booking per idempotency key.
#[derive(Default)]
struct Restaurant {
    /// Table and deposit by key.
    bookings: BTreeMap<String, Value>,
    /// All calls that wanted a booking, by table.
    calls: BTreeMap<String, u32>,
    /// What was asked for and is not ready.
    begun: Vec<HeaderMap>,
}

type Shared = Arc<Mutex<Restaurant>>;

async fn free_tables(
    Path(day): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if headers["authorization"] != format!("Bearer {TOKEN}") {
        return (StatusCode::UNAUTHORIZED, Json(json!({})));
    }
    let found = json!({ "day": day, "guests": query["guests"], "free": ["T1", "T2"] });
    (StatusCode::OK, Json(found))
}

/// A wedding takes a while to arrange: the call's headers, by which its end is reported.
async fn arrange(State(restaurant): State<Shared>, headers: HeaderMap) -> StatusCode {
    restaurant.lock().unwrap().begun.push(headers);
    StatusCode::ACCEPTED
}

/// The answer to the first call of each table is lost on its way, after the booking was made.
async fn book(
    State(restaurant): State<Shared>,
    Path(table): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let mut restaurant = restaurant.lock().unwrap();
    let number = restaurant.bookings.len() + 1;
    let booked = json!({ "booking": number, "table": table, "deposit_usd": body["deposit_usd"] });
    let booked = restaurant.bookings.entry(key).or_insert(booked).clone();
    let calls = restaurant.calls.entry(table).or_default();
    *calls += 1;
    match *calls {
        1 => (StatusCode::BAD_GATEWAY, Json(json!({}))),
        _ => (StatusCode::OK, Json(booked)),
    }
}

async fn open_restaurant() -> (Shared, u16) {
    let restaurant = Shared::default();
    let router = Router::new()
        .route("/v1/days/{day}/free", get(free_tables))
        .route("/v1/tables/{table}/bookings", post(book))
        .route("/v1/weddings", post(arrange))
        .with_state(restaurant.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (restaurant, port)
}

fn team(port: u16) -> String {
    format!(
        r#"name = "Café Lumière"
entry = "Host"

[[agent]]
name = "Host"
instructions = "Book tables."
tools = ["find_tables", "book_table", "arrange_wedding"]

[[tool]]
name = "find_tables"
kind = "lookup"
description = "Finds free tables."

[tool.parameters.day]
type = "string"

[tool.parameters.guests]
type = "integer"
default = 2

[tool.http]
method = "GET"
url = "http://localhost:{port}/v1/days/{{day}}/free?guests={{guests}}"
headers = {{ Authorization = {{ env = "TABLES_TOKEN", prefix = "Bearer " }} }}
allow_private = true

[[tool]]
name = "book_table"
kind = "action"
description = "Books a table. Takes a deposit."
identity = ["table"]
approval = {{ above_usd = 100, amount = "deposit_usd" }}

[tool.parameters]
table = {{ type = "string" }}
deposit_usd = {{ type = "integer" }}
note = {{ type = "string", optional = true }}

[tool.http]
method = "POST"
url = "http://localhost:{port}/v1/tables/{{table}}/bookings"
headers = {{ Authorization = {{ env = "TABLES_TOKEN", prefix = "Bearer " }} }}
allow_private = true

[[tool]]
name = "arrange_wedding"
kind = "action"
description = "Arranges a wedding. Takes some days."
parameters = {{ guests = {{ type = "integer" }} }}

[tool.http]
method = "POST"
url = "http://localhost:{port}/v1/weddings"
result_within_minutes = 2880
allow_private = true
"#
    )
}

/// `free DAY` looks up, `book TABLE DEPOSIT` books, `twice TABLE DEPOSIT` books twice in one response; results are said as they
/// come.
fn waiter(asked: &Captured) -> Answer {
    if let Some(result) = asked.results().first() {
        return says(result);
    }
    let customer = asked.customer();
    let booking = |table: &str, deposit: &str, note: &str| {
        let deposit: u32 = deposit.parse().unwrap();
        json!({ "table": table, "deposit_usd": deposit, "note": note })
    };
    match customer.split(' ').collect::<Vec<_>>().as_slice() {
        ["free", day] => calls("find_tables", json!({ "day": day })),
        ["wedding", guests] => {
            let guests: u32 = guests.parse().unwrap();
            calls("arrange_wedding", json!({ "guests": guests }))
        }
        ["book", table, deposit] => calls("book_table", booking(table, deposit, "")),
        ["twice", table, deposit] => stream()
            .calls("book_table", &booking(table, deposit, "inside").to_string())
            .calls(
                "book_table",
                &booking(table, deposit, "outside").to_string(),
            ),
        _ => says(&asked.customer()),
    }
}

/// A server of the restaurant's team, with its records in this folder.
async fn serve(folder: &Folder, port: u16, model: &ScriptedModel) -> Local {
    std::fs::write(folder.path().join("team.toml"), team(port)).unwrap();
    let mut command = command(&file_in(folder), &model.url());
    command
        .args(["--team", "team.toml"])
        .env("TABLES_TOKEN", TOKEN)
        // Tools ask no proxy; this one would refuse them.
        .env("HTTP_PROXY", "http://127.0.0.1:9");
    Local::run(command).await
}

/// An API key, made as at a terminal: beside the running server.
async fn key_for(folder: &Folder, scope: Scope) -> String {
    let env = Arc::new(SystemEnv);
    let store = Arc::new(SqliteStore::open(file_in(folder), env.clone()).unwrap());
    let queue = Arc::new(store.queue());
    let engine = people::engine(store, queue, env);
    let name = Subject::parse("restaurant").unwrap();
    let made = engine.create_key(name, Tenant::default(), vec![scope], None);
    made.await.unwrap()
}

#[tokio::test]
async fn a_service_reports_the_end_of_what_it_has_begun() {
    let (restaurant, port) = open_restaurant().await;
    let model = ScriptedModel::responding(waiter).await;
    let folder = Folder::new();
    let server = serve(&folder, port, &model).await;
    let client = server.client();
    let told = client.say("c", "wedding 80").await.answer();
    assert!(told.contains("is not done yet"), "{told}");
    let call = restaurant.lock().unwrap().begun[0].clone();
    let text = |name: &str| call[name].to_str().unwrap().to_owned();
    let action = client.actions("running").await.pop().unwrap();
    assert_eq!(action["id"], text("baton-action").as_str());
    assert!(action["awaited_until"].is_u64(), "{action}");

    let key = key_for(&folder, Scope::Results).await;
    let report = async |key: &str, token: &str, body: &Value| {
        let path = format!("/actions/{}/result", text("baton-action"));
        let request = client.bare("POST", &path).bearer_auth(key);
        let request = request.header("baton-action-token", token).json(body);
        client.fetch(request).await.status.as_u16()
    };
    let token = text("baton-action-token");
    let done = json!({ "state": "done", "result": "The band is booked too." });
    let chats = key_for(&folder, Scope::Chat).await;
    assert_eq!(report(&chats, &token, &done).await, 403);
    assert_eq!(report(&key, "another", &done).await, 403);
    assert_eq!(report(&key, &text("baton-token"), &done).await, 403);
    assert_eq!(report(&key, &token, &json!({ "state": "lost" })).await, 400);
    assert_eq!(report(&key, &token, &done).await, 200);
    assert_eq!(report(&key, &token, &done).await, 200, "the same again");
    let refused = json!({ "state": "rejected", "result": "No." });
    assert_eq!(report(&key, &token, &refused).await, 409);

    client.turn_ends("c", 2).await;
    let told = client.said("c").await.pop().unwrap().2;
    assert!(told.contains("The band is booked too."), "{told}");
    assert_eq!(restaurant.lock().unwrap().begun.len(), 1, "called once");
    assert_eq!(client.action(&action).await["state"], "done");
}

#[tokio::test]
async fn a_team_calls_its_services_and_each_action_has_one_effect() {
    let (restaurant, port) = open_restaurant().await;
    let model = ScriptedModel::responding(waiter).await;
    let folder = Folder::new();
    let server = serve(&folder, port, &model).await;
    let client = server.client();
    let bookings = || restaurant.lock().unwrap().bookings.len();

    let found = client.say("c", "free 2026-12-24").await.answer();
    assert_eq!(
        serde_json::from_str::<Value>(&found).unwrap(),
        json!({ "day": "2026-12-24", "guests": "2", "free": ["T1", "T2"] })
    );

    // The first answer is lost, and the message is sent twice: one booking, told both times.
    for _ in 0..2 {
        let told = client.say_as("m1", "c", "book T1 50").await.answer();
        assert!(told.contains("\"booking\":1"), "{told}");
        assert_eq!(bookings(), 1);
    }
    let told = client.say("c", "twice T2 50").await.answer();
    assert!(told.contains("\"booking\":2"), "{told}");
    assert_eq!(bookings(), 2);
    let calls = restaurant.lock().unwrap().calls.clone();
    assert_eq!(
        (calls["T1"], calls["T2"]),
        (2, 2),
        "each one try and one retry"
    );

    let told = client.say("c", "book T3 150").await.answer();
    assert!(
        told.contains("a colleague has to approve it first"),
        "{told}"
    );
    let proposed = until("the proposal", async || {
        client.actions("proposed").await.pop()
    })
    .await;
    assert_eq!(bookings(), 2, "nothing is booked before somebody agrees");
    assert_eq!(client.decide(&proposed, "approve").await.status, 200);
    client.turn_ends("c", 5).await;
    let told = client.said("c").await.pop().unwrap().2;
    assert!(told.contains("\"booking\":3"), "{told}");
    assert_eq!(bookings(), 3);
    assert_eq!(client.actions("done").await.len(), 3);
    for request in model.requests() {
        assert!(!request.body.contains(TOKEN), "the model is shown a secret");
    }
}
