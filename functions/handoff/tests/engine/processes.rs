//! Several processes: crashes, lost messages, leases that ran out, and an orderly end.

use baton_handoff::Refusal;
use baton_handoff::event::EventKind;
use baton_handoff::record::ActionState;

use crate::model::{calls, says, says_and_waits};
use crate::play::{Play, a_minute_passes, listen, message, until};

const ORDER: (&str, &str) = ("execute_order", r#"{"product":"anvil","price":30}"#);

fn is_text(kind: &EventKind) -> bool {
    matches!(kind, EventKind::TextDelta(_))
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_owner_crashed_is_said_anew_by_another_process() {
    let play = Play::begin();
    let (reply, _never_opened) = says_and_waits("Half of ");
    play.model.will([reply, says(&["All of it."])]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, is_text).await;
    play.crash();
    let heard = play.another().hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "All of it.");
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
    assert_eq!(heard.events.last().unwrap().position.fence, 2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_step_and_effect_loses_no_action_and_doubles_none() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[ORDER]), says(&["Ordered."])]);
    let accepted = play.submit(message("I take it")).await.unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::ActionQueued(_))).await;
    play.crash();
    play.post.lose_all();
    let other = play.another();
    other.hire();
    a_minute_passes().await;
    let swept = other.engine.sweep().await.unwrap();
    assert_eq!((swept.conversations, swept.actions), (1, 1), "{swept:?}");
    let heard = other.hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "Ordered.");
    assert_eq!(play.shop.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_slept_past_its_lease_changes_nothing() {
    let play = Play::begin();
    let (reply, gate) = says_and_waits("Mine");
    play.model.will([reply, says(&["Theirs"])]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, is_text).await;
    play.way.freeze();
    a_minute_passes().await;
    let other = play.another().hear(accepted.turn, None).await;
    assert_eq!(other.text(), "Theirs");
    gate.open();
    play.way.thaw();
    // Its own listeners hear what counts.
    let heard = listen(&accepted).await;
    assert_eq!(
        (&*heard.text(), heard.end()),
        ("Theirs", &EventKind::TurnCompleted)
    );
    let recorded = play.another().hear(accepted.turn, None).await;
    assert_eq!(recorded.text(), "Theirs");
}

#[tokio::test(start_paused = true)]
async fn an_action_whose_worker_died_is_executed_by_another() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model
        .will([calls(&[ORDER]), says(&["It is on its way."])]);
    let accepted = play.submit(message("I take it")).await.unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::ActionQueued(_))).await;
    let id = play.action(ActionState::Queued).await.id;
    {
        // The worker claims it, and is gone before its call arrives.
        let worker = play.another();
        let mut work = std::pin::pin!(worker.execute(&id));
        assert!(futures_util::poll!(&mut work).is_pending());
    }
    assert_eq!(play.action(ActionState::Running).await.attempts, 1);
    let other = play.another();
    other.hire();
    a_minute_passes().await;
    other.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.action(ActionState::Done).await.attempts, 2);
    assert_eq!(play.shop.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_takes_no_messages_and_leaves_its_turns_to_others() {
    let play = Play::begin();
    let (reply, _never_opened) = says_and_waits("Half of ");
    play.model.will([reply, says(&["All of it."])]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, is_text).await;
    play.engine.drain();
    assert_eq!(listen(&accepted).await.end(), &EventKind::TurnContinues);
    let refused = play.submit(message("hello?")).await.unwrap_err();
    assert_eq!(refused, Refusal::Draining);
    let heard = play.another().hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "All of it.");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_another_process_took_and_stopped_is_in_the_next_request() {
    let play = Play::begin();
    let (reply, gate) = says_and_waits("One.");
    play.model.will([reply, says(&["Three."])]);
    let first = play.submit(message("the first")).await.unwrap();
    until(&first, is_text).await;
    let other = play.another();
    let second = other.submit(message("the second")).await.unwrap();
    other.conversation().stop(second.turn).await.unwrap();
    assert_eq!(listen(&second).await.end(), &EventKind::TurnStopped);
    gate.open();
    listen(&first).await;
    play.say("the third").await;
    let asked = play.model.last_asked();
    let has = |words: &str| asked.iter().any(|message| message.contains(words));
    assert!(has("the third") && has("the second"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_ends_elsewhere_between_two_reads_is_in_the_next_request() {
    let play = Play::begin();
    let (reply, gate) = says_and_waits("One.");
    play.model.will([reply, says(&["Two."])]);
    let first = play.submit(message("the first")).await.unwrap();
    until(&first, is_text).await;
    let other = play.another();
    other.way.delay_gets(true);
    let conversation = other.conversation();
    let second = tokio::spawn(async move { conversation.submit(message("the second")).await });
    // The turns are read while the first of them runs, and META when it has ended.
    while !other.way.reads().0.contains(&"T#".to_owned()) {
        tokio::task::yield_now().await;
    }
    gate.open();
    listen(&first).await;
    other.way.delay_gets(false);
    listen(&second.await.unwrap().unwrap()).await;
    let asked = play.model.last_asked();
    let has = |words: &str| asked.iter().any(|message| message.contains(words));
    assert!(has("the second") && has("One."), "{asked:?}");
}
