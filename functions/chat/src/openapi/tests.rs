use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::{env, fs};

use baton_handoff::event::{
    ActionFinished, ActionQueued, ClientCalled, ConfirmationAsked, Event, EventKind, HandedOff,
    Position, ToolCalled, ToolFinished, TurnStarted,
};
use baton_handoff::failure::FailureCode;
use baton_handoff::history::{History, Item, Role, ShownCard, Summary};
use baton_handoff::ids::{ActionId, ConversationId, MessageId};
use baton_handoff::ports::Usage;
use baton_handoff::record::{ActionState, Answer, ToolOutcome};
use bytes::BytesMut;
use serde_json::{Value, json};
use utoipa::OpenApi as _;

use super::{Document, operations};
use crate::router;
use crate::stream::{Format, ndjson, sse};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

fn written() -> String {
    Document::openapi().to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_document_that_is_served_is_the_one_that_the_handlers_make() {
    let made = written();
    if env::var_os("UPDATE").is_some() {
        fs::write(FILE, &made).unwrap();
    }
    let kept = fs::read_to_string(FILE).unwrap();
    assert!(
        kept == made,
        "UPDATE=1 writes functions/chat/openapi.json anew. It differs:\n{}",
        difference(&kept, &made)
    );
}

/// The lines that differ, without the equal ones at the start and the end.
fn difference(old: &str, new: &str) -> String {
    let (mut old, mut new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    while old.last().is_some() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new);
    let same = same.count();
    let mut shown = format!("from line {}\n", same + 1);
    for (sign, lines) in [('-', old), ('+', new)] {
        for line in lines.iter().skip(same).take(40) {
            let _ = writeln!(shown, "{sign}{line}");
        }
    }
    shown
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let mut document = Document::openapi();
    let mut described = BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        let methods = methods.into_iter().filter(|(_, is_there)| *is_there);
        described.extend(methods.map(|(method, _)| (method.to_owned(), path.clone())));
        assert!(operations(item).all(|operation| operation.summary.is_some()));
    }
    let routes = router::routes().into_iter().map(|(method, path, _)| {
        // In the document a parameter for the rest of a path has no other name.
        (method.to_string(), path.replace("{*", "{"))
    });
    assert_eq!(described, routes.collect());
}

#[test]
fn every_request_body_is_an_object() {
    let document: Value = serde_json::from_str(&written()).unwrap();
    let mut bodies = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let body = &item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let Some(schema) = body.as_str() else {
            assert_eq!(item["post"].get("requestBody"), None, "{path}");
            continue;
        };
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        assert_eq!(schema["type"], "object", "{path}: {schema}");
        bodies += 1;
    }
    assert!(bodies >= 4, "{bodies}");
}

/// Checks that the value matches the schema and has no field outside of it.
fn assert_fits(value: &Value, schema: &str) {
    let document: Value = serde_json::from_str(&written()).unwrap();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{schema}"),
        "unevaluatedProperties": false,
        "components": document["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(value);
    let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{value}: {errors:?}");
}

fn conversation() -> ConversationId {
    ConversationId::parse("c1").unwrap()
}

fn action() -> ActionId {
    ActionId::parse("c1.1.0a").unwrap()
}

fn all_kinds() -> Vec<EventKind> {
    let started = |message_id| {
        EventKind::TurnStarted(Box::new(TurnStarted {
            message: "hello".into(),
            message_id,
            accepted_at: 0,
        }))
    };
    let called = |arguments: Option<&str>| {
        EventKind::ToolCalled(Box::new(ToolCalled {
            call: "call_1".into(),
            name: "look_up_item".into(),
            arguments: arguments.map(str::to_owned),
        }))
    };
    let looked_up = |result: Option<&str>| {
        EventKind::ToolFinished(Box::new(ToolFinished {
            call: "call_1".into(),
            name: "look_up_item".into(),
            outcome: ToolOutcome::Ok,
            result: result.map(str::to_owned),
            milliseconds: 7,
        }))
    };
    let finished = |result: Option<&str>| {
        EventKind::ActionFinished(Box::new(ActionFinished {
            action: action(),
            name: "execute_refund".into(),
            state: ActionState::Done,
            result: result.map(str::to_owned),
        }))
    };
    vec![
        started(None),
        started(Some(MessageId::parse("m1").unwrap())),
        EventKind::TextDelta("Hello.".into()),
        called(None),
        called(Some("{}")),
        looked_up(None),
        looked_up(Some("found")),
        EventKind::ActionQueued(Box::new(ActionQueued {
            action: action(),
            call: "call_1".into(),
            name: "execute_refund".into(),
            state: ActionState::Proposed,
        })),
        EventKind::ConfirmationAsked(Box::new(ConfirmationAsked {
            action: action(),
            name: "execute_refund".into(),
            title: "Refund of $749.00?".into(),
            shown: r#"{"item_id":"i-1"}"#.into(),
            arguments_hash: "00".into(),
            expires_at: 1,
        })),
        EventKind::ClientCalled(Box::new(ClientCalled {
            call: "call_1".into(),
            name: "open_door".into(),
            arguments: "{}".into(),
        })),
        finished(None),
        finished(Some("refunded")),
        EventKind::HandedOff(Box::new(HandedOff {
            from: "TriageAgent".into(),
            to: "SalesAgent".into(),
        })),
        EventKind::Usage(Box::new(Usage {
            prompt_tokens: 3,
            completion_tokens: 4,
            ..Usage::default()
        })),
        EventKind::Reset { step: 2 },
        EventKind::TurnCompleted,
        EventKind::TurnFailed(FailureCode::ModelCut),
        EventKind::TurnStopped,
        EventKind::TurnContinues,
    ]
}

fn encoded(format: &Format, agent: &str) -> String {
    let mut out = BytesMut::new();
    let mut encoder = (format.encoder)(&conversation());
    for kind in all_kinds() {
        let position = Position {
            turn: 1,
            step: 2,
            fence: 3,
            offset: 4,
        };
        let agent = agent.into();
        let event = Event {
            position,
            agent,
            kind,
        };
        encoder.event(&mut out, &event);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn every_line_that_is_encoded_is_described() {
    let lines = encoded(&ndjson::FORMAT, "");
    let mut kinds = BTreeSet::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_fits(&line, "Line");
        assert_fits(&line["content"], "Line/properties/content");
        kinds.insert(line["content"]["type"].as_str().unwrap().to_owned());
    }
    let known = [
        "client_call",
        "confirm",
        "done",
        "error",
        "function",
        "reset",
        "string",
    ];
    assert!(kinds.iter().eq(known), "{kinds:?}");
}

#[test]
fn every_server_sent_event_that_is_encoded_is_described() {
    for agent in ["", "TriageAgent"] {
        let events = encoded(&sse::FORMAT, agent);
        assert_eq!(events.matches("\n\n").count(), all_kinds().len());
        for event in events.split_terminator("\n\n") {
            let (_, event) = event.split_once("\nevent: ").unwrap();
            let (name, data) = event.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_fits(&data, &format!("Events/properties/{name}"));
        }
    }
}

#[test]
fn every_item_of_a_history_is_described() {
    let message = |agent: Option<&str>| Item::Message {
        turn: 1,
        role: agent.map_or(Role::Customer, |_| Role::Agent),
        agent: agent.map(str::to_owned),
        text: "hello".into(),
        partial: agent.is_some(),
        at: agent.is_none().then_some(1),
    };
    let call = |outcome: Option<ToolOutcome>| Item::ToolCall {
        turn: 1,
        agent: "TriageAgent".into(),
        call: "call_1".into(),
        name: "look_up_item".into(),
        client: outcome.is_none(),
        arguments: outcome.map(|_| "{}".into()),
        outcome,
        result: outcome.map(|_| "found".into()),
        milliseconds: outcome.map(|_| 7),
    };
    let turn = |code: Option<FailureCode>| Item::Turn {
        turn: 2,
        status: if code.is_some() { "failed" } else { "running" },
        code,
        message: code.map(FailureCode::sentence),
        retryable: code.map(FailureCode::retryable),
        message_id: code.map(|_| MessageId::parse("m1").unwrap()),
        replaces: code.map(|_| 1),
        replaced: code.is_some(),
        usage: Usage::default(),
        milliseconds: code.map(|_| 7),
    };
    let hand_off = Item::HandOff {
        turn: 1,
        from: "TriageAgent".into(),
        to: "SalesAgent".into(),
    };
    let action_item = |call: Option<&str>| Item::Action {
        turn: 1,
        action: action(),
        call: call.map(str::to_owned),
        name: "execute_refund".into(),
        arguments: call.map(|_| "{}".into()),
        state: ActionState::Queued,
        result: call.map(|_| "refunded".into()),
        confirmation: call.map(|_| ShownCard {
            title: "Refund of $749.00?".into(),
            fields: json!({ "item_id": "i-1" }),
            arguments_hash: "00".into(),
            expires_at: 1,
            answer: Some(Answer::Yes),
        }),
    };
    let items = vec![
        message(None),
        message(Some("TriageAgent")),
        call(None),
        call(Some(ToolOutcome::HandedOff)),
        hand_off,
        action_item(None),
        action_item(Some("call_1")),
        turn(None),
        turn(Some(FailureCode::StepLimit)),
    ];
    for item in &items {
        assert_fits(&json!(item), "Item");
    }
    let summary = Summary {
        id: conversation(),
        title: "hello".into(),
        agent: "TriageAgent".into(),
        turns: 1,
        created_at: 1,
        last_activity: 2,
        running: None,
    };
    assert_fits(&json!(summary), "Summary");
    let history = History {
        summary,
        items,
        before: Some(1),
    };
    assert_fits(&json!(history), "History");
}
