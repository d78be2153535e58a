//! `kill -9` at any moment while customers talk and order: what was confirmed is there, the rest goes on, nothing happens twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_backends::model::testing::ScriptedModel;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::backend::{Backend, file_in};
use crate::suite::support::{Client, Clock, Folder, House, Line, Setup, Turn, body, clerk, soon};

use super::local::Local;

/// Kills, unless `BATON_KILLS` says how many.
const KILLS: usize = 30;

/// Customers who talk at once, each in a new conversation after each kill.
const CUSTOMERS: usize = 8;

/// Turns that a customer has in one life of the server, unless it ends before.
const TURNS: usize = 6;

/// What a customer sent, and whether the answer came to its end.
struct Sent {
    conversation: String,
    id: String,
    message: String,
    answer: Option<Turn>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let kills = std::env::var("BATON_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let model = ScriptedModel::responding(clerk).await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let mut sent = Vec::new();
    for kill in 0..kills {
        let server = Local::start(&file, &model.url()).await;
        let (lines, mut heard) = watch::channel(0);
        let customers: Vec<_> = (0..CUSTOMERS)
            .map(|customer| {
                tokio::spawn(talk(
                    server.client(),
                    format!("c{kill}-{customer}"),
                    lines.clone(),
                ))
            })
            .collect();
        // The moment is a number of lines that customers have read: spread over a life, and the same in each run.
        let moment = (kill * 37) % (CUSTOMERS * TURNS * 3);
        drop(lines);
        // An error says that all customers are done: then the kill finds the server idle, which is a moment too.
        soon(
            "the moment to kill",
            heard.wait_for(|lines| *lines >= moment),
        )
        .await
        .map(drop)
        .unwrap_or_default();
        server.kill().await;
        for said in join_all(customers).await {
            sent.extend(said.unwrap());
        }
    }
    let cut = sent.iter().filter(|sent| sent.answer.is_none()).count();
    println!("{kills} kills, {} messages, {cut} of them cut", sent.len());
    assert!(cut > 0, "no kill hit anything");
    check(House::survivor(folder, &model).await, &sent).await;
}

/// Talks until the server is gone. Counts the lines that it hears.
async fn talk(client: Client, conversation: String, lines: watch::Sender<usize>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    for turn in 0..TURNS {
        let bought = sent
            .last()
            .and_then(|sent| item_in(&sent.answer.as_ref()?.text()));
        let message = match (turn % 3, bought) {
            (0, _) => format!("order {conversation}-{turn} 30"),
            (1, Some(item)) => format!("refund {item}"),
            _ => format!("hello {turn}"),
        };
        let id = format!("m{turn}");
        let mut message_body = body(&conversation, &message);
        message_body["message_id"] = json!(id);
        let answer = client
            .try_say(&message_body, |_: &Line| {
                lines.send_modify(|lines| *lines += 1);
            })
            .await;
        let gone = answer.is_none();
        sent.push(Sent {
            conversation: conversation.clone(),
            id,
            message,
            answer,
        });
        if gone {
            break;
        }
    }
    sent
}

/// The item that the result of an order names.
fn item_in(answer: &str) -> Option<String> {
    let result: Value = serde_json::from_str(answer).ok()?;
    Some(result["item_id"].as_str()?.to_owned())
}

/// Everything that was confirmed is there word by word; everything that was cut is answered now, once.
async fn check(house: House, sent: &[Sent]) {
    let client = house.client();
    for Sent {
        conversation,
        id,
        message,
        answer,
    } in sent
    {
        let now = client.say_as(id, conversation, message).await;
        assert!(
            !now.answer().starts_with("Rejected"),
            "the first try had its effect: {now:?}"
        );
        match answer {
            Some(before) => assert_eq!(
                (now.number, now.seen()),
                (before.number, before.seen()),
                "{conversation} {message}"
            ),
            None => assert!(!now.answer().is_empty(), "{conversation} {message}"),
        }
    }
    let mut expected = BTreeMap::new();
    for Sent {
        conversation,
        message,
        ..
    } in sent
    {
        let said: &mut Vec<&str> = expected.entry(conversation.as_str()).or_default();
        said.push(message);
    }
    let mut orders = booked(&client, "orders", "product").await;
    let mut refunds = booked(&client, "refunds", "item_id").await;
    for (conversation, messages) in expected {
        let said = client.said(conversation).await;
        let customer = said
            .iter()
            .filter(|(_, role, _)| role == "customer")
            .map(|(_, _, text)| text.as_str());
        assert_eq!(customer.collect::<Vec<_>>(), messages, "{conversation}");
        for message in messages {
            match message.split(' ').collect::<Vec<_>>().as_slice() {
                ["order", product, _] => assert_eq!(
                    orders.remove(*product),
                    Some(1),
                    "{conversation}: {message}"
                ),
                ["refund", item] => {
                    assert_eq!(refunds.remove(*item), Some(1), "{conversation}: {message}");
                }
                _ => {}
            }
        }
    }
    assert!(
        orders.is_empty() && refunds.is_empty(),
        "nobody asked for {orders:?} {refunds:?}"
    );
}

/// How often each thing stands in the books on behalf of a customer of this test.
async fn booked(client: &Client, book: &str, thing: &str) -> BTreeMap<String, usize> {
    let mut booked = BTreeMap::new();
    let mut path = format!("/{book}?limit=200");
    loop {
        let page = client.get(&path).await.json();
        for entry in page[book]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| !entry["conversation"].is_null())
        {
            *booked
                .entry(entry[thing].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        let Some(next) = page["next"].as_str() else {
            return booked;
        };
        path = format!("/{book}?limit=200&after={next}");
    }
}

impl House {
    /// A server in this process on the file that is left, when the leases of the dead have run out.
    async fn survivor(folder: Folder, model: &ScriptedModel) -> Self {
        let clock = Arc::new(Clock::default());
        clock.set_ahead(Duration::from_mins(1));
        Setup {
            backend: Backend::Sqlite(folder),
            clock,
            ..Setup::new(model)
        }
        .open()
        .await
    }
}
