//! A team whose tools call a service: the whole way from a customer's words to the service's books and back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, calls, says, stream};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backend::file_in;
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
tools = ["find_tables", "book_table"]

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

#[tokio::test]
async fn a_team_calls_its_services_and_each_action_has_one_effect() {
    let (restaurant, port) = open_restaurant().await;
    let model = ScriptedModel::responding(waiter).await;
    let folder = Folder::new();
    std::fs::write(folder.path().join("team.toml"), team(port)).unwrap();
    let mut command = command(&file_in(&folder), &model.url());
    command
        .args(["--team", "team.toml"])
        .env("TABLES_TOKEN", TOKEN)
        // Tools ask no proxy; this one would refuse them.
        .env("HTTP_PROXY", "http://127.0.0.1:9");
    let server = Local::run(command).await;
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
