//! The owner is compared for the version of META that is written over: a check before the write is not enough.

use baton_handoff::{Kind, Principal, Refusal};

use super::stage::Stage;
use crate::cast::person;
use crate::script::Fate;

#[test]
fn of_two_principals_that_begin_the_same_conversation_at_once_one_finds_nothing() {
    let carl = person("default", Kind::Operator, "carl");
    let namesake = person("other", Kind::Operator, "carl");
    for (late, early) in [
        (&Principal::Open, &carl),
        (&carl, &Principal::Open),
        (&namesake, &carl),
    ] {
        let stage = Stage::set();
        // It read before the other began.
        let mut script = stage.script();
        script.disturb_writes(1, "C#", Fate::Delayed(1_000));
        drop(script);
        let second = stage.speak(1, "c0", late);
        stage.pass(100);
        let first = stage.speak(2, "c0", early);
        assert_eq!(stage.end(&first), Ok(1));
        assert_eq!(stage.end(&second), Err(Refusal::NotFound));
        stage.pass(20_000);
        let again = stage.speak(2, "c0", early);
        assert_eq!(stage.end(&again), Ok(2));
    }
}

#[test]
fn what_a_process_remembers_of_a_conversation_is_for_its_owner() {
    let stage = Stage::set();
    let ann = person("default", Kind::Customer, "ann");
    let bob = person("default", Kind::Customer, "bob");
    let begun = stage.speak(1, "c0", &ann);
    assert_eq!(stage.end(&begun), Ok(1));
    stage.pass(20_000);
    let id = stage.id_of("c0", &ann);
    let foreign = stage.speak(1, &id, &bob);
    assert_eq!(stage.end(&foreign), Err(Refusal::NotFound));
    let own = stage.speak(1, &id, &ann);
    assert_eq!(stage.end(&own), Ok(2));
}
