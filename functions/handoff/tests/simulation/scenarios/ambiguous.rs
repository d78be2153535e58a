//! Whoever reads after an ambiguous answer looks at the state too. Seed 405118.

use baton_handoff::record::ActionState;
use baton_handoff::{Decision, Executed, Settlement};

use super::stage::{Running, Stage};
use crate::desk::Card;
use crate::script::Fate;

/// A worker's claim is written and not confirmed, and it sleeps for longer than the claim holds. Meanwhile another one finds that
/// nobody knows what became of the action.
fn asleep_behind_a_claim() -> (Stage, Card, Running<Executed>) {
    let stage = Stage::set();
    let courier = ("call_courier", r#"{"parcel":"p1"}"#);
    stage.say(&[&[("to_desk", "{}")], &[courier]]);
    let id = stage.shown(ActionState::Queued).action.id;
    let asleep = Fate::WrittenButAmbiguous { asleep_for: 60_000 };
    stage.script().disturb(1, ActionState::Running, asleep);
    let sleeper = stage.begin_work(1, &id);
    stage.pass(45_000);
    // A service without keys must not be called again.
    stage.work(2, &id);
    let shown = stage.shown(ActionState::Unknown);
    (stage, shown, sleeper)
}

#[test]
fn a_worker_that_slept_past_its_unconfirmed_claim_leaves_an_ended_action_as_it_is() {
    let (stage, shown, sleeper) = asleep_behind_a_claim();
    let _woken = stage.end(&sleeper);
    let id = &shown.action.id;
    assert_eq!(stage.state(id), ActionState::Unknown);
    stage.work(2, id);
    assert_eq!(stage.effects(id), 0);
}

#[test]
fn such_a_worker_does_not_take_what_a_person_has_sent_on_its_way_for_its_claim() {
    let (stage, shown, sleeper) = asleep_behind_a_claim();
    stage
        .decide(&shown, Decision::Settle(Settlement::Retry))
        .expect("it is as it was shown");
    let _woken = stage.end(&sleeper);
    let id = &shown.action.id;
    assert_eq!(stage.state(id), ActionState::Queued);
    stage.work(2, id);
    assert_eq!((stage.state(id), stage.effects(id)), (ActionState::Done, 1));
}
