//! Which results are taken, and what closes a call without one.

use std::time::Duration;

use baton_handoff::event::EventKind;
use baton_handoff::history::Item;
use baton_handoff::ids::MessageId;
use baton_handoff::ports::{Message, ModelErrorKind};
use baton_handoff::record::{ActionState, ToolOutcome};
use baton_handoff::{
    Client, ClientResult, Kind, Principal, Refusal, Subject, Submission, Tenant, View,
};

use super::{
    DOOR, ITEM, NOT_ANSWERED, answer, answering, called, last_request, names, offering, result,
    results_in, sent, user, wait_for_client, waiting,
};
use crate::model::{calls, fails, says, says_and_waits};
use crate::play::{Play, a_minute_passes, listen, message, until};

const ORDER: (&str, &str) = ("execute_order", r#"{"product":"anvil","price":30}"#);

#[tokio::test(start_paused = true)]
async fn a_turn_ends_for_its_client_and_the_next_begins_with_the_result() {
    let play = Play::begin();
    let heard = wait_for_client(&play).await;
    let [call] = &called(&heard)[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((&*call.name, &*call.arguments), DOOR);
    assert!(!heard.has(|kind| matches!(kind, EventKind::ToolCalled(_))));
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
    assert_eq!(waiting(&play).unwrap().turn, heard.turn);
    // Who comes later hears the same.
    let replayed = play.another().hear(heard.turn, None).await;
    assert_eq!(replayed.events, heard.events);

    play.model.will([says(&["It is open."])]);
    let next = answer(&play, &[(&call.call, "the door is open\u{202e}")]).await;
    assert_eq!((next.turn, &*next.text()), (2, "It is open."));
    assert_eq!(waiting(&play), None);
    let messages = last_request(&play);
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0], user("let me in"));
    assert_eq!(
        results_in(&messages),
        [(call.call.clone(), "the door is open".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn the_servers_calls_of_a_response_run_before_the_client_is_asked() {
    let play = Play::begin();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model.will([calls(&[DOOR, ITEM])]);
    let accepted = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    let heard = listen(&accepted).await;
    let kinds = heard.events.iter().map(|event| {
        if let EventKind::ToolCalled(call) = &event.kind {
            &*call.name
        } else if let EventKind::ToolFinished(_) = event.kind {
            "finished"
        } else if let EventKind::ClientCalled(call) = &event.kind {
            &*call.name
        } else if event.kind == EventKind::TurnCompleted {
            "end"
        } else {
            ""
        }
    });
    let kinds: Vec<_> = kinds.filter(|kind| !kind.is_empty()).collect();
    assert_eq!(kinds, ["look_up_item", "finished", "open_door", "end"]);
    assert_eq!(
        play.another().hear(heard.turn, None).await.events,
        heard.events
    );

    answer(&play, &[(&called(&heard)[0].call, "open")]).await;
    let results = results_in(&last_request(&play)).split_off(1);
    let results: Vec<_> = results.iter().map(|(_, result)| &**result).collect();
    assert_eq!(results, ["open", "The item is i-1."]);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_taken_once_and_its_repeat_finds_the_same_turn() {
    let play = Play::begin();
    wait_for_client(&play).await;
    let first = Submission {
        message_id: MessageId::parse("m1").ok(),
        ..answering(&[("call-0", "open")])
    };
    let accepted = play.submit(first.clone()).await.unwrap();
    let heard = listen(&accepted).await;
    for other in [play.another(), play.another()] {
        let again = other.submit(first.clone()).await.unwrap();
        assert_eq!(again.turn, heard.turn);
    }
    assert_eq!(play.submit(first.clone()).await.unwrap().turn, heard.turn);
    let other = Submission {
        message_id: first.message_id,
        ..answering(&[("call-0", "shut")])
    };
    assert_eq!(
        play.submit(other).await.unwrap_err(),
        Refusal::MessageIdReused
    );
    let second = play.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(second.unwrap_err(), Refusal::NotWaiting);
    assert_eq!(play.history().await.unwrap().summary.turns, 2);
}

#[tokio::test(start_paused = true)]
async fn results_of_other_calls_change_nothing() {
    let play = Play::begin();
    let nothing_waits = play.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(nothing_waits.unwrap_err(), Refusal::NotWaiting);
    assert!(play.history().await.is_none());
    wait_for_client(&play).await;
    for wrong in [
        answering(&[("call-1", "open")]),
        answering(&[("call-0", "open"), ("call-1", "open")]),
        answering(&[("call-0", "open"), ("call-0", "shut")]),
    ] {
        assert_eq!(play.submit(wrong).await.unwrap_err(), Refusal::NotWaiting);
    }
    let subject = Subject::parse("bob").unwrap();
    let bob = Principal::new(Tenant::default(), Kind::Customer, subject);
    let theirs = play.engine.conversation(play.conversation().id(), &bob);
    // What Bob calls so is a conversation of his own.
    let stranger = theirs.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(stranger.unwrap_err(), Refusal::NotWaiting);
    assert!(waiting(&play).is_some());
    assert_eq!(answer(&play, &[("call-0", "open")]).await.turn, 2);
}

#[tokio::test(start_paused = true)]
async fn an_owners_calls_are_answered_by_the_owner_alone() {
    let play = Play::begin();
    let principal = |name: &str| {
        let subject = Subject::parse(name).unwrap();
        Principal::new(Tenant::default(), Kind::Customer, subject)
    };
    play.model.will([calls(&[DOOR])]);
    let anns = play.engine.begin(&principal("ann"));
    let accepted = anns.submit(offering("let me in", DOOR.0)).await.unwrap();
    listen(&accepted).await;
    let bobs = play.engine.conversation(anns.id(), &principal("bob"));
    let refused = bobs.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(refused.unwrap_err(), Refusal::NotFound);
    assert!(anns.submit(answering(&[("call-0", "open")])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_a_day_later_is_refused() {
    let play = Play::begin();
    wait_for_client(&play).await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    let late = play.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(late.unwrap_err(), Refusal::NotWaiting);
    play.say("are you there?").await;
    let messages = last_request(&play);
    assert_eq!(
        results_in(&messages),
        [("call-0".to_owned(), NOT_ANSWERED.to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_closes_the_calls() {
    let play = Play::begin();
    wait_for_client(&play).await;
    play.model.will([says(&["Never mind then."])]);
    play.say("I have a key").await;
    let messages = last_request(&play);
    assert_eq!(
        results_in(&messages),
        [("call-0".to_owned(), NOT_ANSWERED.to_owned())]
    );
    assert_eq!(messages.last(), Some(&user("I have a key")));
    let late = play.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(late.unwrap_err(), Refusal::NotWaiting);
    play.say("hello?").await;
    assert_eq!(results_in(&last_request(&play)).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_already_closes_the_calls_at_once() {
    let play = Play::begin();
    let (half, gate) = says_and_waits("Wait.");
    play.model
        .will([half.and(calls(&[DOOR])), says(&["Good."])]);
    let first = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    let second = play.submit(message("I have a key")).await.unwrap();
    gate.open();
    listen(&first).await;
    assert_eq!(listen(&second).await.text(), "Good.");
    assert_eq!(waiting(&play), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_result_beside_others_counts_as_not_answered() {
    let play = Play::begin();
    play.model.will([calls(&[DOOR, DOOR])]);
    let accepted = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    listen(&accepted).await;
    let failed = ClientResult {
        failed: true,
        ..result("call-1", "it is stuck")
    };
    let submission = Submission {
        client: Client {
            results: vec![failed],
            ..Client::default()
        },
        ..message("")
    };
    listen(&play.submit(submission).await.unwrap()).await;
    assert_eq!(
        results_in(&last_request(&play)),
        [
            ("call-0".to_owned(), NOT_ANSWERED.to_owned()),
            ("call-1".to_owned(), "Failed: it is stuck".to_owned())
        ]
    );
    assert_eq!(waiting(&play), None);
}

#[tokio::test(start_paused = true)]
async fn words_beside_the_results_follow_them() {
    let play = Play::begin();
    wait_for_client(&play).await;
    let both = Submission {
        message: "and the window?".to_owned(),
        ..answering(&[("call-0", "open")])
    };
    listen(&play.submit(both).await.unwrap()).await;
    let messages = last_request(&play);
    assert_eq!(
        results_in(&messages),
        [("call-0".to_owned(), "open".to_owned())]
    );
    assert_eq!(messages.last(), Some(&user("and the window?")));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_while_the_client_is_awaited_loses_nothing() {
    let play = Play::begin();
    wait_for_client(&play).await;
    play.crash();
    let other = play.another();
    a_minute_passes().await;
    other.model.will([says(&["It is open."])]);
    let heard = answer(&other, &[("call-0", "open")]).await;
    assert_eq!(heard.text(), "It is open.");
    let (half, _never_opened) = says_and_waits("And ");
    play.model.will([calls(&[DOOR])]);
    let accepted = other.submit(offering("again", DOOR.0)).await.unwrap();
    listen(&accepted).await;
    play.model.will([half, says(&["And again."])]);
    // The model gives the same id to each call, and a conversation knows each once.
    let first = other.submit(answering(&[("call-0", "open")])).await;
    assert_eq!(first.unwrap_err(), Refusal::NotWaiting);
    let id = waiting(&play).unwrap().calls[0].call.clone();
    let accepted = other
        .submit(answering(&[(&id, "open again")]))
        .await
        .unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::TextDelta(_))).await;
    other.crash();
    let heard = play.another().hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "And again.");
    let requests = play.model.requests();
    let [.., first, second] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(sent(first), sent(second));
    assert!(names(second).contains(&DOOR.0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_recovered_behind_its_calls_ends_for_its_client() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[DOOR, ORDER])]);
    let accepted = play.submit(offering("I take it", DOOR.0)).await.unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::ActionQueued(_))).await;
    play.crash();
    let heard = play.another().hear(accepted.turn, None).await;
    assert_eq!(called(&heard).len(), 1, "{heard:?}");
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
    assert_eq!(waiting(&play).unwrap().calls.len(), 1);
    assert_eq!(play.model.times_asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_regenerated_answer_offers_no_tools_and_closes_the_calls() {
    let play = Play::begin();
    wait_for_client(&play).await;
    let again = play.conversation().regenerate(1).await.unwrap();
    listen(&again).await;
    assert_eq!(waiting(&play), None);
    assert_eq!(last_request(&play), [user("let me in")]);
    let requests = play.model.requests();
    assert!(!names(requests.last().unwrap()).contains(&DOOR.0));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_result_is_regenerated_with_it() {
    let play = Play::begin();
    wait_for_client(&play).await;
    play.model
        .will([fails(ModelErrorKind::Reported), says(&["It is open."])]);
    let failed = answer(&play, &[("call-0", "open")]).await;
    assert!(matches!(failed.end(), EventKind::TurnFailed(_)));
    let again = play.conversation().regenerate(failed.turn).await.unwrap();
    assert_eq!(listen(&again).await.text(), "It is open.");
    assert_eq!(
        results_in(&last_request(&play)),
        [("call-0".to_owned(), "open".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn calls_stay_open_while_a_late_result_is_reported() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[ORDER, DOOR])]);
    let accepted = play.submit(offering("I take it", DOOR.0)).await.unwrap();
    let heard = listen(&accepted).await;
    assert_eq!(called(&heard).len(), 1);
    play.model.will([says(&["Your order is placed."])]);
    play.hire();
    let late = play.hear(3, None).await;
    assert_eq!(late.text(), "Your order is placed.");
    let requests = play.model.requests();
    assert!(!names(requests.last().unwrap()).contains(&DOOR.0));
    assert_eq!(play.action(ActionState::Done).await.id.turn, 2);

    let id = called(&heard)[0].call.clone();
    answer(&play, &[(&id, "open")]).await;
    let messages = last_request(&play);
    // The call reads as it was sent before.
    assert!(results_in(&messages).contains(&(id, NOT_ANSWERED.to_owned())));
    let Some(Message::User(text)) = messages.last() else {
        panic!("{messages:?}");
    };
    assert_eq!(
        &**text,
        "[Results of earlier calls have come from the client:\n- open_door: open]"
    );
}

#[tokio::test(start_paused = true)]
async fn an_action_that_ended_before_the_client_was_asked_is_reported_with_its_result() {
    let play = Play::with_workers();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[ORDER, DOOR])]);
    let accepted = play.submit(offering("I take it", DOOR.0)).await.unwrap();
    let id = called(&listen(&accepted).await)[0].call.clone();
    a_minute_passes().await;
    assert_eq!(
        play.history().await.unwrap().summary.turns,
        2,
        "no turn reports it alone"
    );
    answer(&play, &[(&id, "open")]).await;
    assert_eq!(results_in(&last_request(&play)).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hand_off_beside_a_call_comes_first() {
    let play = Play::begin();
    play.model.will([
        calls(&[DOOR, ("transfer_to_sales_agent", "{}")]),
        says(&["Hello."]),
    ]);
    let accepted = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    let heard = listen(&accepted).await;
    assert!(heard.has(|kind| matches!(kind, EventKind::HandedOff(_))));
    assert_eq!(called(&heard).len(), 1);
    let next = answer(&play, &[("call-0", "open")]).await;
    assert!(
        next.events
            .iter()
            .all(|event| &*event.agent == "SalesAgent")
    );
}

#[tokio::test(start_paused = true)]
async fn history_and_export_show_the_call_with_its_result() {
    let play = Play::begin();
    wait_for_client(&play).await;
    let shown = |items: &[Item]| {
        let shown = items.iter().filter_map(|item| {
            let Item::ToolCall {
                client: true,
                name,
                arguments,
                outcome,
                result,
                ..
            } = item
            else {
                return None;
            };
            let call = (name.clone(), arguments.clone().unwrap());
            Some((call, (*outcome, result.clone())))
        });
        shown.collect::<Vec<_>>()
    };
    let call = || (DOOR.0.to_owned(), DOOR.1.to_owned());
    let items = play.history().await.unwrap().items;
    assert_eq!(shown(&items), [(call(), (None, None))]);
    answer(&play, &[("call-0", "open")]).await;
    let answered = || (call(), (Some(ToolOutcome::Ok), Some("open".to_owned())));
    let items = play.history().await.unwrap().items;
    assert_eq!(shown(&items), [answered()]);
    let said = items
        .iter()
        .filter(|item| matches!(item, Item::Message { agent: None, .. }));
    assert_eq!(
        said.count(),
        1,
        "the results are no words of the customer: {items:?}"
    );
    assert_eq!(play.export_for(View::Customer).await, items);
    // The turn with the result lies on the next page.
    let conversation = play.conversation();
    let page = conversation.history(Some(2), 10, View::Customer);
    assert_eq!(shown(&page.await.unwrap().unwrap().items), [answered()]);
    conversation.erase().await.unwrap();
    assert_eq!(waiting(&play), None);
}
