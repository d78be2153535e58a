//! Whoever waits for a lock of another process holds up nobody else.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use baton_handoff::ports::Store as _;
use tokio::sync::Notify;

use super::folder::Folder;
use super::{body, create, open};

/// Stands for a process that restores the index of the log after a crash: the locks of the writer and of the recovery are taken,
/// and the index's header is half written. Ends when its input does.
const RECOVERS: &str = r#"
import fcntl, sys
index = open(sys.argv[1], "r+b")
for lock in (120, 122):
    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, lock)
index.seek(8)
index.write(b"\xff\xff\xff\xff")
index.flush()
print("recovers", flush=True)
sys.stdin.read()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reader_that_waits_for_another_process_does_not_stop_the_runtime() {
    let folder = Folder::new();
    let file = folder.next_file();
    let store = open(&file);
    store.commit(vec![create(1)]).await.unwrap();
    assert_eq!(body(&store, 1).await, Some("1".to_owned()));
    let mut other = Command::new("python3")
        .args(["-c", RECOVERS])
        .arg(format!("{}-shm", file.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(other.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    assert_eq!(said, "recovers\n");

    let begins = Arc::new(Notify::new());
    let reader = {
        let (store, begins) = (store.clone(), begins.clone());
        tokio::spawn(async move {
            begins.notify_one();
            store.get(&super::key(1)).await
        })
    };
    begins.notified().await;
    // On the one thread that the reader is on: it ends what the reader waits for.
    let mut input = other.stdin.take().unwrap();
    let ends = tokio::spawn(async move {
        input.flush().unwrap();
        drop(input);
    });
    ends.await.unwrap();
    let read = reader.await.unwrap();
    assert!(
        read.is_ok(),
        "it waited until its patience was over: {read:?}"
    );
    other.wait().unwrap();
}
