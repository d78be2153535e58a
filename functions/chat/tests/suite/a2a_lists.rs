//! `ListTasks` of A2A: how many tasks there are, those since a moment, and how much fits on a page.

use std::time::Duration;

use baton_rehearsal::scripted::ScriptedModel;
use serde_json::{Value, json};

use super::a2a::{called, error, result, say};
use super::asking::by_token;
use super::matrix::open;
use super::matrix::shared::Mode;
use super::support::{Client, Server, clerk};

async fn tasks(client: &Client, wanted: &Value) -> Vec<String> {
    ids(&result(client, "ListTasks", wanted).await)
}

fn ids(page: &Value) -> Vec<String> {
    let tasks = page["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tasks_since_a_moment_are_those_whose_status_is_not_older() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for number in 1..=3 {
        server.time_passes(Duration::from_mins(number));
        let said = say(&format!("m{number}"), "hello");
        result(&client, "SendMessage", &said).await;
    }
    let second = result(&client, "GetTask", &json!({ "id": "c.2" })).await;
    let at = &second["status"]["timestamp"];
    let since = json!({ "contextId": "c", "statusTimestampAfter": at });
    assert_eq!(tasks(&client, &since).await, ["c.3", "c.2"]);
    let page = result(&client, "ListTasks", &since).await;
    assert_eq!(page["totalSize"], 2, "all that was asked for is here");
    let later = json!({ "contextId": "c", "statusTimestampAfter": "2500-01-01T00:00:00+01:00" });
    assert!(tasks(&client, &later).await.is_empty());
    let (code, _, sentence) = error(
        &client,
        "ListTasks",
        &json!({ "statusTimestampAfter": "soon" }),
    )
    .await;
    assert_eq!(code, -32602);
    assert!(sentence.contains("2026-01-31T10:00:00Z"), "{sentence}");
}

#[tokio::test]
async fn the_tasks_of_all_ones_contexts_are_counted() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Tokens, &model).await;
    let client = server.client();
    let (owner, stranger) = (by_token("owner"), by_token("stranger"));
    for (number, context) in ["one", "one", "two"].iter().enumerate() {
        let parts = json!([{ "text": "hello" }]);
        let said = json!({ "message": {
            "messageId": format!("m{number}"), "contextId": context, "role": "ROLE_USER", "parts": parts,
        } });
        called(&client, Some(&owner), "SendMessage", &said).await;
    }
    let mut token = String::new();
    let mut found = Vec::new();
    for left in [2, 1, 0] {
        let wanted = json!({ "pageSize": 1, "pageToken": token });
        let page = called(&client, Some(&owner), "ListTasks", &wanted).await;
        let page = page.json()["result"].clone();
        assert_eq!(page["totalSize"], 3, "{page}");
        found.extend(ids(&page));
        token = page["nextPageToken"].as_str().unwrap().to_owned();
        assert_eq!(token.is_empty(), left == 0, "{token}");
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 3);
    let none = called(&client, Some(&stranger), "ListTasks", &json!({})).await;
    assert_eq!(none.json()["result"]["totalSize"], 0);
}

#[tokio::test]
async fn a_page_of_long_tasks_ends_after_256_kilobytes_and_the_next_one_goes_on() {
    /// What the clerk says again, so that a task has it twice.
    const LONG: usize = 30 * 1024;
    const PAGE: usize = 256 * 1024;
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for number in 1..=9 {
        let said = say(&format!("m{number}"), &"x".repeat(LONG));
        result(&client, "SendMessage", &said).await;
    }
    let mut token = String::new();
    let mut pages = Vec::new();
    loop {
        let wanted = json!({ "contextId": "c", "includeArtifacts": true, "pageToken": token });
        let page = result(&client, "ListTasks", &wanted).await;
        assert_eq!(page["totalSize"], 9);
        let bytes = page["tasks"].to_string().len();
        assert!(bytes < PAGE + 3 * LONG, "{bytes}");
        pages.push(ids(&page));
        token = page["nextPageToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        assert!(bytes >= PAGE, "a page that is not full has no next one");
    }
    let expected: Vec<_> = (1..=9).rev().map(|turn| format!("c.{turn}")).collect();
    assert_eq!(pages.concat(), expected);
    assert_eq!(pages.len(), 2);
    let without = json!({ "contextId": "c", "historyLength": 0 });
    assert_eq!(tasks(&client, &without).await.len(), 9, "short tasks fit");
}
