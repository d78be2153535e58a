//! Limits on money: what fits happens, what does not waits for a person, and what never happened is given back.

use baton_handoff::Decision;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Outcome, Price, Store as _};
use baton_handoff::record::{ActionState, Meta, decode, keys};

use crate::model::{Reply, calls, says};
use crate::play::{CONVERSATION, Play};

const TO_REPAIRS: &str = "transfer_to_issues_and_repairs";

/// A play whose refunds are limited so, with workers.
async fn limited(limit: &str) -> Play {
    let play = Play::with_team(&[("conversation_usd = 2000", limit)]);
    play.hire();
    play.transferred_by(TO_REPAIRS).await;
    play
}

fn refunds(items: std::ops::Range<u32>) -> Reply {
    let arguments: Vec<_> = items
        .map(|item| format!(r#"{{"item_id":"i-{item}"}}"#))
        .collect();
    let named: Vec<_> = arguments
        .iter()
        .map(|arguments| ("execute_refund", arguments.as_str()))
        .collect();
    calls(&named)
}

async fn meta(play: &Play) -> Meta {
    let key = keys::meta(&ConversationId::parse(CONVERSATION).unwrap());
    decode(&play.way.get(&key).await.unwrap().unwrap()).unwrap()
}

async fn spent(play: &Play) -> u64 {
    meta(play)
        .await
        .spent
        .get("refunds")
        .map_or(0, |spent| spent.cents)
}

async fn count(play: &Play, state: ActionState) -> usize {
    let tenant = baton_handoff::Tenant::default();
    let page = play
        .engine
        .actions(&tenant, state, None, 100)
        .await
        .unwrap();
    page.actions.len()
}

#[tokio::test(start_paused = true)]
async fn refunds_of_one_conversation_stop_at_its_limit() {
    let play = limited("conversation_usd = 2000").await;
    play.shop.set_price(Price::Known(50_000));
    play.model
        .will([refunds(0..8), refunds(8..16), says(&["Done."])]);
    play.say("all of it, please").await;
    assert_eq!(play.shop.effects(), 4, "four times 500 USD are 2,000");
    assert_eq!(count(&play, ActionState::Proposed).await, 12);
    assert_eq!(spent(&play).await, 200_000);
    let tenant = baton_handoff::Tenant::default();
    let page = play.engine.actions(&tenant, ActionState::Proposed, None, 1);
    let waiting = page.await.unwrap().actions.remove(0);
    assert_eq!(
        waiting.over.as_deref(),
        Some(
            "limit refunds: $500.00 is over the $0.00 that are left of $2,000.00 in this conversation"
        )
    );
    play.model
        .will([refunds(20..21), says(&["A colleague looks at it."])]);
    play.say("and this one").await;
    assert_eq!(play.shop.effects(), 4, "the limit holds in later turns too");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_refuses_accepts_nothing_above_it() {
    let play = limited("conversation_usd = 600\nover = \"refuse\"").await;
    play.shop.set_price(Price::Known(50_000));
    play.model.will([refunds(0..2), says(&["One of them."])]);
    play.say("both, please").await;
    assert_eq!(play.shop.effects(), 1);
    assert_eq!(count(&play, ActionState::Proposed).await, 0);
    let told = play.model.last_asked();
    assert!(
        told.iter().any(|text| text.contains("it is over a limit")),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_amount_that_cannot_be_told_waits_for_a_person() {
    let play = Play::with_team(&[("approval = { above_usd = 500 }", "")]);
    play.hire();
    play.transferred_by(TO_REPAIRS).await;
    play.shop
        .set_price(Price::CannotTell("the books are closed".to_owned()));
    play.model
        .will([refunds(0..1), says(&["A colleague looks at it."])]);
    play.say("my anvil broke").await;
    assert_eq!(
        (
            play.shop.effects(),
            count(&play, ActionState::Proposed).await
        ),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_ended_without_effect_is_given_back_once_the_model_knows() {
    let play = limited("conversation_usd = 2000").await;
    play.shop.set_price(Price::Known(50_000));
    play.shop
        .set_outcome(Outcome::Rejected("not today".to_owned()));
    play.model.will([refunds(0..1), says(&["It was refused."])]);
    play.say("my anvil broke").await;
    assert_eq!(spent(&play).await, 0);
    assert!(meta(&play).await.spent.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_approved_action_counts_and_may_pass_the_limit() {
    let play = limited("conversation_usd = 400").await;
    play.shop.set_price(Price::Known(50_000));
    play.model.will([
        refunds(0..1),
        says(&["A colleague looks at it."]),
        says(&["It is paid."]),
    ]);
    let asked = play.say("my anvil broke").await;
    assert_eq!(
        spent(&play).await,
        0,
        "nothing counts before it is approved"
    );
    let proposed = play.action(ActionState::Proposed).await;
    play.decide(&proposed, Decision::Approve).await.unwrap();
    play.hear(asked.turn + 1, None).await;
    assert_eq!((play.shop.effects(), spent(&play).await), (1, 50_000));
}

#[tokio::test(start_paused = true)]
async fn a_turn_accepts_sixteen_actions_in_all_its_steps() {
    let play = limited("conversation_usd = 2000").await;
    play.model
        .will([refunds(0..10), refunds(10..18), says(&["Sixteen."])]);
    play.say("all of it, please").await;
    assert_eq!(play.shop.effects(), 16);
    let told = play.model.last_asked();
    let refused = told
        .iter()
        .filter(|text| text.contains("as many actions as one answer may have"));
    assert_eq!(refused.count(), 2, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_around_a_refused_action_is_no_new_one() {
    let play = Play::with_team(&[(
        "conversation_usd = 10000",
        "conversation_usd = 100\nover = \"refuse\"",
    )]);
    play.hire();
    play.transferred_by("transfer_to_sales_agent").await;
    play.shop.set_price(Price::Known(10_000));
    let anvil = ("execute_order", r#"{"product":"anvil","price":100}"#);
    let rocket = ("execute_order", r#"{"product":"rocket","price":100}"#);
    play.model
        .will([calls(&[anvil, rocket, anvil]), says(&["One anvil."])]);
    play.say("an anvil and a rocket").await;
    assert_eq!(play.shop.effects(), 1);
    let told = play.model.last_asked();
    let repeats = told
        .iter()
        .any(|text| text.contains("it repeats an earlier call"));
    assert!(repeats, "{told:?}");
}
