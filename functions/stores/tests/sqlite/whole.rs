//! A file that was closed in good order is all of it, and nothing is committed to one that is not there any more.

use std::fs;
use std::path::{Path, PathBuf};

use baton_handoff::ports::{CommitError, Store as _};
use baton_stores::sqlite::SqliteStore;
use futures_util::future::join_all;

use super::folder::Folder;
use super::{body, create, open};

fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

async fn is_refused(store: &SqliteStore, n: u32) {
    match store.commit(vec![create(n)]).await {
        Err(CommitError::Unavailable(text)) => assert!(text.contains("replaced"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_that_was_closed_is_whole_without_its_log_though_others_still_read_it() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    for n in 0..50 {
        store.commit(vec![create(n)]).await.unwrap();
    }
    // Several connections that read.
    let readers = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { body(&store, n).await })
    });
    assert!(join_all(readers).await.iter().all(Result::is_ok));
    store.close().await;
    let log = fs::metadata(beside(&file, "-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "bytes are left in the log");
    let copy = folder.path().join("copy.db");
    fs::copy(&file, &copy).unwrap();
    let copy = open(&copy);
    for n in 0..50 {
        assert_eq!(body(&copy, n).await, Some(n.to_string()));
        // Whoever is late still reads the file that was closed.
        assert_eq!(body(&store, n).await, Some(n.to_string()));
    }
}

#[tokio::test]
async fn nothing_is_committed_to_a_file_that_was_removed() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    store.commit(vec![create(1)]).await.unwrap();
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, ending)).unwrap();
    }
    is_refused(&store, 2).await;
    is_refused(&store, 3).await;
}

#[tokio::test]
async fn nothing_is_committed_without_the_log_that_holds_it() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    store.commit(vec![create(1)]).await.unwrap();
    fs::remove_file(beside(&file, "-wal")).unwrap();
    is_refused(&store, 2).await;
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_written_to_again_when_it_is_back() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    store.commit(vec![create(1)]).await.unwrap();
    let away = folder.path().join("away.db");
    fs::rename(&file, &away).unwrap();
    is_refused(&store, 2).await;
    fs::rename(&away, &file).unwrap();
    store.commit(vec![create(2)]).await.unwrap();
    drop(store);
    assert_eq!(body(&open(&file), 2).await, Some("2".to_owned()));
}

#[tokio::test]
async fn a_file_that_was_put_in_its_place_is_left_alone_with_its_log() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    store.commit(vec![create(1)]).await.unwrap();
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, ending)).unwrap();
    }
    let other = open(&file);
    other.commit(vec![create(7)]).await.unwrap();
    is_refused(&store, 2).await;
    store.close().await;
    drop(store);
    other.commit(vec![create(8)]).await.unwrap();
    drop(other);
    let other = open(&file);
    for (n, expected) in [(1, None), (7, Some("7")), (8, Some("8"))] {
        assert_eq!(body(&other, n).await.as_deref(), expected);
    }
}
