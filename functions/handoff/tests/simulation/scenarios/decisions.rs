//! A person's decision is about the state that they were shown. Seeds 96601, 402618, 789348, 850841, 949268 and 986631.

use baton_handoff::ids::ActionId;
use baton_handoff::record::ActionState;
use baton_handoff::{Decision, Settlement};

use super::stage::Stage;
use crate::desk::Card;
use crate::script::{Fate, Try};

const COURIER: (&str, &str) = ("call_courier", r#"{"parcel":"p1"}"#);

/// A courier was called, and nobody knows whether he comes. He does not.
fn a_call_that_nobody_knows_of(then: Try) -> (Stage, Card) {
    let stage = Stage::set();
    stage.tries(&[Try::LOST, then]);
    stage.say(&[&[("to_desk", "{}")], &[COURIER]]);
    let id = stage.shown(ActionState::Queued).action.id;
    stage.work(1, &id);
    let shown = stage.shown(ActionState::Unknown);
    (stage, shown)
}

/// Somebody has him called again. He comes, and again nobody knows.
fn call_again(stage: &Stage, shown: &Card) -> ActionId {
    let retried = stage.decide(shown, Decision::Settle(Settlement::Retry));
    assert!(retried.is_ok(), "nothing has happened before: {retried:?}");
    let id = shown.action.id.clone();
    stage.work(2, &id);
    assert_eq!(
        (stage.state(&id), stage.effects(&id)),
        (ActionState::Unknown, 1)
    );
    id
}

#[test]
fn a_settlement_of_what_was_tried_again_since_it_was_shown_is_refused() {
    for late in [Settlement::Rejected, Settlement::Retry, Settlement::Done] {
        let (stage, shown) = a_call_that_nobody_knows_of(Try::UNANSWERED);
        let id = call_again(&stage, &shown);
        let refused = stage.decide(&shown, Decision::Settle(late));
        assert!(refused.is_err(), "{late:?} was said of an earlier state");
        assert_eq!(stage.state(&id), ActionState::Unknown, "{late:?}");
    }
}

#[test]
fn a_settlement_that_loses_its_race_is_not_applied_to_the_newer_state() {
    for (late, into) in [
        (Settlement::Rejected, ActionState::Rejected),
        (Settlement::Retry, ActionState::Queued),
        (Settlement::Done, ActionState::Done),
    ] {
        let (stage, shown) = a_call_that_nobody_knows_of(Try::UNANSWERED);
        stage.script().disturb(1, into, Fate::Delayed(120_000));
        let late = stage.begin_decision(1, &shown, Decision::Settle(late));
        stage.pass(1_000);
        let id = call_again(&stage, &shown);
        let refused = stage.end(&late);
        assert!(refused.is_err(), "it was said of an earlier state");
        assert_eq!(stage.state(&id), ActionState::Unknown, "{into:?}");
        assert_eq!(stage.effects(&id), 1);
    }
}
