//! What must hold of an action at every commit.

use baton_handoff::ports::{Change, Price, Stored};
use baton_handoff::record::{ActionRecord, ActionState, decode};
use baton_handoff::team::{Amount, Approval};
use baton_handoff::{AuditDetails, AuditEntry, Operator, Role};

use super::{Audit, Books, MOST_OPEN, SKEW, Success};
use crate::operators::FOUR_EYES_ABOVE_CENTS;
use crate::town::TEAM;
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
        match &before {
            None => {
                self.check_acceptance(books, task, &after, changes);
                self.check_card(books, &after, changes);
            }
            Some(before) => self.check_transition(books, task, before, &after, changes),
        }
        let sent_on = before
            .as_ref()
            .is_none_or(|before| before.state == ActionState::Proposed);
        if sent_on && after.state == ActionState::Queued {
            self.check_paid(books, task, &after, changes);
        }
        Self::forget_paid(books, &after);
        let waited = before.is_none_or(|before| {
            matches!(before.state, ActionState::Proposed | ActionState::Unknown)
        });
        let (id, begins) = (
            after.id.clone(),
            waited && after.state == ActionState::Queued,
        );
        books.actions.insert(id.clone(), after);
        if begins {
            books.line_up(&id);
        }
    }

    fn check_acceptance(
        &self,
        books: &Books,
        task: TaskId,
        action: &ActionRecord,
        changes: &[Change],
    ) {
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
        self.require(
            action.state == ActionState::Proposed || !Self::needs_approval(books, task, action),
            || {
                format!(
                    "{} was accepted without the approval that it needs",
                    action.id
                )
            },
        );
        self.require(Self::comes_after(books, action), || {
            format!(
                "{} was accepted before the tool that it comes after had succeeded",
                action.id
            )
        });
        let conversation = action.id.conversation.as_str();
        // What a person has tried again was accepted before, and may come back while this is being accepted.
        let open = books.actions.values().filter(|other| {
            other.id.conversation == action.id.conversation
                && !other.state.is_terminal()
                && !books.retries.contains_key(&other.id)
                && !Self::is_erased(books, conversation, other.id.turn)
        });
        let open = open.count() + 1;
        self.require(open <= MOST_OPEN, || {
            format!(
                "{} is one of {open} open actions of its conversation",
                action.id
            )
        });
    }

    /// Whether the earlier tool, where there must be one, had succeeded with these arguments: both have one alone, of one name.
    fn comes_after(books: &Books, action: &ActionRecord) -> bool {
        let tool = TEAM.tool(&action.tool);
        let Some(after) = tool.and_then(|tool| tool.after.as_ref()) else {
            return true;
        };
        books.looked_up.contains(&Success {
            conversation: action.id.conversation.clone(),
            owner: action.owner.clone(),
            customer: action.speaker.customer.clone(),
            tool: after.tool.clone(),
            arguments: action.arguments.clone(),
        })
    }

    /// Whether a person has to agree: what is over the limit, what has no price, and what nobody could price.
    fn needs_approval(books: &Books, task: TaskId, action: &ActionRecord) -> bool {
        let Some(tool) = TEAM.tool(&action.tool) else {
            return false;
        };
        match &tool.approval {
            Approval::Never => false,
            Approval::Always => true,
            Approval::Above {
                limit_cents,
                amount: Amount::Provider,
            } => {
                let call = (task, action.tool.clone(), action.arguments.clone());
                !matches!(books.prices.get(&call), Some(Price::Known(cents)) if cents <= limit_cents)
            }
            Approval::Above {
                limit_cents,
                amount: Amount::Parameter(name),
            } => {
                let arguments = serde_json::from_str::<serde_json::Value>(&action.arguments);
                let dollars = arguments.ok().and_then(|all| all.get(name)?.as_u64());
                dollars.is_none_or(|dollars| dollars * 100 > *limit_cents)
            }
        }
    }

    fn check_transition(
        &self,
        books: &mut Books,
        task: TaskId,
        before: &ActionRecord,
        after: &ActionRecord,
        changes: &[Change],
    ) {
        let id = &after.id;
        let operator = books.operators.get(&task).cloned();
        let by_operator = operator.is_some();
        if let Some(operator) = operator {
            self.check_decision(&operator, before, after, changes);
        }
        let settled = before.state == ActionState::Unknown && by_operator;
        let steps = (before.state.as_str(), after.state.as_str());
        self.require(!before.state.is_terminal() || settled, || {
            format!("{id} had ended and changed: {steps:?}")
        });
        self.require(after.fence >= before.fence, || {
            format!("the fence of {id} went back")
        });
        let confirmed = self.check_answer(books, task, before, after, changes);
        let decided = before.state != ActionState::Proposed
            || after.state == ActionState::Rejected
            || confirmed
            || by_operator;
        self.require(decided, || {
            format!("{id} waited for approval and nobody gave it: {steps:?}")
        });
        if let Some(shown) = books.shown.get(&(task, id.clone())) {
            self.require(before.fence == *shown, || {
                format!("a decision about {id} was taken for a later state of it: {steps:?}")
            });
        }
        if by_operator && after.state == ActionState::Queued {
            books.sent_on.insert(id.clone());
        }
        if settled && after.state == ActionState::Queued {
            *books.retries.entry(id.clone()).or_default() += 1;
        }
        let held = before.state == ActionState::Running && before.awaited_until.is_none();
        let (claimant, until) = books.claims.get(id).copied().unwrap_or_default();
        let lives = until > self.world.now() + SKEW && !self.is_dead(&before.holder);
        let may_report = before.awaited_until.unwrap_or(0) > self.world.now() + SKEW;
        let awaited = may_report && !books.reporters.contains(&task);
        self.require(!awaited || after.state != ActionState::Unknown, || {
            format!("{id} was given up while its service may report")
        });
        // A service knows what it has done, whoever else tries it meanwhile.
        let reported = books.reporters.contains(&task) && after.state.is_terminal();
        if reported {
            books.reported.insert(id.clone());
        }
        let foreign = held && claimant != task && lives && !reported;
        if after.state == ActionState::Running && after.fence > before.fence {
            self.require(!foreign, || {
                format!("{id} was claimed under the live claim of another worker")
            });
            books.claims.insert(id.clone(), (task, after.due_at));
            books.claimed_by.insert(task, id.clone());
            return;
        }
        self.require(!foreign, || {
            format!("{id} was written under the live claim of another worker")
        });
    }

    /// A decision is one of an operator of the tenant with the role for it, two where the amount wants it, and has one entry in the
    /// audit trail and one with its details.
    fn check_decision(
        &self,
        operator: &Operator,
        before: &ActionRecord,
        after: &ActionRecord,
        changes: &[Change],
    ) {
        let (id, name) = (&after.id, operator.name.as_str());
        self.require(operator.tenant.as_str() == after.owner.tenant(), || {
            format!("{name} of another tenant decided on {id}")
        });
        let may = match before.state {
            ActionState::Proposed => operator.may_approve(before.amount_cents),
            ActionState::Queued
            | ActionState::Running
            | ActionState::Done
            | ActionState::Rejected
            | ActionState::Unknown => operator.may(Role::Settle),
        };
        self.require(may, || format!("{name} decided on {id} without the role"));
        let decided = after.decided.as_ref();
        self.require(
            decided.is_some_and(|decided| decided.by == operator.name),
            || format!("{id} does not say that {name} decided"),
        );
        let approved = before.state == ActionState::Proposed && after.state == ActionState::Queued;
        self.require(!approved || !before.waits_for_customer(), || {
            format!("{name} approved {id} before its customer confirmed it")
        });
        let amount = before.amount_cents;
        if approved && amount.is_none_or(|cents| cents > FOUR_EYES_ABOVE_CENTS) {
            let [first, second] = after.approvals.as_slice() else {
                let count = after.approvals.len();
                return self.require(false, || format!("{id} was approved by {count}, not two"));
            };
            self.require(first.by != second.by && second.by == operator.name, || {
                format!("{id} was approved by {name} twice")
            });
        }
        let created = changes.iter().filter_map(|change| match change {
            Change::Create(key, record) if key.partition.starts_with("A#") => Some(record),
            Change::Create(..) | Change::Replace(..) | Change::Remove(..) | Change::Require(..) => {
                None
            }
        });
        let (mut entries, mut details) = (0, 0);
        for record in created {
            let entry = serde_json::from_str::<AuditEntry>(&record.body);
            entries +=
                usize::from(entry.is_ok_and(|entry| entry.by.as_ref() == Some(&operator.name)));
            let told = serde_json::from_str::<AuditDetails>(&record.body);
            details += usize::from(told.is_ok_and(|told| told.action == *id));
        }
        self.require((entries, details) == (1, 1), || {
            format!("the decision on {id} has {entries} entries and {details} details")
        });
    }
}
