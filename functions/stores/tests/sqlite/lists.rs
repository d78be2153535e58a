//! The lists of a file of schema version 1 become those of version 2: all of them, once, and also while a program of version 1 goes
//! on writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use baton_handoff::ports::{Index, Store as _, Stored};
use baton_handoff::record::{ActionState, DEFAULT_TENANT, actions_in, conversations_with_agents};
use baton_stores::sqlite::SqliteStore;
use rusqlite::{Connection, params};

use super::folder::{Folder, copy_of_version_1};
use super::open;
use super::processes::{asked_for, start};

/// What the program of version 1 wrote a new record with.
const INSERT: &str = "INSERT INTO records (partition, sort, version, format, body, due_at, list_group, list_rank, expires_at) \
     VALUES (?1, ?2, 1, 1, ?3, NULL, ?4, ?5, NULL)";

/// And what it replaced one with.
const UPDATE: &str = "UPDATE records SET version = version + 1, list_group = ?3, list_rank = ?4 \
     WHERE partition = ?1 AND sort = ?2";

const CONVERSATIONS: &str = "conversations:local";

/// Records of each list in the file as version 1 left it.
const BEFORE: [(&str, u32); 9] = [
    ("B#ORDERS", 7),
    ("B#REFUNDS", 1),
    ("actions:done", 4),
    ("actions:proposed", 1),
    ("actions:queued", 2),
    ("actions:rejected", 2),
    ("actions:running", 2),
    ("actions:unknown", 1),
    (CONVERSATIONS, 17),
];

fn earlier_file(folder: &Folder) -> PathBuf {
    let file = folder.next_file();
    copy_of_version_1(&file);
    file
}

/// Lists by name, each with the number of its records.
fn lists(file: &Path, column: &str) -> BTreeMap<String, u32> {
    let db = Connection::open(file).unwrap();
    let mut select = db
        .prepare(&format!(
            "SELECT {column}, COUNT(*) FROM records WHERE {column} IS NOT NULL GROUP BY {column}"
        ))
        .unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn version(file: &Path) -> i32 {
    let db = Connection::open(file).unwrap();
    db.pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

fn named<N: Into<String>>(lists: impl IntoIterator<Item = (N, u32)>) -> BTreeMap<String, u32> {
    let named = lists.into_iter();
    named.map(|(name, count)| (name.into(), count)).collect()
}

/// What the lists of version 1 have become.
fn assert_renamed(file: &Path, added: u32) {
    let actions = |state, count| (actions_in(DEFAULT_TENANT, state), count);
    let work = [
        actions(ActionState::Done, 4),
        actions(ActionState::Proposed, 1),
        actions(ActionState::Queued, 2 + added),
        actions(ActionState::Rejected, 2),
        actions(ActionState::Running, 2),
        actions(ActionState::Unknown, 1),
        (conversations_with_agents(DEFAULT_TENANT), 17 + added),
    ];
    let listed = [("default/orders", 7), ("default/refunds", 1)];
    assert_eq!(lists(file, "work_group"), named(work));
    assert_eq!(lists(file, "list_group"), named(listed));
}

async fn in_list(store: &SqliteStore, list: String) -> Vec<Stored> {
    let page = store.index(&Index::Work(list), None, 100).await.unwrap();
    assert!(page.next.is_none());
    page.records
}

/// All but the lists.
fn contents(file: &Path) -> Vec<String> {
    let db = Connection::open(file).unwrap();
    let mut select = db
        .prepare("SELECT json_array(partition, sort, version, format, body, due_at, expires_at) FROM records")
        .unwrap();
    let rows = select.query_map([], |row| row.get(0));
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn every_list_of_before_has_its_records_and_nothing_else_has_changed() {
    let folder = Folder::new();
    let file = earlier_file(&folder);
    let before = contents(&file);
    assert_eq!(lists(&file, "list_group"), named(BEFORE));
    let store = open(&file);
    assert_renamed(&file, 0);
    assert_eq!(contents(&file), before);

    let conversations = in_list(&store, conversations_with_agents(DEFAULT_TENANT)).await;
    assert_eq!(conversations.len(), 17);
    for stored in conversations {
        let body: serde_json::Value = serde_json::from_str(&stored.record.body).unwrap();
        assert_eq!(stored.record.work.unwrap().rank, body["created_at"]);
        assert_eq!(stored.record.listed, None);
    }
    for state in ActionState::ALL {
        for stored in in_list(&store, actions_in(DEFAULT_TENANT, state)).await {
            let body: serde_json::Value = serde_json::from_str(&stored.record.body).unwrap();
            assert_eq!(body["state"], state.as_str());
            assert_eq!(stored.record.work.unwrap().rank, body["accepted_at"]);
            assert_eq!(stored.record.listed, None);
        }
    }
}

#[tokio::test]
async fn a_conversation_that_cannot_be_read_keeps_its_rank_and_the_file_opens() {
    let folder = Folder::new();
    let file = earlier_file(&folder);
    let unreadable = [
        "",
        "{",
        "[]",
        "null",
        r#"{"created_at":"1"}"#,
        r#"{"created_at":1.5}"#,
        r#"{"created_at":-1}"#,
        r#"{"created_at":99999999999999999999}"#,
        r#"{"created_at":{"created_at":1}}"#,
        "{'created_at':1}",
    ];
    let db = Connection::open(&file).unwrap();
    for (number, body) in (0..).zip(unreadable) {
        let partition = format!("C#unreadable-{number}");
        let row = params![partition, "META", body, CONVERSATIONS, 1_000 + number];
        db.execute(INSERT, row).unwrap();
    }
    drop(db);
    let store = open(&file);
    let conversations = in_list(&store, conversations_with_agents(DEFAULT_TENANT)).await;
    let ranks: BTreeMap<&str, u64> = conversations
        .iter()
        .map(|stored| {
            let rank = stored.record.work.as_ref().unwrap().rank;
            (stored.key.partition.as_str(), rank)
        })
        .collect();
    for number in 0..unreadable.len() {
        let partition = format!("C#unreadable-{number}");
        assert_eq!(ranks[partition.as_str()], 1_000 + number as u64);
    }
}

#[tokio::test]
async fn what_a_program_of_version_1_writes_meanwhile_is_in_the_new_lists() {
    let folder = Folder::new();
    let file = earlier_file(&folder);
    // It was there before, and knows its tables from then.
    let earlier = Connection::open(&file).unwrap();
    let mut insert = earlier.prepare(INSERT).unwrap();
    let mut update = earlier.prepare(UPDATE).unwrap();
    let store = open(&file);
    let action = ("C#meanwhile", "T#0000000001#A#1");
    let created = r#"{"created_at":77}"#;
    for (partition, sort, body, list, rank) in [
        (action.0, action.1, "{}", "actions:queued", 5),
        ("C#meanwhile", "META", created, CONVERSATIONS, 99),
        ("B#meanwhile", "ORDER", "{}", "B#ORDERS", 7),
    ] {
        let row = params![partition, sort, body, list, rank];
        insert.execute(row).unwrap();
    }
    let work = async |list| {
        let found = in_list(&store, list).await.into_iter();
        let mut found = found.filter(|stored| stored.key.partition == "C#meanwhile");
        found.next().map(|stored| stored.record.work.unwrap().rank)
    };
    let queued = || actions_in(DEFAULT_TENANT, ActionState::Queued);
    let running = || actions_in(DEFAULT_TENANT, ActionState::Running);
    let conversations = || conversations_with_agents(DEFAULT_TENANT);
    assert_eq!(work(queued()).await, Some(5));
    assert_eq!(work(conversations()).await, Some(77));
    update
        .execute(params![action.0, action.1, "actions:running", 5])
        .unwrap();
    update
        .execute(params!["C#meanwhile", "META", CONVERSATIONS, 100])
        .unwrap();
    assert_eq!(work(queued()).await, None);
    assert_eq!(work(running()).await, Some(5));
    assert_eq!(work(conversations()).await, Some(77));
    let listed = lists(&file, "list_group");
    assert_eq!(
        listed,
        named([("default/orders", 8), ("default/refunds", 1)])
    );
}

#[tokio::test]
async fn what_a_program_of_version_1_writes_of_an_owner_that_it_does_not_know_stays_with_the_owner()
{
    let folder = Folder::new();
    let file = earlier_file(&folder);
    let earlier = Connection::open(&file).unwrap();
    let mut insert = earlier.prepare(INSERT).unwrap();
    let store = open(&file);
    let ann = r#"{"owner":"acme/customer/a/b","created_at":77}"#;
    let odd = r#"{"owner":{"a":"/"}}"#;
    for (sort, body, list) in [
        ("META", ann, "conversations:acme/customer/a/b"),
        ("T#0000000001#A#1", ann, "actions:queued"),
        ("T#0000000001#A#2", odd, "actions:done"),
    ] {
        insert
            .execute(params!["C#owned", sort, body, list, 99])
            .unwrap();
    }
    let listed = Index::Listed("acme/customer/a/b/conversations".to_owned());
    let listed = store.index(&listed, None, 9).await.unwrap().records;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].record.listed.as_ref().unwrap().rank, 99);
    let conversations = in_list(&store, conversations_with_agents("acme")).await;
    assert_eq!(conversations[0].record.work.as_ref().unwrap().rank, 77);
    let queued = in_list(&store, actions_in("acme", ActionState::Queued)).await;
    assert_eq!(queued.len(), 1);
    let done = in_list(&store, actions_in(DEFAULT_TENANT, ActionState::Done)).await;
    assert!(done.iter().any(|stored| stored.key.partition == "C#owned"));
}

/// Enough rows for a migration that takes a while.
const MANY: u32 = 20_000;

fn large_file(folder: &Folder) -> PathBuf {
    let file = earlier_file(folder);
    let db = Connection::open(&file).unwrap();
    db.execute_batch(&format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})
         INSERT INTO records (partition, sort, version, format, body, list_group, list_rank)
         SELECT 'C#many-' || n, 'META', 1, 1, '{{\"created_at\":' || n || '}}', '{CONVERSATIONS}', n FROM n
         UNION ALL SELECT 'C#many-' || n, 'T#0000000001#A#1', 1, 1, '{{}}', 'actions:queued', n FROM n"
    ))
    .unwrap();
    file
}

#[test]
#[ignore = "a part of another test"]
fn opens_the_file() {
    if let Some((file, _)) = asked_for() {
        drop(open(&file));
    }
}

fn opener(file: &Path) -> Child {
    start("lists::opens_the_file", file, "opener")
}

/// Waits until the log has this size. False if the process ended before.
fn grew(child: &mut Child, log: &Path, bytes: u64) -> bool {
    let deadline = Instant::now() + Duration::from_mins(2);
    while std::fs::metadata(log).map_or(0, |log| log.len()) < bytes {
        assert!(Instant::now() < deadline, "no migration began");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        thread::yield_now();
    }
    true
}

#[test]
fn a_migration_whose_process_was_killed_is_whole_or_not_there() {
    let folder = Folder::new();
    let mut killed = 0;
    for bytes in [1, 100_000, 500_000, 1_000_000, 2_000_000] {
        let file = large_file(&folder);
        let log = PathBuf::from(format!("{}-wal", file.display()));
        let mut child = opener(&file);
        if grew(&mut child, &log, bytes) {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        match version(&file) {
            1 => {
                let mut before = named(BEFORE);
                for list in [CONVERSATIONS, "actions:queued"] {
                    *before.get_mut(list).unwrap() += MANY;
                }
                assert_eq!(lists(&file, "list_group"), before);
            }
            found => {
                assert_eq!(found, 2);
                assert_renamed(&file, MANY);
            }
        }
        drop(open(&file));
        assert_renamed(&file, MANY);
    }
    assert!(killed > 0, "every process ended before it was killed");
}

#[test]
fn several_processes_that_open_an_earlier_file_at_once_all_find_the_new_lists() {
    let folder = Folder::new();
    let file = large_file(&folder);
    let openers: Vec<Child> = (0..4).map(|_| opener(&file)).collect();
    for mut opener in openers {
        assert!(opener.wait().unwrap().success());
    }
    assert_eq!(version(&file), 2);
    assert_renamed(&file, MANY);
}
