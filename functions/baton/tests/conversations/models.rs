//! Models that are no agents: a judge with several votes, and a simulated customer; and models that pass now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_rehearsal::scripted::{
    Answer, Captured, ScriptedModel, calls, hangs, says, status, stream,
};
use serde_json::{Value, json};

use super::folder::{Folder, Said};

/// Whether the request is one to a judge.
fn is_judge(request: &Captured) -> bool {
    request.offered() == ["vote"]
}

/// Whether the request is one to a simulated customer.
fn is_customer(request: &Captured) -> bool {
    request.body.contains("You play a customer")
}

async fn run(model: &ScriptedModel, conversation: &str, flags: &[&str]) -> Said {
    let folder = Folder::new();
    folder.write("a.conversation.toml", conversation);
    run_in(folder, model, flags, &[]).await
}

async fn run_in(
    folder: impl Into<Arc<Folder>>,
    model: &ScriptedModel,
    flags: &[&str],
    settings: &'static [(&str, &str)],
) -> Said {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let (folder, url) = (folder.into(), model.url());
    let said = tokio::task::spawn_blocking(move || {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let model = [
            ("BATON_MODEL_URL", url.as_str()),
            ("BATON_MODEL", "some-model"),
        ];
        folder.test_with(&flags, &[&model, settings].concat())
    });
    said.await.unwrap()
}

const JUDGED: &str = r#"
[[turn]]
says = "Hello"
[turn.expect]
rubric = ["The answer is polite."]
"#;

async fn judged_by(votes: &'static [fn() -> Answer]) -> (Said, Vec<Value>) {
    let next = AtomicUsize::new(0);
    let model = ScriptedModel::responding(move |request| {
        if !is_judge(request) {
            return says("Good day, this is ACME.");
        }
        let vote = votes.get(next.fetch_add(1, Ordering::SeqCst));
        vote.unwrap()()
    });
    let model = model.await;
    let said = run(&model, JUDGED, &[]).await;
    let requests = model.requests();
    let asked = requests.iter().filter(|request| is_judge(request));
    (said, asked.map(Captured::json).collect())
}

fn yes() -> Answer {
    calls(
        "vote",
        json!({ "met": true, "reason": "It says good day." }),
    )
}

fn no() -> Answer {
    calls(
        "vote",
        json!({ "met": false, "reason": "It is too short." }),
    )
}

fn in_words() -> Answer {
    says("I think it is polite.")
}

fn as_text() -> Answer {
    says(r#"{"met": true, "reason": "It says good day."}"#)
}

#[tokio::test]
async fn most_votes_of_a_judge_decide_and_the_judge_must_answer_in_the_form() {
    let (said, asked) = judged_by(&[yes, no, yes]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.report
            .contains("judges and simulated customers on some-model: 3 calls"),
        "{said:?}"
    );
    assert_eq!(asked.len(), 3);
    // Never the path, nor what stands before an @.
    assert!(
        said.notes
            .contains("model   the deployment's own: some-model at 127.0.0.1:"),
        "{said:?}"
    );
    for request in asked {
        assert_eq!(request["tool_choice"], json!("required"));
        let data = request["messages"][1]["content"].as_str().unwrap();
        assert!(data.contains("The answer is polite."), "{data}");
        assert!(data.contains("agent: Good day, this is ACME."), "{data}");
    }
    let (said, _) = judged_by(&[no, yes, no]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence =
        r#"turn 1: "The answer is polite." is not met, say 2 of 3 votes: It is too short."#;
    assert!(said.report.contains(sentence), "{said:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_vote_does_not_count() {
    let (said, _) = judged_by(&[yes, as_text, in_words]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let (said, _) = judged_by(&[yes, in_words, in_words]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence = r#""The answer is polite." has no majority: of 3 votes 1 say yes and 0 say no: the judge gave no vote, but "I think it is polite.""#;
    assert!(said.report.contains(sentence), "{said:?}");
}

#[test]
fn the_rehearsal_model_neither_judges_nor_plays_a_customer() {
    for (text, sentence) in [
        (
            JUDGED,
            "a.conversation.toml: a rubric needs a language model as its judge, and the rehearsal model is none",
        ),
        (
            SIMULATED,
            "a.conversation.toml: a simulated customer needs a language model, and the rehearsal model is none",
        ),
    ] {
        for flags in [&["--rehearsal"][..], &[]] {
            let folder = Folder::new();
            folder.write("a.conversation.toml", text);
            let said = folder.test(flags);
            assert_eq!(said.code, Some(2), "{said:?}");
            assert!(said.notes.contains(sentence), "{said:?}");
        }
    }
}

const SIMULATED: &str = r#"
[simulated]
persona = "A coyote in a hurry."
goal = "An anvil."
turns = 3
[expect]
contains = ["Which anvil?"]
"#;

#[tokio::test]
async fn a_simulated_customer_writes_until_it_leaves_or_has_written_enough() {
    for (last, messages) in [("Fine.\n[END]", 1), ("Another one.", 3)] {
        let model = ScriptedModel::responding(move |request| {
            if !is_customer(request) {
                return says("Which anvil?");
            }
            assert!(
                request.body.contains("A coyote in a hurry."),
                "{}",
                request.body
            );
            if request.messages().len() > 2 {
                says(last)
            } else {
                says("I want an anvil.")
            }
        });
        let model = model.await;
        let said = run(&model, SIMULATED, &[]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let requests = model.requests();
        let agents: Vec<_> = requests
            .iter()
            .filter(|request| !is_customer(request))
            .collect();
        assert_eq!(agents.len(), messages, "{last}");
        let first = agents.first().unwrap().messages();
        let customer = first.last().unwrap();
        assert!(
            customer.to_string().contains("I want an anvil."),
            "{customer}"
        );
    }
}

/// A team whose action needs the customer's yes.
const PAYS: &str = r#"
name = "Shop"
entry = "Desk"
[[agent]]
name = "Desk"
instructions = "Help."
tools = ["pay_refund"]
[[tool]]
name = "pay_refund"
kind = "action"
description = "Pays a refund."
approval = "customer"
confirm = { title = "Refund of {usd} dollars?" }
[tool.parameters.usd]
type = "integer"
[tool.http]
method = "POST"
url = "https://shop.example/refunds"
"#;

#[tokio::test]
async fn a_simulated_customer_answers_the_open_card() {
    for (answer, effect) in [
        ("Yes, please.", "[[effect]]\ntool = \"pay_refund\"\n"),
        ("No!", ""),
    ] {
        let model = ScriptedModel::responding(move |request| {
            let count = request.messages().len();
            match (is_customer(request), count) {
                (true, 2) => says("I want my money back."),
                (true, 4) => says(answer),
                (true, _) => says("[END]"),
                (false, 2) => calls("pay_refund", json!({ "usd": 20 })),
                (false, _) => says("You have a card now."),
            }
        });
        let model = model.await;
        let text = format!(
            "[simulated]\npersona = \"A coyote.\"\ngoal = \"Money.\"\n[[stub]]\ntool = \"pay_refund\"\nresult = \"paid\"\n{effect}"
        );
        let folder = Folder::new();
        folder.write("team.toml", PAYS);
        folder.write("a.conversation.toml", &text);
        let said = run_in(folder, &model, &["team.toml"], &[]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

/// Both as the customer's third message, with cards that are open: what is no bare answer reaches the agents.
#[tokio::test]
async fn a_simulated_customer_who_says_more_than_yes_or_no_is_heard_by_the_agents() {
    for (cards, said_then) in [
        (1, "Are you sure?"),
        (1, "No, I want 30 dollars."),
        (2, "Yes, please."),
    ] {
        let model = ScriptedModel::responding(move |request| {
            let count = request.messages().len();
            match (is_customer(request), count) {
                (true, 2) => says("I want my money back."),
                (true, 4) => says(said_then),
                (true, _) => says("[END]"),
                (false, 2) if cards == 2 => stream()
                    .calls("pay_refund", r#"{"usd": 20}"#)
                    .calls("pay_refund", r#"{"usd": 40}"#)
                    .finishes("tool_calls"),
                (false, 2) => calls("pay_refund", json!({ "usd": 20 })),
                (false, _) => says("Look at what is open."),
            }
        });
        let model = model.await;
        let folder = Folder::new();
        folder.write("team.toml", PAYS);
        folder.write(
            "a.conversation.toml",
            "[simulated]\npersona = \"A coyote.\"\ngoal = \"Money.\"\n",
        );
        let said = run_in(folder, &model, &["team.toml"], &[]).await;
        assert_eq!(said.code, Some(0), "{said_then} {said:?}");
        let requests = model.requests();
        let mut heard = requests.iter().filter(|request| !is_customer(request));
        assert!(
            heard.any(|request| request.body.contains(said_then)),
            "{said_then}"
        );
    }
}

#[tokio::test]
async fn what_an_agent_says_first_and_a_customer_repeats_is_made_up() {
    for (first, code) in [
        ("Your number is order_7.", 1),
        ("Hello.", 0),
        ("It costs $39.", 1),
    ] {
        let next = AtomicUsize::new(0);
        let model = ScriptedModel::responding(move |_| {
            says(match next.fetch_add(1, Ordering::SeqCst) {
                0 => first,
                _ => "Yes, order_7, for $399.00.",
            })
        });
        let text = r#"
[[turn]]
says = "I paid $399."
[[turn]]
says = "Is it order_7?"
[expect]
from_results = ['order_\d+', '\$[\d.]*\d']
"#;
        let said = run(&model.await, text, &[]).await;
        assert_eq!(said.code, Some(code), "{first} {said:?}");
    }
}

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
        "turn 2 did not end within 4 s",
        r#"pay_refund {&quot;usd&quot;:20} took effect, and no [[effect]] of the file names it"#,
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
