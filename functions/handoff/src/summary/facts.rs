//! What code knows of the turns that leave a window: what came of their actions. A model may forget an order's number.

use crate::engine::Engine;
use crate::ids::TurnNumber;
use crate::ports::StoreError;
use crate::record::journal::{JournaledTurn, read_actions};
use crate::record::{ActionRecord, ActionState, OpenLine, SummaryRecord, size};
use crate::team::dollars;
use crate::turn::told;
use crate::turn::window::end_sentence;

/// The arguments of an action in a line, as stored.
const ARGUMENTS: usize = 160;

/// Its result.
const RESULT: usize = 200;

/// The lines about actions.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) done: Vec<String>,
    pub(super) open: Vec<OpenLine>,
}

impl Facts {
    /// Of the summary before and these turns, as many lines as there is room for: open actions first, then the newest ends.
    pub(super) async fn gather(
        engine: &Engine,
        before: Option<&SummaryRecord>,
        turns: &[JournaledTurn],
        upto: TurnNumber,
        room: usize,
    ) -> Result<Self, StoreError> {
        let was_open = before.map_or(&[][..], |before| before.open.as_slice());
        let was_open: Vec<_> = was_open.iter().map(|open| open.action.clone()).collect();
        let covered = turns.iter().filter(|turn| turn.number <= upto);
        let mut actions = read_actions(&*engine.store, &was_open).await?;
        actions.extend(covered.flat_map(|turn| turn.actions.iter().cloned()));
        let mut facts = Self {
            done: before.map(|before| before.done.clone()).unwrap_or_default(),
            open: Vec::new(),
        };
        let mut left = room;
        for action in &actions {
            let line = line(action);
            if action.state.is_terminal() {
                facts.done.push(line);
                continue;
            }
            // At most half of the room: the rest tells what is done.
            let fits = left.saturating_sub(line.len()) >= room / 2;
            left -= if fits { line.len() } else { 0 };
            facts.open.push(OpenLine {
                action: action.id.clone(),
                line: if fits { line } else { String::new() },
            });
        }
        let newest = facts.done.iter().rev().take_while(|line| {
            let fits = line.len() <= left;
            left = left.saturating_sub(line.len());
            fits
        });
        let kept = newest.count();
        facts.done.drain(..facts.done.len() - kept);
        Ok(facts)
    }
}

/// An action in a line: its tool, its arguments, its amount, and what came of it in the words that a model gets anyway.
fn line(action: &ActionRecord) -> String {
    let arguments = size::shorten(&action.arguments, ARGUMENTS);
    let amount = action
        .amount_cents
        .map(|cents| format!(" ({})", dollars(cents)));
    let amount = amount.unwrap_or_default();
    let result = action.result.as_deref().unwrap_or_default();
    let became = match action.state {
        ActionState::Done | ActionState::Rejected | ActionState::Unknown => {
            told::entry(&end_sentence(action.state, result))
        }
        ActionState::Proposed | ActionState::Queued | ActionState::Running => {
            format!("{} when this was written", action.state.as_str())
        }
    };
    let became = size::shorten(&became, RESULT);
    format!("{} {arguments}{amount}: {became}", action.tool)
}
