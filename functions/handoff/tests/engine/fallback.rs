//! An agent with two models: who answers when the first one fails, and what listeners hear of it.

use std::sync::Arc;

use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Message, ModelChunk, ModelErrorKind, Usage};
use baton_handoff::record::{Meta, StepRecord, TurnRecord, keys};

use crate::model::{Script, breaks_behind, calls, counted, fails, says, says_and_waits, with};
use crate::play::{CONVERSATION, Heard, Play, a_minute_passes, listen, message, until};

const DOWN: ModelErrorKind = ModelErrorKind::Unavailable;

fn id() -> ConversationId {
    ConversationId::parse(CONVERSATION).unwrap()
}

fn step(play: &Play, turn: u32, number: u32) -> StepRecord {
    play.records.read(&keys::step(&id(), turn, number))
}

fn resets(heard: &Heard) -> usize {
    let is_reset = |event: &&_| {
        matches!(
            event,
            &&baton_handoff::event::Event {
                kind: EventKind::Reset { .. },
                ..
            }
        )
    };
    heard.events.iter().filter(is_reset).count()
}

fn opaque_of(model: &Script) -> Vec<Option<String>> {
    let asked = model.all_asked().pop().unwrap();
    let opaque = asked.into_iter().filter_map(|message| match message {
        Message::Assistant { opaque, .. } => Some(opaque.map(|opaque| opaque.to_string())),
        Message::System(_) | Message::User(_) | Message::Tool { .. } => None,
    });
    opaque.collect()
}

#[tokio::test(start_paused = true)]
async fn before_anything_was_said_another_model_takes_over_silently() {
    let (play, a, b) = Play::with_two_models("");
    a.will([fails(DOWN)]);
    b.will([says(&["I am b."])]);
    let heard = play.say("hello").await;
    assert_eq!((&*heard.text(), resets(&heard)), ("I am b.", 0));
    let asked = step(&play, 1, 1).asked;
    assert_eq!((&*asked.model, asked.tries), ("b", 2));
    assert_eq!(asked.failed[0].model, "a");
    assert_eq!(asked.failed[0].why, FailureCode::ModelUnavailable);
    assert_eq!(
        play.model.times_asked(),
        0,
        "the deployment's own model is not theirs"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_taken_back_once_and_said_anew() {
    let (play, a, b) = Play::with_two_models("");
    a.will([breaks_behind("I am a, and ", ModelErrorKind::Cut)]);
    b.will([says(&["I am b."])]);
    let heard = play.say("hello").await;
    assert_eq!((&*heard.text(), resets(&heard)), ("I am b.", 1));
    assert_eq!(heard.end(), &EventKind::TurnCompleted);
    assert_eq!(step(&play, 1, 1).text, "I am b.");
    let meta: Meta = play.records.read(&keys::meta(&id()));
    assert_eq!(meta.fence, 2, "as if another owner had gone on");
    assert_eq!(meta.running, None);
    assert_eq!(play.say("hello?").await.end(), &EventKind::TurnCompleted);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_left_in_the_middle_discards_what_was_taken_back() {
    let (play, a, b) = Play::with_two_models("");
    a.will([breaks_behind("I am a, and ", ModelErrorKind::Cut)]);
    let (reply, gate) = says_and_waits("I am b.");
    b.will([reply]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::Reset { .. })).await;
    let heard_by_then = {
        let is_text = |kind: &EventKind| kind == &EventKind::TextDelta("I am b.".to_owned());
        until(&accepted, is_text).await;
        let (events, _, _) = accepted
            .log
            .read_now(baton_handoff::Seen::default(), baton_handoff::events_of);
        events
    };
    // Another process hears the second answer while it is being written.
    let other = play.another();
    let mut hearing = std::pin::pin!(other.hear(accepted.turn, None));
    assert!(futures_util::poll!(&mut hearing).is_pending());
    a_minute_passes().await;
    gate.open();
    assert_eq!(hearing.await.text(), "I am b.");
    listen(&accepted).await;
    let taken_back = heard_by_then
        .iter()
        .find(|event| event.kind == EventKind::TextDelta("I am a, and ".to_owned()));
    let after = Some(taken_back.unwrap().position);
    for process in [&play, &other] {
        let rest = process.hear(accepted.turn, after).await;
        assert_eq!((&*rest.text(), resets(&rest)), ("I am b.", 1), "{rest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_is_taken_back_no_second_time() {
    let (play, a, b) = Play::with_two_models("");
    a.will([breaks_behind("I am a, and ", ModelErrorKind::Cut)]);
    b.will([breaks_behind("I am b, ", ModelErrorKind::Cut)]);
    let heard = play.say("hello").await;
    assert_eq!((&*heard.text(), resets(&heard)), ("I am b, ", 1));
    let code = FailureCode::ModelCut;
    assert_eq!(heard.end(), &EventKind::TurnFailed(code));
    let again = play.another().hear(heard.turn, None).await;
    assert_eq!(again.text(), "I am b, ");
}

#[tokio::test(start_paused = true)]
async fn a_turn_stays_with_the_model_that_took_over_and_the_next_one_begins_with_the_first() {
    let (play, a, b) = Play::with_two_models("");
    a.will([fails(DOWN), says(&["I am a."])]);
    b.will([
        calls(&[("transfer_to_sales_agent", "{}")]),
        says(&["I am b."]),
    ]);
    assert_eq!(play.say("hello").await.text(), "I am b.");
    assert_eq!((a.times_asked(), b.times_asked()), (1, 2));
    assert_eq!(play.say("hello?").await.text(), "I am a.");
}

#[tokio::test(start_paused = true)]
async fn a_recovered_turn_stays_with_the_model_that_took_over() {
    let (play, a, b) = Play::with_two_models("");
    a.will([fails(DOWN)]);
    let (reply, _never_opened) = says_and_waits("I am ");
    b.will([
        calls(&[("transfer_to_sales_agent", "{}")]),
        reply,
        says(&["I am b."]),
    ]);
    let accepted = play.submit(message("hello")).await.unwrap();
    until(&accepted, |kind| matches!(kind, EventKind::TextDelta(_))).await;
    play.crash();
    let heard = play.another().hear(accepted.turn, None).await;
    assert_eq!(heard.text(), "I am b.");
    let asked = b.all_asked();
    assert_eq!(asked[1], asked[2], "the same request as before the crash");
    assert_eq!(a.times_asked(), 1);
}

/// The desk asks `a`, then `b`; sales ask these.
fn with_models_of_sales(models: &str) -> (Play, [Arc<Script>; 3]) {
    let desk = "name = \"TriageAgent\"";
    let sales = "name = \"SalesAgent\"";
    let tables = ["a", "b", "c"].map(|model| {
        format!(
            "[[model]]\nname = \"{model}\"\nurl = \"https://{model}.example/v1\"\nmodel = \"m\"\n"
        )
    });
    let play = Play::with_team(&[
        (desk, &format!("{desk}\nmodel = [\"a\", \"b\"]")),
        (sales, &format!("{sales}\nmodel = {models}")),
        ("[limits]", &format!("{}\n[limits]", tables.concat())),
    ]);
    let models = ["a", "b", "c"].map(|name| play.model.named(name));
    (play, models)
}

const TO_SALES: (&str, &str) = ("transfer_to_sales_agent", "{}");

#[tokio::test(start_paused = true)]
async fn behind_a_hand_off_the_next_agent_asks_its_own_model() {
    let (play, [a, b, c]) = with_models_of_sales(r#"["c", "a"]"#);
    a.will([with(
        calls(&[TO_SALES]),
        ModelChunk::OpaqueAnywhere("signed".to_owned()),
    )]);
    c.will([says(&["I am c."]), says(&["Still c."])]);
    assert_eq!(play.say("an anvil").await.text(), "I am c.");
    assert_eq!(opaque_of(&c), [None], "what another model signed");
    assert_eq!(play.say("and a rocket").await.text(), "Still c.");
    assert_eq!((a.times_asked(), b.times_asked()), (1, 0));
    assert_eq!(play.model.times_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_fallback_a_turn_stays_with_its_model_if_the_next_agent_has_it() {
    let (play, [a, b, c]) = with_models_of_sales(r#"["c", "b"]"#);
    a.will([fails(DOWN)]);
    b.will([calls(&[TO_SALES]), says(&["I am b."])]);
    c.will([says(&["I am c."])]);
    assert_eq!(play.say("an anvil").await.text(), "I am b.");
    assert_eq!(
        (a.times_asked(), b.times_asked(), c.times_asked()),
        (1, 2, 0)
    );
    assert_eq!(play.say("and a rocket").await.text(), "I am c.");
}

#[tokio::test(start_paused = true)]
async fn an_agent_asks_no_model_of_another_agent() {
    let (play, [a, b, c]) = with_models_of_sales(r#"["c"]"#);
    a.will([fails(DOWN)]);
    b.will([calls(&[TO_SALES])]);
    c.will([breaks_behind("I am ", ModelErrorKind::Cut)]);
    let heard = play.say("an anvil").await;
    assert_eq!((&*heard.text(), resets(&heard)), ("I am ", 0));
    assert_eq!(
        heard.end(),
        &EventKind::TurnFailed(FailureCode::ModelCut),
        "sales have one model"
    );
    assert_eq!(
        (a.times_asked(), b.times_asked(), c.times_asked()),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_model_wants_back_no_other_one_gets() {
    let (play, a, b) = Play::with_two_models("");
    let signed = |text| with(says(&[text]), ModelChunk::Opaque(format!("signed: {text}")));
    a.will([signed("I am a."), fails(DOWN), says(&["Me again."])]);
    b.will([signed("I am b.")]);
    play.say("hello").await;
    play.say("hello?").await;
    assert_eq!(opaque_of(&b), [None]);
    play.say("who is there?").await;
    let own = Some("signed: I am a.".to_owned());
    assert_eq!(opaque_of(&a), [own, None]);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_call_used_is_recorded_at_the_price_of_its_model() {
    let prices = "[[price]]\nmodel = \"a\"\ninput = 2\noutput = 10\n\n[[price]]\nmodel = \"b\"\ninput = 1\noutput = 1\n";
    let (play, a, b) = Play::with_two_models(prices);
    let usage = |prompt_tokens| Usage {
        prompt_tokens,
        ..Usage::default()
    };
    let told = with(says(&["I am"]), ModelChunk::Usage(usage(100)));
    a.will([told.and(fails(ModelErrorKind::Reported))]);
    b.will([counted(says(&["I am b."]), usage(10))]);
    play.say("hello").await;
    let recorded = step(&play, 1, 1);
    assert_eq!(
        (recorded.usage, recorded.cost),
        (usage(10), Some(10_000_000))
    );
    let failed = &recorded.asked.failed[0];
    assert_eq!((failed.usage, failed.cost), (usage(100), Some(200_000_000)));
    let turn: TurnRecord = play.records.read(&keys::turn(&id(), 1));
    assert_eq!((turn.usage, turn.cost), (usage(110), Some(210_000_000)));
}

#[tokio::test(start_paused = true)]
async fn a_further_call_is_reserved_for_like_any_other() {
    let budget = "[budget]\nconversation = { tokens = 25_000 }\n";
    let (play, a, b) = Play::with_two_models(budget);
    a.will([
        breaks_behind("I am a, and ", ModelErrorKind::Cut),
        says(&["Me again."]),
    ]);
    b.will([says(&["I am b."])]);
    let heard = play.say("hello").await;
    assert_eq!((&*heard.text(), resets(&heard)), ("I am b.", 1));
    let spending = || {
        let meta: Meta = play.records.read(&keys::meta(&id()));
        meta.spending.unwrap()
    };
    // Nobody has counted: both calls have taken what was reserved for them.
    let used = spending().used.tokens;
    assert!(used > 2 * 4_096, "{used}");
    assert_eq!(spending().reserved, None);
    a.will([fails(ModelErrorKind::Cut)]);
    let mut asked = a.times_asked() + b.times_asked();
    loop {
        let heard = play.say("hello?").await;
        let more = a.times_asked() + b.times_asked();
        if more == asked {
            let code = FailureCode::BudgetExceeded;
            assert_eq!(heard.end(), &EventKind::TurnFailed(code));
            break;
        }
        asked = more;
    }
    assert!(spending().used.tokens <= 25_000);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_keeps_failing_is_left_alone_for_a_while_by_all_processes() {
    let (play, a, b) = Play::with_two_models("");
    a.will((0..3).map(|_| fails(DOWN)));
    for _ in 0..3 {
        play.say("hello").await;
    }
    assert_eq!((a.times_asked(), b.times_asked()), (3, 3));
    let other = play.another();
    // Read beside the first message, known from the second one on.
    other.say("hello").await;
    let asked = a.times_asked();
    other.say("hello").await;
    play.say("hello").await;
    assert_eq!(a.times_asked(), asked);
    a_minute_passes().await;
    a.will([says(&["I am well again."])]);
    assert_eq!(play.say("hello").await.text(), "I am well again.");
    assert_eq!(play.say("hello").await.end(), &EventKind::TurnCompleted);
    assert_eq!(a.times_asked(), asked + 2);
}
