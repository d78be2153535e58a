//! A refusal behind a try that may still arrive. Seeds 250055, 786247 and 814382.

use baton_handoff::record::ActionState;
use baton_handoff::{Decision, Settlement};

use super::stage::Stage;
use crate::script::Try;

/// The first request is on its way for longer than its worker waits, and the second one is refused at once.
fn refused_behind_a_late_try(tool: &'static str, arguments: &'static str) -> (ActionState, u32) {
    let stage = Stage::set();
    stage.tries(&[Try::LATE, Try::REFUSED]);
    stage.say(&[&[("to_desk", "{}")], &[(tool, arguments)]]);
    let id = stage.shown(ActionState::Queued).action.id;
    stage.work(1, &id);
    // The first one arrives.
    stage.pass(30_000);
    (stage.state(&id), stage.effects(&id))
}

#[test]
fn a_refusal_behind_a_try_that_may_still_arrive_is_unknown() {
    let (state, effects) = refused_behind_a_late_try("book_van", r#"{"van":"v1"}"#);
    assert_eq!((state, effects), (ActionState::Unknown, 1));
}

#[test]
fn a_service_that_remembers_its_refusals_may_refuse_behind_a_late_try() {
    let (state, effects) = refused_behind_a_late_try("book_hall", r#"{"hall":"h1"}"#);
    assert_eq!((state, effects), (ActionState::Rejected, 0));
}

/// What the seeds showed: the refusal that the service remembers is that of an earlier series of tries, and it is forgotten
/// before the late request arrives.
#[test]
fn a_refusal_that_was_remembered_from_before_a_person_said_try_again_is_not_final() {
    let stage = Stage::set();
    // Refused and not heard of; lost for good.
    let unheard = Try {
        answered: false,
        ..Try::REFUSED
    };
    let lost = [Try::LOST; 9];
    stage.tries(&[&[unheard], &lost[..]].concat());
    stage.say(&[&[("to_desk", "{}")], &[("book_hall", r#"{"hall":"h1"}"#)]]);
    let id = stage.shown(ActionState::Queued).action.id;
    let began = stage.town.world.now();
    stage.work(1, &id);
    let shown = stage.shown(ActionState::Unknown);
    let spent = stage.town.world.now() - began;
    assert!(spent < 55_000, "the key is still known: {spent}");
    // The key is forgotten while the first of these is on its way.
    stage.pass(60_000 - 7_000 - spent);
    stage.tries(&[Try::LATE, Try::WORKS]);
    stage
        .decide(&shown, Decision::Settle(Settlement::Retry))
        .expect("it is as it was shown");
    stage.work(1, &id);
    stage.pass(30_000);
    assert_ne!(
        (stage.state(&id), stage.effects(&id)),
        (ActionState::Rejected, 1)
    );
}
