//! What real services do that their documentation does not say, each by a name. A request asks for one by the header
//! `rehearsal-quirk`, by `quirk=` in its query, or by the customer's words `rehearse: quirk NAME`.
//!
//! | name | what happens |
//! | --- | --- |
//! | `same_index` | whole calls, each in an event of its own, all with the index 0 and no id |
//! | `late_calls` | each call comes with a finish reason of its own |
//! | `split_name`, `repeated_name` | the name of a call comes in two parts; comes again with each part |
//! | `object_arguments` | arguments are an object, not a text |
//! | `content_parts` | a text is a list of parts, with thoughts among them |
//! | `opaque_calls` | a call has a signature, which is wanted back with it |
//! | `split_character` | a character is cut between two events |
//! | `breaks_off` | the answer ends in the middle, for a reason that is none |
//! | `error_inside` | an error in the middle of the stream |
//! | `error_document` | status 200 and an error for a rate limit; the second try is answered |
//! | `whole_document` | the answer to a streaming request is one document |
//! | `gzip` | the body is compressed |
//! | `abrupt_end` | the last bytes are an event without its line end |
//! | `cut`, `silence` | the connection ends in the middle; no byte follows |
//! | `slow_start` | no byte for 33 seconds |
//! | `wait_asked` | 429, and `Retry-After: 1.6`; the third try is answered |
//! | `thoughts_in_text` | `<think>…</think>` before the answer |
//! | `invented_tool` | a call of `multi_tool_use.parallel` |
//! | `blank_text` | two line breaks before a call |
//! | `null_arguments` | the arguments of a call are `null` |
//! | `same_ids` | the ids of calls begin anew in each response |
//! | `strict` | a Chat request is refused that is refused by the strictest service |
//! | `filtered` | a conversation with the word `forbidden` is refused |
//! | `too_long` | a request of more than 8,192 tokens is refused |
//! | `slip` | the model wrote a call that its service cannot read; the second try is answered |
//! | `empty_answer` | an empty text; the second try is answered |
//! | `no_stream_options` | 422 for `stream_options` |
//! | `error_list` | an error in a list |
//!
//! Which try it is, the rehearsal counts by request: a third request with the same messages is a first try again.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place knows its own quirks, and no other"
)]

mod body;
mod chat;
mod refusals;
mod reply;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::conversation::{Conversation, Message};
use crate::error::ApiError;
use crate::formats::{Asked, Format};

pub(crate) use body::respond;

/// More requests than any test makes; then all are forgotten.
const TRIES_MAX: usize = 10_000;

macro_rules! quirks {
    ($($name:literal $quirk:ident $formats:expr,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Quirk { $($quirk,)* }

        impl Quirk {
            const NAMES: &[(&'static str, Self, &'static [Format])] = &[$(($name, Self::$quirk, $formats),)*];
        }
    };
}

const CHAT: &[Format] = &[Format::Chat];
const ALL: &[Format] = &Format::ALL;
/// Those whose streams are JSON in lines.
const LINES: &[Format] = &[
    Format::Chat,
    Format::Responses,
    Format::Anthropic,
    Format::Gemini,
];

quirks! {
    "same_index" SameIndex CHAT,
    "late_calls" LateCalls CHAT,
    "split_name" SplitName CHAT,
    "repeated_name" RepeatedName CHAT,
    "object_arguments" ObjectArguments CHAT,
    "content_parts" ContentParts CHAT,
    "opaque_calls" OpaqueCalls CHAT,
    "split_character" SplitCharacter LINES,
    "breaks_off" BreaksOff ALL,
    "error_inside" ErrorInside ALL,
    "error_document" ErrorDocument ALL,
    "whole_document" WholeDocument ALL,
    "gzip" Gzip ALL,
    "abrupt_end" AbruptEnd LINES,
    "cut" Cut ALL,
    "silence" Silence ALL,
    "slow_start" SlowStart ALL,
    "wait_asked" WaitAsked ALL,
    "thoughts_in_text" ThoughtsInText ALL,
    "invented_tool" InventedTool ALL,
    "blank_text" BlankText ALL,
    "null_arguments" NullArguments &[Format::Chat, Format::Responses, Format::Anthropic, Format::Bedrock],
    "same_ids" SameIds ALL,
    "strict" Strict CHAT,
    "filtered" Filtered ALL,
    "too_long" TooLong ALL,
    "slip" Slip &[Format::Chat, Format::Gemini, Format::Bedrock],
    "empty_answer" EmptyAnswer ALL,
    "no_stream_options" NoStreamOptions CHAT,
    "error_list" ErrorList ALL,
}

impl Quirk {
    /// The quirk that the request asks for.
    pub(crate) fn of(
        format: Format,
        asked: &Asked<'_>,
        conversation: &Conversation,
    ) -> Result<Option<Self>, ApiError> {
        let (_, query) = asked.target.split_once('?').unwrap_or_default();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let queried = pairs.find(|(name, _)| *name == "quirk");
        let queried = queried.map(|(_, name)| name.to_owned());
        let header = (asked.header)("rehearsal-quirk");
        let Some(name) = header.or(queried).or_else(|| said(conversation)) else {
            return Ok(None);
        };
        match Self::NAMES.iter().find(|(known, ..)| *known == name) {
            Some((_, quirk, formats)) if formats.contains(&format) => Ok(Some(*quirk)),
            Some(_) => Err(ApiError::bad(format!(
                "The quirk '{name}' is none of {format:?}."
            ))),
            None => {
                let names: Vec<_> = Self::NAMES.iter().map(|(name, ..)| *name).collect();
                let names = names.join(", ");
                Err(ApiError::bad(format!(
                    "There is no quirk '{name}', but: {names}."
                )))
            }
        }
    }
}

/// The name in the customer's last message.
fn said(conversation: &Conversation) -> Option<String> {
    let mut messages = conversation.messages.iter().rev();
    let said = messages.find_map(|message| match message {
        Message::User(text) => Some(text),
        Message::System(_) | Message::Assistant { .. } | Message::Result { .. } => None,
    })?;
    let (_, rest) = said.split_once("rehearse: quirk ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// How often each request came.
#[derive(Default)]
pub(crate) struct Tries(Mutex<HashMap<(Format, u64), u32>>);

impl Tries {
    /// How often the request came before.
    fn before(&self, format: Format, conversation: &Conversation) -> u32 {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= TRIES_MAX {
            tries.clear();
        }
        let count = tries.entry((format, conversation.bound())).or_default();
        *count += 1;
        *count - 1
    }
}
