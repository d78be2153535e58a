//! A removed record is gone from the file and from its log, while the store is open and after it was closed.

use std::path::Path;
use std::time::Duration;

use baton_handoff::ports::{Change, Key, Record, Store as _};
use baton_stores::sqlite::SqliteStore;

use super::folder::Folder;
use super::open;

const WORD: &[u8] = b"ERASEWORD";

/// How often the word stands in the file and in its log.
fn words(file: &Path) -> usize {
    let log = file.with_extension("db-wal");
    let count = |file: &Path| {
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes
            .windows(WORD.len())
            .filter(|part| *part == WORD)
            .count()
    };
    count(file) + count(&log)
}

fn key(turn: u32) -> Key {
    Key::new("C#erased", format!("T#{turn:010}"))
}

/// Twenty-five turns beside those of other conversations.
async fn written(store: &SqliteStore) {
    for turn in 0..25 {
        let erased = Change::Create(key(turn), Record::new(1, "ERASEWORD ".repeat(40)));
        let other = Key::new(format!("C#{}", turn % 7), format!("T#{turn:010}"));
        let other = Change::Create(other, Record::new(1, "other ".repeat(60)));
        store.commit(vec![erased, other]).await.unwrap();
    }
}

async fn removed(store: &SqliteStore) {
    let all = (0..25).map(|turn| Change::Remove(key(turn), Some(1)));
    store.commit(all.collect()).await.unwrap();
}

/// Reads the file until the word is gone.
async fn until_gone(file: &Path) {
    let gone = async {
        while words(file) > 0 {
            tokio::task::yield_now().await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(30), gone).await;
    assert!(within.is_ok(), "{} words are left", words(file));
}

#[tokio::test]
async fn closing_leaves_no_word_of_a_removed_record() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    written(&store).await;
    assert!(words(&file) > 0);
    removed(&store).await;
    store.close().await;
    assert_eq!(words(&file), 0);
}

#[tokio::test]
async fn an_open_store_leaves_none_either_and_a_reader_only_puts_it_off() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    written(&store).await;
    let reader = rusqlite::Connection::open(&file).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let read = "SELECT COUNT(*) FROM records";
    let _rows: u32 = reader.query_row(read, [], |row| row.get(0)).unwrap();
    removed(&store).await;
    assert!(words(&file) > 0);
    drop(reader);
    until_gone(&file).await;
}

#[tokio::test]
async fn a_program_that_was_killed_before_it_was_done_leaves_it_to_the_next() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    written(&store).await;
    removed(&store).await;
    // What a killed program leaves: the file and its log of this moment.
    let left = folder.next_file();
    for ending in ["db", "db-wal"] {
        std::fs::copy(file.with_extension(ending), left.with_extension(ending)).unwrap();
    }
    assert!(words(&left) > 0);
    let next = open(&left);
    until_gone(&left).await;
    drop((next, store));
}
