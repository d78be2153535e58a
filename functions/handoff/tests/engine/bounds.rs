//! What is bounded: turns that run, actions of one tool, rates. Nothing accepted is lost by a bound.

use std::time::Duration;

use baton_handoff::history::Item;
use baton_handoff::ids::ConversationId;
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{
    Bound, Bounds, Executed, Kind, Principal, Refusal, Subject, Submission, Tenant, View,
};

use crate::model::{calls, says, says_and_waits};
use crate::play::{Play, listen, message};

const REFUND: &str = "execute_refund";

fn open(play: &Play, id: &str) -> baton_handoff::Conversation {
    let id = ConversationId::parse(id).unwrap();
    play.engine.conversation(&id, &Principal::Open)
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_bound_is_refused_and_an_accepted_turn_waits_for_its_place() {
    let elsewhere = Play::begin();
    let play = elsewhere.with_bounds(Bounds::default().with(Bound::TurnsAll, 1));
    play.hire();
    let (reply, gate) = says_and_waits("first");
    play.model.will([reply, says(&["second"])]);
    let first = play.submit(message("1")).await.unwrap();
    let refused = open(&play, "d").submit(message("2")).await.unwrap_err();
    let Refusal::OverBound(over) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(over.bound, Bound::TurnsAll);
    assert!(play.records.keys_of("d").is_empty());

    // Another process has room for it; the workers of this one have none.
    let background = Submission {
        background: true,
        ..message("3")
    };
    open(&elsewhere, "d").submit(background).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!((play.model.times_asked(), play.engine.running()), (1, 1));
    gate.open();
    assert_eq!(listen(&first).await.text(), "first");
    loop {
        let history = open(&play, "d").history(None, 10, View::Customer).await;
        let items = history.unwrap().unwrap().items;
        let answered = |item: &Item| matches!(item, Item::Message { text, .. } if text == "second");
        if items.iter().any(answered) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_leaves_its_place_before_its_end_is_told() {
    let play = Play::begin().with_bounds(Bounds::default().with(Bound::TurnsAll, 1));
    for id in ["c", "d", "e"] {
        play.model.will([says(&["Hello."])]);
        let accepted = open(&play, id).submit(message("hello")).await.unwrap();
        listen(&accepted).await;
        assert_eq!(play.engine.running(), 0);
    }
}

/// An action of this tool in a conversation of its own.
async fn order(play: &Play, id: &str, hand_off: &str, tool: &str, arguments: &str) -> ActionRecord {
    let replies = [
        calls(&[(hand_off, "{}")]),
        calls(&[(tool, arguments)]),
        says(&["It is under way."]),
    ];
    play.model.will(replies);
    let accepted = open(play, id).submit(message("please")).await.unwrap();
    listen(&accepted).await;
    let queued = play
        .engine
        .actions(&Tenant::default(), ActionState::Queued, None, 100)
        .await
        .unwrap();
    let mut queued = queued.actions.into_iter();
    queued
        .find(|action| action.id.conversation.as_str() == id)
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_holds_up_no_other_tool() {
    let play = Play::begin().with_bounds(Bounds::default().with(Bound::PlacesTool, 2));
    let repairs = "transfer_to_issues_and_repairs";
    let item = r#"{"item_id":"i-1"}"#;
    let one = order(&play, "a", repairs, REFUND, item).await;
    let two = order(&play, "b", repairs, REFUND, item).await;
    let three = order(&play, "d", repairs, REFUND, item).await;
    let other = order(
        &play,
        "e",
        "transfer_to_sales_agent",
        "execute_order",
        r#"{"product":"anvil","price":10}"#,
    )
    .await;
    play.shop.silence(REFUND);
    let engine = play.engine.clone();
    let silent = [one, two].map(|action| {
        let action = engine.action(&action.id);
        tokio::spawn(async move { action.execute().await })
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let refused = play.execute(&three.id).await;
    assert!(matches!(refused, Executed::Later(_)), "{refused:?}");
    assert_eq!(play.execute(&other.id).await, Executed::Over);
    let queued = play.action(ActionState::Queued).await;
    assert_eq!((queued.id, queued.attempts), (three.id.clone(), 0));
    assert_eq!(play.shop.effects(), 1);
    for silent in silent {
        silent.await.unwrap();
    }
    play.shop.silence("nothing");
    assert_eq!(play.execute(&three.id).await, Executed::Over);
}

fn say(play: &Play) -> bool {
    play.engine.count(Bound::MessagesOwner, "ann").is_ok()
}

async fn told() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn processes_tell_each_other_of_rates_above_half_of_them() {
    let one = Play::begin();
    let other = one.another();
    assert_eq!((0..10).filter(|_| say(&one)).count(), 10);
    told().await;
    assert!(
        one.records.partitions("L#rate").is_empty(),
        "half is not above half"
    );
    assert_eq!((0..11).filter(|_| say(&one)).count(), 10);
    told().await;
    // The other one finds out when it has counted half of the rate itself.
    assert_eq!((0..11).filter(|_| say(&other)).count(), 11);
    told().await;
    assert!(!say(&other));
    let refused = other.engine.would_fit(Bound::MessagesOwner, "ann");
    assert!(refused.unwrap_err().retry_after > Duration::ZERO);
    assert!(other.engine.count(Bound::MessagesOwner, "bob").is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_of_many_processes_tells_from_the_second_on() {
    let one = Play::begin();
    let few = one.one_of_many();
    assert_eq!((0..20).filter(|_| say(&one)).count(), 20);
    told().await;
    assert!(say(&few) && say(&few));
    told().await;
    assert!(!say(&few));
}

fn customer(name: &str) -> Principal {
    let subject = Subject::parse(name).unwrap();
    Principal::new(Tenant::default(), Kind::Customer, subject)
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_room_for_so_many_bytes_in_all_its_conversations() {
    let play = Play::begin().with_bounds(Bounds::default().with(Bound::BytesOwner, 90_000));
    let long = "x".repeat(30_000);
    let [ann, bob] = ["ann", "bob"].map(customer);
    let first = play.engine.begin(&ann);
    let second = play.engine.begin(&ann);
    listen(&first.submit(message(&long)).await.unwrap()).await;
    listen(&second.submit(message(&long)).await.unwrap()).await;
    listen(&second.submit(message(&long)).await.unwrap()).await;
    let refused = play.engine.begin(&ann).submit(message("one more")).await;
    let Err(Refusal::OverBound(over)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(over.bound, Bound::BytesOwner);
    listen(&second.submit(message("a small one fits")).await.unwrap()).await;
    listen(&play.engine.begin(&bob).submit(message("hi")).await.unwrap()).await;
    first.erase().await.unwrap();
    listen(
        &play
            .engine
            .begin(&ann)
            .submit(message("one more"))
            .await
            .unwrap(),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_grows_is_weighed_with_its_owners_others() {
    let play = Play::begin().with_bounds(Bounds::default().with(Bound::BytesOwner, 90_000));
    let long = "x".repeat(30_000);
    let conversation = play.engine.begin(&customer("ann"));
    for _ in 0..3 {
        listen(&conversation.submit(message(&long)).await.unwrap()).await;
    }
    let refused = conversation.submit(message("one more")).await;
    assert!(matches!(refused, Err(Refusal::OverBound(_))), "{refused:?}");
}
