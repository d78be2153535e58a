//! What it says when it cannot start, and that it starts without anything.

use std::process::Output;

use crate::backend::file_in;
use rustix::process::Signal;

use crate::suite::support::{Folder, OPERATOR, soon};

use super::local::{Local, command};

const NO_MODEL: &str = "http://127.0.0.1:9/v1";

/// A team with a tool that calls out, and a header that nobody set.
const CALLING: &str = r#"name = "Shop"
entry = "Front"
[[agent]]
name = "Front"
instructions = "Help."
tools = ["find"]
[[tool]]
name = "find"
kind = "lookup"
description = "Finds."
[tool.http]
method = "GET"
url = "http://shop.example/"
headers = { X-Key = { env = "SHOP_KEY" } }
"#;

async fn refused(mut command: tokio::process::Command) -> String {
    let Output { status, stderr, .. } = soon("its end", command.output()).await.unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn a_damaged_store_is_an_error_that_names_it() {
    let folder = Folder::new();
    let file = file_in(&folder);
    let server = Local::start(&file, "rehearsal").await;
    let answer = server.client().say("c", "hello").await;
    assert_eq!(answer.status(), "committed");
    server.kill().await;
    let whole = std::fs::read(&file).unwrap();

    let mut torn = whole.clone();
    torn[..64].fill(0x5a);
    for (bytes, what) in [
        (torn, "a torn head"),
        (Vec::new(), "an empty file"),
        (b"my notes".to_vec(), "another file"),
    ] {
        std::fs::write(&file, &bytes).unwrap();
        let said = refused(command(&file, "rehearsal")).await;
        assert!(
            said.starts_with("baton: ") && said.contains("baton.db"),
            "{what}: {said}"
        );
        assert_eq!(
            std::fs::read(&file).unwrap(),
            bytes,
            "{what}: it was written to"
        );
    }
    std::fs::write(&file, &whole).unwrap();
    let server = Local::start(&file, "rehearsal").await;
    assert_eq!(
        server.client().said("c").await.len(),
        2,
        "the restored file has everything"
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_in_one_sentence() {
    let folder = Folder::new();
    let file = file_in(&folder);
    let running = Local::start(&file, "rehearsal").await;
    let taken = running.base.strip_prefix("http://").unwrap();
    let team = folder.path().join("team.toml");
    std::fs::write(&team, "name = \"Shop\"\nentry = \"Nobody\"\n").unwrap();
    let calling = folder.path().join("calling.toml");
    std::fs::write(&calling, CALLING).unwrap();
    let schema = folder.path().join("schema.toml");
    let (shop, _) = CALLING.split_once("headers").unwrap();
    let wrong = format!("{shop}[tool.parameters.day]\nminLength = -1\n");
    std::fs::write(&schema, wrong).unwrap();
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["--addr", taken],
            &["cannot listen on ", "Choose another with --addr"],
        ),
        (
            &["--addr", "nowhere"],
            &["BATON_ADDR=nowhere is not an address"],
        ),
        (
            &["--team", "absent.toml"],
            &["BATON_TEAM=absent.toml cannot be read"],
        ),
        (&["--team", "team.toml"], &["team.toml:"]),
        (
            &["--team", "calling.toml"],
            &[
                "header \"X-Key\" of tool \"find\" needs the environment variable SHOP_KEY, which is not set",
            ],
        ),
        (
            &["--team", "schema.toml"],
            &[
                "schema.toml:15: in the schema of tool \"find\" `properties.day.minLength` must be at least 0",
            ],
        ),
        (&["--colour"], &["'--colour'"]),
    ];
    for (flags, sentences) in cases {
        let mut command = command(&file, NO_MODEL);
        command.args(flags);
        let said = refused(command).await;
        assert!(said.starts_with("baton: "), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        for sentence in sentences {
            assert!(said.contains(sentence), "{flags:?}: {said}");
        }
    }
}

#[tokio::test]
async fn without_a_model_the_rehearsal_answers_and_says_what_it_is() {
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), "rehearsal").await;
    let client = server.client();
    let turn = client
        .say("c", "My rocket-powered unicycle exploded.")
        .await;
    assert!(
        turn.seen()
            .contains(&"[You are now talking to IssuesAndRepairsAgent]".to_owned()),
        "{turn:?}"
    );
    assert!(!turn.answer().is_empty());
    let health = client.get("/health").await.json();
    assert_eq!(health["model"]["rehearsal"], true);
}

#[tokio::test]
async fn the_first_start_makes_the_operators_secret_and_prints_the_link_with_it() {
    let folder = Folder::new();
    let file = file_in(&folder);
    let without_a_token = || {
        let mut command = command(&file, "rehearsal");
        command.env_remove("BATON_OPERATOR_TOKEN");
        command
    };
    let mut links = Vec::new();
    for _ in 0..2 {
        let server = Local::run(without_a_token()).await;
        let kept = std::fs::read_to_string(file.with_file_name("operator")).unwrap();
        let client = server.client().with_operator(kept.trim());
        assert_eq!(client.get("/actions").await.status, 200);
        for bare in ["/actions", "/orders", "/refunds"] {
            let answer = client.fetch(client.bare("GET", bare)).await;
            assert_eq!(answer.status, 401, "{bare}");
        }
        server.signal(Signal::TERM);
        let log = server.ended().await.log;
        let link = log
            .lines()
            .find_map(|line| line.trim().strip_prefix("desk "))
            .unwrap();
        let (address, token) = link.trim().split_once("/desk#token=").unwrap();
        assert!(address.starts_with("http://"), "{link}");
        assert_eq!(token, kept.trim());
        links.push(token.to_owned());
    }
    assert_eq!(links[0], links[1], "one secret for all starts");
    assert!(links[0].len() >= 32);
}

#[tokio::test]
async fn a_token_of_operators_that_could_be_guessed_is_refused() {
    let folder = Folder::new();
    let mut short = command(&file_in(&folder), "rehearsal");
    short.env("BATON_OPERATOR_TOKEN", "swordfish");
    let said = refused(short).await;
    assert!(
        said.contains("BATON_OPERATOR_TOKEN has fewer than 16 characters"),
        "{said}"
    );
    assert!(!said.contains("swordfish"), "{said}");
}

#[tokio::test]
async fn a_token_that_the_settings_give_is_not_printed() {
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), "rehearsal").await;
    server.signal(Signal::TERM);
    let log = server.ended().await.log;
    assert!(log.contains("/desk"), "{log}");
    assert!(!log.contains(OPERATOR), "{log}");
    assert!(!file_in(&folder).with_file_name("operator").exists());
}
