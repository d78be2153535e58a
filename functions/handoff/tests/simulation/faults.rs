//! What goes wrong by itself: processes crash at any await and come back, sleep past their leases, clocks jump, stores go away.

use std::sync::Arc;

use baton_handoff::Kind;

use crate::records::Blur;
use crate::town::Town;
use crate::world::{OUTSIDE, lock};

/// After a poll of a process's task: it may have been its last.
pub(crate) fn disturb(town: &Arc<Town>, process: usize) {
    if process == OUTSIDE {
        return;
    }
    let world = &town.world;
    let (crash, pause) = {
        let weather = lock(&town.weather);
        (weather.crash, weather.pause)
    };
    if crash > 0 && world.below(1_000_000) < crash {
        town.crash(process);
        town.restart_later(process, world.between(100, 40_000));
    } else if pause > 0 && world.below(1_000_000) < pause {
        world.pause(process, world.between(1_000, 60_000));
    }
}

/// Faults that come at a time of their own.
pub(crate) fn gather(town: &Arc<Town>) {
    let weather = town.weather();
    let clouds: [(bool, fn(Arc<Town>)); 7] = [
        (weather.clock_jumps, jump_clock),
        (weather.leaps, leap),
        (weather.drains, drain),
        (weather.outages, take_store_away),
        (weather.erasures, erase),
        (weather.blurs, blur),
        (weather.new_team, |town| town.change_team()),
    ];
    for (gathers, strike) in clouds {
        if !gathers {
            continue;
        }
        let town = town.clone();
        town.world.clone().spawn(OUTSIDE, async move {
            loop {
                town.world.sleep(town.world.between(5_000, 90_000)).await;
                // After the calm there are none of these any more.
                if !town.weather().storms() {
                    return;
                }
                strike(town.clone());
            }
        });
    }
}

fn jump_clock(town: Arc<Town>) {
    let Some((process, _)) = town.any_process() else {
        return;
    };
    let jump = i64::try_from(town.world.below(1_000)).unwrap_or(0) - 500;
    town.world.set_offset(process, jump);
}

fn leap(town: Arc<Town>) {
    let slept = town.world.between(1_000, 45_000);
    town.world
        .note(|| format!("everything sleeps for {slept} ms"));
    town.world.leap(slept);
}

fn drain(town: Arc<Town>) {
    let Some((process, _)) = town.any_process() else {
        return;
    };
    let later = town.world.between(1_000, 20_000);
    town.world.clone().spawn(OUTSIDE, async move {
        town.clone().drain(process).await;
        town.restart_later(process, later);
    });
}

fn take_store_away(town: Arc<Town>) {
    let until = town.world.now() + town.world.between(1_000, 60_000);
    town.world
        .note(|| format!("the store is away until {until}"));
    lock(&town.records).away_until = until;
}

/// A record cannot be read for a while: written by a newer Baton, or damaged and then restored.
fn blur(town: Arc<Town>) {
    let world = town.world.clone();
    let kinds = [Blur::Newer, Blur::Garbled, Blur::Damaged];
    let blur = kinds[world.index(kinds.len())];
    let (of_all, pick) = (world.happens(300), world.bits());
    {
        let mut records = lock(&town.records);
        let keys = records.now.keys().filter(|key| {
            key.partition.starts_with("C#c") && (of_all || key.sort.starts_with("T#"))
        });
        let keys: Vec<_> = keys.collect();
        let nth = pick.checked_rem(keys.len() as u64).unwrap_or(0);
        let Some(key) = keys.get(usize::try_from(nth).unwrap_or(0)) else {
            return;
        };
        world.note(|| format!("{key:?} is {blur:?}"));
        let key = (*key).clone();
        records.blur(key, blur);
    }
    world.clone().spawn(OUTSIDE, async move {
        world.sleep(world.between(500, 40_000)).await;
        lock(&town.records).blurred = None;
    });
}

fn erase(town: Arc<Town>) {
    let Some((process, engine)) = town.any_process() else {
        return;
    };
    let cast = town.cast();
    let Some(venue) = cast.venues.get(town.world.index(cast.venues.len())) else {
        return;
    };
    let (mut who, mut called) = town.host_of(venue);
    if town.world.happens(200) {
        // An operator of its tenant may as well.
        let mut operators = cast.of(Kind::Operator).into_iter();
        let colleague = operators.find(|operator| operator.tenant() == who.tenant());
        who = colleague.unwrap_or(who);
        called = venue.id.clone();
    }
    town.world.clone().spawn(process, async move {
        town.audit.asks(&who);
        let conversation = town.open(&engine, &called, &who);
        town.world
            .note(|| format!("{} is erased", conversation.id()));
        // Nobody there, or not now: as a customer's request would end.
        let _erased = conversation.erase().await;
    });
}
