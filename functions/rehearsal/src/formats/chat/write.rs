//! The answer as Chat Completions stream it: one chunk a part.

use serde::Serialize;

use super::{Counts, FINGERPRINT};
use crate::formats::{Heading, Writer, data};
use crate::parts::Part;
use crate::reply::Usage;

pub(super) struct Chunks {
    pub(super) heading: Heading,
    /// Whether tokens are counted.
    pub(super) counts: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: &'a [ChunkChoice<'a>],
    /// Null in every chunk but the last one, where usage is asked for; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Nullable<Counts>>,
}

/// A field that is null, which is not the same as a field that is absent.
#[derive(Serialize)]
#[serde(untagged)]
enum Nullable<T> {
    Null,
    Value(T),
}

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u8,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Nullable<&'a str>>,
    /// Not in OpenAI's own answers; so other services show thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Writer for Chunks {
    fn write(&mut self, part: &Part, out: &mut Vec<u8>) {
        match part {
            Part::Begin { text_follows, .. } => self.delta(
                Delta {
                    role: Some("assistant"),
                    // The service starts with an empty text, and with null if there are calls only.
                    content: Some(text_follows.then_some("").into()),
                    ..Delta::default()
                },
                out,
            ),
            Part::Thought(word) => self.delta(
                Delta {
                    reasoning_content: Some(word),
                    ..Delta::default()
                },
                out,
            ),
            Part::Word(word) => self.delta(
                Delta {
                    content: Some(Nullable::Value(word)),
                    ..Delta::default()
                },
                out,
            ),
            Part::Call { index, id, name } => self.call(
                CallDelta {
                    index: *index,
                    id: Some(id),
                    r#type: Some("function"),
                    function: FunctionDelta {
                        name: Some(name),
                        arguments: "",
                    },
                },
                out,
            ),
            Part::Arguments { index, fragment } => self.call(
                CallDelta {
                    index: *index,
                    id: None,
                    r#type: None,
                    function: FunctionDelta {
                        name: None,
                        arguments: fragment,
                    },
                },
                out,
            ),
            Part::Sealed(_) | Part::CallEnds { .. } => {}
            Part::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Part::Fails(error) => data(&super::refusal(error).document, out),
            Part::Finish(stop, usage) => {
                self.choice(Delta::default(), Some(super::reason(stop)), out);
                if self.counts {
                    self.chunk(&[], Some(*usage), out);
                }
            }
            Part::Done => out.extend_from_slice(b"data: [DONE]\n\n"),
        }
    }
}

impl Chunks {
    fn call(&self, call: CallDelta<'_>, out: &mut Vec<u8>) {
        let delta = Delta {
            tool_calls: Some([call]),
            ..Delta::default()
        };
        self.delta(delta, out);
    }

    fn delta(&self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.choice(delta, None, out);
    }

    fn choice(&self, delta: Delta<'_>, finish_reason: Option<&str>, out: &mut Vec<u8>) {
        let choice = ChunkChoice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason,
        };
        self.chunk(&[choice], None, out);
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<Usage>, out: &mut Vec<u8>) {
        let id = format!("chatcmpl-{}", self.heading.id);
        let chunk = Chunk {
            id: &id,
            object: "chat.completion.chunk",
            created: self.heading.created,
            model: &self.heading.model,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.counts.then_some(usage.map(Counts::from).into()),
        };
        data(&chunk, out);
    }
}
