use baton_handoff::event::{
    ActionQueued, ClientCalled, ConfirmationAsked, HandedOff, ToolCalled, ToolFinished, TurnStarted,
};
use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::record::{ActionState, ToolOutcome};

use super::*;
use crate::faces::responses::ids::ResponseId;

fn about() -> About {
    About {
        id: ResponseId {
            conversation: ConversationId::parse("c").unwrap(),
            turn: 1,
        },
        created_at: 7,
        previous: None,
        background: false,
    }
}

fn at(position: &str, kind: EventKind) -> Event {
    Event {
        position: position.parse().unwrap(),
        agent: "".into(),
        kind,
    }
}

fn started(fence: u64) -> Event {
    let started = TurnStarted {
        message: "hello".into(),
        message_id: None,
        accepted_at: 9000,
    };
    at(
        &format!("1.0.{fence}.1"),
        EventKind::TurnStarted(Box::new(started)),
    )
}

fn text(position: &str, text: &str) -> Event {
    at(position, EventKind::TextDelta(text.to_owned()))
}

fn called(position: &str, call: &str, name: &str) -> Event {
    let called = ToolCalled {
        call: call.into(),
        name: name.into(),
        arguments: None,
    };
    at(position, EventKind::ToolCalled(Box::new(called)))
}

/// What a client is sent, of a turn that it knows up to an event.
fn sent(events: &[Event], after: Option<u64>) -> Vec<Value> {
    let mut encoder = Events::new(about(), after);
    let mut out = BytesMut::new();
    encoder.open(&mut out);
    for event in events {
        encoder.event(&mut out, event);
    }
    let text = std::str::from_utf8(&out).unwrap();
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    let events: Vec<_> = events.collect();
    let numbers: Vec<_> = events.iter().map(number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    joined(events)
}

/// The same however its text was cut.
fn joined(events: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for event in events {
        match all.last_mut() {
            Some(last) if is_delta(last) && is_delta(&event) => {
                let whole = [&last["delta"], &event["delta"]].map(|text| text.as_str().unwrap());
                let whole = whole.concat();
                *last = event;
                last["delta"] = whole.into();
            }
            _ => all.push(event),
        }
    }
    all
}

fn is_delta(event: &Value) -> bool {
    event["type"] == "response.output_text.delta"
}

fn number(event: &Value) -> u64 {
    event["sequence_number"].as_u64().unwrap()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types
        .map(|name| name.strip_prefix("response.").unwrap_or(name))
        .collect()
}

/// What a client has of the messages when the response is over.
fn said(events: &[Value]) -> Vec<String> {
    let output = events.last().unwrap()["response"]["output"].clone();
    let output = output.as_array().unwrap().iter();
    let messages = output.filter(|item| item["type"] == "message");
    messages
        .map(|item| item["content"][0]["text"].as_str().unwrap().to_owned())
        .collect()
}

/// A turn with everything in it.
fn turn() -> Vec<Event> {
    let action = ActionId::parse("c.1.0a").unwrap();
    let hand_off = HandedOff {
        from: "TriageAgent".into(),
        to: "SalesAgent".into(),
    };
    let finished = |call: &str, outcome, result: &str| {
        EventKind::ToolFinished(Box::new(ToolFinished {
            call: call.into(),
            name: "look_up".into(),
            outcome,
            result: Some(result.into()),
            milliseconds: 5,
        }))
    };
    vec![
        started(3),
        text("1.1.3.4", "مر"),
        text("1.1.3.9", " 👋"),
        called("1.1.3.10", "a", "transfer_to_sales_agent"),
        called("1.1.3.11", "b", "look_up"),
        called("1.1.3.12", "d", "look_up"),
        at("1.1.3.13", finished("b", ToolOutcome::Ok, "found")),
        at("1.1.3.14", EventKind::HandedOff(Box::new(hand_off))),
        at("1.1.3.15", finished("d", ToolOutcome::Error, "no")),
        called("1.2.3.1", "e", "refund"),
        at(
            "1.2.3.2",
            EventKind::ActionQueued(Box::new(ActionQueued {
                action: action.clone(),
                call: "e".into(),
                name: "refund".into(),
                state: ActionState::Proposed,
            })),
        ),
        at(
            "1.2.3.3",
            EventKind::ConfirmationAsked(Box::new(ConfirmationAsked {
                action,
                name: "refund".into(),
                title: "Refund of $749.00?".into(),
                shown: r#"{"item":"1"}"#.into(),
                arguments_hash: "ff".into(),
                expires_at: 1,
            })),
        ),
        at("1.2.3.4", finished("e", ToolOutcome::Pending, "asked")),
        text("1.3.3.5", "Done?"),
        at(
            "1.3.3.6",
            EventKind::ClientCalled(Box::new(ClientCalled {
                call: "f".into(),
                name: "open".into(),
                arguments: r#"{"door":1}"#.into(),
            })),
        ),
        at(
            "1.3.3.7",
            EventKind::Usage(Box::new(Usage {
                prompt_tokens: 5,
                completion_tokens: 2,
                ..Usage::default()
            })),
        ),
        at("1.3.3.8", EventKind::TurnCompleted),
    ]
}

/// The same turn, its adjacent texts as one, as from the journal.
fn of_journal(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        if let (
            Some(Event {
                kind: EventKind::TextDelta(before),
                position,
                ..
            }),
            EventKind::TextDelta(text),
        ) = (all.last_mut(), &event.kind)
        {
            before.push_str(text);
            *position = event.position;
        } else {
            all.push(event);
        }
    }
    all
}

#[test]
fn every_item_is_begun_told_and_done_in_the_order_of_the_protocol() {
    let sent = sent(&turn(), None);
    let message = [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ];
    let call = [
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
    ];
    let of_client = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ];
    let mut expected = vec!["created", "in_progress"];
    expected.extend(message);
    expected.extend(call.iter().chain(&call).chain(&call));
    for end in ["completed", "completed", "failed"] {
        expected.extend([&format!("mcp_call.{end}").leak()[..], "output_item.done"]);
    }
    expected.extend(call);
    expected.extend(message);
    expected.extend(["output_item.added", "output_item.done"]);
    expected.extend(["mcp_call.completed", "output_item.done"]);
    expected.extend(message);
    expected.extend(of_client);
    expected.push("completed");
    assert_eq!(types(&sent), expected);
    let response = &sent.last().unwrap()["response"];
    assert_eq!(response["created_at"], 9);
    assert_eq!(response["usage"]["total_tokens"], 7);
    let output = response["output"].as_array().unwrap();
    let kinds: Vec<_> = output
        .iter()
        .map(|item| (item["type"].as_str().unwrap(), item["id"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("message", "msg_1_0"),
            ("mcp_call", "mcp_1_1"),
            ("mcp_call", "mcp_1_2"),
            ("mcp_call", "mcp_1_3"),
            ("mcp_call", "mcp_1_4"),
            ("message", "msg_1_ask_0a"),
            ("mcp_approval_request", "mcpr_1_0a_ff"),
            ("message", "msg_1_5"),
            ("function_call", "fc_1_6"),
        ]
    );
    assert_eq!(output[1]["output"], r#"{"assistant":"SalesAgent"}"#);
    assert_eq!(output[2]["output"], "found");
    assert_eq!(output[3]["error"]["content"][0]["text"], "no");
    for (place, event) in sent.iter().enumerate() {
        if event["type"] == "response.output_item.done" {
            let index = usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
            assert_eq!(event["item"], output[index], "{place}");
        }
    }
}

#[test]
fn a_stream_that_was_cut_goes_on_behind_any_event() {
    let whole = sent(&turn(), None);
    let mut encoder = Events::new(about(), None);
    let mut out = BytesMut::new();
    for event in &turn() {
        encoder.event(&mut out, event);
    }
    for (place, event) in whole.iter().enumerate() {
        for again in [turn(), of_journal(turn())] {
            assert_eq!(
                sent(&again, Some(number(event))),
                whole[place + 1..],
                "{event}"
            );
        }
    }
}

#[test]
fn a_stream_that_was_cut_within_a_text_goes_on_with_the_next_letter() {
    let whole = sent(&turn()[..2], None);
    let rest = sent(&of_journal(turn()), Some(number(whole.last().unwrap())));
    assert_eq!(rest[0]["delta"], " 👋");
    assert_eq!(rest[1]["text"], "مر 👋");
}

fn taken_back() -> Vec<Event> {
    vec![
        started(9),
        text("1.1.9.4", "One."),
        called("1.1.9.5", "a", "look_up"),
        at(
            "1.1.9.6",
            EventKind::ToolFinished(Box::new(ToolFinished {
                call: "a".into(),
                name: "look_up".into(),
                outcome: ToolOutcome::Ok,
                result: None,
                milliseconds: 5,
            })),
        ),
        text("1.2.9.20", "This is taken back. "),
        at("1.2.10.0", EventKind::Reset { step: 2 }),
        text("1.2.10.3", "Two"),
        text("1.2.10.4", "."),
        at("1.2.10.5", EventKind::TurnCompleted),
    ]
}

#[test]
fn what_is_taken_back_is_an_item_that_stays_incomplete_and_out_of_the_output() {
    let sent = sent(&taken_back(), None);
    let done = sent
        .iter()
        .filter(|event| event["type"] == "response.output_item.done");
    let done: Vec<_> = done
        .map(|event| {
            (
                event["output_index"].as_u64().unwrap(),
                event["item"]["id"].as_str().unwrap(),
                event["item"]["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        done,
        [
            (0, "msg_1_0", "completed"),
            (1, "mcp_1_1", "completed"),
            (2, "msg_1_2", "incomplete"),
            (3, "msg_1_2_r1", "completed"),
        ]
    );
    assert_eq!(said(&sent), ["One.", "Two."]);
}

#[test]
fn a_call_without_a_result_keeps_its_place_when_later_text_is_taken_back() {
    let sent = sent(
        &[
            started(9),
            called("1.1.9.2", "a", "look_up"),
            text("1.2.9.20", "This is taken back. "),
            at("1.2.10.0", EventKind::Reset { step: 2 }),
            text("1.2.10.3", "Two"),
            at("1.2.10.4", EventKind::TurnFailed(FailureCode::ModelCut)),
        ],
        None,
    );
    let of_call = |kind: &str| {
        let mut events = sent.iter().filter(|event| event["item"]["id"] == "mcp_1_0");
        let event = events.find(|event| event["type"] == kind).unwrap();
        event["output_index"].as_u64().unwrap()
    };
    assert_eq!(
        of_call("response.output_item.added"),
        of_call("response.output_item.done")
    );
}

#[test]
fn a_client_that_was_cut_before_or_behind_what_is_taken_back_gets_the_rest_on_every_instance() {
    let mut journal = of_journal(taken_back());
    journal.drain(4..=5);
    let whole = sent(&taken_back(), None);
    let is_of_old =
        |event: &Value| event["item_id"] == "msg_1_2" || event["item"]["id"] == "msg_1_2";
    let first_of_old = whole.iter().position(is_of_old).unwrap();
    for (place, event) in whole.iter().enumerate() {
        let rest = &whole[place + 1..];
        assert_eq!(sent(&taken_back(), Some(number(event))), rest, "{event}");
        let again = sent(&journal, Some(number(event)));
        if place < first_of_old {
            assert_eq!(said(&again), ["One.", "Two."]);
            continue;
        }
        // The old text is taken back with the same events, though nobody knows it any more.
        let from = rest
            .iter()
            .position(|event| number(event) >> 30 == 1)
            .unwrap_or(rest.len());
        let shape = |events: &[Value]| {
            let shape = events
                .iter()
                .map(|event| (number(event), event["output_index"].clone()));
            shape.collect::<Vec<_>>()
        };
        assert_eq!(shape(&again), shape(&rest[from..]), "{event}");
        assert_eq!(types(&again), types(&rest[from..]), "{event}");
        if !again.is_empty() {
            assert_eq!(said(&again), ["One.", "Two."]);
        }
    }
}

#[test]
fn a_number_that_is_none_gets_the_end_at_least() {
    for number in [1, 2, 77, 5_000_003, 1 << 40, (1 << 53) - 1] {
        let sent = sent(&turn(), Some(number));
        assert!(
            number > 1000 || types(&sent).last() == Some(&"completed"),
            "{number}: {sent:?}"
        );
    }
}

#[test]
fn each_end_of_a_turn_is_one_of_a_response() {
    for (kind, name, status) in [
        (EventKind::TurnCompleted, "response.completed", "completed"),
        (EventKind::TurnStopped, "response.incomplete", "cancelled"),
        (
            EventKind::TurnFailed(FailureCode::ModelCut),
            "response.failed",
            "failed",
        ),
        (
            EventKind::TurnFailed(FailureCode::AnswerTooLong),
            "response.incomplete",
            "incomplete",
        ),
    ] {
        let sent = sent(
            &[started(1), text("1.1.1.2", "He"), at("1.1.1.3", kind)],
            None,
        );
        let last = sent.last().unwrap();
        assert_eq!(last["type"], name);
        assert_eq!(last["response"]["status"], status);
        assert_eq!(said(&sent), ["He"]);
    }
}

#[test]
fn a_stream_that_ends_before_its_turn_ends_with_an_error() {
    let mut encoder = Events::new(about(), None);
    let mut out = BytesMut::new();
    encoder.open(&mut out);
    encoder.event(&mut out, &text("1.1.1.2", "He"));
    encoder.event(&mut out, &at("1.1.1.2", EventKind::TurnContinues));
    let text = std::str::from_utf8(&out).unwrap();
    let last = text.split_terminator("\n\n").last().unwrap();
    let data = last.strip_prefix("event: error\ndata: ").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["error"]["code"], "turn_continues");
    // It counts as nothing: the client goes on behind the text.
    let number = data["sequence_number"].as_u64().unwrap();
    assert_eq!(Place::of(number).offset, 2);
}
