//! Several processes on one file, and processes that are killed. The others are this test's own binary.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use baton_handoff::ports::{Change, CommitError, Key, Store, Stored};
use baton_stores::sqlite::SqliteStore;
use futures_util::future::join_all;

use super::folder::Folder;
use super::{body, create, open, record};

/// Tells the other process which file it is about; without it those tests do nothing.
const FILE: &str = "BATON_TEST_FILE";

/// Tells processes apart.
const NAME: &str = "BATON_TEST_NAME";

/// Words that each writer appends.
const WORDS: usize = 60;

pub(crate) fn start(test: &str, file: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FILE, file)
        .env(NAME, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn asked_for() -> Option<(PathBuf, String)> {
    Some((
        PathBuf::from(std::env::var_os(FILE)?),
        std::env::var(NAME).ok()?,
    ))
}

/// Commits records 0, 1, 2 … side by side, and says each on a line once it is confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test"]
async fn commits_until_it_is_killed() {
    let Some((file, _)) = asked_for() else { return };
    let store = open(&file);
    let confirm = async |n| {
        store.commit(vec![create(n)]).await.unwrap();
        writeln!(std::io::stdout(), "confirmed {n}").unwrap();
    };
    for wave in 0..10_000 {
        join_all((0..8).map(|n| confirm(wave * 8 + n))).await;
    }
}

#[tokio::test]
async fn what_a_killed_process_had_confirmed_is_there() {
    let folder = Folder::new();
    for lines in [1, 2, 7, 50, 333, 1500] {
        let file = folder.next_file();
        let mut child = start("processes::commits_until_it_is_killed", &file, "victim");
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| {
            line.unwrap()
                .split("confirmed ")
                .nth(1)?
                .parse::<u32>()
                .ok()
        };
        let mut confirmed: Vec<u32> = output.by_ref().filter_map(number).take(lines).collect();
        // SIGKILL, in the midst of further commits.
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed.extend(output.filter_map(number));
        assert!(confirmed.len() >= lines);
        let store = open(&file);
        for n in confirmed {
            assert_eq!(
                body(&store, n).await,
                Some(n.to_string()),
                "confirmed, killed, lost"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test"]
async fn appends_its_words() {
    let Some((file, name)) = asked_for() else {
        return;
    };
    append(&open(&file), &name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_several_processes_take_turns() {
    let folder = Folder::new();
    let file = folder.next_file();
    let (one, two) = (open(&file), open(&file));
    one.commit(vec![Change::Create(log(), record(String::new()))])
        .await
        .unwrap();
    let children: Vec<Child> = ["p1", "p2"]
        .map(|name| start("processes::appends_its_words", &file, name))
        .into_iter()
        .collect();
    let writers: Vec<_> = [
        (one.clone(), "t1"),
        (one.clone(), "t2"),
        (two.clone(), "t3"),
    ]
    .map(|(store, name)| tokio::spawn(async move { append(&store, name).await }))
    .into_iter()
    .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for mut child in children {
        let mut output = child.stdout.take().unwrap();
        // Read to its end, so that the child cannot wait for room in the pipe.
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let Stored {
        version, record, ..
    } = two.get(&log()).await.unwrap().unwrap();
    let mut words: Vec<&str> = record.body.split_whitespace().collect();
    assert_eq!((words.len(), version), (5 * WORDS, 5 * WORDS as u64 + 1));
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 5 * WORDS, "a word came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_make_the_file_at_once_get_the_same_one() {
    let folder = Folder::new();
    let file = folder.next_file();
    let opened: Vec<_> = (0..8)
        .map(|n| {
            let file = file.clone();
            tokio::task::spawn_blocking(move || {
                let clock = baton_kit::conformance::TestClock::new();
                // Each has random numbers of its own, like processes.
                for _ in 0..n {
                    baton_handoff::ports::Env::random(&clock);
                }
                SqliteStore::open(&file, Arc::new(clock)).unwrap()
            })
        })
        .collect();
    let stores: Vec<SqliteStore> = join_all(opened)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (n, store) in (0..).zip(&stores) {
        store.commit(vec![create(n)]).await.unwrap();
    }
    for n in 0..8 {
        assert_eq!(body(&stores[7 - n as usize], n).await, Some(n.to_string()));
    }
}

fn log() -> Key {
    Key::new("C#1", "LOG")
}

async fn append(store: &SqliteStore, name: &str) {
    for n in 0..WORDS {
        while !append_once(store, &format!("{name}.{n} ")).await {}
    }
}

async fn append_once(store: &SqliteStore, word: &str) -> bool {
    let stored = store.get(&log()).await.unwrap().unwrap();
    let text = format!("{}{word}", stored.record.body);
    match store
        .commit(vec![Change::Replace(log(), stored.version, record(text))])
        .await
    {
        Ok(()) => true,
        Err(CommitError::Conflict) => false,
        Err(other) => panic!("{other:?}"),
    }
}
