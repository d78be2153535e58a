//! One turn: text, lookups, hand-offs, stops and failures.

use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::history::Item;
use baton_handoff::ports::ModelErrorKind;
use baton_handoff::record::ToolOutcome;
use baton_handoff::{Bound, Overlap, Refusal, Submission};

use crate::model::{calls, fails, says, says_and_waits};
use crate::play::{Play, listen, message, until};

fn is_text(kind: &EventKind) -> bool {
    matches!(kind, EventKind::TextDelta(_))
}

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_and_its_turn_committed() {
    let play = Play::begin();
    play.model.will([says(&["How ", "can I help?"])]);
    let heard = play.say("hello").await;
    assert_eq!(heard.turn, 1);
    assert_eq!(heard.text(), "How can I help?");
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
    assert!(play.model.last_asked().contains(&"hello".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn triage_hands_a_buyer_to_sales() {
    let play = Play::begin();
    play.model.will([
        calls(&[("transfer_to_sales_agent", "{}")]),
        says(&["What do you want to catch?"]),
    ]);
    let heard = play.say("I want to buy a trap").await;
    let is_hand_off = |kind: &EventKind| {
        matches!(kind, EventKind::HandedOff(hand_off)
            if (&*hand_off.from, &*hand_off.to) == ("TriageAgent", "SalesAgent"))
    };
    assert!(heard.has(is_hand_off), "{heard:?}");
    assert_eq!(heard.text(), "What do you want to catch?");
    // The agent stays from turn to turn.
    let next = play.say("a roadrunner").await;
    assert!(
        next.events
            .iter()
            .all(|event| &*event.agent == "SalesAgent")
    );
    assert!(play.model.last_asked()[0].contains("star salesperson"));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_is_answered_inside_its_turn() {
    let play = Play::begin();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model.will([
        calls(&[("look_up_item", r#"{"search_query":"anvil"}"#)]),
        says(&["I found it."]),
    ]);
    let heard = play.say("my anvil broke").await;
    assert_eq!(heard.text(), "I found it.");
    assert!(
        play.model
            .last_asked()
            .contains(&"The item is i-1.".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_makes_no_sense_is_explained_to_the_model() {
    let play = Play::begin();
    play.model
        .will([calls(&[("no_such_tool", "{}")]), says(&["Never mind."])]);
    let heard = play.say("hello").await;
    let is_error = |kind: &EventKind| matches!(kind, EventKind::ToolFinished(finished) if finished.outcome == ToolOutcome::Error);
    assert!(heard.has(is_error), "{heard:?}");
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_turn_keeps_what_was_said() {
    let play = Play::begin();
    let (reply, _never_opened) = says_and_waits("Once upon a time");
    play.model.will([reply]);
    let accepted = play.submit(message("tell me a story")).await.unwrap();
    until(&accepted, is_text).await;
    play.conversation().stop(accepted.turn).await.unwrap();
    assert_eq!(listen(&accepted).await.end(), &EventKind::TurnStopped);
    let items = play.history().await.unwrap().items;
    let kept = items.iter().any(|item| {
        matches!(item, Item::Message { text, partial: true, .. } if text == "Once upon a time")
    });
    assert!(kept, "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn an_interrupting_message_stops_the_turn_that_runs() {
    let play = Play::begin();
    let (reply, _never_opened) = says_and_waits("Once upon a time");
    play.model.will([reply, says(&["A short one."])]);
    let long = play.submit(message("tell me a story")).await.unwrap();
    until(&long, is_text).await;
    let short = Submission {
        overlap: Overlap::Interrupt,
        ..message("a shorter one")
    };
    let short = play.submit(short).await.unwrap();
    assert_eq!(listen(&long).await.end(), &EventKind::TurnStopped);
    let heard = listen(&short).await;
    assert_eq!((heard.turn, &*heard.text()), (2, "A short one."));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_want_to_wait_is_told_which_turn_runs() {
    let play = Play::begin();
    let (reply, _never_opened) = says_and_waits("Once upon a time");
    play.model.will([reply]);
    let running = play.submit(message("tell me a story")).await.unwrap();
    let impatient = Submission {
        overlap: Overlap::Reject,
        ..message("and now?")
    };
    let refused = play.submit(impatient).await.unwrap_err();
    assert_eq!(refused, Refusal::Busy { turn: running.turn });
}

#[tokio::test(start_paused = true)]
async fn messages_wait_in_their_order_and_at_most_eight_of_them() {
    let play = Play::begin();
    let (reply, gate) = says_and_waits("first");
    play.model.will([reply, says(&["second"])]);
    let first = play.submit(message("1")).await.unwrap();
    let mut waiting = Vec::new();
    for number in 2..10 {
        waiting.push(play.submit(message(&number.to_string())).await.unwrap());
    }
    let refused = play.submit(message("10")).await.unwrap_err();
    let Refusal::OverBound(over) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(over.bound, Bound::WaitingConversation);
    gate.open();
    assert_eq!(listen(&first).await.text(), "first");
    assert_eq!(listen(&waiting[0]).await.text(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_fails_its_turn_only() {
    let play = Play::begin();
    play.model
        .will([fails(ModelErrorKind::Unavailable), says(&["Here I am."])]);
    let failed = play.say("hello").await;
    let code = FailureCode::ModelUnavailable;
    assert_eq!(failed.end(), &EventKind::TurnFailed(code));
    assert_eq!(play.say("hello?").await.text(), "Here I am.");
}
