//! What a model's service does to a turn: empty answers, slips, refusals, and what it wants back.

use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Message, ModelChunk, ModelErrorKind};
use baton_handoff::record::{ActionState, Meta, StepRecord, TurnRecord, keys};

use crate::model::{Reply, breaks_behind, calls, empty, fails, says, with};
use crate::play::{CONVERSATION, Heard, Play, a_minute_passes};

fn id() -> ConversationId {
    ConversationId::parse(CONVERSATION).unwrap()
}

fn step(play: &Play, turn: u32, number: u32) -> StepRecord {
    play.records.read(&keys::step(&id(), turn, number))
}

fn failed_with(heard: &Heard, code: FailureCode) {
    assert_eq!(heard.end(), &EventKind::TurnFailed(code));
}

/// The texts of the last request, without instructions.
fn conversation(play: &Play) -> Vec<String> {
    play.model.last_asked().split_off(1)
}

/// What stands in the last request for the services that made its messages.
fn opaque(play: &Play) -> Vec<Option<String>> {
    let asked = play.model.all_asked().pop().unwrap();
    let opaque = asked.into_iter().filter_map(|message| match message {
        Message::Assistant { opaque, .. } => Some(opaque.map(|opaque| opaque.to_string())),
        Message::System(_) | Message::User(_) | Message::Tool { .. } => None,
    });
    opaque.collect()
}

const ORDER: (&str, &str) = ("execute_order", r#"{"product":"anvil","price":30}"#);

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_was_said_is_asked_for_once_more() {
    for kind in [
        ModelErrorKind::Empty,
        ModelErrorKind::Slip,
        ModelErrorKind::BadStream,
        ModelErrorKind::Cut,
    ] {
        let play = Play::begin();
        play.model.will([fails(kind), says(&["Here I am."])]);
        let heard = play.say("hello").await;
        assert_eq!(heard.text(), "Here I am.", "{kind:?}");
        assert!(!heard.has(|kind| matches!(kind, EventKind::Reset { .. })));
        let asked = step(&play, 1, 1).asked;
        assert_eq!((asked.tries, asked.failed.len()), (2, 1), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_something_was_said_is_not_asked_for_again() {
    let play = Play::begin();
    play.model
        .will([breaks_behind("Here I", ModelErrorKind::Cut)]);
    let heard = play.say("hello").await;
    failed_with(&heard, FailureCode::ModelCut);
    assert_eq!((&*heard.text(), play.model.times_asked()), ("Here I", 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_invited_to_repeat_an_order_that_was_accepted() {
    let play = Play::with_workers();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[ORDER]), empty(), empty()]);
    let heard = play.say("I take the anvil").await;
    failed_with(&heard, FailureCode::AnswerMissing);
    assert!(!FailureCode::AnswerMissing.retryable());
    assert_eq!(play.shop.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_behind_an_order_is_asked_for_once_more() {
    let blank = || says(&["\n", "  "]);
    for nothing in [
        empty as fn() -> Reply,
        blank,
        || fails(ModelErrorKind::Empty),
        || with(empty(), ModelChunk::Opaque("thoughts".to_owned())),
    ] {
        let play = Play::with_workers();
        play.transferred_by("transfer_to_sales_agent").await;
        play.model
            .will([calls(&[ORDER]), nothing(), says(&["It is ordered."])]);
        let heard = play.say("I take the anvil").await;
        assert_eq!(heard.text(), "It is ordered.");
        assert_eq!(heard.end(), &EventKind::TurnCompleted);
        assert_eq!(play.shop.effects(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn white_space_beside_calls_is_neither_said_nor_recorded() {
    let play = Play::begin();
    let mut reply = says(&["\n", "\n"]);
    reply = with(reply, ModelChunk::Text("  ".to_owned()));
    let call = calls(&[("transfer_to_sales_agent", "{}")]);
    play.model.will([reply.and(call), says(&["  Hello", "!"])]);
    let heard = play.say("hello").await;
    assert_eq!(heard.text(), "  Hello!");
    assert_eq!(step(&play, 1, 1).text, "");
    assert_eq!(step(&play, 1, 2).text, "  Hello!");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_filter_refuses_is_in_no_later_request() {
    let play = Play::begin();
    play.model.will([says(&["Hello."])]);
    play.say("hello").await;
    play.model
        .will([fails(ModelErrorKind::Filtered), says(&["With pleasure."])]);
    failed_with(&play.say("a bad word").await, FailureCode::ContentFiltered);
    assert_eq!(play.say("an anvil").await.text(), "With pleasure.");
    assert_eq!(conversation(&play), ["hello", "Hello.", "an anvil"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_service_refuses_spoils_no_later_one() {
    let play = Play::begin();
    play.model
        .will([fails(ModelErrorKind::BadRequest), says(&["Hello."])]);
    failed_with(&play.say("\u{7}").await, FailureCode::ModelRefused);
    play.say("hello").await;
    assert_eq!(conversation(&play), ["hello"]);
    let refused: TurnRecord = play.records.read(&keys::turn(&id(), 1));
    assert!(refused.refused);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_left_out_still_says_what_was_done_in_it() {
    let play = Play::with_workers();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([
        calls(&[ORDER]),
        fails(ModelErrorKind::Filtered),
        says(&["It is."]),
    ]);
    play.say("I take the anvil").await;
    play.say("is it ordered?").await;
    let asked = conversation(&play);
    assert!(!asked.contains(&"I take the anvil".to_owned()), "{asked:?}");
    assert!(
        asked.iter().any(|text| text.contains("execute_order")),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_long_is_shortened_and_sent_once_more() {
    let play = Play::begin();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.shop.say(&"an anvil, ".repeat(3_000));
    let lookup = || calls(&[("look_up_item", r#"{"search_query":"anvil"}"#)]);
    let too_long = || fails(ModelErrorKind::TooLong);
    play.model.will([lookup(), too_long(), says(&["I see."])]);
    assert_eq!(play.say("what is there?").await.text(), "I see.");
    let asked = conversation(&play);
    let result = asked.last().unwrap();
    assert!(
        result.len() < 3_000 && result.contains("shortened"),
        "{result}"
    );
    assert!(step(&play, 2, 2).asked.shortened);

    play.model.will([lookup(), too_long(), too_long()]);
    let heard = play.say("and what else?").await;
    failed_with(&heard, FailureCode::ConversationTooLong);
}

#[tokio::test(start_paused = true)]
async fn a_step_says_how_it_came_about_and_nobody_is_shown_what_its_service_wants_back() {
    let play = Play::begin();
    let reply = with(says(&["Hello."]), ModelChunk::Id("resp-1".to_owned()));
    let reply = with(reply, ModelChunk::Tries(3));
    let reply = with(reply, ModelChunk::Opaque("signed".to_owned()));
    play.model.will([reply]);
    let heard = play.say("hello").await;
    let recorded = step(&play, 1, 1);
    let asked = &recorded.asked;
    assert_eq!((&*asked.model, &*asked.response), ("scripted", "resp-1"));
    assert_eq!(asked.tries, 3);
    assert!(asked.at > 0);
    assert!(!format!("{heard:?} {recorded:?}").contains("signed"));
    let items = format!("{:?}", play.history().await.unwrap().items);
    assert!(!items.contains("signed"), "{items}");
    let exported = play.export_for(baton_handoff::View::Operator).await;
    assert!(!format!("{exported:?}").contains("signed"));
}

#[tokio::test(start_paused = true)]
async fn what_a_service_wants_back_goes_out_with_every_later_request() {
    let play = Play::begin();
    let signed = |reply, text: &str| with(reply, ModelChunk::Opaque(text.to_owned()));
    play.model.will([
        signed(calls(&[("transfer_back_to_triage", "{}")]), "one"),
        signed(says(&["Hello."]), "two"),
        says(&["Yes?"]),
    ]);
    play.say("hello").await;
    assert_eq!(opaque(&play), [Some("one".to_owned())]);
    // By a process that knows the journal only.
    let other = play.another();
    other.say("hello?").await;
    let both = [Some("one".to_owned()), Some("two".to_owned())];
    assert_eq!(opaque(&play), both);
    // Another agent has other instructions: what was signed behind the first ones holds no more.
    play.model
        .will([calls(&[("transfer_to_sales_agent", "{}")])]);
    other.say("an anvil, please").await;
    assert_eq!(opaque(&play), [const { None }; 4]);
}

#[tokio::test(start_paused = true)]
async fn what_a_service_wants_back_is_dropped_where_it_is_too_long() {
    let play = Play::begin();
    let long = "x".repeat(64 * 1024 + 1);
    play.model
        .will([with(says(&["Hello."]), ModelChunk::Opaque(long))]);
    assert_eq!(play.say("hello").await.text(), "Hello.");
    assert_eq!(step(&play, 1, 1).opaque, None);
}

#[tokio::test(start_paused = true)]
async fn a_late_result_changes_nothing_of_what_was_sent_before() {
    let play = Play::begin();
    play.transferred_by("transfer_to_sales_agent").await;
    play.model.will([calls(&[ORDER]), says(&["It will be."])]);
    play.say("I take the anvil").await;
    play.hire();
    a_minute_passes().await;
    play.engine.sweep().await.unwrap();
    play.action(ActionState::Done).await;
    a_minute_passes().await;
    play.model.will([says(&["Welcome."])]);
    play.say("thank you").await;
    let asked = play.model.all_asked();
    for (before, after) in asked.iter().zip(&asked[1..]).skip(1) {
        let (Some(Message::System(old)), Some(Message::System(new))) =
            (before.first(), after.first())
        else {
            panic!("no instructions");
        };
        if old == new {
            assert_eq!(before[..], after[..before.len()]);
        }
    }
    let late = "It is done.";
    let told = conversation(&play);
    assert!(told.iter().any(|text| text.contains(late)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_id_of_a_call_is_unique_in_its_conversation() {
    let play = Play::begin();
    play.model.will([
        calls(&[("transfer_to_sales_agent", "{}")]),
        calls(&[("transfer_back_to_triage", "{}")]),
        says(&["Hello."]),
        calls(&[("transfer_to_sales_agent", "{}")]),
    ]);
    let heard = play.say("hello").await;
    play.say("hello?").await;
    let ids = [(1, 1), (1, 2), (2, 1)].map(|(turn, number)| {
        let step = step(&play, turn, number);
        step.calls[0].id.clone()
    });
    assert_eq!(ids, ["call-0", "call_1_2_0", "call_2_1_0"]);
    assert!(
        heard.has(|kind| matches!(kind, EventKind::ToolCalled(called) if called.call == ids[1]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_told_to_no_model() {
    let play = Play::begin();
    let cut = || fails(ModelErrorKind::Cut);
    play.model.will([cut(), cut(), says(&["Hello."])]);
    failed_with(&play.say("hello").await, FailureCode::ModelCut);
    // As the customer was asked to.
    play.say("hello").await;
    assert_eq!(conversation(&play), ["hello"]);
    let meta: Meta = play.records.read(&keys::meta(&id()));
    assert_eq!(meta.next_turn, 3);
}
