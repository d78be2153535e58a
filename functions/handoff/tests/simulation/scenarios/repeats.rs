//! Which repeats are the same action, and in which order actions have their effects.

use baton_handoff::ids::ActionId;
use baton_handoff::record::ActionState;

use super::stage::Stage;
use crate::script::Try;

const A: (&str, &str) = ("execute_order", r#"{"product":"A","price":1}"#);
const B: (&str, &str) = ("execute_order", r#"{"product":"B","price":1}"#);
const REFUND: (&str, &str) = ("execute_refund", r#"{"item_id":"item-0","reason":"a"}"#);
const REFUND_AGAIN: (&str, &str) = ("execute_refund", r#"{"item_id":"item-0","reason":"b"}"#);

/// Plays a turn and does its actions as workers would. What was ordered or refunded, in the order of the effects.
fn effects(
    responses: &[&[(&'static str, &str)]],
    tries: &[Try],
    newest_first: bool,
) -> Vec<String> {
    let stage = Stage::set();
    stage.tries(tries);
    stage.say(responses);
    for _ in 0..20 {
        let mut open: Vec<ActionId> = stage.all(ActionState::Queued);
        if open.is_empty() {
            break;
        }
        if !newest_first {
            open.reverse();
        }
        for id in open {
            let _later = stage.end(&stage.begin_work(1, &id));
        }
        stage.pass(5_000);
    }
    stage.town.ledger.in_order()
}

fn in_order(responses: &[&[(&'static str, &str)]]) -> Vec<String> {
    effects(responses, &[], false)
}

#[test]
fn set_a_set_b_set_a_does_all_three() {
    for responses in [&[&[A, B, A][..]][..], &[&[A], &[B], &[A]], &[&[A, B], &[A]]] {
        assert_eq!(in_order(responses), ["A", "B", "A"], "{responses:?}");
    }
}

#[test]
fn a_repeat_with_nothing_in_between_is_the_same_action() {
    assert_eq!(in_order(&[&[A, A], &[A]]), ["A"]);
    assert_eq!(in_order(&[&[A, B, B], &[B]]), ["A", "B"]);
}

#[test]
fn a_tool_with_an_identity_does_one_thing_of_a_kind_in_a_turn() {
    let responses: &[&[_]] = &[&[("to_desk", "{}")], &[REFUND, A], &[REFUND_AGAIN]];
    assert_eq!(in_order(responses), ["item-0", "A"]);
}

#[test]
fn actions_have_their_effects_in_the_order_in_which_they_were_accepted() {
    for tries in [&[][..], &[Try::LOST], &[Try::LOST, Try::LOST]] {
        for responses in [&[&[A, B][..]][..], &[&[A], &[B]]] {
            let effects = effects(responses, tries, true);
            assert_eq!(effects, ["A", "B"], "{responses:?} {tries:?}");
        }
    }
}
