//! Operators: they decide about what waits for approval, and settle what nobody knows, by what really happened. Some decide long
//! after they have looked, and others have decided meanwhile.

use std::sync::Arc;

use baton_handoff::ports::StoreError;
use baton_handoff::record::ActionState;
use baton_handoff::{Decision, DecisionError, Engine, Operator, Role, Settlement, Subject, Tenant};

use crate::desk::{Card, cards};
use crate::oddities;
use crate::town::Town;
use crate::world::OUTSIDE;

/// Above this amount an action needs two operators.
pub(crate) const FOUR_EYES_ABOVE_CENTS: u64 = 60_000;

/// An operator of the customers' tenant with all roles.
pub(crate) fn colleague(name: &str) -> Operator {
    Operator {
        name: Subject::parse(name).expect("a name"),
        tenant: Tenant::default(),
        roles: Role::ALL.to_vec(),
    }
}

/// The other one of the two tenants.
pub(crate) fn other(tenant: &Tenant) -> Tenant {
    if *tenant == Tenant::default() {
        Tenant::parse("other").expect("a tenant")
    } else {
        Tenant::default()
    }
}

/// Whose shift it is at this tenant's desk: one of two who may do everything, one who may do little, or one of the other tenant.
fn on_shift(town: &Town, tenant: &Tenant) -> Operator {
    let world = &town.world;
    let colleague = |name| Operator {
        tenant: tenant.clone(),
        ..colleague(name)
    };
    if world.happens(100) {
        return Operator {
            tenant: other(tenant),
            ..colleague("mallory")
        };
    }
    if world.happens(200) {
        let roles = vec![
            Role::See,
            Role::Approve {
                up_to: Some(50_000),
            },
        ];
        return Operator {
            roles,
            ..colleague("erin")
        };
    }
    colleague(if world.happens(500) { "carl" } else { "dora" })
}

/// A shift that never ends.
pub(crate) fn begin_shift(town: &Arc<Town>) {
    let shift = town.clone();
    town.world.spawn(OUTSIDE, async move {
        loop {
            shift.world.sleep(shift.world.between(1_000, 15_000)).await;
            if let Some((process, engine)) = shift.any_process() {
                let town = shift.clone();
                shift
                    .world
                    .spawn(process, async move { look(&town, process, &engine).await });
            }
        }
    });
}

async fn look(town: &Arc<Town>, process: usize, engine: &Arc<Engine>) {
    let world = &town.world;
    let mut tenant = Tenant::default();
    if world.happens(400) {
        tenant = other(&tenant);
    }
    let operator = on_shift(town, &tenant);
    town.audit.decides(world.current_task(), &operator);
    for state in [ActionState::Proposed, ActionState::Unknown] {
        let page = match engine.actions(&tenant, state, None, 20).await {
            Ok(page) => page,
            Err(StoreError::Damaged(what)) => {
                return world.break_off(format!(
                    "a record that cannot be read hides the actions beside it: {what}"
                ));
            }
            // Another look comes soon.
            Err(StoreError::Unavailable(_) | StoreError::BadCursor) => return,
        };
        for shown in cards(page) {
            if !world.happens(600) {
                continue;
            }
            let Some(decision) = judge(town, &shown) else {
                continue;
            };
            if world.happens(town.weather().hesitation) {
                let (town, engine) = (town.clone(), engine.clone());
                let operator = operator.clone();
                world.clone().spawn(process, async move {
                    town.audit.decides(town.world.current_task(), &operator);
                    town.world.sleep(town.world.below(60_000)).await;
                    decide(&town, &engine, &operator, &shown, decision).await;
                });
            } else {
                decide(town, engine, &operator, &shown, decision).await;
            }
        }
    }
}

/// What is right at this moment.
fn judge(town: &Town, shown: &Card) -> Option<Decision> {
    let (world, id) = (&town.world, &shown.action.id);
    let hesitates = town.weather().hesitation > 0;
    match shown.action.state {
        ActionState::Proposed if world.happens(600) => Some(Decision::Approve),
        ActionState::Proposed => Some(Decision::Reject),
        // The page is older than what happened since: another look shows it.
        ActionState::Unknown if town.audit.state_of(id) != Some(ActionState::Unknown) => None,
        ActionState::Unknown if town.ledger.expects(id) => None,
        ActionState::Unknown if town.ledger.effects_of(id) > 0 => {
            Some(Decision::Settle(Settlement::Done))
        }
        // Where they hesitate they rather have it tried again: then there is something to be late for.
        ActionState::Unknown if world.happens(if hesitates { 200 } else { 500 }) => {
            Some(Decision::Settle(Settlement::Rejected))
        }
        ActionState::Unknown => Some(Decision::Settle(Settlement::Retry)),
        ActionState::Queued | ActionState::Running | ActionState::Done | ActionState::Rejected => {
            None
        }
    }
}

async fn decide(
    town: &Arc<Town>,
    engine: &Arc<Engine>,
    operator: &Operator,
    shown: &Card,
    decision: Decision,
) {
    let world = &town.world;
    let id = &shown.action.id;
    let wrong = world.happens(100);
    let weather = town.weather();
    let reason = if world.happens(weather.oddities) {
        oddities::text(world, weather.bulk.min(2_500))
    } else {
        "so it is".to_owned()
    };
    town.audit.shows(&shown.action);
    let decided = shown
        .decide(
            engine,
            operator,
            decision,
            wrong.then_some("another"),
            &reason,
        )
        .await;
    match decided {
        Ok(_) if wrong => world.break_off(format!(
            "a decision about other arguments was taken for {id}"
        )),
        Ok(_)
        | Err(
            DecisionError::NotFound
            | DecisionError::Role(_)
            | DecisionError::Reasons
            | DecisionError::Decided(_)
            | DecisionError::Changed(_)
            | DecisionError::ApprovedAlready
            | DecisionError::CustomerFirst
            | DecisionError::TooManyReports
            | DecisionError::Store(_),
        ) => {}
        Err(DecisionError::OtherArguments) if wrong => {}
        Err(DecisionError::OtherArguments) => {
            world.break_off(format!("{id} has other arguments than it showed"));
        }
    }
}
