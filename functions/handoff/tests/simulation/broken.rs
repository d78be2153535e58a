//! It can fail: every error that the engine can be told to make is found.

use baton_handoff::sabotage::{Sabotage, set};

use crate::{REPLAY, SEEDS, first_failure};

/// Breaks the engine on this thread as `SIM_BROKEN` says, to look at a seed that caught it.
pub(crate) fn choose() {
    let Ok(name) = std::env::var("SIM_BROKEN") else {
        return;
    };
    let broken = Sabotage::ALL
        .into_iter()
        .find(|broken| format!("{broken:?}") == name);
    assert!(
        broken.is_some(),
        "SIM_BROKEN={name} is none of {:?}",
        Sabotage::ALL
    );
    set(broken);
}

#[test]
fn every_broken_engine_is_caught() {
    let escaped: Vec<_> = Sabotage::ALL
        .into_iter()
        .filter(|broken| {
            let failure = first_failure(0..SEEDS.max(10_000), || set(Some(*broken)), |_| {});
            set(None);
            match &failure {
                Some((seed, violation)) => {
                    println!("{broken:?}: seed {seed}: {violation}");
                    println!("    see it: SIM_BROKEN={broken:?} SIM_SEED={seed} {REPLAY}");
                }
                None => println!("{broken:?} escaped"),
            }
            failure.is_none()
        })
        .collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
