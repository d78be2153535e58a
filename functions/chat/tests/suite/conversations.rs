//! Conversations as people read them: list, history, export, erasure.

use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, stream};
use serde_json::{Value, json};

use super::asking::{by_token, get, id_in, say};
use super::matrix::open;
use super::matrix::shared::Mode;
use super::support::{Asked, Client, Commits, Server, body, clerk, until};

#[tokio::test]
async fn the_list_shows_the_newest_first_in_pages() {
    let model = ScriptedModel::responding(clerk).await;
    let (server, _people) = open(Mode::Tokens, &model).await;
    let (client, customer) = (server.client(), by_token("coyote"));
    let mut begun = Vec::new();
    for number in 0..5 {
        let hello = format!("hello from {number}");
        begun.push(id_in(
            &say(&client, &customer, &format!("c{number}"), &hello).await,
        ));
    }
    say(&client, &customer, "c1", "once more").await;
    // Those of others are no part of it.
    say(&client, &by_token("roadrunner"), "c1", "beep").await;
    let mut listed: Vec<Value> = Vec::new();
    let mut path = "/conversations?limit=2".to_owned();
    loop {
        let page = get(&client, &customer, &path).await.json();
        let conversations = page["conversations"].as_array().unwrap();
        assert!(conversations.len() <= 2);
        listed.extend(conversations.iter().cloned());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/conversations?limit=2&after={next}");
    }
    let ids: Vec<_> = listed
        .iter()
        .map(|conversation| conversation["id"].as_str().unwrap())
        .collect();
    let expected = [1, 4, 3, 2, 0].map(|number: usize| begun[number].as_str());
    assert_eq!(ids, expected);
    assert_eq!(listed[0]["title"], "hello from 1");
    assert_eq!(listed[0]["turns"], 2);
    assert_eq!(listed[0]["agent"], "TriageAgent");
    assert_eq!(listed[0]["running"], Value::Null);
    let refused = get(&client, &customer, "/conversations?after=nonsense").await;
    assert_eq!(refused.status, 404, "{refused:?}");
    // Without a credential the client keeps the ids.
    let (server, _people) = open(Mode::Open, &model).await;
    server.client().say("c", "hello").await;
    let listed = server.client().get("/conversations").await.json();
    assert_eq!(listed["conversations"], json!([]));
}

#[tokio::test]
async fn the_history_tells_who_said_and_did_what() {
    let script = [
        says("One moment. ").calls("transfer_to_issues_and_repairs", "{}"),
        calls("look_up_item", json!({ "search_query": "rubber band" })),
        calls("execute_refund", json!({ "item_id": "item_590138826" })),
        says("Refunded."),
    ];
    let model = ScriptedModel::start(script).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "my rubber band snapped").await;
    let items = client.items("c").await;
    let short = |item: &Value| {
        let field = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        match item["type"].as_str().unwrap() {
            "message" => format!("{} {}: {}", field("role"), field("agent"), field("text")),
            "tool_call" => format!(
                "{} calls {}: {}",
                field("agent"),
                field("name"),
                field("outcome")
            ),
            "hand_off" => format!("{} to {}", field("from"), field("to")),
            "action" => format!("action {}: {}", field("name"), field("state")),
            "turn" => format!("turn {}", field("status")),
            other => panic!("an item of type {other}"),
        }
    };
    let expected = [
        "customer : my rubber band snapped",
        "agent TriageAgent: One moment. ",
        "TriageAgent to IssuesAndRepairsAgent",
        "IssuesAndRepairsAgent calls look_up_item: ok",
        "IssuesAndRepairsAgent calls execute_refund: ok",
        "agent IssuesAndRepairsAgent: Refunded.",
        "action execute_refund: done",
        "turn committed",
    ];
    assert_eq!(items.iter().map(short).collect::<Vec<_>>(), expected);
    let server = server.restart().await;
    assert_eq!(server.client().items("c").await, items);
}

#[tokio::test]
async fn the_history_of_a_long_conversation_comes_in_pages() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for number in 1..=7 {
        client.say("c", &format!("m{number}")).await;
    }
    let mut turns = Vec::new();
    let mut before = String::new();
    loop {
        let page = client
            .get(&format!("/conversations/c?turns=3{before}"))
            .await
            .json();
        let ends = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["type"] == "turn");
        let mut page_turns: Vec<_> = ends.map(|item| item["turn"].as_u64().unwrap()).collect();
        page_turns.extend(turns);
        turns = page_turns;
        let Some(first) = page["before"].as_u64() else {
            break;
        };
        before = format!("&before={first}");
    }
    assert_eq!(turns, [1, 2, 3, 4, 5, 6, 7]);
}

/// All pages of so many turns at most, put together, and the longest of them in bytes.
async fn pages(client: &Client, turns: usize) -> (Vec<Value>, usize) {
    let (mut items, mut longest) = (Vec::new(), 0);
    let mut before = String::new();
    loop {
        let page = client
            .get(&format!("/conversations/c?turns={turns}{before}"))
            .await;
        longest = longest.max(page.body.len());
        let page = page.json();
        let mut earlier = page["items"].as_array().unwrap().clone();
        assert!(!earlier.is_empty(), "an empty page before {before:?}");
        earlier.append(&mut items);
        items = earlier;
        let Some(first) = page["before"].as_u64() else {
            return (items, longest);
        };
        before = format!("&before={first}");
    }
}

#[tokio::test]
async fn pages_of_any_length_put_together_are_what_the_export_tells() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut last = 0;
    for number in 1..=5 {
        last = client.say("c", &format!("m{number}")).await.number;
        for _ in 0..number % 3 {
            let path = format!("/conversations/c/turns/{last}/regenerate");
            assert_eq!(client.post(&path, &json!({})).await.status, 200);
            last += 1;
        }
    }
    let export = client.get("/conversations/c/export").await.json();
    let exported = export["items"].as_array().unwrap();
    let turns = exported.iter().filter(|item| item["type"] == "turn");
    let replaced = turns.clone().filter(|turn| turn["replaced"] == true);
    assert_eq!(
        (turns.count(), replaced.count()),
        (usize::try_from(last).unwrap(), 6)
    );
    for length in 1..=4 {
        assert_eq!(pages(&client, length).await.0, *exported, "{length}");
    }
}

#[tokio::test]
async fn a_page_is_short_and_a_turn_that_is_longer_is_a_page_of_its_own() {
    const LONG: usize = 100 * 1024;
    let model = ScriptedModel::responding(|asked| {
        let text = "y".repeat(LONG);
        match (asked.customer().as_str(), asked.results().len()) {
            ("short", _) => says("Short."),
            ("long", _) => says(&text),
            // A turn of several records.
            _ if asked.told().len() < 10 + 6 => says(&text).calls("transfer_back_to_triage", "{}"),
            _ => says(&text),
        }
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    for message in [
        "short", "long", "long", "long", "long", "longest", "short", "short",
    ] {
        client.say("c", message).await;
    }
    let export = client.get("/conversations/c/export").await.json();
    let exported = export["items"].as_array().unwrap();
    let turns = exported.iter().filter(|item| item["type"] == "turn");
    assert_eq!(turns.count(), 8);
    let longest = exported.iter().filter(|item| item["turn"] == 6);
    let longest: usize = longest.map(|item| item.to_string().len()).sum();
    assert!(longest > 256 * 1024, "{longest}");
    let (items, longest_page) = pages(&client, 500).await;
    assert_eq!(items, *exported);
    assert!(
        longest_page < 256 * 1024 + longest,
        "{longest_page} and {longest}"
    );
}

#[tokio::test]
async fn an_export_is_json_or_markdown_that_nobody_can_forge() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "# Refunded\norder").await;
    let exported = client.get("/conversations/c/export").await;
    assert_eq!(
        exported.header("content-disposition"),
        "attachment; filename=\"conversation-c.json\""
    );
    assert_eq!(
        exported.json()["items"],
        Value::Array(client.items("c").await)
    );
    assert_eq!(exported.header("vary"), "Accept");
    for json in [
        "text/markdown;q=0, */*",
        "text/markdown;q=0.5, application/json",
    ] {
        let request = client
            .request("GET", "/conversations/c/export")
            .header("accept", json);
        let exported = client.fetch(request).await;
        assert_eq!(
            exported.header("content-type"),
            "application/json",
            "{json}"
        );
    }
    let request = client
        .request("GET", "/conversations/c/export")
        .header("accept", "Text/Markdown, */*;q=0.1");
    let markdown = client.fetch(request).await;
    assert_eq!(
        markdown.header("content-type"),
        "text/markdown; charset=utf-8"
    );
    assert!(
        markdown
            .body
            .contains("**Customer**\n\n> # Refunded\n> order\n"),
        "{}",
        markdown.body
    );
    assert!(
        markdown
            .body
            .contains("**TriageAgent**\n\n> You said: # Refunded\n> order\n"),
        "{}",
        markdown.body
    );
}

#[tokio::test]
async fn an_erased_conversation_is_gone_and_its_id_goes_on_with_new_turn_numbers() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "my secret").await;
    client.say_as("m-1", "c", "another").await;
    let erased = client
        .fetch(client.request("DELETE", "/conversations/c"))
        .await;
    assert_eq!(erased.status, 204);
    for path in [
        "/conversations/c",
        "/conversations/c/export",
        "/conversations/c/turns/1/events",
    ] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        client.get("/conversations").await.json()["conversations"],
        json!([])
    );
    let again = client
        .fetch(client.request("DELETE", "/conversations/c"))
        .await;
    assert_eq!(again.status, 404);

    let anew = client.say("c", "hello").await;
    assert_eq!(
        (anew.number, anew.answer()),
        (3, "You said: hello".to_owned())
    );
    assert_eq!(model.requests().last().unwrap().told(), ["user: hello"]);
    assert_eq!(client.said("c").await.len(), 2);
    let export = client.get("/conversations/c/export").await.json();
    assert_eq!(export["items"], Value::Array(client.items("c").await));
    let server = server.restart().await;
    assert_eq!(server.client().say("c", "again").await.number, 4);
}

#[tokio::test]
async fn erasing_ends_the_turn_that_runs() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("One ").gate(&gate).says("two.")]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut running = client.send(&body("c", "hello")).await;
    assert_eq!(running.next().await.unwrap().content.message, "One ");
    assert_eq!(
        client
            .fetch(client.request("DELETE", "/conversations/c"))
            .await
            .status,
        204
    );
    gate.open();
    let turn = running.rest().await;
    assert_eq!(turn.status(), "stopped", "{turn:?}");
    assert_eq!(client.get("/conversations/c").await.status, 404);
}

#[tokio::test]
pub(crate) async fn a_turn_can_be_stopped_twice_and_the_conversation_goes_on() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "long" => stream().says("One ").gate(&at).says("two."),
        other => says(&format!("echo {other}")),
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut running = client.send(&body("c", "long")).await;
    assert_eq!(running.next().await.unwrap().content.message, "One ");
    for _ in 0..2 {
        let stopped = client
            .post("/conversations/c/turns/1/stop", &json!({}))
            .await;
        assert!(stopped.status.is_success(), "{stopped:?}");
    }
    assert_eq!(running.rest().await.seen(), ["One ", "done: stopped"]);
    assert_eq!(client.say("c", "next").await.answer(), "echo next");
    // What was said before the stop was said.
    assert_eq!(
        model.requests().last().unwrap().told()[..2],
        ["user: long", "assistant: One "]
    );
    until("the end of the model call", async || {
        (client.get("/health").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_erased_message_s_id_is_free_before_its_records_are_gone() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say_as("m-1", "c", "one").await;
    client.say_as("m-2", "c", "two").await;
    server.faults().let_commits(Commits::KeepMessageIds);
    let erase = client.request("DELETE", "/conversations/c");
    assert_eq!(client.fetch(erase).await.status, 204);
    let same = client.say_as("m-1", "c", "one").await;
    assert_eq!((same.number, same.answer().as_str()), (3, "You said: one"));
    let other = client.say_as("m-2", "c", "else").await;
    assert_eq!(
        (other.number, other.answer().as_str()),
        (4, "You said: else")
    );
    server.faults().let_commits(Commits::Work);
    assert_eq!(client.say_as("m-1", "c", "one").await.number, 3);
    assert_eq!(client.say_as("m-2", "c", "else").await.number, 4);
}
