//! An answer's steps in the format of the request.

use serde_json::Value;

use super::answer::{End, Step};
use super::captured::Captured;
use crate::conversation::{Delivery, THOUGHT_MARK};
use crate::error::ApiError;
use crate::formats::{Format, Heading, Refusal, Writer};
use crate::hash::seal;
use crate::parts::Part;
use crate::reply::{Stop, Usage};

/// A stream that is being written.
pub(super) struct Spoken {
    writer: Box<dyn Writer>,
    /// Chat needs none.
    has_begun: bool,
    usage: Usage,
    bound: u64,
    thought: bool,
    signs: bool,
    calls: usize,
}

impl Spoken {
    pub(super) fn new(request: &Captured, end: &End) -> Self {
        let heading = Heading {
            id: "1".to_owned(),
            created: 1,
            model: "scripted".to_owned(),
        };
        let json = request.json();
        let counts = json.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
        let wire = request.format().wire();
        let (prompt, completion) = match end {
            End::Whole { usage, .. } => usage.unwrap_or_default(),
            End::Bare | End::Cut | End::CutInside | End::Hang => (0, 0),
        };
        let count = |tokens: u64| usize::try_from(tokens).unwrap_or(usize::MAX);
        Self {
            writer: (wire.writer)(heading, Delivery::Streamed { usage: counts }),
            has_begun: request.format() == Format::Chat,
            usage: Usage {
                prompt: count(prompt),
                completion: count(completion),
                ..Usage::default()
            },
            bound: request.bound(),
            thought: false,
            signs: wire.signs,
            calls: 0,
        }
    }

    /// The bytes of a part, with those of the beginning where it is the first.
    pub(super) fn says(&mut self, part: &Part) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.has_begun {
            self.has_begun = true;
            let begin = Part::Begin {
                text_follows: true,
                usage: self.usage,
            };
            self.writer.write(&begin, &mut bytes);
        }
        self.writer.write(part, &mut bytes);
        bytes
    }

    pub(super) fn thinks(&mut self, thought: String) -> Vec<u8> {
        self.thought = true;
        let sealed = Part::Sealed(seal(self.bound, &thought));
        let mut bytes = self.says(&Part::Thought(thought));
        bytes.extend(self.says(&sealed));
        bytes
    }

    /// A call in its parts; `number` makes its id.
    pub(super) fn calls(&mut self, number: usize, name: String, arguments: String) -> Vec<u8> {
        let index = self.calls;
        self.calls += 1;
        let mark = if self.thought && self.signs {
            THOUGHT_MARK
        } else {
            ""
        };
        let id = format!("call_{number}{mark}");
        let mut bytes = self.says(&Part::Call { index, id, name });
        let fragment = arguments;
        bytes.extend(self.says(&Part::Arguments { index, fragment }));
        bytes.extend(self.says(&Part::CallEnds { index }));
        bytes
    }

    /// The end of a whole answer.
    pub(super) fn ends(&mut self, reason: Option<&str>, done: bool) -> Vec<u8> {
        let stop = match reason {
            None if self.calls > 0 => Stop::Calls,
            None | Some("stop") => Stop::End,
            Some("tool_calls") => Stop::Calls,
            Some("length") => Stop::Length,
            Some("content_filter") => Stop::Filtered,
            Some(other) => Stop::Other(other.to_owned()),
        };
        let mut bytes = self.says(&Part::Finish(stop, self.usage));
        if done {
            bytes.extend(self.says(&Part::Done));
        }
        bytes
    }
}

impl Step {
    /// The error that this step is, in the words of the request's format.
    pub(super) fn refusal(&self, request: &Captured) -> Option<Refusal> {
        match self {
            Self::Refusal(status) => {
                let error = ApiError::Scripted(*status);
                Some((request.format().wire().refusal)(&error))
            }
            Self::Text(_)
            | Self::Thought(_)
            | Self::Failure(_)
            | Self::Call { .. }
            | Self::Raw(_)
            | Self::Gate(_) => None,
        }
    }
}
