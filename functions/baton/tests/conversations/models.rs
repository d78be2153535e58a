//! Models that are no agents: a judge with several votes, and a simulated customer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_rehearsal::scripted::{Answer, Captured, ScriptedModel, calls, says, status, stream};
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

pub(super) async fn run(model: &ScriptedModel, conversation: &str, flags: &[&str]) -> Said {
    let folder = Folder::new();
    folder.write("a.conversation.toml", conversation);
    run_in(folder, model, flags, &[]).await
}

pub(super) async fn run_in(
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
async fn a_judge_of_a_turn_reads_what_came_before_and_is_told_of_what_it_does_not_read() {
    let long = "A long tale. ".repeat(3_000);
    for (reply, is_whole) in [("Good day.", true), (long.as_str(), false)] {
        let reply = reply.to_owned();
        let model = ScriptedModel::responding(move |request| {
            if is_judge(request) {
                yes()
            } else {
                says(&reply)
            }
        });
        let model = model.await;
        let turn = "[[turn]]\nsays = \"One\"\n";
        let text = format!(
            "{}[turn.expect]\nrubric = [\"It is polite.\"]\n",
            turn.repeat(6).replacen("One", "Zero", 1)
        );
        let folder = Arc::new(Folder::new());
        folder.write("a.conversation.toml", &text);
        let said = run_in(folder.clone(), &model, &["--html", "r.html"], &[]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.notes
                .contains("model   judge: some-model, asked 3 times at most"),
            "{said:?}"
        );
        let requests = model.requests();
        let asked = requests
            .iter()
            .find(|request| is_judge(request))
            .unwrap()
            .json();
        let data = asked["messages"][1]["content"].as_str().unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["conversation"][0], "customer: One");
        assert_eq!(
            data["earlier"]
                .as_array()
                .unwrap()
                .contains(&json!("customer: Zero")),
            is_whole
        );
        assert_eq!(
            data.get("earlier_lines_left_out").is_none(),
            is_whole,
            "{data}"
        );
        assert_eq!(
            folder
                .read("r.html")
                .contains("judge: did not read the first"),
            !is_whole
        );
    }
}

fn is_down() -> Answer {
    status(400)
}

#[tokio::test]
async fn a_judges_call_that_fails_is_counted() {
    let (said, _) = judged_by(&[yes, is_down, yes]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let calls = "judges and simulated customers on some-model: 3 calls";
    assert!(said.report.contains(calls), "{said:?}");
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
pub(super) const PAYS: &str = r#"
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
