//! What operators see: actions by state.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::ports::{Cursor, Index, Key, Millis, StoreError};
use crate::record::keys::{self, TurnPart};
use crate::record::{ActionRecord, ActionState, Unreadable, actions_in, decode};

/// Actions that are counted of a state in which they wait; more are reported as this many.
const MOST_WAITING: usize = 1_000;

/// The same of a state that is an end: those become ever more, they wait for no one, and each summary would read them all.
const MOST_OVER: usize = 50;

/// Actions in one state.
#[derive(Debug)]
pub struct ActionPage {
    /// Newest first.
    pub actions: Vec<ActionRecord>,
    /// Those of this part that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where to go on.
    pub next: Option<String>,
}

/// All actions at a glance.
#[derive(Debug, Default)]
pub struct ActionSummary {
    /// How many there are by state: 1,000 at most of those that wait for a person or a worker, 50 at most of the others.
    pub counts: BTreeMap<&'static str, usize>,
    /// Milliseconds since the acceptance of the oldest by state, where an action in that state waits for a person or a worker. Of
    /// the newest 1,000 where there are more.
    pub oldest_waiting: BTreeMap<&'static str, Millis>,
}

impl Engine {
    /// A page of the actions in a state.
    pub async fn actions(
        &self,
        state: ActionState,
        after: Option<String>,
        limit: usize,
    ) -> Result<ActionPage, StoreError> {
        let index = Index::Listed(actions_in(state));
        let page = self
            .store
            .index(&index, after.map(Cursor).as_ref(), limit)
            .await?;
        let mut actions = Vec::with_capacity(page.records.len());
        let mut unreadable = Vec::new();
        for stored in &page.records {
            match decode(stored) {
                Ok(action) => actions.push(action),
                Err(error) => unreadable.push(Unreadable {
                    id: id_of(&stored.key),
                    reason: error.to_string(),
                    last_activity: None,
                }),
            }
        }
        Ok(ActionPage {
            actions,
            unreadable,
            next: page.next.map(|cursor| cursor.0),
        })
    }

    /// How many actions are in each state, and how long the oldest waits of those that somebody or something must still see to.
    pub async fn action_summary(&self) -> Result<ActionSummary, StoreError> {
        let mut summary = ActionSummary::default();
        for state in ActionState::ALL {
            let waits = match state {
                ActionState::Proposed
                | ActionState::Queued
                | ActionState::Running
                | ActionState::Unknown => true,
                ActionState::Done | ActionState::Rejected => false,
            };
            let most = if waits { MOST_WAITING } else { MOST_OVER };
            let (count, oldest) = self.count_actions(state, most).await?;
            summary.counts.insert(state.as_str(), count);
            if let Some(oldest) = oldest.filter(|_| waits) {
                let age = self.env.now().saturating_sub(oldest.accepted_at);
                summary.oldest_waiting.insert(state.as_str(), age);
            }
        }
        Ok(summary)
    }

    /// How many, up to `most`, and the oldest of those that were counted.
    async fn count_actions(
        &self,
        state: ActionState,
        most: usize,
    ) -> Result<(usize, Option<ActionRecord>), StoreError> {
        let index = Index::Listed(actions_in(state));
        let (mut count, mut oldest, mut after) = (0, None, None);
        while count < most {
            let left = most - count;
            let page = self.store.index(&index, after.as_ref(), left).await?;
            count += page.records.len();
            // Newest first, so the last one that can be read is the oldest.
            let last = page.records.iter().rev().find_map(|one| decode(one).ok());
            oldest = last.or(oldest);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok((count, oldest))
    }
}

/// The action that stands at this key, whatever stands in it.
fn id_of(key: &Key) -> String {
    let conversation = key.partition.strip_prefix("C#").unwrap_or_default();
    match keys::parse_turn_part(&key.sort) {
        Some((turn, TurnPart::Action(hash))) => format!("{conversation}.{turn}.{hash}"),
        Some((_, TurnPart::Turn | TurnPart::Step(_))) | None => {
            format!("{conversation} {}", key.sort)
        }
    }
}
