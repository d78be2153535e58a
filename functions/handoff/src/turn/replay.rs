//! The events of a turn from its journal: the same text at the same positions as in the stream.

use std::sync::Arc;

use crate::event::{
    ActionFinished, ActionQueued, ClientCalled, ConfirmationAsked, Event, EventKind, HandedOff,
    Position, ToolCalled, ToolFinished, TurnStarted,
};
use crate::ports::{ToolCall, Usage};
use crate::record::journal::JournaledTurn;
use crate::record::{ActionRecord, CallResult, StepRecord, TurnRecord, TurnState};
use crate::shown::Reader;
use crate::team::Team;

/// The offset in a recorded step where text and calls end and the results of the calls begin.
pub(crate) fn offset_behind_calls(step: &StepRecord) -> u32 {
    let asks = step.actions.iter().filter(|accepted| accepted.asks).count();
    let calls = step.calls.len().saturating_sub(step.client.len());
    let offset = step.text.len() + calls + step.actions.len() + asks;
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// All events of a turn in the journal, including the final one if the turn is over.
pub(crate) fn events(team: &Team, turn: &JournaledTurn) -> Vec<Event> {
    let mut writer = Writer {
        team,
        turn: turn.number,
        step: 0,
        fence: turn.record.fence,
        offset: 0,
        agent: Arc::from(""),
        events: Vec::new(),
    };
    if let Some(first) = turn.steps.first() {
        writer.fence = first.fence;
        writer.agent = Arc::from(first.agent.as_str());
    }
    writer.add(started(&turn.record));
    for (index, step) in turn.steps.iter().enumerate() {
        let results = turn
            .steps
            .get(index + 1)
            .map_or(&turn.record.results, |next| &next.results);
        writer.add_step(index, step, results, &turn.actions);
    }
    if turn.record.state == TurnState::Committed
        && let Some(last) = turn.steps.last()
    {
        client_called(last).for_each(|kind| writer.add(kind));
    }
    writer.add_end(turn.steps.len(), &turn.record);
    writer.events
}

struct Writer<'a> {
    team: &'a Team,
    turn: u32,
    step: u32,
    fence: u64,
    offset: u32,
    agent: Arc<str>,
    events: Vec<Event>,
}

impl Writer<'_> {
    fn add(&mut self, kind: EventKind) {
        self.offset = self.offset.saturating_add(kind.room());
        let position = Position {
            turn: self.turn,
            step: self.step,
            fence: self.fence,
            offset: self.offset,
        };
        self.events.push(Event {
            position,
            agent: self.agent.clone(),
            kind,
        });
    }

    fn stand_at(&mut self, index: usize, fence: u64, agent: &str) {
        self.step = u32::try_from(index + 1).unwrap_or(u32::MAX);
        self.fence = fence;
        self.offset = 0;
        self.agent = Arc::from(agent);
    }

    fn add_step(
        &mut self,
        index: usize,
        step: &StepRecord,
        results: &[CallResult],
        actions: &[ActionRecord],
    ) {
        self.stand_at(index, step.fence, &step.agent);
        self.add_text(&step.text);
        for call in step.calls.iter().filter(|call| !step.is_clients(call)) {
            self.add(called(self.team, call));
        }
        for kind in accepted(step, actions) {
            self.add(kind);
        }
        // Of an action whose record is gone nothing is told, and what follows keeps its place.
        self.offset = self.offset.max(offset_behind_calls(step));
        for result in results {
            let Some(call) = step.calls.iter().find(|call| call.id == result.call) else {
                continue;
            };
            let agent = self.agent.clone();
            result_events(self.team, call, result, &agent).for_each(|kind| self.add(kind));
        }
    }

    fn add_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.add(EventKind::TextDelta(text.to_owned()));
        }
    }

    fn add_end(&mut self, steps: usize, record: &TurnRecord) {
        if let Some(partial) = &record.partial {
            self.stand_at(steps, record.fence, &partial.agent);
            self.add_text(&partial.text);
        } else if matches!(record.state, TurnState::Failed | TurnState::Stopped) {
            // It ended in an unrecorded step; a listener that saw the start of the turn still needs the end.
            let agent = self.agent.clone();
            self.stand_at(steps, record.fence, &agent);
            self.offset = record.left_out;
        }
        let end = match (record.state, record.failure) {
            (TurnState::Accepted, _) => return,
            (TurnState::Committed, _) => EventKind::TurnCompleted,
            (TurnState::Stopped, _) => EventKind::TurnStopped,
            (TurnState::Failed, code) => {
                EventKind::TurnFailed(code.unwrap_or(crate::failure::FailureCode::Internal))
            }
        };
        if record.usage != Usage::default() {
            self.add(EventKind::Usage(Box::new(record.usage)));
        }
        self.add(end);
    }
}

/// The event of a turn's start.
pub(crate) fn started(record: &TurnRecord) -> EventKind {
    EventKind::TurnStarted(Box::new(TurnStarted {
        message: record.message.clone(),
        message_id: record.message_id.clone(),
        accepted_at: record.accepted_at,
    }))
}

/// The event of a call.
pub(crate) fn called(team: &Team, call: &ToolCall) -> EventKind {
    EventKind::ToolCalled(Box::new(ToolCalled {
        call: call.id.clone(),
        name: call.name.clone(),
        arguments: Reader::customer(team).arguments(&call.name, &call.arguments),
    }))
}

/// The events of the calls that the client executes.
pub(crate) fn client_called(step: &StepRecord) -> impl Iterator<Item = EventKind> + '_ {
    step.client.iter().map(|clients| {
        let call = step.calls.iter().find(|call| call.id == clients.call);
        let arguments = call.map_or("", |call| call.arguments.trim());
        // Some models write nothing where there are no arguments.
        let arguments = if arguments.is_empty() {
            "{}"
        } else {
            arguments
        };
        EventKind::ClientCalled(Box::new(ClientCalled {
            call: clients.call.clone(),
            name: clients.name.clone(),
            arguments: arguments.to_owned(),
        }))
    })
}

/// The event of a result, live or replayed from the journal.
pub(crate) fn result_events(
    team: &Team,
    call: &ToolCall,
    result: &CallResult,
    from: &Arc<str>,
) -> impl Iterator<Item = EventKind> + use<> {
    let customer = Reader::customer(team);
    let ended = result.ended.as_ref().map(|ended| {
        EventKind::ActionFinished(Box::new(ActionFinished {
            action: ended.action.clone(),
            name: call.name.clone(),
            state: ended.state,
            result: customer.result_of_action(&call.name, ended.state, &result.result),
        }))
    });
    let answered = match &result.handed_to {
        Some(to) => EventKind::HandedOff(Box::new(HandedOff {
            from: from.clone(),
            to: Arc::from(to.as_str()),
        })),
        None => EventKind::ToolFinished(Box::new(ToolFinished {
            call: call.id.clone(),
            name: call.name.clone(),
            outcome: result.outcome,
            result: customer.result_of_call(&call.name, result.outcome, &result.result),
            milliseconds: result.milliseconds,
        })),
    };
    ended.into_iter().chain(std::iter::once(answered))
}

/// The events of a step's accepted actions.
pub(crate) fn accepted<'a>(
    step: &'a StepRecord,
    actions: &'a [ActionRecord],
) -> impl Iterator<Item = EventKind> + 'a {
    step.actions.iter().flat_map(move |accepted| {
        let name = step
            .calls
            .iter()
            .find(|call| call.id == accepted.call)
            .map(|call| call.name.clone());
        let queued = EventKind::ActionQueued(Box::new(ActionQueued {
            action: accepted.action.clone(),
            call: accepted.call.clone(),
            name: name.unwrap_or_default(),
            state: accepted.state,
        }));
        let asks = accepted.asks.then_some(&accepted.action);
        let asked = asks.and_then(|id| actions.iter().find(|action| action.id == *id));
        std::iter::once(queued).chain(asked.and_then(asked_for))
    })
}

/// The event of a customer's card.
fn asked_for(action: &ActionRecord) -> Option<EventKind> {
    let card = action.confirmation.as_ref()?;
    Some(EventKind::ConfirmationAsked(Box::new(ConfirmationAsked {
        action: action.id.clone(),
        name: action.tool.clone(),
        title: card.title.clone(),
        shown: card.shown.clone(),
        arguments_hash: action.arguments_hash(),
        expires_at: card.expires_at,
    })))
}

/// The events of a turn that a listener at a position still needs.
///
/// If the listener has a step under another fence than the final one, the step is sent again, after a `reset`.
#[derive(Debug, Clone)]
pub struct Resume {
    seen: Position,
    said_anew: bool,
}

impl Resume {
    /// The listener has this event and every earlier one.
    pub fn after(seen: Position) -> Self {
        Self {
            seen,
            said_anew: false,
        }
    }

    /// The part of this event that the listener lacks; a `reset` may precede it.
    pub fn missing(&mut self, event: &Event) -> [Option<Event>; 2] {
        let (at, seen) = (event.position, self.seen);
        let seen_nothing = seen.step == 0 && seen.offset == 0;
        if seen_nothing || at.step > seen.step || self.said_anew {
            return [None, Some(event.clone())];
        }
        // Step 0 holds only the start. An owner with a lower fence lost the turn before the listener saw the next owner.
        if at.step < seen.step || at.step == 0 || at.fence < seen.fence {
            return [None, None];
        }
        if at.fence == seen.fence {
            let missing = (at.offset > seen.offset)
                .then(|| rest_of(event, seen.offset))
                .flatten();
            return [None, missing];
        }
        self.said_anew = true;
        if matches!(event.kind, EventKind::Reset { .. }) {
            return [None, Some(event.clone())];
        }
        let reset = Event {
            position: Position { offset: 0, ..at },
            agent: event.agent.clone(),
            kind: EventKind::Reset { step: at.step },
        };
        [Some(reset), Some(event.clone())]
    }
}

/// The missing events of a listener at position `seen`.
pub(crate) fn events_after(events: &[Event], seen: Option<Position>) -> Vec<Event> {
    let Some(seen) = seen else {
        return events.to_vec();
    };
    let mut resume = Resume::after(seen);
    events
        .iter()
        .flat_map(|event| resume.missing(event))
        .flatten()
        .collect()
}

/// The part of an event after the offset: text may be cut between any two characters, every other event is whole.
fn rest_of(event: &Event, offset: u32) -> Option<Event> {
    let EventKind::TextDelta(text) = &event.kind else {
        return Some(event.clone());
    };
    let begin = (event.position.offset as usize).saturating_sub(text.len());
    let have = (offset as usize).saturating_sub(begin);
    let rest = text.get(text.floor_char_boundary(have)..)?;
    let kind = EventKind::TextDelta(rest.to_owned());
    (!rest.is_empty()).then(|| Event {
        position: event.position,
        agent: event.agent.clone(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureCode;
    use crate::record::Origin;

    #[test]
    fn a_listener_with_unrecorded_text_still_receives_the_end() {
        let mut record = TurnRecord::accepted(Origin::Customer, "hello".to_owned(), 0);
        record.state = TurnState::Failed;
        record.failure = Some(FailureCode::ModelTooLarge);
        record.fence = 1;
        record.left_out = 3;
        let turn = JournaledTurn {
            number: 1,
            version: 2,
            record,
            steps: Vec::new(),
            actions: Vec::new(),
        };
        let heard = Position {
            turn: 1,
            step: 1,
            fence: 1,
            offset: 3,
        };
        let missing = events_after(&events(&Team::acme(), &turn), Some(heard));
        let missing: Vec<_> = missing.into_iter().map(|event| event.kind).collect();
        assert_eq!(missing, [EventKind::TurnFailed(FailureCode::ModelTooLarge)]);
    }
}
