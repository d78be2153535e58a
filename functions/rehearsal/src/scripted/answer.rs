//! One answer of the scripted model, step by step.

use serde_json::Value;

use super::Gate;

/// One answer of the scripted model. A stream of events unless it is a [`status`], [`json`](fn@json), [`hangs`] or [`drops`].
pub struct Answer {
    pub(super) head: Head,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    pub(super) piece: usize,
}

pub(super) enum Head {
    /// The status, further headers, and whether the body is one JSON document, not a stream of the format.
    Response {
        status: u16,
        headers: Vec<(String, String)>,
        is_json: bool,
    },
    /// None, the connection stays open.
    Silence,
    /// None, the connection ends.
    Close,
}

pub(super) enum Step {
    Text(String),
    Thought(String),
    /// An error in the words of the format, as the whole body.
    Refusal(u16),
    /// The same inside a stream.
    Failure(u16),
    Call {
        name: String,
        arguments: String,
    },
    Raw(Vec<u8>),
    Gate(Gate),
}

pub(super) enum End {
    /// With a finish reason, the usage if it was asked for, and `[DONE]`.
    Whole {
        reason: Option<String>,
        usage: Option<(u64, u64)>,
        done: bool,
    },
    /// The body ends in good order where the steps end.
    Bare,
    /// The connection ends behind the last step.
    Cut,
    /// The connection ends in the middle of the last step.
    CutInside,
    /// No more bytes come.
    Hang,
}

/// Answers with a text, word by word.
pub fn says(text: &str) -> Answer {
    stream().says(text)
}

/// Calls a tool.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn calls(name: &str, arguments: Value) -> Answer {
    stream().calls(name, &arguments.to_string())
}

/// An empty stream to build on.
pub fn stream() -> Answer {
    Answer {
        head: Head::Response {
            status: 200,
            headers: Vec::new(),
            is_json: false,
        },
        steps: Vec::new(),
        end: End::Whole {
            reason: None,
            usage: None,
            done: true,
        },
        piece: usize::MAX,
    }
}

/// Refuses with this status and an error as the format's service writes it.
pub fn status(status: u16) -> Answer {
    Answer {
        steps: vec![Step::Refusal(status)],
        ..json(status, Value::Null)
    }
}

/// Answers with a JSON document.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn json(status: u16, document: Value) -> Answer {
    Answer {
        head: Head::Response {
            status,
            headers: Vec::new(),
            is_json: true,
        },
        steps: vec![Step::Raw(document.to_string().into_bytes())],
        end: End::Bare,
        piece: usize::MAX,
    }
}

/// Reads the request and never answers.
pub fn hangs() -> Answer {
    Answer {
        head: Head::Silence,
        ..stream()
    }
}

/// Reads the request and closes the connection.
pub fn drops() -> Answer {
    Answer {
        head: Head::Close,
        ..stream()
    }
}

impl Answer {
    /// Adds text, word by word.
    #[must_use]
    pub fn says(mut self, text: &str) -> Self {
        self.steps.extend(
            text.split_inclusive(' ')
                .map(|word| Step::Text(word.to_owned())),
        );
        self
    }

    /// Calls a tool with these arguments, well formed or not.
    #[must_use]
    pub fn calls(mut self, name: &str, arguments: &str) -> Self {
        self.steps.push(Step::Call {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        });
        self
    }

    /// Thinks so before what follows; signed, where the format signs thoughts.
    #[must_use]
    pub fn thinks(mut self, thought: &str) -> Self {
        self.steps.push(Step::Thought(thought.to_owned()));
        self
    }

    /// The same answer, thought out so before anything else.
    #[must_use]
    pub fn thought_out(mut self, thought: &str) -> Self {
        self.steps.insert(0, Step::Thought(thought.to_owned()));
        self
    }

    /// Reports an error inside the stream, as services do that have sent a status already, and ends there.
    #[must_use]
    pub fn fails(mut self, status: u16) -> Self {
        self.steps.push(Step::Failure(status));
        self.end = End::Bare;
        self
    }

    /// One event with this document.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
    pub fn event(self, document: Value) -> Self {
        self.raw(format!("data: {document}\n\n"))
    }

    /// These bytes.
    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Raw(bytes.into()));
        self
    }

    /// Waits here until the test opens the gate.
    #[must_use]
    pub fn gate(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Gate(gate.clone()));
        self
    }

    /// Ends with this finish reason, in the words of Chat Completions.
    #[must_use]
    pub fn finishes(mut self, because: &str) -> Self {
        if let End::Whole { reason, .. } = &mut self.end {
            *reason = Some(because.to_owned());
        }
        self
    }

    /// Counts these tokens, of the request and of the answer.
    #[must_use]
    pub fn costs(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        if let End::Whole { usage, .. } = &mut self.end {
            *usage = Some((prompt_tokens, completion_tokens));
        }
        self
    }

    /// Leaves `[DONE]` out.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        if let End::Whole { done, .. } = &mut self.end {
            *done = false;
        }
        self
    }

    /// Ends normally after the last step: no finish reason, no `[DONE]`.
    #[must_use]
    pub fn ends_there(mut self) -> Self {
        self.end = End::Bare;
        self
    }

    /// Loses the connection after this many steps: words, calls, events, gates.
    #[must_use]
    pub fn cut_after(mut self, steps: usize) -> Self {
        self.steps.truncate(steps);
        self.end = End::Cut;
        self
    }

    /// Loses the connection in the middle of the last step's bytes.
    #[must_use]
    pub fn cut_inside(mut self) -> Self {
        self.end = End::CutInside;
        self
    }

    /// Is silent after the last step.
    #[must_use]
    pub fn then_hangs(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Head::Response { headers, .. } = &mut self.head {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sends every byte of the body by itself.
    #[must_use]
    pub fn byte_by_byte(mut self) -> Self {
        self.piece = 1;
        self
    }
}
