//! Lists of actions by state, for operators.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::{Cursor, Index, Key, Millis, Order, Range, StoreError, Stored};
use crate::principal::Tenant;
use crate::record::keys::{self, TurnPart};
use crate::record::{ActionRecord, ActionState, Unreadable, actions_in, decode};

/// The most actions counted in a state that waits. A higher count is reported as this number.
const MOST_WAITING: usize = 1_000;

/// The most actions counted in a terminal state. Their number grows for ever, none of them waits, and each summary would read
/// them all.
const MOST_OVER: usize = 50;

/// Actions in one state.
#[derive(Debug)]
pub struct ActionPage {
    /// Newest first.
    pub actions: Vec<ActionRecord>,
    /// Actions of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A summary of all actions.
#[derive(Debug, Default)]
pub struct ActionSummary {
    /// The number of actions by state: at most 1,000 in a state that waits for a person or a worker, at most 50 in any other.
    pub counts: BTreeMap<&'static str, usize>,
    /// Milliseconds since the acceptance of the oldest action, by state, for states that wait for a person or a worker. Only the
    /// newest 1,000 actions of a state are read.
    pub oldest_waiting: BTreeMap<&'static str, Millis>,
}

/// Records of a conversation read for one page: among them are its turns and their steps.
const MOST_READ: usize = 1_000;
const READ_AT_ONCE: usize = 100;

impl Engine {
    /// A page of the actions of a conversation of this tenant, the latest turn first; of one state, if one is given. A page may be
    /// shorter than `limit`, and even empty, and have a next one.
    pub async fn actions_of(
        &self,
        tenant: &Tenant,
        conversation: &ConversationId,
        state: Option<ActionState>,
        after: Option<String>,
        limit: usize,
    ) -> Result<ActionPage, StoreError> {
        if after
            .as_deref()
            .is_some_and(|after| keys::parse_turn_part(after).is_none())
        {
            return Err(StoreError::BadCursor);
        }
        let mut page = ActionPage {
            actions: Vec::new(),
            unreadable: Vec::new(),
            next: after,
        };
        let mut read = 0;
        loop {
            let range = Range {
                partition: keys::partition(conversation),
                prefix: "T#".to_owned(),
                after: page.next.take(),
                order: Order::Descending,
                limit: READ_AT_ONCE,
            };
            let found = self.store.range(&range).await?;
            read += found.records.len();
            for stored in &found.records {
                let full = page.actions.len() + page.unreadable.len() >= limit;
                if full {
                    return Ok(page);
                }
                page.next = Some(stored.key.sort.clone());
                if !keys::is_action(&stored.key.sort) {
                    continue;
                }
                match decode::<ActionRecord>(stored) {
                    Ok(action) if action.owner.tenant() != tenant.as_str() => {}
                    Ok(action) if state.is_some_and(|state| action.state != state) => {}
                    Ok(action) => page.actions.push(action),
                    Err(error) => page.unreadable.push(unreadable(stored, &error)),
                }
            }
            if !found.more {
                page.next = None;
                return Ok(page);
            }
            if read >= MOST_READ {
                return Ok(page);
            }
        }
    }

    /// A page of a tenant's actions in a state.
    pub async fn actions(
        &self,
        tenant: &Tenant,
        state: ActionState,
        after: Option<String>,
        limit: usize,
    ) -> Result<ActionPage, StoreError> {
        let index = Index::Work(actions_in(tenant.as_str(), state));
        let page = self
            .store
            .index(&index, after.map(Cursor).as_ref(), limit)
            .await?;
        let mut actions = Vec::with_capacity(page.records.len());
        let mut unreadable = Vec::new();
        for stored in &page.records {
            match decode(stored) {
                Ok(action) => actions.push(action),
                Err(error) => unreadable.push(self::unreadable(stored, &error)),
            }
        }
        Ok(ActionPage {
            actions,
            unreadable,
            next: page.next.map(|cursor| cursor.0),
        })
    }

    /// The number of a tenant's actions in each state, and the age of the oldest action in each state that waits for a person or a worker.
    pub async fn action_summary(&self, tenant: &Tenant) -> Result<ActionSummary, StoreError> {
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
            let (count, oldest) = self.count_actions(tenant, state, most).await?;
            summary.counts.insert(state.as_str(), count);
            if let Some(oldest) = oldest.filter(|_| waits) {
                let age = self.env.now().saturating_sub(oldest.accepted_at);
                summary.oldest_waiting.insert(state.as_str(), age);
            }
        }
        Ok(summary)
    }

    /// The number of actions in a state, up to `most`, and the oldest of the counted actions.
    async fn count_actions(
        &self,
        tenant: &Tenant,
        state: ActionState,
        most: usize,
    ) -> Result<(usize, Option<ActionRecord>), StoreError> {
        let index = Index::Work(actions_in(tenant.as_str(), state));
        let (mut count, mut oldest, mut after) = (0, None, None);
        while count < most {
            let left = most - count;
            let page = self.store.index(&index, after.as_ref(), left).await?;
            count += page.records.len();
            // The list is newest first, so the last readable action is the oldest.
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

fn unreadable(stored: &Stored, error: &StoreError) -> Unreadable {
    Unreadable {
        id: id_of(&stored.key),
        reason: error.to_string(),
        last_activity: None,
    }
}

/// The id of the action at this key, whether or not the record can be read.
fn id_of(key: &Key) -> String {
    let conversation = key.partition.strip_prefix("C#").unwrap_or_default();
    match keys::parse_turn_part(&key.sort) {
        Some((turn, TurnPart::Action(hash))) => format!("{conversation}.{turn}.{hash}"),
        Some((_, TurnPart::Turn | TurnPart::Step(_))) | None => {
            format!("{conversation} {}", key.sort)
        }
    }
}
