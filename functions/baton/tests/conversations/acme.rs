//! The conversation tests of the built-in team: none fails for the team as it is, and each broken team is found.

use std::fs;

use serde::Deserialize;

use super::folder::{Folder, TEAMS};

#[derive(Deserialize)]
struct Table {
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    name: String,
    #[serde(default)]
    change: Vec<[String; 2]>,
    #[serde(default)]
    scenes: String,
    finds: String,
}

#[test]
fn the_built_in_team_passes_its_conversation_tests_a_hundred_times() {
    let folder = Folder::new();
    let said = folder.test(&[
        "--rehearsal",
        "--runs",
        "100",
        "--k",
        "100",
        "--jobs",
        "8",
        TEAMS,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let files = fs::read_dir(TEAMS)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let tests = files.filter(|name| name.to_string_lossy().ends_with(".conversation.toml"));
    let passed = said
        .report
        .matches(": 100 of 100 passed, pass^100 1.00")
        .count();
    assert_eq!(passed, tests.count(), "{said:?}");
}

#[test]
fn every_broken_team_is_found_by_the_conversation_tests_of_the_built_in_one() {
    let table: Table = toml::from_str(include_str!("../broken.toml")).unwrap();
    assert!(table.broken.len() >= 30);
    let mut missed = Vec::new();
    for broken in table.broken {
        let folder = Folder::new();
        folder.write_team(&broken.change);
        folder.write("scenes.toml", &broken.scenes);
        let flags = [
            "--rehearsal",
            "--scenes",
            "scenes.toml",
            "--html",
            "report.html",
        ];
        let said = folder.test(&[&["team.toml", TEAMS], &flags[..]].concat());
        // The differences, and not the conversation, where nearly every word stands.
        let report = folder.read("report.html");
        let differences = report.split("<li>").skip(1);
        let differences = differences.filter_map(|rest| rest.split("</li>").next());
        let differences: Vec<_> = differences.map(unescaped).collect();
        let mut found = differences.iter();
        let is_found = found.any(|difference| difference.contains(&broken.finds));
        if said.code != Some(1) || !is_found {
            missed.push(format!("{}: {differences:#?}", broken.name));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_example_of_the_guide_passes() {
    let guide = include_str!("../../../../infra/docs/conversation-tests.md");
    let (_, example) = guide.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let folder = Folder::new();
    folder.write("guide.conversation.toml", example);
    let said = folder.test(&["--rehearsal"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn unescaped(html: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(html.to_owned(), |html, (from, to)| html.replace(from, to))
}
