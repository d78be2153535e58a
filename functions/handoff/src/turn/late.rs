//! Late results: results of actions whose calls were answered as pending.

use std::collections::BTreeMap;

use super::play::Play;
use super::window;
use crate::engine::Engine;
use crate::ids::ActionId;
use crate::money::Till;
use crate::ports::StoreError;
use crate::record::journal::read_actions;
use crate::record::{ActionRecord, ActionState, CallResult, LateResult, Meta, size};

impl Play<'_> {
    /// The results of ended actions that the model still knows as pending.
    pub(super) async fn late_results(&mut self) -> Result<Vec<LateResult>, StoreError> {
        let mut pending_reports = self.lease.meta().await.pending_reports;
        pending_reports.sort_unstable();
        pending_reports.dedup();
        pending_reports.retain(|id| !ends_in(&self.results).any(|ended| ended == id));
        let ended = ended_actions(self.engine, &pending_reports).await?;
        for (action, _) in &ended {
            self.note_late_success(action);
        }
        Ok(ended.into_iter().map(|(_, late)| late).collect())
    }
}

/// The ended ones among these actions with their late results: as many as fit one request, at least one.
pub(crate) async fn ended_actions(
    engine: &Engine,
    ids: &[ActionId],
) -> Result<Vec<(ActionRecord, LateResult)>, StoreError> {
    let mut ended = Vec::new();
    let mut room = size::LATE_RESULTS;
    for action in read_actions(&*engine.store, ids).await? {
        if !action.state.is_terminal() {
            continue;
        }
        let result =
            window::end_sentence(action.state, action.result.as_deref().unwrap_or_default());
        // The frame of a result is smaller than this.
        let taken = size::stored_len(&result) + size::LATE_RESULT_FRAME;
        if taken > room && !ended.is_empty() {
            break;
        }
        room = room.saturating_sub(taken);
        let late = LateResult {
            action: action.id.clone(),
            tool: action.tool.clone(),
            state: action.state,
            result,
        };
        ended.push((action, late));
    }
    Ok(ended)
}

fn ends_in(results: &[CallResult]) -> impl Iterator<Item = &ActionId> {
    results
        .iter()
        .filter_map(|result| result.ended.as_ref())
        .map(|ended| &ended.action)
}

/// The model has answered a request with these results, so their ends count as reported. `pending_reports`: from META, at the
/// time when the results were gathered.
pub(super) fn forget_reported(
    meta: &mut Meta,
    till: &mut Till<'_>,
    pending_reports: &[ActionId],
    results: &[CallResult],
    late_results: &[LateResult],
) {
    let answers = results
        .iter()
        .filter_map(|result| result.ended.as_ref())
        .filter(|ended| {
            ended.state != ActionState::Unknown || pending_reports.contains(&ended.action)
        })
        .map(|ended| (&ended.action, ended.state));
    let mut ends: BTreeMap<_, _> = BTreeMap::new();
    ends.extend(answers.chain(late_results.iter().map(|late| (&late.action, late.state))));
    for (action, state) in ends {
        if state != ActionState::Unknown {
            meta.pending_reports.retain(|id| id != action);
            meta.has_ended(action);
            if state == ActionState::Rejected {
                till.give_back(meta, action);
            } else {
                Till::settle(meta, action);
            }
        } else if let Some(at) = meta.pending_reports.iter().position(|id| id == action) {
            // An operator may have settled the action meanwhile: then META names it twice, and one report is still due.
            meta.pending_reports.remove(at);
        }
    }
}
