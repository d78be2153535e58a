//! One simulation from its seed to its verdict.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use baton_handoff::ports::Millis;

use crate::customers::{Customers, Tally};
use crate::town::Town;
use crate::world::lock;
use crate::{faults, operators, plain, services, verdict};

/// When faults stop, after the dawn.
const STORM: (Millis, Millis) = (60_000, 240_000);

/// From the dawn of a simulation to midnight, UTC.
const TO_MIDNIGHT: Millis = 6_400_000;

/// How long everything may take to come to its end after that. Ten tries of an action, the last ones minutes apart, fit in.
const PATIENCE: Millis = 3 * 3_600_000;

/// How long it must stay quiet.
const SILENCE: Millis = 40_000;

/// Longer than an approval is waited for.
const APPROVAL_LIFE: Millis = 73 * 3_600_000;

/// How a simulation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) violation: Option<String>,
    /// Of all that happened, in its order.
    pub(crate) hash: u64,
    pub(crate) polls: u64,
    pub(crate) turns: u64,
    pub(crate) tally: Tally,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The engine catches panics of its tasks; here each of them is a defect.
pub(crate) fn watch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANIC.with_borrow_mut(|panic| *panic = Some(info.to_string()));
        usual(info);
    }));
}

pub(crate) fn simulate(seed: u64, prints: bool) -> Report {
    let town = Town::new(seed, prints);
    town.process_numbers()
        .for_each(|process| town.start(process));
    // Before any process can be down.
    town.cast();
    let customers = Customers::arrive(&town);
    faults::gather(&town);
    let weather = town.weather();
    if weather.summaries {
        services::resume(&town);
    }
    if weather.begun > 0 {
        services::report(&town);
    }
    if !weather.no_operator {
        operators::begin_shift(&town);
    }
    if !weather.no_operator && weather.hesitation > 0 {
        // What one of them is slow to decide another one may have decided.
        operators::begin_shift(&town);
    }
    // A worker's panic comes through to here.
    let play = AssertUnwindSafe(|| play(&town, &customers, weather.no_operator));
    let judged = std::panic::catch_unwind(play).unwrap_or(Ok(()));
    let panicked = PANIC
        .with_borrow_mut(Option::take)
        .map(|panic| format!("something panicked: {panic}"));
    let violation = town.world.violation().or(judged.err()).or(panicked);
    if let Some(violation) = &violation {
        town.world.note(|| format!("END: {violation}"));
    }
    // Tasks hold the town and the town holds them.
    town.process_numbers()
        .for_each(|process| town.crash(process));
    town.world.kill(crate::world::OUTSIDE);
    Report {
        violation,
        hash: town.world.hash(),
        polls: town.world.polls(),
        turns: town.audit.turns(),
        tally: lock(&customers.memory).tally,
    }
}

fn play(town: &Arc<Town>, customers: &Customers, no_operator: bool) -> Result<(), String> {
    let world = &town.world;
    if town.weather().midnight {
        world.leap(TO_MIDNIGHT - world.below(STORM.1));
    }
    let began = world.now();
    let storm = world.between(STORM.0, STORM.1);
    world.run_until(
        began + storm,
        || false,
        |process| faults::disturb(town, process),
    );
    town.calm_down();
    if no_operator {
        come_to_rest(town, customers, true)?;
        // What is on its way to a service arrives before time leaps.
        world.run_until(world.now() + SILENCE, || false, |_| {});
        town.process_numbers()
            .for_each(|process| town.crash(process));
        world.leap(APPROVAL_LIFE);
        town.process_numbers()
            .for_each(|process| town.start(process));
        world.run_until(world.now() + SILENCE, || false, |_| {});
        operators::begin_shift(town);
    }
    come_to_rest(town, customers, false)?;
    world.run_until(world.now() + SILENCE, || false, |_| {});
    // An operator may have settled something meanwhile, and then there is something to tell.
    come_to_rest(town, customers, false)?;
    if world.violation().is_none() {
        plain::ask_everywhere(town, customers)?;
        come_to_rest(town, customers, false)?;
        // No index lags behind any more.
        world.run_until(world.now() + SILENCE, || false, |_| {});
        plain::list_everything(town, customers)?;
        // An operator may have had something tried again while everybody read its list.
        come_to_rest(town, customers, false)?;
    }
    if world.violation().is_none() {
        settle(town)?;
    }
    if world.violation().is_none() {
        verdict::check(town, &lock(&customers.memory))?;
    }
    Ok(())
}

/// Long enough for every slice to end and to be looked after by a sweep.
const SLICE_LIFE: Millis = 20 * 60_000;

/// Every slice is given back, by its process or by the sweep.
fn settle(town: &Arc<Town>) -> Result<(), String> {
    let world = &town.world;
    if town.weather().calm {
        town.start_sweepers();
    }
    let settled = || town.audit.unsettled().is_none();
    world.run_until(world.now() + SLICE_LIFE, settled, |_| {});
    match town.audit.unsettled() {
        Some(left) if world.violation().is_none() => Err(format!("it is never settled: {left}")),
        Some(_) | None => Ok(()),
    }
}

fn come_to_rest(
    town: &Arc<Town>,
    customers: &Customers,
    with_proposals: bool,
) -> Result<(), String> {
    let world = &town.world;
    let rests = || lock(&customers.memory).busy == 0 && town.audit.unrest(with_proposals).is_none();
    world.run_until(world.now() + PATIENCE, rests, |_| {});
    if !rests() && town.weather().calm && town.audit.tells_again() {
        // In a calm nothing depends on the sweeper but this: a turn that was to tell a late result and that its model brought to
        // a limit is followed by another one after a pause.
        town.start_sweepers();
        world.run_until(world.now() + PATIENCE, rests, |_| {});
    }
    if world.violation().is_some() || rests() {
        return Ok(());
    }
    let left = town
        .audit
        .unrest(with_proposals)
        .unwrap_or_else(|| "a listener waits for an end".to_owned());
    Err(format!("it never came to rest: {left}"))
}
