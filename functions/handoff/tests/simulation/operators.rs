//! Operators: they decide about what waits for approval, and settle what nobody knows, by what really happened.

use std::sync::Arc;

use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::{Decision, DecisionError, Engine, Settlement, Shown};

use crate::town::Town;
use crate::world::OUTSIDE;

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
                    .spawn(process, async move { look(&town, &engine).await });
            }
        }
    });
}

async fn look(town: &Arc<Town>, engine: &Arc<Engine>) {
    town.audit.decides(town.world.current_task());
    for state in [ActionState::Proposed, ActionState::Unknown] {
        // Another look comes soon.
        let Ok(page) = engine.actions(state, None, 20).await else {
            return;
        };
        for action in page.actions {
            if town.world.happens(600) {
                decide(town, engine, &action).await;
            }
        }
    }
}

async fn decide(town: &Arc<Town>, engine: &Arc<Engine>, action: &ActionRecord) {
    let world = &town.world;
    let decision = match action.state {
        ActionState::Proposed if world.happens(600) => Decision::Approve,
        ActionState::Proposed => Decision::Reject,
        ActionState::Unknown if town.ledger.expects(&action.id) => return,
        ActionState::Unknown if town.ledger.effects_of(&action.id) > 0 => {
            Decision::Settle(Settlement::Done)
        }
        ActionState::Unknown if world.happens(500) => Decision::Settle(Settlement::Rejected),
        ActionState::Unknown => Decision::Settle(Settlement::Retry),
        ActionState::Queued | ActionState::Running | ActionState::Done | ActionState::Rejected => {
            return;
        }
    };
    let wrong = world.happens(100);
    let mut shown = Shown::of(action);
    if wrong {
        "another".clone_into(&mut shown.arguments_hash);
    }
    match engine
        .decide(&action.id, decision, &shown, "so it is")
        .await
    {
        Ok(_) if wrong => world.break_off(format!(
            "a decision about other arguments was taken for {}",
            action.id
        )),
        Ok(_)
        | Err(
            DecisionError::NotFound
            | DecisionError::Decided(_)
            | DecisionError::Changed(..)
            | DecisionError::TooManyReports
            | DecisionError::Store(_),
        ) => {}
        Err(DecisionError::OtherArguments) if wrong => {}
        Err(DecisionError::OtherArguments) => {
            world.break_off(format!("{} has other arguments than it showed", action.id));
        }
    }
}
