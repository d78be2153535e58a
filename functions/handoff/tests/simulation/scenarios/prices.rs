//! What nobody can price needs approval.

use baton_handoff::record::ActionState;

use super::stage::Stage;
use crate::world::lock;

#[test]
fn a_refund_whose_price_cannot_be_told_waits_for_a_person() {
    let stage = Stage::set();
    lock(&stage.town.weather).priceless = 1_000;
    // The price, if somebody could tell it, is far over the limit.
    stage.say(&[
        &[("to_desk", "{}")],
        &[("execute_refund", r#"{"item_id":"item-2"}"#)],
    ]);
    let proposed = stage.shown(ActionState::Proposed);
    assert_eq!(proposed.action.attempts, 0);
}

#[test]
fn a_refund_of_what_has_no_price_waits_for_a_person() {
    let stage = Stage::set();
    stage.say(&[
        &[("to_desk", "{}")],
        &[("execute_refund", r#"{"item_id":"item-9"}"#)],
    ]);
    let proposed = stage.shown(ActionState::Proposed);
    assert_eq!(proposed.action.attempts, 0);
}

#[test]
fn a_refund_under_the_limit_waits_for_nobody() {
    let stage = Stage::set();
    stage.say(&[
        &[("to_desk", "{}")],
        &[("execute_refund", r#"{"item_id":"item-0"}"#)],
    ]);
    let queued = stage.shown(ActionState::Queued);
    stage.work(1, &queued.action.id);
    assert_eq!(stage.effects(&queued.action.id), 1);
}
