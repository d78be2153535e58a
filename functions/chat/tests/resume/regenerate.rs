//! The last answer anew.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, calls, says};
use serde_json::{Value, json};

use crate::pair::pair;
use crate::suite::support::{Asked, Client, Server, Turn, body, clerk};

async fn regenerate(client: &Client, turn: u32) -> Turn {
    let path = format!("/conversations/c/turns/{turn}/regenerate");
    let answer = client.post(&path, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let turn = answer.header("x-turn").parse().unwrap();
    client.follow("c", turn, "").await.unwrap()
}

async fn orders(client: &Client) -> usize {
    let orders = client.get("/orders").await.json();
    let orders = orders["orders"].as_array().unwrap();
    orders
        .iter()
        .filter(|order| !order["conversation"].is_null())
        .count()
}

#[tokio::test]
async fn an_answer_that_is_regenerated_is_replaced_for_the_model_and_kept_for_people() {
    let colours = Mutex::new(["Green.", "Blue.", "Red."].to_vec());
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "sure?" => says("As I said."),
        _ => says(colours.lock().unwrap().pop().unwrap()),
    })
    .await;
    let (here, there) = pair(&model).await;
    here.client().say("c", "which colour?").await;
    let second = regenerate(&there.client(), 1).await;
    assert_eq!((second.number, second.answer()), (2, "Blue.".to_owned()));
    let third = regenerate(&here.client(), 2).await;
    assert_eq!((third.number, third.answer()), (3, "Green.".to_owned()));
    for asked in model.requests() {
        assert_eq!(asked.told(), ["user: which colour?"]);
    }
    let sure = there.client().say("c", "sure?").await;
    assert_eq!(sure.answer(), "As I said.");
    let told = model.requests().last().unwrap().told();
    assert_eq!(
        told,
        ["user: which colour?", "assistant: Green.", "user: sure?"]
    );
    let ends = here.client().items_of("c", "turn").await;
    let replaced: Vec<_> = ends.iter().map(|end| end["replaced"] == true).collect();
    assert_eq!(replaced, [true, true, false, false], "{ends:?}");
    let said = here.client().said("c").await;
    let said: Vec<_> = said
        .iter()
        .filter(|said| said.1 == "agent")
        .map(|said| said.2.as_str())
        .collect();
    assert_eq!(said, ["Red.", "Blue.", "Green.", "As I said."]);
}

#[tokio::test]
async fn people_read_the_question_once_and_which_answer_was_replaced_on_every_page() {
    let model = ScriptedModel::start([says("Red."), says("Blue."), says("Sure.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "which colour?").await;
    regenerate(&client, 1).await;
    client.say("c", "sure?").await;
    let request = client
        .request("GET", "/conversations/c/export")
        .header("accept", "text/markdown");
    let markdown = client.fetch(request).await.body;
    let (_, said) = markdown.split_once('\n').unwrap();
    assert_eq!(
        said,
        "\n**Customer**\n\n> which colour?\n\
         \n**TriageAgent** (answered again below)\n\n> Red.\n\
         \n**TriageAgent**\n\n> Blue.\n\
         \n**Customer**\n\n> sure?\n\
         \n**TriageAgent**\n\n> Sure.\n"
    );
    for (before, turn, replaced) in [(2, 1, true), (3, 2, false), (4, 3, false)] {
        let path = format!("/conversations/c?turns=1&before={before}");
        let page = client.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        let end = items.iter().find(|item| item["type"] == "turn").unwrap();
        assert_eq!(end["turn"], turn);
        assert_eq!(end["replaced"] == true, replaced, "{end}");
    }
}

#[tokio::test]
async fn a_regenerated_answer_refers_to_the_action_that_was_done() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let first = client.say("c", "order anvil 30").await;
    let again = regenerate(&client, 1).await;
    assert_eq!(again.seen(), first.seen());
    assert_eq!(orders(&client).await, 1);
    assert_eq!(server.desk().tries().len(), 1);
}

/// Orders something only when it is asked for the second time.
fn second_thought(asked: &Captured, before: usize) -> Answer {
    match asked.results().first() {
        Some(result) if !result.starts_with("Transferred") => says(result),
        _ if before == 0 => says("Nothing then."),
        _ if asked.tools().iter().any(|tool| tool == "execute_order") => {
            calls("execute_order", json!({ "product": "anvil", "price": 30 }))
        }
        _ => calls("transfer_to_sales_agent", json!({})),
    }
}

#[tokio::test]
async fn a_regenerated_answer_does_nothing_that_the_old_one_did_not_do() {
    let asked_before = AtomicUsize::new(0);
    let model = ScriptedModel::responding(move |asked| {
        second_thought(asked, asked_before.fetch_add(1, Ordering::SeqCst))
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    assert_eq!(
        client.say("c", "perhaps an anvil").await.answer(),
        "Nothing then."
    );
    let again = regenerate(&client, 1).await;
    assert_eq!(again.status(), "committed", "{again:?}");
    assert_eq!(orders(&client).await, 0);
    assert!(server.desk().tries().is_empty());
    assert_eq!(client.items_of("c", "action").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_answer_that_is_asked_for_again_twice_is_regenerated_once() {
    let model = ScriptedModel::start([says("First."), says("Second."), says("Third.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "Say something").await;
    let again = regenerate(&client, 1).await;
    assert_eq!(again.text(), "Second.");
    let repeated = regenerate(&client, 1).await;
    assert_eq!(repeated.number, again.number);
    assert_eq!(repeated.text(), "Second.");
    assert_eq!(regenerate(&client, 2).await.text(), "Third.");
}

#[tokio::test]
async fn only_the_last_answer_can_be_regenerated_and_only_when_it_is_over() {
    let model = ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "hang" => says("Wait ").then_hangs(),
        other => says(&format!("echo {other}")),
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "one").await;
    let mut hung = client.send(&body("c", "hang")).await;
    assert_eq!(hung.next().await.unwrap().content.message, "Wait ");
    for (turn, status) in [(1, 409), (2, 409), (3, 404)] {
        let path = format!("/conversations/c/turns/{turn}/regenerate");
        let refused = client.post(&path, &json!({})).await;
        assert_eq!(refused.status, status, "turn {turn}: {refused:?}");
    }
    let absent = client
        .post("/conversations/nobody/turns/1/regenerate", &json!({}))
        .await;
    assert_eq!(absent.status, 404);
}
