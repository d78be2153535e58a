//! A visitor signs in once, however often it tries, from however many processes, and whatever becomes of them. Which customer it
//! became, and that each side of it is recorded once, the audit sees at each commit.

use baton_handoff::{Kind, Principal, Refusal, SignInError};

use super::stage::{Running, Stage};
use crate::cast::person;
use crate::script::Fate;

/// As the design says: for so long a process may believe that a visitor has not signed in.
const A_MINUTE: u64 = 60_000;

type Signed = Running<Result<(), SignInError>>;

fn visitor() -> Principal {
    person("default", Kind::Visitor, "v0")
}

fn ann() -> Principal {
    person("default", Kind::Customer, "ann")
}

fn bob() -> Principal {
    person("default", Kind::Customer, "bob")
}

fn sign_in(stage: &Stage, process: usize, customer: Principal) -> Signed {
    stage.begin(process, |engine| async move {
        engine.sign_in(&visitor(), &customer).await
    })
}

/// The visitor became this customer, and this one has one visitor.
fn became(stage: &Stage, customer: &Principal) {
    stage.check();
    let audit = &stage.town.audit;
    assert_eq!(
        audit.customer_of(&visitor().owner()),
        Some(customer.owner())
    );
    assert_eq!(audit.visitors_of(&customer.owner()), 1);
}

/// The next sign-in of this process suffers this.
fn disturb(stage: &Stage, process: usize, fate: Fate) {
    stage.script().disturb_writes(process, "V#", fate);
}

#[test]
fn two_processes_sign_a_visitor_in_at_once_and_it_becomes_a_customer_once() {
    let stage = Stage::set();
    disturb(&stage, 1, Fate::Delayed(1_000));
    let slow = sign_in(&stage, 1, ann());
    stage.pass(100);
    let quick = sign_in(&stage, 2, ann());
    assert!(stage.end(&quick).is_ok());
    assert!(stage.end(&slow).is_ok());
    became(&stage, &ann());
}

#[test]
fn of_two_customers_that_a_visitor_signs_in_as_at_once_it_becomes_one() {
    let stage = Stage::set();
    disturb(&stage, 1, Fate::Delayed(1_000));
    let slow = sign_in(&stage, 1, ann());
    stage.pass(100);
    let quick = sign_in(&stage, 2, bob());
    assert!(stage.end(&quick).is_ok());
    assert!(matches!(stage.end(&slow), Err(SignInError::Taken)));
    became(&stage, &bob());
    assert_eq!(stage.town.audit.visitors_of(&ann().owner()), 0);
}

#[test]
fn two_visitors_that_become_one_customer_at_once_are_both_kept() {
    let stage = Stage::set();
    disturb(&stage, 1, Fate::Delayed(1_000));
    let slow = sign_in(&stage, 1, ann());
    stage.pass(100);
    let other = stage.begin(2, |engine| async move {
        let other = person("default", Kind::Visitor, "v1");
        engine.sign_in(&other, &ann()).await
    });
    assert!(stage.end(&other).is_ok());
    assert!(stage.end(&slow).is_ok());
    assert_eq!(stage.town.audit.visitors_of(&ann().owner()), 2);
}

#[test]
fn a_process_that_dies_behind_its_sign_in_leaves_it_whole() {
    let stage = Stage::set();
    let begun = stage.speak(1, "c0", &visitor());
    assert_eq!(stage.end(&begun), Ok(1));
    stage.pass(20_000);
    disturb(&stage, 1, Fate::WrittenButAmbiguous { asleep_for: 60_000 });
    let _unheard = sign_in(&stage, 1, ann());
    stage.pass(1_000);
    stage.town.crash(1);
    let again = sign_in(&stage, 2, ann());
    assert!(stage.end(&again).is_ok());
    let as_another = sign_in(&stage, 2, bob());
    assert!(matches!(stage.end(&as_another), Err(SignInError::Taken)));
    became(&stage, &ann());
    let id = stage.id_of("c0", &visitor());
    assert_eq!(stage.end(&stage.speak(2, &id, &ann())), Ok(2));
}

#[test]
fn a_process_that_dies_before_its_sign_in_leaves_nothing_of_it() {
    let stage = Stage::set();
    disturb(&stage, 1, Fate::Delayed(1_000));
    let _lost = sign_in(&stage, 1, ann());
    stage.pass(100);
    stage.town.crash(1);
    assert_eq!(stage.town.audit.customer_of(&visitor().owner()), None);
    let as_another = sign_in(&stage, 2, bob());
    assert!(stage.end(&as_another).is_ok());
    became(&stage, &bob());
}

#[test]
fn an_unconfirmed_sign_in_is_found_and_not_written_again() {
    let stage = Stage::set();
    disturb(&stage, 1, Fate::WrittenButAmbiguous { asleep_for: 60_000 });
    let sleeper = sign_in(&stage, 1, ann());
    stage.pass(1_000);
    let meanwhile = sign_in(&stage, 2, bob());
    assert!(matches!(stage.end(&meanwhile), Err(SignInError::Taken)));
    assert!(stage.end(&sleeper).is_ok());
    became(&stage, &ann());
}

#[test]
fn its_customer_goes_on_at_once_also_where_it_is_remembered_as_a_visitor() {
    let stage = Stage::set();
    let id = stage.id_of("c0", &visitor());
    for (turn, called) in [(1, "c0"), (2, id.as_str())] {
        let spoken = stage.speak(2, called, &visitor());
        assert_eq!(stage.end(&spoken), Ok(turn));
        stage.pass(20_000);
    }
    assert!(stage.end(&sign_in(&stage, 1, ann())).is_ok());
    assert_eq!(stage.end(&stage.speak(2, &id, &ann())), Ok(3));
    stage.pass(20_000);
    let strange = stage.speak(2, &id, &bob());
    assert_eq!(stage.end(&strange), Err(Refusal::NotFound));
}

#[test]
fn a_visitor_opens_nothing_a_minute_after_it_signed_in_anywhere() {
    let stage = Stage::set();
    for process in [1, 2] {
        let called = stage.speak(process, "c0", &visitor());
        assert!(stage.end(&called).is_ok());
        stage.pass(20_000);
    }
    assert!(stage.end(&sign_in(&stage, 1, ann())).is_ok());
    // Where it signed in it is known at once.
    let here = stage.speak(1, "c0", &visitor());
    assert_eq!(stage.end(&here), Err(Refusal::NotFound));
    stage.pass(A_MINUTE);
    let there = stage.speak(2, "c0", &visitor());
    assert_eq!(stage.end(&there), Err(Refusal::NotFound));
}

#[test]
fn nor_does_it_where_the_answer_that_it_had_not_came_late() {
    let stage = Stage::set();
    stage.script().late_answer = Some(("V#", 40_000));
    let slow = stage.speak(2, "c0", &visitor());
    stage.pass(1_000);
    assert!(stage.end(&sign_in(&stage, 1, ann())).is_ok());
    assert_eq!(stage.end(&slow), Ok(1));
    // The answer is a minute old by then.
    stage.pass(A_MINUTE - 38_000);
    let late = stage.speak(2, "c0", &visitor());
    assert_eq!(stage.end(&late), Err(Refusal::NotFound));
}

#[test]
fn nor_does_an_old_answer_replace_what_is_known() {
    let stage = Stage::set();
    stage.script().late_answer = Some(("V#", 5_000));
    let slow = stage.speak(1, "c0", &visitor());
    stage.pass(1_000);
    assert!(stage.end(&sign_in(&stage, 1, ann())).is_ok());
    assert_eq!(stage.end(&slow), Ok(1));
    let late = stage.speak(1, "c0", &visitor());
    assert_eq!(stage.end(&late), Err(Refusal::NotFound));
}
