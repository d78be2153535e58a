//! What code asks before a call may run: a verified customer, and the success of another tool before. What cannot be told is
//! refused. Successes are marks in META, written by the commit that records their results.

use super::play::Play;
use crate::ports::{CallContext, ToolCall, ToolRequest};
use crate::record::{AcceptedAction, ActionRecord, ActionState, Meta, ToolOutcome, size};
use crate::team::{Earlier, Mark, Same};

impl Play<'_> {
    /// What tools may know of this turn's calls.
    pub(super) fn context(&self) -> CallContext {
        let (owner, conversation) = (self.claim.owner.clone(), self.claim.conversation.clone());
        CallContext {
            speaker: self.record.speaker.clone(),
            ..CallContext::new(owner, conversation, self.number)
        }
    }

    /// What this turn's next calls may rely on. `accepted`: those of them that the journal has accepted already.
    pub(super) async fn conditions<'b>(&self, accepted: &'b [AcceptedAction]) -> Conditions<'b> {
        let mut marks = self.lease.meta().await.satisfied;
        marks.extend(self.new_marks.iter().cloned());
        Conditions { marks, accepted }
    }

    /// The marks of the last step's calls that succeeded.
    pub(super) fn note_successes(&mut self) {
        let Some(step) = self.steps.last() else {
            return;
        };
        let speaker = self.record.speaker.name(&self.claim.owner);
        let mut marks = Vec::new();
        for result in &self.results {
            let call = step.calls.iter().find(|call| call.id == result.call);
            let (Some(call), ToolOutcome::Ok) = (call, result.outcome) else {
                continue;
            };
            marks.extend(self.marks_of(&call.name, &speaker, &call.arguments, &result.result));
        }
        self.new_marks.extend(marks);
    }

    /// The marks of an action whose success comes late.
    pub(super) fn note_late_success(&mut self, action: &ActionRecord) {
        let result = action.result.as_deref().unwrap_or_default();
        if action.state == ActionState::Done {
            let speaker = action.speaker.name(&action.owner);
            let marks = self.marks_of(&action.tool, &speaker, &action.arguments, result);
            self.new_marks.extend(marks);
        }
    }

    fn marks_of(&self, tool: &str, speaker: &str, arguments: &str, result: &str) -> Vec<Mark> {
        let team = &self.engine.team;
        if !team.is_asked_for(tool) {
            return Vec::new();
        }
        let tool = team.tool(tool);
        let Some((tool, arguments)) =
            tool.and_then(|tool| Some((tool, tool.check(arguments).ok()?)))
        else {
            return Vec::new();
        };
        team.marks(&tool.name, speaker, arguments.as_value(), result)
    }
}

/// Adds marks to those of the conversation, as the newest. The oldest make room.
pub(super) fn remember(meta: &mut Meta, new: &[Mark]) {
    for mark in new {
        meta.satisfied.retain(|known| known != mark);
        meta.satisfied.push(mark.clone());
    }
    let surplus = meta.satisfied.len().saturating_sub(size::MARKS);
    meta.satisfied.drain(..surplus);
}

/// What the calls of a response may rely on.
pub(crate) struct Conditions<'a> {
    marks: Vec<Mark>,
    accepted: &'a [AcceptedAction],
}

impl Conditions<'_> {
    /// Why the call may not run, as a sentence for the model. What is accepted stays so.
    pub(super) fn refusal(&self, call: &ToolCall, request: &ToolRequest) -> Option<String> {
        let is_accepted = self.accepted.iter().any(|one| one.call == call.id);
        if is_accepted {
            return None;
        }
        refusal(request, |mark| self.marks.contains(mark))
    }
}

fn refusal(request: &ToolRequest, has: impl Fn(&Mark) -> bool) -> Option<String> {
    let ToolRequest {
        tool,
        arguments,
        context,
    } = request;
    let name = &tool.name;
    if tool.verified && context.customer().is_none() {
        return Some(format!(
            "{name} was not called: it is only for customers who have signed in, and this one has not. Ask the customer to sign in."
        ));
    }
    let after = tool.after.as_ref()?;
    let speaker = context.speaker.name(&context.owner);
    let needed = after.needed_by(&speaker, arguments.as_value());
    if needed.is_some_and(|mark| has(&mark)) || sabotage!(AfterIgnored) {
        return None;
    }
    let earlier = &after.tool;
    let same: Vec<_> = after.same.iter().map(worded).collect();
    let with = if same.is_empty() {
        String::new()
    } else {
        format!(", with {}", same.join(" and "))
    };
    Some(format!(
        "{name} was not called: {earlier} must have succeeded before in this conversation{with}."
    ))
}

fn worded(same: &Same) -> String {
    match &same.earlier {
        Earlier::Argument => format!("the same {}", same.argument),
        Earlier::Result(pointer) => {
            format!("a result that has this {} at {pointer}", same.argument)
        }
    }
}
