//! The binary: its flags, and its end.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(20);

fn rehearsal(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsal"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
        .env_remove("REHEARSAL_ADDR")
        .env_remove("REHEARSAL_WORD_DELAY_MS");
    command
}

#[expect(
    clippy::expect_used,
    reason = "a broken promise fails the test that relies on it"
)]
async fn output(command: &mut Command) -> Output {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    output.expect("it ends in time").expect("it starts")
}

#[tokio::test]
async fn wrong_flags_and_values_end_with_a_sentence() {
    for (arguments, sentence) in [
        (["--port", "1"], "the flag '--port' is not known"),
        (
            ["--addr=127.0.0.1:0", "--word-delay-ms"],
            "--word-delay-ms needs a value",
        ),
        (
            ["--word-delay-ms", "fast"],
            "the word delay 'fast' is not a whole number",
        ),
        (["--addr", "nowhere"], "cannot listen on nowhere"),
    ] {
        let output = output(&mut rehearsal(&arguments)).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.starts_with("rehearsal: ") && error.contains(sentence),
            "{error}"
        );
    }
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_cleanly_on_sigterm() {
    let mut command = rehearsal(&["--word-delay-ms", "0"]);
    let mut child = command
        .env("REHEARSAL_ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let base = line.split_whitespace().last().unwrap();
    // reqwest brings no TLS provider of its own here.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let models = reqwest::get(format!("{base}/models")).await.unwrap();
    assert!(models.status().is_success());

    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}
