//! Results that come after the model was told that their calls are pending.

use std::collections::BTreeMap;

use super::play::Play;
use super::window;
use crate::engine::Engine;
use crate::ids::ActionId;
use crate::ports::StoreError;
use crate::record::journal::read_actions;
use crate::record::{ActionState, LateResult, Meta, Told, size};

impl Play<'_> {
    /// Actions that the model believes pending and that have ended by now.
    pub(super) async fn late_results(&self) -> Result<Vec<LateResult>, StoreError> {
        let mut untold = self.lease.meta().await.untold;
        untold.sort();
        untold.dedup();
        untold.retain(|id| !ends_in(&self.told).any(|told| told == id));
        ended_actions(self.engine, &untold).await
    }
}

/// Those of the actions that have ended, as the model is told them: as many as one request may have, at least one.
pub(crate) async fn ended_actions(
    engine: &Engine,
    ids: &[ActionId],
) -> Result<Vec<LateResult>, StoreError> {
    let mut ended = Vec::new();
    let mut room = size::LATE_RESULTS;
    for action in read_actions(&*engine.store, ids).await? {
        if !action.state.is_terminal() {
            continue;
        }
        let result =
            window::end_sentence(action.state, action.result.as_deref().unwrap_or_default());
        // What stands around the text is less than this.
        let taken = size::stored_len(&result) + size::LATE_RESULT_FRAME;
        if taken > room && !ended.is_empty() {
            break;
        }
        room = room.saturating_sub(taken);
        ended.push(LateResult {
            action: action.id,
            tool: action.tool,
            state: action.state,
            result,
        });
    }
    Ok(ended)
}

fn ends_in(told: &[Told]) -> impl Iterator<Item = &ActionId> {
    told.iter()
        .filter_map(|told| told.ended.as_ref())
        .map(|ended| &ended.action)
}

/// The model said something after it was told these ends. `untold` is what was still to be told when `told` was gathered.
pub(super) fn forget_told(
    meta: &mut Meta,
    untold: &[ActionId],
    told: &[Told],
    late: &[LateResult],
) {
    let answers = told
        .iter()
        .filter_map(|told| told.ended.as_ref())
        .filter(|ended| ended.state != ActionState::Unknown || untold.contains(&ended.action))
        .map(|ended| (&ended.action, ended.state));
    let ends: BTreeMap<_, _> = answers
        .chain(late.iter().map(|late| (&late.action, late.state)))
        .collect();
    for (action, state) in ends {
        if state != ActionState::Unknown {
            meta.untold.retain(|id| id != action);
            meta.has_ended(action);
        } else if let Some(at) = meta.untold.iter().position(|id| id == action) {
            // Somebody may have found out meanwhile what became of it: then it stands there once more.
            meta.untold.remove(at);
        }
    }
}
