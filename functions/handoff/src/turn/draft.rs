//! A request while it is put together from the journal: instructions first, then the conversation, each call with its one result.
//! The same journal always becomes the same request.

use std::sync::Arc;

use super::prefix::Prefix;
use super::told;
use super::window::{
    NOT_ANSWERED, SEALED, answer_text, answers_prompt, late_prompt, late_text, words,
};
use crate::ports::{Message, ModelRequest, ToolCall, ToolDefinition};
use crate::record::journal::JournaledTurn;
use crate::record::{
    CallResult, ClientAnswer, LateResult, Origin, StepRecord, SummaryRecord, TurnRecord, TurnState,
    size,
};
use crate::text::is_blank;

/// Stands for the answer of a turn that ended without one, so that roles alternate.
pub(crate) const BROKE_OFF: &str = "(The answer broke off here.)";

/// Stands behind a summary, so that roles alternate.
const NOTED: &str = "(Noted.)";

/// Stands for a message that the service refuses.
const LEFT_OUT: &str = "[This message was taken out.]";

/// A turn that has begun, as far as it goes.
pub(crate) struct Begun<'a> {
    pub(crate) record: &'a TurnRecord,
    pub(crate) steps: &'a [StepRecord],
    /// The results of the last step's calls.
    pub(crate) results: &'a [CallResult],
    /// The late results that this request reports first.
    pub(crate) late: &'a [LateResult],
}

/// The messages so far.
pub(crate) struct Draft<'a> {
    /// The model that the request is for.
    model: &'a str,
    /// Results are shortened: the request was too long.
    short: bool,
    messages: Vec<Message>,
    /// The messages with an opaque part, and the hash that must stand before each.
    marks: Vec<(usize, &'a str)>,
}

impl<'a> Draft<'a> {
    /// A request to this model with its instructions.
    pub(crate) fn new(instructions: Arc<str>, model: &'a str, short: bool) -> Self {
        Self {
            model,
            short,
            messages: vec![Message::System(instructions)],
            marks: Vec::new(),
        }
    }

    /// What was said before the turns of the window: the same words until the next summary.
    pub(crate) fn add_summary(&mut self, summary: &SummaryRecord) {
        let message = Message::User(Arc::from(summary.message()));
        self.messages.push(message);
        self.say(NOTED);
    }

    /// A turn that is over. It ends with an assistant's message, however it ended; unless it waits for its client.
    pub(crate) fn add_ended(&mut self, turn: &'a JournaledTurn) {
        let record = &turn.record;
        if record.refused {
            self.close();
            self.messages.push(Message::User(Arc::from(LEFT_OUT)));
            return self.say(&done_in(turn));
        }
        self.add_begun(&Begun {
            record,
            steps: &turn.steps,
            results: &record.results,
            late: &[],
        });
        let partial = record.partial.as_ref();
        if let Some(partial) = partial.filter(|partial| !is_blank(&partial.text)) {
            self.say(&partial.text);
        } else if !waits(turn) && !matches!(self.messages.last(), Some(Message::Assistant { .. })) {
            self.say(BROKE_OFF);
        }
    }

    /// A turn that goes on with this request.
    pub(crate) fn add_begun(&mut self, turn: &Begun<'a>) {
        let begins_late = turn.record.origin == Origin::LateResult;
        let begins_with_results = !turn.record.client.results.is_empty();
        if begins_with_results {
            self.add_answers(&turn.record.client.results);
        } else {
            self.close();
        }
        match turn.record.origin {
            Origin::Customer | Origin::Regenerated { .. } if begins_with_results => {
                if !turn.record.message.is_empty() {
                    self.say(NOTED);
                    self.messages.push(Message::User(words(turn.record)));
                }
            }
            Origin::Customer | Origin::Regenerated { .. } => {
                self.messages.push(Message::User(words(turn.record)));
            }
            Origin::LateResult => {
                let first = turn.steps.first();
                let late = first.map_or(turn.late, |step| &step.late_results);
                self.messages.push(late_prompt(late));
            }
        }
        for (index, step) in turn.steps.iter().enumerate() {
            if index > 0 || !begins_late {
                self.attach(&step.late_results);
            }
            let next = turn.steps.get(index + 1);
            self.add_step(step, next.map_or(turn.results, |next| &next.results));
        }
        if !turn.steps.is_empty() || !begins_late {
            self.attach(turn.late);
        }
    }

    /// The request. Opaque parts stay only behind the words that they were made behind.
    pub(crate) fn finish(mut self, tools: Arc<[ToolDefinition]>) -> ModelRequest {
        if !self.marks.is_empty() {
            let mut marks = self.marks.iter().peekable();
            let mut prefix = Prefix::new(&tools);
            for (index, message) in self.messages.iter_mut().enumerate() {
                let mark = marks.next_if(|(marked, _)| *marked == index);
                if let (Some((_, made_behind)), Message::Assistant { opaque, .. }) =
                    (mark, &mut *message)
                    && prefix.so_far() != *made_behind
                    && !sabotage!(OpaqueAfterChange)
                {
                    *opaque = None;
                }
                if marks.peek().is_none() {
                    break;
                }
                prefix.add(message);
            }
        }
        ModelRequest {
            messages: self.messages,
            tools,
        }
    }

    /// A response and the results of its calls, each call with exactly one.
    fn add_step(&mut self, step: &'a StepRecord, results: &[CallResult]) {
        let says_nothing = is_blank(&step.text);
        if says_nothing && step.calls.is_empty() {
            return;
        }
        let made_by = |model: &str| model == self.model || sabotage!(OpaqueToOther);
        let opaque = step.opaque.as_ref();
        let opaque = opaque.filter(|_| made_by(&step.asked.model));
        if let Some(prefix) = opaque.and_then(|opaque| opaque.prefix.as_deref()) {
            self.marks.push((self.messages.len(), prefix));
        }
        self.messages.push(Message::Assistant {
            text: if says_nothing {
                Arc::default()
            } else {
                Arc::from(step.text.as_str())
            },
            calls: shared(&step.calls),
            opaque: opaque.map(|opaque| Arc::from(opaque.text.as_str())),
        });
        for call in &step.calls {
            let result = results.iter().find(|result| result.call == call.id);
            let none = if step.is_clients(call) {
                NOT_ANSWERED
            } else {
                SEALED
            };
            let result = told::result(result.map_or(none, |result| &result.result));
            self.messages.push(Message::Tool {
                call: call.id.clone(),
                result: self.fitting(&result),
            });
        }
    }

    fn fitting(&self, result: &str) -> Arc<str> {
        if self.short {
            Arc::from(size::shorten(result, size::RESULT_LEAST))
        } else {
            Arc::from(result)
        }
    }

    /// Results of the client: in the places of their calls, where the turn before this one ended with these; else as a message, for
    /// what was sent once stays as it was.
    fn add_answers(&mut self, answers: &[ClientAnswer]) {
        let results: Vec<_> = answers
            .iter()
            .map(|answer| (&answer.call, self.fitting(&answer_text(answer))))
            .collect();
        let is_result = |message: &&mut Message| matches!(message, Message::Tool { .. });
        let mut open: Vec<_> = self
            .messages
            .iter_mut()
            .rev()
            .take_while(is_result)
            .filter_map(|message| match message {
                Message::Tool { call, result } => Some((call, result)),
                Message::System(_) | Message::User(_) | Message::Assistant { .. } => None,
            })
            .collect();
        let is_open = |answered: &str| open.iter().any(|(call, _)| *call == answered);
        if !results.iter().all(|(call, _)| is_open(call)) {
            self.close();
            return self.messages.push(answers_prompt(answers));
        }
        if sabotage!(ClientResultLost) {
            return;
        }
        for (answered, text) in results {
            if let Some((_, result)) = open.iter_mut().find(|(call, _)| *call == answered) {
                **result = text;
            }
        }
    }

    /// The turn before may have ended with calls of the client, which nobody answers here: an assistant's line stands between them
    /// and what follows.
    fn close(&mut self) {
        if matches!(self.messages.last(), Some(Message::Tool { .. })) {
            self.say(BROKE_OFF);
        }
    }

    /// Adds late results to the last message. Instructions that change would cost the service its cache.
    fn attach(&mut self, late: &[LateResult]) {
        if late.is_empty() {
            return;
        }
        let Some(Message::User(text) | Message::Tool { result: text, .. }) =
            self.messages.last_mut()
        else {
            return;
        };
        *text = Arc::from(format!("{text}{}", late_text(late)));
    }

    fn say(&mut self, text: &str) {
        self.messages.push(Message::Assistant {
            text: Arc::from(text),
            calls: Arc::default(),
            opaque: None,
        });
    }
}

/// Whether the turn ended with calls of the client.
fn waits(turn: &JournaledTurn) -> bool {
    let last = turn.steps.last();
    turn.record.state == TurnState::Committed && last.is_some_and(|step| !step.client.is_empty())
}

fn shared(calls: &[ToolCall]) -> Arc<[ToolCall]> {
    if calls.is_empty() {
        // Takes no memory, unlike one made from an empty list.
        Arc::default()
    } else {
        Arc::from(calls)
    }
}

/// What a model must know of a turn of which it may not read the words.
fn done_in(turn: &JournaledTurn) -> String {
    let mut text = BROKE_OFF.to_owned();
    for step in &turn.steps {
        for accepted in &step.actions {
            let call = step.calls.iter().find(|call| call.id == accepted.call);
            if let Some(call) = call {
                text.push_str("\n(Accepted before that: ");
                text.push_str(&call.name);
                text.push_str(".)");
            }
        }
    }
    text
}
