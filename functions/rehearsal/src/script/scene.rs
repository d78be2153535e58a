//! The conversation as an actor sees it: who waits for what, and what was said since the last hand-off.

use crate::request::{Call, ChatRequest, Message, Tool};

use super::words::{Topic, Words};
use super::{TRANSFER, outcome};

/// What the next answer is an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The customer spoke, to this agent or to the one before it.
    Spoken,
    /// Tools have answered.
    Results,
    /// Nothing but a note that an action has finished.
    Noted,
}

pub(super) struct Scene<'a> {
    pub(super) request: &'a ChatRequest,
    pub(super) moment: Moment,
    /// The first sentences that the agent was given.
    pub(super) instructions: &'a str,
    /// Notes that nobody has told the customer yet.
    pub(super) notes: Vec<&'a str>,
    /// The calls that were made last and their results, where the moment is `Results`.
    pub(super) results: Vec<(&'a Call, &'a str)>,
    /// Where the part of this agent begins: after the last hand-off.
    begin: usize,
    /// Where the customer spoke last.
    spoken: Option<usize>,
    hash: u64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(request: &'a ChatRequest) -> Self {
        let messages = request.messages.as_slice();
        let is_spoken =
            |message: &Message| matches!(message, Message::User(text) if is_customers(text));
        let spoken = messages.iter().rposition(is_spoken);
        let last_said = messages
            .iter()
            .rposition(|message| matches!(message, Message::Assistant { .. }));
        let unanswered = messages
            .get(last_said.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let instructions = messages.iter().find_map(|message| match message {
            Message::System(text) => Some(text.as_str()),
            Message::User(_) | Message::Assistant { .. } | Message::Result { .. } => None,
        });
        // The first system message instructs; a later one tells.
        let first_note = usize::from(last_said.is_none());
        let systems = unanswered.iter().filter_map(|message| match message {
            Message::System(text) => Some(text.as_str()),
            Message::User(_) | Message::Assistant { .. } | Message::Result { .. } => None,
        });
        let bracketed = unanswered.iter().filter_map(|message| match message {
            Message::User(text) if is_note(text) => Some(text.as_str()),
            Message::User(_)
            | Message::System(_)
            | Message::Assistant { .. }
            | Message::Result { .. } => None,
        });
        let notes: Vec<&str> = systems.skip(first_note).chain(bracketed).collect();
        let results = last_said
            .map(|at| results_of(messages, at))
            .unwrap_or_default();
        let moment = if unanswered.iter().any(is_spoken) {
            Moment::Spoken
        } else if results
            .iter()
            .any(|(call, _)| !call.name.starts_with(TRANSFER))
            && !handed_off(&results)
        {
            Moment::Results
        } else if results.is_empty() && !notes.is_empty() {
            Moment::Noted
        } else {
            Moment::Spoken
        };
        let begin = (0..messages.len())
            .rev()
            .find(|at| handed_off(&results_of(messages, *at)));
        Self {
            request,
            moment,
            instructions: instructions.unwrap_or_default(),
            notes,
            results,
            begin: begin.unwrap_or(0),
            spoken,
            hash: hash(messages),
        }
    }

    pub(super) fn tool(&self, name: &str) -> Option<&'a Tool> {
        self.request.tools.iter().find(|tool| tool.name == name)
    }

    pub(super) fn transfers(&self) -> impl Iterator<Item = &'a Tool> + use<'a> {
        self.request
            .tools
            .iter()
            .filter(|tool| tool.name.starts_with(TRANSFER))
    }

    /// The way back to the agent that customers meet first.
    pub(super) fn way_back(&self) -> Option<&'a Tool> {
        self.transfers()
            .find(|tool| tool.name.contains("back") || tool.name.contains("triage"))
    }

    /// What the customer said last.
    pub(super) fn said(&self) -> &'a str {
        self.spoken
            .and_then(|at| self.request.messages.get(at))
            .map(text)
            .unwrap_or_default()
    }

    /// Everything that the customer said, oldest first, with its position.
    fn customer(&self) -> impl DoubleEndedIterator<Item = (usize, &'a str)> {
        self.request
            .messages
            .iter()
            .enumerate()
            .filter_map(|(at, message)| match message {
                Message::User(text) if is_customers(text) => Some((at, text.as_str())),
                Message::User(_)
                | Message::System(_)
                | Message::Assistant { .. }
                | Message::Result { .. } => None,
            })
    }

    /// What the customer said to this agent since its last call of `tool`, oldest first, and what led here.
    pub(super) fn customer_since(&self, tool: &str) -> Vec<&'a str> {
        let begin = self.since(tool);
        let led_here = self
            .customer()
            .rev()
            .map(|(at, _)| at)
            .find(|at| *at < begin);
        let begin = if begin == self.begin {
            led_here.unwrap_or(0)
        } else {
            begin
        };
        self.customer()
            .filter(|(at, _)| *at >= begin)
            .map(|(_, text)| text)
            .collect()
    }

    /// Everything that the customer said, newest first.
    pub(super) fn customer_backwards(&self) -> impl Iterator<Item = &'a str> {
        self.customer().rev().map(|(_, text)| text)
    }

    /// What this agent said since its last call of `tool`, newest first.
    pub(super) fn own_words_since(&self, tool: &str) -> impl Iterator<Item = &'a str> {
        let messages = self
            .request
            .messages
            .get(self.since(tool)..)
            .unwrap_or_default();
        messages.iter().rev().filter_map(|message| match message {
            Message::Assistant { text, .. } => Some(text.as_str()),
            Message::System(_) | Message::User(_) | Message::Result { .. } => None,
        })
    }

    /// This agent's last call of a tool.
    pub(super) fn last_call(&self, tool: &str) -> Option<&'a Call> {
        let messages = self.request.messages.get(self.begin..).unwrap_or_default();
        messages
            .iter()
            .rev()
            .find_map(|message| calls(message).iter().rev().find(|call| call.name == tool))
    }

    fn since(&self, tool: &str) -> usize {
        let called = |message: &Message| calls(message).iter().any(|call| call.name == tool);
        self.request
            .messages
            .iter()
            .rposition(called)
            .map_or(self.begin, |at| self.begin.max(at + 1))
    }

    /// Whether the customer was already handed on since they spoke: then this agent has to answer.
    pub(super) fn handed_off_since_spoken(&self) -> bool {
        self.spoken.is_some_and(|at| self.begin > at)
    }

    /// Whether this tool was tried since the customer spoke.
    pub(super) fn called_since_spoken(&self, tool: &str) -> bool {
        let messages = self
            .request
            .messages
            .get(self.spoken.unwrap_or(0)..)
            .unwrap_or_default();
        messages
            .iter()
            .flat_map(calls)
            .any(|call| call.name == tool)
    }

    /// Whether anything was said or called since the customer spoke.
    pub(super) fn acted_since_spoken(&self) -> bool {
        let messages = self
            .request
            .messages
            .get(self.spoken.unwrap_or(0)..)
            .unwrap_or_default();
        messages
            .iter()
            .any(|message| matches!(message, Message::Assistant { .. }))
    }

    /// Whether the team has said anything yet.
    pub(super) fn is_opening(&self) -> bool {
        !self
            .request
            .messages
            .iter()
            .any(|message| matches!(message, Message::Assistant { text, .. } if !text.is_empty()))
    }

    /// Whether the last thing with a topic that the customer said is a complaint.
    pub(super) fn complains(&self) -> bool {
        self.customer_backwards()
            .find_map(|text| Words::of(text).topic())
            .is_some_and(Topic::is_repairs)
    }

    /// One of several, by the hash of the conversation.
    pub(super) fn pick<T>(&self, several: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(several.len())
            .ok()
            .filter(|count| *count > 0)?;
        several.get(usize::try_from(self.hash % count).ok()?)
    }
}

/// Whether a person wrote it; a turn that nobody began with a message may come with an empty one.
fn is_customers(text: &str) -> bool {
    !text.trim().is_empty() && !is_note(text)
}

/// A note about an action that has finished is no customer's message, though some services send it as one.
fn is_note(text: &str) -> bool {
    let text = text.trim_start().to_lowercase();
    ["[", "(note", "note:", "system note", "late result"]
        .iter()
        .any(|opening| text.starts_with(opening))
}

fn text(message: &Message) -> &str {
    match message {
        Message::System(text)
        | Message::User(text)
        | Message::Assistant { text, .. }
        | Message::Result { text, .. } => text,
    }
}

fn calls(message: &Message) -> &[Call] {
    match message {
        Message::Assistant { calls, .. } => calls,
        Message::System(_) | Message::User(_) | Message::Result { .. } => &[],
    }
}

/// The calls of the message at this position with their results.
fn results_of(messages: &[Message], at: usize) -> Vec<(&Call, &str)> {
    let calls = messages.get(at).map(calls).unwrap_or_default();
    let results = || {
        messages
            .iter()
            .skip(at + 1)
            .map_while(|message| match message {
                Message::Result { call_id, text } => Some((call_id, text.as_str())),
                Message::System(_) | Message::User(_) | Message::Assistant { .. } => None,
            })
    };
    calls
        .iter()
        .filter_map(|call| {
            results()
                .find(|(id, _)| **id == call.id)
                .map(|(_, text)| (call, text))
        })
        .collect()
}

fn handed_off(results: &[(&Call, &str)]) -> bool {
    results
        .iter()
        .any(|(call, result)| call.name.starts_with(TRANSFER) && !outcome::refuses_transfer(result))
}

/// FNV-1a over all messages: stable between runs and machines, which the standard hasher does not promise.
pub(crate) fn hash(messages: &[Message]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |text: &str| {
        // A byte that UTF-8 has not, so that texts do not run together.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for message in messages {
        add(text(message));
        for call in calls(message) {
            add(&call.name);
            add(&call.arguments);
        }
    }
    // The low bits of FNV are weak, and `pick` uses them.
    hash ^ (hash >> 32)
}
