//! A process that is stopped (SIGSTOP) in the middle of a turn or of an action, for longer than its lease, while another one on the
//! same file goes on. It keeps its lock, so nobody takes it for dead; and when it wakes up it changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::process::Signal;

use crate::backend::file_in;
use crate::suite::support::{Folder, PATIENCE, body, clerk, soon};

use super::local::{Local, command};

/// The shortest lease there is, and tools that are given up after a second.
async fn server(file: &Path, model: &str) -> Local {
    let team = file.with_file_name("team.toml");
    let acme = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../handoff/teams/acme.toml"
    ));
    let order = "name = \"execute_order\"\n";
    assert!(acme.contains(order));
    std::fs::write(
        &team,
        acme.replace(order, &format!("{order}timeout_seconds = 1\n")),
    )
    .unwrap();
    let mut command = command(file, model);
    command
        .env("BATON_LEASE_SECONDS", "9")
        .arg("--team")
        .arg(team);
    Local::run(command).await
}

fn open(file: &Path) -> Connection {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db
}

/// Everything that counts of a conversation, and the books, with their versions. Batches of text are hints that expire.
fn snapshot(file: &Path) -> Vec<(String, i64, String)> {
    let db = open(file);
    let mut rows = db
        .prepare(
            "SELECT partition || '/' || sort, version, body FROM records
             WHERE sort NOT LIKE 'E#%' ORDER BY partition, sort",
        )
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owner_of_a_turn_changes_nothing_when_it_wakes_up() {
    let gate = Gate::new();
    let (at, asked) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let model = ScriptedModel::responding(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => stream()
            .says("Half of ")
            .gate(&at)
            .says("it, by a late owner."),
        _ => says("All of it."),
    })
    .await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let frozen = server(&file, &model.url()).await;
    let other = server(&file, &model.url()).await;
    let mut named = body("c", "hello");
    named["message_id"] = "m-1".into();
    let mut listening = frozen.client().send(&named).await;
    assert_eq!(listening.next().await.unwrap().content.message, "Half ");
    freeze(&frozen);

    let taken_over = other.client().say_as("m-1", "c", "hello").await;
    assert_eq!(taken_over.status(), "committed");
    assert!(taken_over.text().ends_with("All of it."), "{taken_over:?}");
    let before = snapshot(&file);

    gate.open();
    frozen.signal(Signal::CONT);
    let heard = soon("the end for the old listener", listening.rest()).await;
    assert_eq!(heard.seen().last().unwrap(), "done: committed");
    assert!(heard.text().ends_with("All of it."), "{heard:?}");
    // It may have said more before it looked; then that was taken back.
    let taken_back = heard
        .lines
        .iter()
        .rposition(|line| line.content.kind == "reset");
    let mut shown = heard.lines.iter().skip(taken_back.unwrap_or_default());
    assert!(
        shown.all(|line| !line.content.message.contains("owner.")),
        "{heard:?}"
    );
    let after = frozen.client().say("d", "hello").await;
    assert_eq!(after.answer(), "All of it.", "the late owner serves on");
    frozen.signal(Signal::TERM);
    assert!(frozen.ended().await.success);
    let mut now = snapshot(&file);
    now.retain(|(key, ..)| !key.starts_with("C#d/"));
    assert_eq!(now, before);
}

/// Stops the server and returns when each of its threads stands still: until then one of them may still take a lock.
fn freeze(server: &Local) {
    server.signal(Signal::STOP);
    let until = Instant::now() + PATIENCE;
    while !server.stands_still() {
        assert!(Instant::now() < until, "the server never stood still");
        std::thread::yield_now();
    }
}

/// Freezes the server while it executes an action: once the action is claimed its next write is in the way of ours. False if
/// it was faster.
fn freeze_at_an_action(file: &Path, server: &Local) -> bool {
    let mut db = open(file);
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let lock = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let count = |state: &str| -> i64 {
            let sql = "SELECT count(*) FROM records WHERE sort LIKE 'T#%#A#%' AND work_group = ?1";
            lock.query_row(sql, [format!("default/actions/{state}")], |row| row.get(0))
                .unwrap()
        };
        if count("running") > 0 {
            freeze(server);
            return true;
        }
        if count("done") > 0 {
            return false;
        }
        drop(lock);
        // A gap in which the server can write.
        std::thread::sleep(Duration::from_micros(300));
    }
    panic!("the action never came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owner_of_an_action_changes_nothing_when_it_wakes_up() {
    const TRIES: usize = 100;
    let model = ScriptedModel::responding(clerk).await;
    for _ in 0..TRIES {
        let folder = Folder::new();
        let file = file_in(&folder);
        let frozen = server(&file, &model.url()).await;
        let mut named = body("c", "order anvil 30");
        named["message_id"] = "m-1".into();
        let client = frozen.client();
        let sent = tokio::spawn(async move { client.send(&named).await.rest().await });
        if !tokio::task::block_in_place(|| freeze_at_an_action(&file, &frozen)) {
            sent.abort();
            continue;
        }
        let other = server(&file, &model.url()).await;
        let client = other.client();
        let taken_over = client.say_as("m-1", "c", "order anvil 30").await;
        assert!(taken_over.text().contains("order_id"), "{taken_over:?}");
        assert_eq!(client.actions("done").await.len(), 1);
        let before = snapshot(&file);

        frozen.signal(Signal::CONT);
        let heard = soon("the end for the old listener", sent).await.unwrap();
        assert_eq!(heard.status(), "committed");
        // When it has ended, whatever it was at is over.
        frozen.signal(Signal::TERM);
        assert!(frozen.ended().await.success);
        assert_eq!(snapshot(&file), before);
        let orders = client.get("/orders").await.json();
        let orders = orders["orders"].as_array().unwrap();
        let ordered = orders.iter().filter(|order| order["conversation"] == "c");
        assert_eq!(ordered.count(), 1);
        return;
    }
    panic!("no action could be caught in {TRIES} orders");
}
