//! `kill -9` of `pool` processes on the engines of the cloud, at any moment, while customers of the chat function order and get
//! refunds: whatever was accepted happens, and happens once.

use std::time::Duration;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::Store;
use baton_handoff::record::{Meta, decode, keys};
use baton_kit::lambda::process::Process;
use baton_kit::lambda::url::Url;
use baton_kit::lambda::{Api, LONG};
use baton_rehearsal::scripted::ScriptedModel;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cloud::{CROWD, Cloud, binary};
use crate::kills::{booked, sweep};
use crate::suite::support::{Client, Folder, body, clerk, soon};

const KILLS: usize = 20;

/// Customers who begin after each kill.
const CUSTOMERS: usize = 4;

/// Lines that all customers of one kill read at least: each second one hears two of the hand-off, the call, the result, the end.
const LINES: usize = 10;

/// Longer than the lease of whoever was killed last, and than what comes on top of it.
const SETTLED: Duration = Duration::from_mins(3);

/// Between two sweeps: pools make one when they start, and then every minute.
const SWEEP: Duration = Duration::from_secs(1);

/// Leases and claims of those who are killed end soon, and nobody waits long for their actions.
const HASTE: [(&str, &str); 3] = [
    ("name = \"execute_order\"\n", "timeout_seconds = 1\n"),
    ("name = \"execute_refund\"\n", "timeout_seconds = 1\n"),
    ("[limits]\n", "patience_seconds = 3\n"),
];

fn settings(cloud: &Cloud, model: &ScriptedModel, folder: &Folder) -> Vec<(&'static str, String)> {
    let mut team =
        include_str!("../../../handoff/teams/acme.toml").replace("patience_seconds = 10", "");
    for (place, setting) in HASTE {
        assert!(team.contains(place), "{place:?} is not in the team file");
        team = team.replace(place, &format!("{place}{setting}"));
    }
    let path = folder.path().join("team.toml");
    std::fs::write(&path, team).unwrap();
    let mut settings = cloud.settings(&model.url());
    settings.push(("BATON_TEAM", path.to_str().unwrap().to_owned()));
    settings.push(("BATON_LEASE_SECONDS", "18".to_owned()));
    settings
}

/// Orders a thing that is called as the conversation, and has it refunded where the end of the order is heard.
async fn shop(client: Client, conversation: String, lines: watch::Sender<usize>) -> String {
    let order = body(&conversation, &format!("order {conversation} 30"));
    let count = |_: &_| lines.send_modify(|lines| *lines += 1);
    let answer = client
        .try_say(&order, count)
        .await
        .expect("nobody kills the chat function");
    let answer: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    if let Some(item) = answer["item_id"].as_str() {
        in_the_background(client, &conversation, &format!("refund {item}")).await;
    }
    conversation
}

async fn order_in_the_background(client: Client, conversation: String) -> String {
    in_the_background(client, &conversation, &format!("order {conversation} 30")).await;
    conversation
}

async fn in_the_background(client: Client, conversation: &str, message: &str) {
    let request = client
        .request("POST", "/chat/completions")
        .header("prefer", "respond-async");
    let answer = client
        .fetch(request.json(&body(conversation, message)))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn kill_9_of_pools_loses_nothing_and_does_nothing_twice() {
    let model = ScriptedModel::responding(clerk).await;
    let (cloud, folder, api) = (Cloud::start().await, Folder::new(), Api::start().await);
    let settings = settings(&cloud, &model, &folder);
    let crowd = [("AWS_LAMBDA_MAX_CONCURRENCY", CROWD.to_string())];
    let _chat = Process::start(
        &binary("chat"),
        &api,
        &[settings.as_slice(), &crowd].concat(),
    );
    // What the schedule of a deployment does; the queues' messages are the pools' alone.
    let sweeper = Api::start().await;
    let _sweeper = Process::start(&binary("worker"), &sweeper, &settings);
    let url = Url::start(&api, LONG).await;
    let client = Client::new(&url.base());
    let pool = || Process::outside(&binary("pool"), &settings);
    let mut pools = [pool(), pool()];
    let mut customers = Vec::new();
    for kill in 0..KILLS {
        let (lines, mut heard) = watch::channel(0);
        for customer in 0..CUSTOMERS {
            let (client, conversation) = (client.clone(), format!("c{kill}-{customer}"));
            customers.push(if customer % 2 == 0 {
                tokio::spawn(shop(client, conversation, lines.clone()))
            } else {
                tokio::spawn(order_in_the_background(client, conversation))
            });
        }
        let moment = (kill * 7) % LINES;
        soon(
            "the moment to kill",
            heard.wait_for(|lines| *lines >= moment),
        )
        .await
        .unwrap();
        let killed = std::mem::replace(&mut pools[kill % 2], pool());
        killed.kill().await;
    }
    let conversations: Vec<_> = join_all(customers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let settled = async {
        while !all_over(&client, &conversations).await {
            sweep(&sweeper).await;
            tokio::time::sleep(SWEEP).await;
        }
    };
    tokio::time::timeout(SETTLED, settled)
        .await
        .expect("everything that was accepted comes to its end");
    check(&client, &conversations).await;
    assert!(
        taken_over(&cloud, &conversations).await > 0,
        "no kill hit a turn"
    );
}

/// How often somebody went on with another's turn: each turn begins with one fence more, and so does each take-over.
async fn taken_over(cloud: &Cloud, conversations: &[String]) -> u64 {
    let store = cloud.store().await;
    let mut count = 0;
    for conversation in conversations {
        let key = keys::meta(&ConversationId::parse(conversation).unwrap());
        let meta: Meta = decode(&store.get(&key).await.unwrap().unwrap()).unwrap();
        count += (meta.fence + 1).saturating_sub(u64::from(meta.next_turn));
    }
    count
}

/// Whether nothing is left to do.
async fn all_over(client: &Client, conversations: &[String]) -> bool {
    for conversation in conversations {
        let turns = client.items_of(conversation, "turn").await;
        let actions = client.items_of(conversation, "action").await;
        let running = turns.iter().any(|turn| turn["status"] == "running");
        if running
            || actions
                .iter()
                .any(|action| ["queued", "running"].contains(&action["state"].as_str().unwrap()))
        {
            return false;
        }
    }
    true
}

/// Every accepted action has its effect once, and nothing else stands in the books.
async fn check(client: &Client, conversations: &[String]) {
    let mut orders = booked(client, "orders", "product").await;
    let mut refunds = booked(client, "refunds", "item_id").await;
    let mut failed = 0;
    for conversation in conversations {
        let turns = client.items_of(conversation, "turn").await;
        let actions = client.items_of(conversation, "action").await;
        failed += turns
            .iter()
            .filter(|turn| turn["status"] != "committed")
            .count();
        for action in actions {
            assert_eq!(action["state"], "done", "{conversation}: {action}");
            let arguments: Value =
                serde_json::from_str(action["arguments"].as_str().unwrap()).unwrap();
            let (book, thing) = match action["name"].as_str() {
                Some("execute_order") => (&mut orders, &arguments["product"]),
                Some("execute_refund") => (&mut refunds, &arguments["item_id"]),
                other => panic!("{conversation} has an action {other:?}"),
            };
            let effects = book.remove(thing.as_str().unwrap());
            assert_eq!(effects, Some(1), "{conversation}: effects of {action}");
        }
    }
    assert_eq!(
        json!([orders, refunds]),
        json!([{}, {}]),
        "nobody asked for these"
    );
    // A turn that is taken over again and again without a step fails; few are.
    assert!(failed < conversations.len() / 4, "{failed} turns failed");
}
