//! A turn as the events of a response, and the object that they end with. It always reads its turn from the start, also for a client
//! that comes back: what that client has is left out.

mod calls;
mod text;
mod writer;

use baton_handoff::event::{Event, EventKind, Position};
use baton_handoff::failure::FailureCode;
use baton_handoff::ports::Usage;
use bytes::BytesMut;
use serde_json::{Value, json};

use self::calls::Open;
use self::text::Message;
use self::writer::Writer;
use super::ids;
use super::items::Status;
use super::object::{About, State, object};
use super::sequence::{Place, Whose};
use crate::faces::CONTINUES;
use crate::stream::Encoder;

/// How many events take a message back.
const TAKEN_BACK: u64 = 3;

/// The events of one listener.
pub(super) struct Events {
    about: About,
    writer: Writer,
    /// What a client has that comes back, until its step is found.
    cursor: Option<Place>,
    /// The message that is being said.
    message: Option<Message>,
    /// The calls without a result.
    calls: Vec<Open>,
    /// The items so far, written as JSON; those that are not done are empty.
    output: Vec<String>,
    /// How many items have a place in the history: all but those about cards.
    items: usize,
    /// How many texts were taken back when the one of this step began, if one of this step was.
    said_anew: u64,
    usage: Option<Usage>,
    state: State,
}

impl Events {
    /// For a client that has everything up to the event with this number.
    pub(super) fn new(about: About, after: Option<u64>) -> Self {
        Self {
            about,
            writer: Writer::new(after),
            cursor: after.map(Place::of),
            message: None,
            calls: Vec::new(),
            output: Vec::new(),
            items: 0,
            said_anew: 0,
            usage: None,
            state: State::InProgress,
        }
    }

    /// The first event of the stream, before anything of the turn.
    pub(super) fn open(&mut self, out: &mut BytesMut) {
        self.lifecycle(out, "response.created");
    }

    /// The object as it stands.
    pub(super) fn object(&self) -> String {
        let output = self.output.iter().filter(|item| !item.is_empty());
        object(
            &self.about,
            self.state,
            output.map(String::as_str),
            self.usage,
        )
    }

    fn lifecycle(&mut self, out: &mut BytesMut, name: &str) {
        let object = self.object();
        self.writer.event(out, name, |out| {
            out.extend_from_slice(b",\"response\":");
            out.extend_from_slice(object.as_bytes());
        });
    }

    /// Looks for what a client has that comes back, where a step begins or is said anew. Until that is found, the client has
    /// everything; then it lacks what is behind it, or all of the step where it has the text of an earlier owner.
    fn find(&mut self, out: &mut BytesMut, position: Position, old: Option<Message>) {
        let begin = self.writer.begin_of_step();
        let cursor = self.cursor;
        let here = cursor.filter(|cursor| cursor.is_in(position.step) && cursor.offset >= begin);
        let Some(cursor) = here else {
            return;
        };
        let whose = if position.step == 0 {
            Whose::Ours
        } else {
            cursor.whose(position.fence)
        };
        match whose {
            Whose::Ours => {
                self.writer.speak();
                self.said_anew = cursor.retracted;
                let is_taking_back = cursor.offset == begin && cursor.minor < TAKEN_BACK;
                if let Some(before) = cursor.retracted.checked_sub(1).filter(|_| is_taking_back) {
                    self.writer.stand_at_begin();
                    let text = old.map(Message::into_text).unwrap_or_default();
                    self.discarded(before, text)
                        .close(out, &mut self.writer, Status::Incomplete);
                    self.writer.stand_at(position);
                }
            }
            Whose::Earlier => {
                let message = self.discarded(cursor.retracted, String::new());
                self.retract(out, &message);
                self.writer.stand_at(position);
            }
            // The client knows that this is taken back.
            Whose::Later => return,
        }
        self.cursor = None;
    }

    /// A message of which the client has a part, when so many were taken back before.
    fn discarded(&self, retracted: u64, text: String) -> Message {
        let id = ids::message(self.about.id.turn, self.items, retracted);
        Message::of(id, self.output.len() as u64 + retracted, text)
    }

    /// The client discards this message.
    fn retract(&mut self, out: &mut BytesMut, message: &Message) {
        self.writer.retract();
        self.said_anew = self.writer.retracted();
        message.close(out, &mut self.writer, Status::Incomplete);
    }

    fn index(&self, slot: usize) -> u64 {
        slot as u64 + self.writer.retracted()
    }

    fn reset(&mut self, out: &mut BytesMut, position: Position) {
        self.writer.stand_at(position);
        let message = self.message.take();
        if message.is_some() {
            self.output.pop();
            self.items -= 1;
        }
        if self.cursor.is_some() {
            self.find(out, position, message);
        } else if let Some(message) = message {
            self.retract(out, &message);
        }
    }

    /// A place for one more item.
    fn take_slot(&mut self) -> usize {
        self.output.push(String::new());
        self.output.len() - 1
    }

    fn fill(&mut self, slot: usize, item: &Value) {
        if let Some(place) = self.output.get_mut(slot) {
            *place = item.to_string();
        }
    }

    fn text(&mut self, out: &mut BytesMut, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.message.is_none() {
            let id = ids::message(self.about.id.turn, self.items, self.said_anew);
            let slot = self.take_slot();
            self.items += 1;
            let message = Message::new(id, self.index(slot));
            self.writer.before(text);
            message.open(out, &mut self.writer);
            self.writer.behind(text);
            self.message = Some(message);
        }
        if let Some(message) = &mut self.message {
            message.say(out, &mut self.writer, text);
        }
    }

    fn close_message(&mut self, out: &mut BytesMut, status: Status) {
        if let Some(message) = self.message.take() {
            let item = message.close(out, &mut self.writer, status);
            let slot = self.output.len().saturating_sub(1);
            self.fill(slot, &item);
        }
    }

    /// A text that no model said.
    fn notice(&mut self, out: &mut BytesMut, id: String, text: &str) {
        let slot = self.take_slot();
        let mut message = Message::new(id, self.index(slot));
        message.open(out, &mut self.writer);
        message.say_at_once(out, &mut self.writer, text);
        let item = message.close(out, &mut self.writer, Status::Completed);
        self.fill(slot, &item);
    }

    fn end(&mut self, out: &mut BytesMut, state: State) {
        // Whatever number a client has named: it gets the end.
        self.writer.speak();
        let is_whole = state == State::Completed;
        let status = if is_whole {
            Status::Completed
        } else {
            Status::Incomplete
        };
        self.close_message(out, status);
        while !self.calls.is_empty() {
            self.answered(out, Some(0), Status::Incomplete, None);
        }
        self.state = state;
        let name = match state {
            State::Completed => "response.completed",
            State::Failed(..) => "response.failed",
            // There is no event for a response that was cancelled.
            State::Incomplete(_) | State::Cancelled | State::InProgress => "response.incomplete",
        };
        self.lifecycle(out, name);
    }

    /// An error instead of an end: official clients raise it, and none takes it for one.
    fn continues(&self, out: &mut BytesMut) {
        let error = json!({
            "type": "error",
            "sequence_number": self.writer.last(),
            "code": "turn_continues",
            "message": CONTINUES,
            "param": null,
            "error": { "type": "server_error", "code": "turn_continues", "message": CONTINUES, "param": null },
        });
        Writer::bare(out, "error", &error);
    }
}

/// How a response stands whose turn has failed.
fn failed(code: FailureCode) -> State {
    match code {
        FailureCode::AnswerTooLong | FailureCode::ModelTooLarge => {
            State::Incomplete("max_output_tokens")
        }
        FailureCode::ContentFiltered => State::Incomplete("content_filter"),
        FailureCode::ModelRateLimited => State::Failed("rate_limit_exceeded", code.sentence()),
        FailureCode::ModelRefused
        | FailureCode::ModelUnauthorized
        | FailureCode::ModelUnavailable
        | FailureCode::ModelUnreachable
        | FailureCode::ModelTimedOut
        | FailureCode::ModelCut
        | FailureCode::ModelBadStream
        | FailureCode::ModelEmpty
        | FailureCode::AnswerMissing
        | FailureCode::ConversationTooLong
        | FailureCode::StepLimit
        | FailureCode::HandOffLimit
        | FailureCode::BudgetExceeded
        | FailureCode::RecoveredTooOften
        | FailureCode::Internal => State::Failed("server_error", code.sentence()),
    }
}

impl Encoder for Events {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        if event.kind == EventKind::TurnContinues {
            self.continues(out);
            return;
        }
        if let EventKind::Reset { .. } = event.kind {
            self.reset(out, event.position);
            return;
        }
        if self.writer.stand_at(event.position) {
            self.said_anew = 0;
            self.find(out, event.position, None);
        }
        match &event.kind {
            EventKind::TurnStarted(started) => {
                self.about.created_at = started.accepted_at / 1000;
                self.lifecycle(out, "response.in_progress");
            }
            EventKind::TextDelta(text) => self.text(out, text),
            EventKind::ToolCalled(called) => {
                self.called(out, &called.call, &called.name, called.arguments.as_deref());
            }
            EventKind::ToolFinished(finished) => {
                use baton_handoff::record::ToolOutcome;
                let status = match finished.outcome {
                    ToolOutcome::Ok | ToolOutcome::Pending | ToolOutcome::HandedOff => {
                        Status::Completed
                    }
                    ToolOutcome::Error => Status::Failed,
                };
                let open = self.call(&finished.call);
                self.answered(out, open, status, finished.result.as_deref());
            }
            EventKind::HandedOff(handed) => {
                let output = json!({ "assistant": handed.to }).to_string();
                let open = self.hand_off_to(&handed.to);
                self.answered(out, open, Status::Completed, Some(&output));
            }
            EventKind::ConfirmationAsked(asked) => self.asked(out, asked),
            EventKind::ClientCalled(called) => self.client_called(out, called),
            EventKind::Usage(usage) => self.usage = Some(**usage),
            EventKind::TurnCompleted => self.end(out, State::Completed),
            EventKind::TurnFailed(code) => self.end(out, failed(*code)),
            EventKind::TurnStopped => self.end(out, State::Cancelled),
            EventKind::ActionQueued(_)
            | EventKind::ActionFinished(_)
            | EventKind::Reset { .. }
            | EventKind::TurnContinues => {}
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b": still here\n\n"
    }
}

#[cfg(test)]
mod tests;
