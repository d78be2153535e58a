//! It can fail: every error that the engine can be told to make is found.

use baton_handoff::sabotage::{Sabotage, set};

use crate::{SEEDS, first_failure};

#[test]
fn every_broken_engine_is_caught() {
    let escaped: Vec<_> = Sabotage::ALL
        .into_iter()
        .filter(|broken| {
            let failure = first_failure(0..SEEDS.max(10_000), || set(Some(*broken)));
            set(None);
            match &failure {
                Some((seed, violation)) => println!("{broken:?}: seed {seed}: {violation}"),
                None => println!("{broken:?} escaped"),
            }
            failure.is_none()
        })
        .collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
