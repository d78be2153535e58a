//! The official Python clients against this server: one in each wire format.

use std::process::Stdio;
use std::time::Duration;

use baton_rehearsal::{Settings, serve};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Starting Python and importing the clients takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// In all formats.
const CHECKS: usize = 39;

#[tokio::test]
#[ignore = "needs the Python environment that ./infra/test prepares"]
async fn the_official_clients_understand_every_answer() {
    let python = std::env::var("BATON_PYTHON").expect(
        "BATON_PYTHON names an interpreter with the packages of infra/e2e/python/clients.txt",
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings {
        word_delay: Duration::from_millis(1),
        ..Settings::default()
    };
    tokio::spawn(serve(listener, settings, std::future::pending()));

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/main.py");
    let check = Command::new(python)
        .args([script, &base])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, check)
        .await
        .expect("the script ends in time")
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out.matches("ok ").count(), CHECKS, "{out}");
}
