//! No conversation can be made unusable. `plain.rs` asks this of every storm; here is what storms seldom bring.

use baton_handoff::record::{ActionState, keys};

use super::stage::{Stage, conversation};
use crate::script::Reply;
use crate::world::lock;

/// As much of it as a response may hold; JSON makes it two or six times as long.
const QUOTES: &str = "\"";
const CONTROL: &str = "\u{1}";

/// The arguments of an order whose product is this text.
fn order(product: &str) -> (String, String) {
    let product = serde_json::Value::from(product);
    let arguments = format!(r#"{{"product":{product},"price":1}}"#);
    ("execute_order".to_owned(), arguments)
}

fn look_up() -> (String, String) {
    let arguments = r#"{"search_query":"anvil"}"#;
    ("look_up_item".to_owned(), arguments.to_owned())
}

/// The model says this, the tools say that, and then somebody writes a plain message.
fn is_usable_after(replies: Vec<Reply>, result: Option<String>) {
    let stage = Stage::set();
    stage.script().result = result;
    let _maybe_refused = stage.submit(1, replies);
    for id in stage.all(ActionState::Queued) {
        stage.work(1, &id);
    }
    stage.look_after();
    stage.ask_plainly();
}

#[test]
fn an_answer_that_grows_by_being_stored_ends_its_turn_only() {
    for (text, breaks) in [
        (QUOTES.repeat(128 * 1024), false),
        (CONTROL.repeat(128 * 1024), false),
        (CONTROL.repeat(128 * 1024), true),
    ] {
        let calls = Vec::new();
        is_usable_after(
            vec![Reply {
                text,
                calls,
                breaks,
            }],
            None,
        );
    }
}

#[test]
fn calls_that_grow_by_being_stored_end_their_turn_only() {
    let text = QUOTES.repeat(128 * 1024);
    for (piece, count) in [
        (QUOTES.repeat(15_000), 4),
        (CONTROL.repeat(5_000), 4),
        ("x".repeat(30_000), 4),
    ] {
        let calls: Vec<_> = (0..count).map(|n| order(&format!("{n}{piece}"))).collect();
        is_usable_after(
            vec![Reply {
                text: text.clone(),
                calls,
                breaks: false,
            }],
            None,
        );
    }
}

#[test]
fn results_that_grow_by_being_stored_end_their_turn_at_most() {
    for result in [CONTROL.repeat(64 * 1024), QUOTES.repeat(256 * 1024)] {
        for calls in [vec![look_up(); 16], vec![order("anvil"), look_up()]] {
            let asks = Reply {
                calls,
                ..Reply::default()
            };
            let breaks = Reply {
                text: CONTROL.repeat(60 * 1024),
                breaks: true,
                ..Reply::default()
            };
            is_usable_after(vec![asks.clone()], Some(result.clone()));
            is_usable_after(vec![asks, breaks], Some(result.clone()));
        }
    }
}

#[test]
fn any_number_of_proposals_leaves_a_conversation_usable_and_bounded() {
    let stage = Stage::set();
    for turn in 0..8 {
        let propose = |step: usize| {
            let calls = (0..16).map(|call| {
                let account = format!(r#"{{"account":"{turn}-{step}-{call}"}}"#);
                ("close_account".to_owned(), account)
            });
            Reply {
                calls: calls.collect(),
                ..Reply::default()
            }
        };
        let hand_over = if turn == 0 {
            vec![Reply::calls(&[("to_desk", "{}")])]
        } else {
            Vec::new()
        };
        let replies = hand_over.into_iter().chain((0..4).map(propose));
        stage
            .submit(1, replies.collect())
            .expect("the message is taken");
        stage.look_after();
    }
    let largest = {
        let records = lock(&stage.town.records);
        records.now[&keys::meta(&conversation())].record.body.len()
    };
    assert!(largest < 32 * 1024, "META has {largest} bytes");
    stage.ask_plainly();
}

#[test]
fn a_conversation_whose_agent_is_gone_is_usable() {
    let stage = Stage::set();
    stage.say(&[&[("to_desk", "{}")], &[("book_van", r#"{"van":"v1"}"#)]]);
    stage.town.change_team();
    for process in [1, 2] {
        stage.town.crash(process);
        let _idle = stage.town.start_idle(process);
    }
    for id in stage.all(ActionState::Queued) {
        stage.work(1, &id);
        assert_eq!(stage.state(&id), ActionState::Unknown);
    }
    stage.look_after();
    stage.ask_plainly();
}

#[test]
fn a_conversation_with_an_unreadable_step_in_its_past_is_usable() {
    let stage = Stage::set();
    stage.say(&[&[("look_up_item", r#"{"search_query":"anvil"}"#)]]);
    {
        let mut records = lock(&stage.town.records);
        let step = records.now.get_mut(&keys::step(&conversation(), 1, 1));
        step.expect("it is recorded").record.body.truncate(1);
    }
    // No process remembers what it was.
    for process in [1, 2] {
        stage.town.crash(process);
        let _idle = stage.town.start_idle(process);
    }
    stage.ask_plainly();
}
