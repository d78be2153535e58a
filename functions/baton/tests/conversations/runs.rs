//! Runs that break off or pass now and then, and what is told of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_rehearsal::scripted::{ScriptedModel, calls, hangs, says, status};
use serde_json::json;

use super::folder::Folder;
use super::models::{PAYS, run, run_in};

#[tokio::test]
async fn a_run_that_breaks_off_shows_its_conversation_and_its_effects() {
    let model = ScriptedModel::responding(|request| match request.messages().len() {
        2 => calls("pay_refund", json!({ "usd": 20 })),
        3 | 4 => says("It is paid."),
        _ => hangs(),
    });
    let model = model.await;
    let folder = Folder::new();
    let team = PAYS.replace(
        "approval = \"customer\"\nconfirm = { title = \"Refund of {usd} dollars?\" }\n",
        "",
    );
    folder.write("team.toml", &team);
    let text = "[[stub]]\ntool = \"pay_refund\"\nresult = \"receipt_7\"\n[[turn]]\nsays = \"Pay!\"\n[[turn]]\nsays = \"And now?\"\n";
    folder.write("a.conversation.toml", text);
    let folder = Arc::new(folder);
    let flags = ["team.toml", "--turn-seconds", "4", "--junit", "r.xml"];
    let said = run_in(folder.clone(), &model, &flags, &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let xml = folder.read("r.xml");
    for part in [
        "tests=\"1\" failures=\"0\" errors=\"1\"",
        "<error message=\"the run could not be carried out: turn 2 did not end within 4 s",
        "pay_refund {&quot;usd&quot;:20} took effect, and no [[effect]] of the file names it",
        "customer: Pay!",
        "agent: It is paid.",
        "customer: And now?",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[tokio::test]
async fn the_log_says_why_a_model_failed_where_it_is_asked_for() {
    let model = ScriptedModel::responding(|_| status(401)).await;
    let text = "[[turn]]\nsays = \"Hello\"\n";
    for (settings, is_told) in [(&[][..], false), (&[("BATON_LOG", "warn")], true)] {
        let folder = Folder::new();
        folder.write("a.conversation.toml", text);
        let said = run_in(folder, &model, &[], settings).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(
            said.report.contains("turn 1: the turn is failed"),
            "{said:?}"
        );
        assert_eq!(said.notes.contains("401"), is_told, "{said:?}");
    }
}

#[tokio::test]
async fn a_turn_that_does_not_end_is_an_error_of_the_run() {
    let model = ScriptedModel::responding(|_| hangs()).await;
    let text = "[[turn]]\nsays = \"Hello\"\n";
    let said = run(&model, text, &["--turn-seconds", "1"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence = "the run could not be carried out: turn 1 did not end within 1 s; --turn-seconds gives it more";
    assert!(said.report.contains(sentence), "{said:?}");
}

#[tokio::test]
async fn a_case_at_its_threshold_has_no_failure_in_the_report_for_ci() {
    for (threshold, code) in [("0.5", 0), ("0.9", 1)] {
        let next = AtomicUsize::new(0);
        let model = ScriptedModel::responding(move |_| {
            let number = next.fetch_add(1, Ordering::SeqCst);
            says(if number % 4 == 3 { "bad" } else { "good" })
        });
        let model = model.await;
        let folder = Arc::new(Folder::new());
        let text = "[[turn]]\nsays = \"Hello\"\n[turn.expect]\ncontains = [\"good\"]\n";
        folder.write("a.conversation.toml", text);
        let flags = [
            "--runs",
            "4",
            "--k",
            "1",
            "--threshold",
            threshold,
            "--junit",
            "r.xml",
        ];
        let said = run_in(folder.clone(), &model, &flags, &[]).await;
        assert_eq!(said.code, Some(code), "{said:?}");
        let xml = folder.read("r.xml");
        assert!(
            xml.contains(&format!("tests=\"4\" failures=\"{code}\" errors=\"0\"")),
            "{xml}"
        );
        assert_eq!(xml.contains("<failure"), code == 1, "{xml}");
        assert_eq!(
            xml.contains("<system-out>turn 1: the agents should say"),
            code == 0,
            "{xml}"
        );
        assert!(xml.contains("agent: bad"), "{xml}");
    }
}

#[tokio::test]
async fn the_threshold_decides_over_pass_to_the_k() {
    const TURN: &str = "[[turn]]\nsays = \"Hello\"\n[turn.expect]\ncontains = [\"good\"]\n";
    // Six of eight runs pass: C(6, 2) / C(8, 2) = 15 / 28.
    for (flags, code, figures) in [
        (
            ["--threshold", "0.75", "--k", "1"],
            0,
            "6 of 8 passed, pass^1 0.75 [0.41, 0.93]",
        ),
        (
            ["--threshold", "0.76", "--k", "1"],
            1,
            "6 of 8 passed, pass^1 0.75 [0.41, 0.93]",
        ),
        (
            ["--threshold", "0.53", "--k", "2"],
            0,
            "6 of 8 passed, pass^2 0.54 [0.17, 0.86]",
        ),
        (
            ["--threshold", "0.55", "--k", "2"],
            1,
            "6 of 8 passed, pass^2 0.54 [0.17, 0.86]",
        ),
    ] {
        let next = AtomicUsize::new(0);
        let model = ScriptedModel::responding(move |_| {
            let number = next.fetch_add(1, Ordering::SeqCst);
            says(if number % 4 == 3 { "bad" } else { "good" })
        });
        let said = run(&model.await, TURN, &[&["--runs", "8"], &flags[..]].concat()).await;
        assert!(said.report.contains(figures), "{said:?}");
        assert_eq!(said.code, Some(code), "{said:?}");
    }
}
