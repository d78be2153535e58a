//! The spans of an action: what it waited for, and what a worker did. They belong to the trace of the turn that accepted it, whenever
//! it ended. What was sent of an action whose outcome was unknown stays as it was: a settlement adds spans and changes none.

use super::ids::{SpanContext, TraceId};
use super::names;
use super::span::Span;
use crate::ports::Millis;
use crate::record::{ActionRecord, ActionState, Answer, Decided, Decision, Settlement};

/// What an operator made of an unknown outcome.
#[derive(Clone, Copy)]
enum Settled {
    /// Nothing.
    Not,
    /// It is as the operator found it.
    Found(Millis),
    /// It is tried again, as if it were accepted anew.
    Again(Millis),
}

/// Those that are sent when a turn was told of its end.
pub(super) fn told(action: &ActionRecord) -> Vec<Span> {
    let spans = Spans::of(action, action.accepted_at);
    match spans.settled {
        Settled::Found(at) => vec![spans.settlement(at)],
        Settled::Not | Settled::Again(_) => spans.round(),
    }
}

/// All of them, for people; of an action that has not ended, so far.
pub(super) fn all(action: &ActionRecord, now: Millis) -> Vec<Span> {
    let spans = Spans::of(action, now);
    match spans.settled {
        Settled::Not => spans.round(),
        Settled::Found(at) => {
            let mut all = spans.round();
            all.push(spans.settlement(at));
            all
        }
        Settled::Again(at) => {
            let times = (action.accepted_at, at);
            let turn = SpanContext::of_turn(&action.id.conversation, action.id.turn);
            let first = spans.whole(spans.first, turn, times, ActionState::Unknown);
            std::iter::once(first).chain(spans.round()).collect()
        }
    }
}

struct Spans<'a> {
    action: &'a ActionRecord,
    settled: Settled,
    first: SpanContext,
    end: Millis,
}

impl<'a> Spans<'a> {
    fn of(action: &'a ActionRecord, now: Millis) -> Self {
        let settled = match &action.decided {
            Some(Decided {
                decision: Decision::Settle(Settlement::Retry),
                at,
                ..
            }) => Settled::Again(*at),
            Some(Decided {
                decision: Decision::Settle(Settlement::Done | Settlement::Rejected),
                at,
                ..
            }) => Settled::Found(*at),
            Some(Decided {
                decision: Decision::Approve | Decision::Reject,
                ..
            })
            | None => Settled::Not,
        };
        Self {
            action,
            settled,
            first: SpanContext::of_action(&action.id),
            end: end_of(action, now),
        }
    }

    fn part(&self, kind: &str, of: SpanContext) -> SpanContext {
        let trace = TraceId::of(&self.action.id.conversation, self.action.id.turn);
        trace.span(kind, &[&of.span.0])
    }

    /// From its acceptance, or from the word that it is to be tried again, to its end.
    fn round(&self) -> Vec<Span> {
        let action = self.action;
        let turn = SpanContext::of_turn(&action.id.conversation, action.id.turn);
        let (context, parent, start) = match self.settled {
            Settled::Again(at) => {
                let trace = TraceId::of(&action.id.conversation, action.id.turn);
                let hash = action.id.hash().as_bytes();
                let again = trace.span("again", &[hash, &at.to_be_bytes()]);
                (again, self.first, at)
            }
            Settled::Not | Settled::Found(_) => (self.first, turn, action.accepted_at),
        };
        let state = match self.settled {
            Settled::Found(_) => ActionState::Unknown,
            Settled::Not | Settled::Again(_) => action.state,
        };
        let whole = self.whole(context, parent, (start, self.end), state);
        let tried = (action.attempts > 0).then_some(action.attempts);
        let mut spans = vec![whole.with_some(names::TRIES, tried)];
        let part = |kind: &'static str, times| {
            Span::new(self.part(kind, context), Some(context), kind, times)
        };
        let mut from = start;
        if let Settled::Not = self.settled {
            if let Some(card) = &action.confirmation {
                let until = card.answered_at.unwrap_or(self.end);
                let answer = card.answer.map(Answer::as_str);
                let span = part(names::CONFIRMATION, (from, until));
                spans.push(span.with_some(names::DECISION, answer));
                from = until;
            }
            if let Some((until, decision)) = self.approved(from) {
                let span = part(names::APPROVAL, (from, until));
                spans.push(span.with_some(names::DECISION, decision));
                from = until;
            }
        }
        if let Some(first) = action.first_try_at {
            if !matches!(self.settled, Settled::Found(_)) {
                spans.push(part(names::QUEUE, (from, first)));
            }
            spans.push(part(names::ATTEMPTS, (first, self.end)));
        }
        spans
    }

    fn whole(
        &self,
        context: SpanContext,
        parent: SpanContext,
        times: (Millis, Millis),
        state: ActionState,
    ) -> Span {
        let action = self.action;
        let name = format!("{} {}", names::EXECUTE_TOOL, action.tool);
        let mut whole = Span::new(context, Some(parent), name, times)
            .with(names::OPERATION, names::EXECUTE_TOOL)
            .with(names::TOOL, action.tool.as_str())
            .with(names::TOOL_TYPE, names::EXTENSION)
            .with(names::AGENT, action.agent.as_str())
            .with(names::ACTION, action.id.to_string())
            .with(names::STATE, state.as_str())
            .with_some(names::AMOUNT, action.amount_cents);
        whole.error = match state {
            ActionState::Rejected | ActionState::Unknown => Some(state.as_str().to_owned()),
            ActionState::Proposed
            | ActionState::Queued
            | ActionState::Running
            | ActionState::Done => None,
        };
        whole
    }

    /// Until an operator said what became of it.
    fn settlement(&self, at: Millis) -> Span {
        let context = self.part(names::SETTLEMENT, self.first);
        let times = (self.end.min(at), at);
        let decided = self.action.decided.as_ref();
        Span::new(context, Some(self.first), names::SETTLEMENT, times)
            .with_some(names::DECISION, decided.map(|it| it.decision.as_str()))
    }

    /// Until when it waited for an operator, and what was decided; none if it did not.
    fn approved(&self, from: Millis) -> Option<(Millis, Option<&'static str>)> {
        let action = self.action;
        if action.state == ActionState::Proposed {
            // One approval of two changes nothing.
            return action.waits_for_operator().then_some((self.end, None));
        }
        match &action.decided {
            Some(decided)
                if action.first_try_at.is_some() || action.state != ActionState::Rejected =>
            {
                Some((decided.at, Some(decided.decision.as_str())))
            }
            Some(decided) if decided.decision == Decision::Reject => {
                Some((decided.at, Some(decided.decision.as_str())))
            }
            // Nobody approved it in time, or no second one did.
            Some(_) => Some((self.end, None)),
            None => {
                let declined = action.confirmation.as_ref();
                let declined = declined.is_some_and(|card| card.answer != Some(Answer::Yes));
                let waited = action.state == ActionState::Rejected
                    && action.attempts == 0
                    && !declined
                    && self.end > from;
                waited.then_some((self.end, None))
            }
        }
    }
}

fn end_of(action: &ActionRecord, now: Millis) -> Millis {
    if let Some(at) = action.ended_at {
        return at;
    }
    if !action.state.is_terminal() {
        return now;
    }
    // Of before the end was kept: the last moment that the record has.
    let answered = action.confirmation.as_ref();
    let answered = answered.and_then(|card| card.answered_at);
    let known = [
        Some(action.accepted_at),
        action.first_try_at,
        action.decided.as_ref().map(|decided| decided.at),
        answered,
    ];
    let last = known.into_iter().flatten().max();
    last.unwrap_or(action.accepted_at)
}
