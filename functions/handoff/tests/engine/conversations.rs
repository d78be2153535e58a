//! A conversation: message ids, listeners who come back, answers said anew, erasure.

use baton_handoff::event::EventKind;
use baton_handoff::history::Item;
use baton_handoff::record::ToolOutcome;
use baton_handoff::{CannotRegenerate, EraseError, Followed, Refusal};

use crate::model::{calls, says};
use crate::play::{CONVERSATION, Play, listen, message_as};

#[tokio::test(start_paused = true)]
async fn the_same_message_id_begins_one_turn() {
    let play = Play::begin();
    play.model.will([says(&["Hello."])]);
    let once = play.submit(message_as("m-1", "hello")).await.unwrap();
    let twice = play.submit(message_as("m-1", "hello")).await.unwrap();
    assert_eq!((once.turn, twice.turn), (1, 1));
    assert_eq!(listen(&once).await.text(), "Hello.");
    assert_eq!(listen(&twice).await.text(), "Hello.");
    assert_eq!(play.model.times_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_message_under_the_same_id_is_refused() {
    let play = Play::begin();
    let taken = play.submit(message_as("m-1", "hello")).await.unwrap();
    listen(&taken).await;
    let refused = play.submit(message_as("m-1", "good bye")).await;
    assert_eq!(refused.unwrap_err(), Refusal::MessageIdReused);
}

#[tokio::test(start_paused = true)]
async fn a_listener_resumes_behind_what_it_has_heard() {
    let play = Play::begin();
    play.model.will([says(&["one ", "two ", "three"])]);
    let whole = play.say("count").await;
    let is_first = |kind: &EventKind| matches!(kind, EventKind::TextDelta(text) if text == "one ");
    let first = whole.events.iter().find(|event| is_first(&event.kind));
    let rest = play.hear(whole.turn, Some(first.unwrap().position)).await;
    assert_eq!(rest.text(), "two three");
    assert_eq!(rest.end(), &EventKind::TurnCompleted);
    let last = whole.events.last().unwrap().position;
    let left = play.conversation().follow(whole.turn, Some(last)).await;
    assert!(matches!(left.unwrap(), Followed::NothingLeft(_)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_said_anew_replaces_the_old_one() {
    let play = Play::begin();
    play.model.will([says(&["First."]), says(&["Second."])]);
    let old = play.say("hello").await;
    let again = play.conversation().regenerate(old.turn).await.unwrap();
    let new = listen(&again).await;
    assert_eq!((new.turn, &*new.text()), (2, "Second."));
    assert!(!play.model.last_asked().contains(&"First.".to_owned()));
    let shown = play.turn_item(old.turn).await;
    assert!(
        matches!(shown, Item::Turn { replaced: true, .. }),
        "{shown:?}"
    );
    let shown = play.turn_item(new.turn).await;
    assert!(
        matches!(
            shown,
            Item::Turn {
                replaces: Some(1),
                ..
            }
        ),
        "{shown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_said_anew_has_no_new_effect() {
    let play = Play::with_workers();
    play.transferred_by("transfer_to_sales_agent").await;
    let order = |product: &str| {
        let arguments = format!(r#"{{"product":"{product}","price":30}}"#);
        calls(&[("execute_order", &arguments)])
    };
    play.model.will([order("anvil"), says(&["Ordered."])]);
    let old = play.say("I take the anvil").await;
    assert_eq!(play.shop.effects(), 1);
    play.model
        .will([order("anvil"), order("rocket"), says(&["As I said."])]);
    let again = play.conversation().regenerate(old.turn).await.unwrap();
    let heard = listen(&again).await;
    assert_eq!(play.shop.effects(), 1);
    let outcomes: Vec<_> = heard
        .events
        .iter()
        .filter_map(|event| {
            if let EventKind::ToolFinished(finished) = &event.kind {
                Some(finished.outcome)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(outcomes, [ToolOutcome::Ok, ToolOutcome::Error]);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_answer_is_said_anew() {
    let play = Play::begin();
    play.say("hello").await;
    play.say("and now?").await;
    let refused = play.conversation().regenerate(1).await.unwrap_err();
    assert!(
        matches!(refused, CannotRegenerate::NotTheLast),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_erased_conversation_is_gone_and_its_turn_numbers_are_not_used_again() {
    let play = Play::begin();
    play.model
        .will([says(&["Your secret is safe."]), says(&["Hello."])]);
    play.say("my secret").await;
    play.conversation().erase().await.unwrap();
    assert_eq!(play.history().await, None);
    let gone = play.conversation().follow(1, None).await.unwrap();
    assert!(matches!(gone, Followed::NoSuchTurn));
    let next = play.say("hello").await;
    assert_eq!(next.turn, 2);
    assert!(!play.model.last_asked().concat().contains("secret"));
    let keys = play.records.keys_of(CONVERSATION);
    assert!(
        keys.iter().all(|key| !key.starts_with("T#0000000001")),
        "{keys:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_do_about_a_conversation_that_was_never_begun() {
    let play = Play::begin();
    assert_eq!(play.history().await, None);
    let erased = play.conversation().erase().await;
    assert!(matches!(erased, Err(EraseError::NotFound)));
    assert!(play.conversation().pulse().await.unwrap().is_none());
}
