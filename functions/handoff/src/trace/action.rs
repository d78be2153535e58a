//! The spans of an action: what it waited for, and what a worker did. They belong to the trace of the turn that accepted it, whenever
//! it ended.

use super::ids::{SpanContext, TraceId};
use super::names;
use super::span::{Attribute, Span, SpanEvent};
use crate::ports::Millis;
use crate::record::{ActionRecord, ActionState, Answer, Decided, Decision};

/// The spans of an action. Of one that has not ended: so far, until now.
pub(super) fn spans_of(action: &ActionRecord, now: Millis) -> Vec<Span> {
    let context = SpanContext::of_action(&action.id);
    let turn = SpanContext::of_turn(&action.id.conversation, action.id.turn);
    let end = match action.ended_at {
        Some(at) => at,
        // Of before the end was kept.
        None if action.state.is_terminal() => last_known(action),
        None => now,
    };
    let name = format!("{} {}", names::EXECUTE_TOOL, action.tool);
    let times = (action.accepted_at, end);
    let mut whole = Span::new(context, Some(turn), name, times)
        .with(names::OPERATION, names::EXECUTE_TOOL)
        .with(names::TOOL, action.tool.as_str())
        .with(names::TOOL_TYPE, names::EXTENSION)
        .with(names::AGENT, action.agent.as_str())
        .with(names::ACTION, action.id.to_string())
        .with(names::STATE, action.state.as_str())
        .with_some(names::AMOUNT, action.amount_cents);
    whole.error = match action.state {
        ActionState::Rejected | ActionState::Unknown => Some(action.state.as_str().to_owned()),
        ActionState::Proposed | ActionState::Queued | ActionState::Running | ActionState::Done => {
            None
        }
    };
    whole.events.extend(settled(action));

    let part = |kind: &'static str, times| {
        let trace = TraceId::of(&action.id.conversation, action.id.turn);
        let context = trace.span(kind, &[action.id.hash().as_bytes()]);
        Span::new(context, Some(whole.context), kind, times)
    };
    let mut parts = Vec::new();
    let mut from = action.accepted_at;
    if let Some(card) = &action.confirmation {
        let until = card.answered_at.unwrap_or(end);
        let answer = card.answer.map(Answer::as_str);
        let span = part(names::CONFIRMATION, (from, until));
        parts.push(span.with_some(names::DECISION, answer));
        from = until;
    }
    if let Some((until, decision)) = approved(action, end) {
        let span = part(names::APPROVAL, (from, until));
        parts.push(span.with_some(names::DECISION, decision));
        from = until;
    }
    if let Some(first) = action.first_try_at {
        parts.push(part(names::QUEUE, (from, first)));
        let tries = part(names::ATTEMPTS, (first, end));
        parts.push(tries.with(names::TRIES, action.attempts));
    }
    std::iter::once(whole).chain(parts).collect()
}

/// The last moment that the record of an action has.
fn last_known(action: &ActionRecord) -> Millis {
    let decided = action.decided.as_ref().map(|decided| decided.at);
    let answered = action.confirmation.as_ref();
    let answered = answered.and_then(|card| card.answered_at);
    let known = [
        Some(action.accepted_at),
        action.first_try_at,
        decided,
        answered,
    ];
    known
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(action.accepted_at)
}

/// Until when it waited for an operator, and what was decided; none if it did not.
fn approved(action: &ActionRecord, end: Millis) -> Option<(Millis, Option<&'static str>)> {
    match &action.decided {
        Some(decided) if is_approval(decided) => {
            Some((decided.at, Some(decided.decision.as_str())))
        }
        // An operator's later word has taken its place: it began to be tried when the first one was known.
        Some(_) => None,
        None if action.waits_for_operator() => Some((end, None)),
        None => None,
    }
}

fn is_approval(decided: &Decided) -> bool {
    match decided.decision {
        Decision::Approve | Decision::Reject => true,
        Decision::Settle(_) => false,
    }
}

/// An operator said what became of it, or had it tried again.
fn settled(action: &ActionRecord) -> Option<SpanEvent> {
    let decided = action.decided.as_ref();
    let decided = decided.filter(|decided| !is_approval(decided))?;
    Some(SpanEvent {
        name: names::SETTLED,
        at: decided.at,
        attributes: vec![Attribute {
            name: names::DECISION,
            value: decided.decision.as_str().into(),
        }],
    })
}
