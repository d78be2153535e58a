//! What must hold of an action at every commit.

use baton_handoff::ports::{Change, Stored};
use baton_handoff::record::{ActionRecord, ActionState, decode};

use super::{Audit, Books, SKEW};
use crate::world::TaskId;

impl Audit {
    pub(super) fn check_action(
        &self,
        books: &mut Books,
        task: TaskId,
        conversation: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
        changes: &[Change],
    ) {
        let before = before.and_then(|before| decode::<ActionRecord>(before).ok());
        let after = after.and_then(|after| decode::<ActionRecord>(after).ok());
        let Some(after) = after else {
            let Some(before) = before else { return };
            let erased =
                Self::is_erased(books, conversation, before.id.turn) && before.state.is_terminal();
            self.require(erased, || {
                format!("the record of {} was removed", before.id)
            });
            books.actions.remove(&before.id);
            books.erased.insert(before.id);
            return;
        };
        match before {
            None => self.check_acceptance(books, &after, changes),
            Some(before) => self.check_transition(books, task, &before, &after),
        }
        books.actions.insert(after.id.clone(), after);
    }

    fn check_acceptance(&self, books: &Books, action: &ActionRecord, changes: &[Change]) {
        let step = changes
            .iter()
            .any(|change| matches!(change, Change::Create(key, _) if key.sort.contains("#S#")));
        self.require(step, || {
            format!("{} was accepted without its step", action.id)
        });
        let fresh = matches!(action.state, ActionState::Proposed | ActionState::Queued);
        self.require(fresh, || {
            format!("{} was accepted as {}", action.id, action.state.as_str())
        });
        let same = |other: &&ActionRecord| {
            other.id.conversation == action.id.conversation
                && other.id.turn == action.id.turn
                && other.tool == action.tool
                && other.arguments == action.arguments
        };
        let twin = books.actions.values().find(same);
        self.require(twin.is_none(), || {
            format!("{} was accepted twice in its turn", action.id)
        });
    }

    fn check_transition(
        &self,
        books: &mut Books,
        task: TaskId,
        before: &ActionRecord,
        after: &ActionRecord,
    ) {
        let id = &after.id;
        let by_operator = books.operators.contains(&task);
        let settled = before.state == ActionState::Unknown && by_operator;
        let steps = (before.state.as_str(), after.state.as_str());
        self.require(!before.state.is_terminal() || settled, || {
            format!("{id} had ended and changed: {steps:?}")
        });
        self.require(after.fence >= before.fence, || {
            format!("the fence of {id} went back")
        });
        let decided = before.state != ActionState::Proposed
            || after.state == ActionState::Rejected
            || by_operator;
        self.require(decided, || {
            format!("{id} waited for approval and nobody gave it: {steps:?}")
        });
        if by_operator && after.state == ActionState::Queued {
            books.sent_on.insert(id.clone());
        }
        if settled && after.state == ActionState::Queued {
            *books.retries.entry(id.clone()).or_default() += 1;
        }
        let held = before.state == ActionState::Running;
        let (claimant, until) = books.claims.get(id).copied().unwrap_or_default();
        let lives = until > self.world.now() + SKEW && !self.is_dead(&before.holder);
        let foreign = held && claimant != task && lives;
        if after.state == ActionState::Running && after.fence > before.fence {
            self.require(!foreign, || {
                format!("{id} was claimed under the live claim of another worker")
            });
            books.claims.insert(id.clone(), (task, after.look_at));
            books.claimed_by.insert(task, id.clone());
            return;
        }
        self.require(!foreign, || {
            format!("{id} was written under the live claim of another worker")
        });
    }
}
