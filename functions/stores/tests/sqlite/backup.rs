//! The command that the README gives for backups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use baton_handoff::ports::Store as _;

use super::folder::Folder;
use super::{body, create, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vacuum_into_copies_all_that_was_confirmed_while_more_is_written() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    for n in 0..500 {
        store.commit(vec![create(n)]).await.unwrap();
    }
    let confirmed = Arc::new(AtomicU32::new(500));
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (store, confirmed, stop) = (store.clone(), confirmed.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let n = confirmed.load(Ordering::Relaxed);
                store.commit(vec![create(n)]).await.unwrap();
                confirmed.store(n + 1, Ordering::Relaxed);
            }
        })
    };
    for round in 0..5 {
        let wanted = confirmed.load(Ordering::Relaxed);
        let copy = folder.path().join(format!("copy-{round}.db"));
        let (from, to) = (file.clone(), copy.clone());
        let copied = tokio::task::spawn_blocking(move || {
            let db = rusqlite::Connection::open(from).unwrap();
            db.execute("VACUUM INTO ?1", [to.to_str().unwrap()])
                .unwrap();
        });
        copied.await.unwrap();
        // Opening checks the whole file.
        let path = copy;
        let copy = open(&path);
        let mode = rusqlite::Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(mode.unwrap(), "wal", "a copy works as the file did");
        for n in 0..wanted {
            assert_eq!(body(&copy, n).await, Some(n.to_string()));
        }
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
}
