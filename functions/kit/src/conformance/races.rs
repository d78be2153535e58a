//! Many writers at once.

use std::sync::Arc;

use baton_handoff::ports::{Change, CommitError, Store};
use futures_util::future::join_all;

use super::{Bench, key, record};

/// Writers at a time.
const WRITERS: usize = 16;

/// What each of them gets done.
const ROUNDS: usize = 8;

/// More tries than a writer that only sometimes loses needs.
const TRIES: usize = 5000;

pub(super) async fn one_of_many_creators_wins(bench: Bench) {
    let create = |writer: usize| {
        let store = Arc::clone(&bench.store);
        let body = format!("writer {writer}");
        tokio::spawn(async move {
            super::settle(
                store.as_ref(),
                vec![Change::Create(key("a"), record(&body))],
            )
            .await
        })
    };
    let results = join_all((0..WRITERS).map(create)).await;
    let won: Vec<usize> = results
        .into_iter()
        .enumerate()
        .filter(|(_, result)| result.as_ref().unwrap().is_ok())
        .map(|(n, _)| n)
        .collect();
    assert_eq!(won.len(), 1, "{won:?} all won");
    assert_eq!(
        bench.read("a").await,
        Some((1, format!("writer {}", won[0])))
    );
}

/// Every writer appends its own words to one record. A word that is there was written, whatever the answer was.
pub(super) async fn every_version_has_one_writer(bench: Bench) {
    bench
        .commit(vec![Change::Create(key("log"), record(""))])
        .await
        .unwrap();
    let append = |writer: usize| {
        let store = Arc::clone(&bench.store);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                append_once(store.as_ref(), &format!("w{writer}r{round} ")).await;
            }
        })
    };
    for result in join_all((0..WRITERS).map(append)).await {
        result.unwrap();
    }
    let (version, log) = bench.read("log").await.unwrap();
    let mut words: Vec<&str> = log.split_whitespace().collect();
    assert_eq!(words.len(), WRITERS * ROUNDS);
    assert_eq!(
        version,
        words.len() as u64 + 1,
        "a version without a word, or two words in one"
    );
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), WRITERS * ROUNDS, "a word came twice");
}

async fn append_once(store: &dyn Store, word: &str) {
    for _ in 0..TRIES {
        let stored = store.get(&key("log")).await.unwrap().unwrap();
        if stored.record.body.contains(word) {
            return;
        }
        let body = format!("{}{word}", stored.record.body);
        let replaced = store
            .commit(vec![Change::Replace(
                key("log"),
                stored.version,
                record(&body),
            )])
            .await;
        assert!(
            !matches!(replaced, Err(CommitError::Refused(_))),
            "{replaced:?}"
        );
    }
    panic!("{word} never got through");
}

/// Two accounts and many who move money between them; nobody ever reads a sum that is not there.
pub(super) async fn transfers_between_two_records_keep_the_sum(bench: Bench) {
    let accounts = vec![
        Change::Create(key("from"), record("1000")),
        Change::Create(key("to"), record("0")),
    ];
    bench.commit(accounts).await.unwrap();
    let transfer = |_: usize| {
        let store = Arc::clone(&bench.store);
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                move_one(store.as_ref()).await;
            }
        })
    };
    for result in join_all((0..WRITERS).map(transfer)).await {
        result.unwrap();
    }
    let (from_version, from) = bench.read("from").await.unwrap();
    let (to_version, to) = bench.read("to").await.unwrap();
    assert_eq!(
        from.parse::<u64>().unwrap() + to.parse::<u64>().unwrap(),
        1000
    );
    assert_eq!(
        from_version, to_version,
        "one was written without the other"
    );
    assert!(from_version > 1, "nobody got through");
}

/// Tries to move one unit; gives up when it cannot know whether it did, which keeps the sum all the same.
async fn move_one(store: &dyn Store) {
    for _ in 0..TRIES {
        let from = store.get(&key("from")).await.unwrap().unwrap();
        let to = store.get(&key("to")).await.unwrap().unwrap();
        let (left, arrived): (u64, u64) = (
            from.record.body.parse().unwrap(),
            to.record.body.parse().unwrap(),
        );
        let parts = vec![
            Change::Replace(key("from"), from.version, record(&(left - 1).to_string())),
            Change::Replace(key("to"), to.version, record(&(arrived + 1).to_string())),
        ];
        match store.commit(parts).await {
            Ok(()) | Err(CommitError::Ambiguous(_)) => return,
            Err(CommitError::Conflict | CommitError::Unavailable(_)) => {}
            Err(CommitError::Refused(reason)) => panic!("{reason}"),
        }
    }
    panic!("a transfer never got through");
}
