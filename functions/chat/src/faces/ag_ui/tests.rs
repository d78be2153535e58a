//! The events of runs that no test of the whole service brings about at will.

use std::sync::Arc;

use baton_handoff::event::{ClientCalled, ConfirmationAsked, Event, EventKind, ToolCalled};
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::team::Team;
use bytes::BytesMut;
use serde_json::{Value, json};

use super::encoder::Runs;
use super::names::Held;
use crate::stream::Encoder as _;

/// What a client is written of these events.
fn written(events: &[(u32, EventKind)]) -> Vec<Value> {
    let conversation = ConversationId::parse("c").unwrap();
    let runs = Runs {
        thread: conversation.clone(),
        run: "r".into(),
        team: Arc::new(Team::acme()),
        held: Held::default(),
    };
    let (mut encoder, opening) = runs.of(&conversation);
    let mut out = BytesMut::from(&*opening);
    for (step, kind) in events {
        let event = Event {
            position: format!("3.{step}.1.9").parse().unwrap(),
            agent: "TriageAgent".into(),
            kind: kind.clone(),
        };
        encoder.event(&mut out, &event);
    }
    let out = String::from_utf8(out.to_vec()).unwrap();
    let blocks = out.split_terminator("\n\n");
    let blocks = blocks.map(|block| block.strip_prefix("data: ").unwrap());
    blocks
        .map(|block| serde_json::from_str(block).unwrap())
        .collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["type"].as_str().unwrap());
    // The same of every run.
    kinds.skip(3).collect()
}

fn text(text: &str) -> EventKind {
    EventKind::TextDelta(text.to_owned())
}

#[test]
fn text_that_is_taken_back_loses_its_place_and_comes_again_under_another_id() {
    let events = written(&[
        (1, text("Half")),
        (1, EventKind::Reset { step: 1 }),
        (1, text("Whole")),
        (1, EventKind::TurnCompleted),
    ]);
    assert_eq!(
        kinds(&events),
        [
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "ACTIVITY_SNAPSHOT",
            "CUSTOM",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "STEP_FINISHED",
            "RUN_FINISHED",
        ]
    );
    let id = &events[3]["messageId"];
    assert_eq!(
        (&events[6]["messageId"], &events[7]["value"]["messageId"]),
        (id, id)
    );
    assert_ne!(&events[8]["messageId"], id);
    // A step of which nothing was shown has nothing to take back.
    let events = written(&[
        (2, EventKind::Reset { step: 2 }),
        (2, EventKind::TurnCompleted),
    ]);
    assert_eq!(kinds(&events), ["STEP_FINISHED", "RUN_FINISHED"]);
}

#[test]
fn a_call_of_the_client_is_left_to_it_under_its_own_id() {
    let called = ToolCalled {
        call: "call_1".to_owned(),
        name: "open_map".to_owned(),
        arguments: None,
    };
    let client = ClientCalled {
        call: "call_1".to_owned(),
        name: "open_map".to_owned(),
        arguments: r#"{"at":"Sofia"}"#.to_owned(),
    };
    let events = written(&[
        (1, EventKind::ToolCalled(Box::new(called))),
        (1, EventKind::ClientCalled(Box::new(client))),
        (1, EventKind::TurnCompleted),
    ]);
    assert_eq!(
        kinds(&events),
        [
            "TOOL_CALL_START",
            "TOOL_CALL_ARGS",
            "TOOL_CALL_END",
            "STEP_FINISHED",
            "RUN_FINISHED"
        ]
    );
    assert_eq!(events[3]["toolCallId"], "call_1");
    assert_eq!(events[4]["delta"], r#"{"at":"Sofia"}"#);
    let outcome = json!({ "type": "success", "pendingToolCallIds": ["call_1"] });
    assert_eq!(events.last().unwrap()["outcome"], outcome);
}

#[test]
fn a_newer_card_of_a_tool_is_asked_instead_of_the_last_one() {
    let asked = |action: &str, tool: &str| {
        EventKind::ConfirmationAsked(Box::new(ConfirmationAsked {
            action: ActionId::parse(action).unwrap(),
            name: tool.to_owned(),
            title: "Really?".to_owned(),
            shown: "{}".to_owned(),
            arguments_hash: "ff".to_owned(),
            expires_at: 0,
        }))
    };
    let events = written(&[
        (1, asked("c.3.01", "refund")),
        (1, asked("c.3.02", "order")),
        (2, asked("c.3.03", "refund")),
        (2, EventKind::TurnCompleted),
    ]);
    let interrupts = &events.last().unwrap()["outcome"]["interrupts"];
    let ids: Vec<_> = interrupts
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, ["c.3.02.ff", "c.3.03.ff"]);
}

#[test]
fn a_stream_that_ends_before_its_run_closes_what_is_open_and_says_so() {
    let events = written(&[(1, text("Half")), (1, EventKind::TurnContinues)]);
    assert_eq!(
        kinds(&events),
        [
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "STEP_FINISHED",
            "RUN_ERROR"
        ]
    );
    assert_eq!(events.last().unwrap()["code"], "turn_continues");
}
