//! One model response, assembled from its stream within limits.

use futures_util::StreamExt;

use crate::failure::FailureCode;
use crate::ports::{
    CallDelta, Env, FinishReason, Millis, ModelChunk, ModelError, ModelErrorKind, ModelStream,
    ToolCall, Usage,
};
use crate::record::size;
use crate::text::is_blank;

/// A whole response without its text, which the receiver of the pieces has. Sizes are counted as stored.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// The service's id of it.
    pub(crate) id: String,
    /// How often the request was sent.
    pub(crate) tries: u32,
    /// What the service wants back with it.
    pub(crate) opaque: Option<String>,
    /// It holds only behind the words that stand before this response.
    pub(crate) opaque_is_bound: bool,
    /// When its first piece came.
    pub(crate) first_at: Option<Millis>,
    text_bytes: usize,
    /// White space that nothing has followed yet: it is text only in front of words.
    blank: String,
    says_something: bool,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) usage: Usage,
    parts: Vec<CallParts>,
    argument_bytes: usize,
    finished: Option<FinishReason>,
}

/// A call while its parts arrive.
#[derive(Debug)]
struct CallParts {
    index: u32,
    argument_bytes: usize,
}

/// A response that did not become whole.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) code: FailureCode,
    /// Where the model failed: what may be tried next.
    pub(crate) kind: Option<ModelErrorKind>,
    /// What the call used until it failed, as far as the service has counted. None: it was not made.
    pub(crate) usage: Option<Usage>,
    pub(crate) detail: String,
}

impl From<ModelError> for Broken {
    fn from(error: ModelError) -> Self {
        Self {
            code: error.kind.into(),
            kind: Some(error.kind),
            usage: None,
            detail: error.to_string(),
        }
    }
}

impl Broken {
    /// The call was not made.
    pub(crate) fn over_budget() -> Self {
        Self {
            code: FailureCode::BudgetExceeded,
            kind: None,
            usage: None,
            detail: "a further model call does not fit a budget".to_owned(),
        }
    }
}

impl Response {
    /// Reads the stream to its end and passes each piece of text on at once.
    pub(crate) async fn read(
        &mut self,
        mut stream: ModelStream,
        env: &dyn Env,
        mut say: impl FnMut(String),
    ) -> Result<(), Broken> {
        while let Some(chunk) = stream.next().await {
            if self.first_at.is_none() {
                self.first_at = Some(env.now());
            }
            match chunk? {
                ModelChunk::Text(text) => {
                    self.text_bytes += size::stored_len(&text);
                    if self.text_bytes > size::RESPONSE_TEXT {
                        return Err(too_large("the text of a response", size::RESPONSE_TEXT));
                    }
                    if !self.says_something && is_blank(&text) {
                        self.blank.push_str(&text);
                        continue;
                    }
                    self.says_something = true;
                    let blank = std::mem::take(&mut self.blank);
                    say(if blank.is_empty() {
                        text
                    } else {
                        blank + &text
                    });
                }
                ModelChunk::Call(delta) => self.take_call(delta)?,
                ModelChunk::Finished(reason) => self.finished = Some(reason),
                ModelChunk::Usage(usage) => self.usage = usage,
                ModelChunk::Opaque(opaque) => {
                    (self.opaque, self.opaque_is_bound) = (Some(opaque), true);
                }
                ModelChunk::OpaqueAnywhere(opaque) => {
                    (self.opaque, self.opaque_is_bound) = (Some(opaque), false);
                }
                ModelChunk::Id(id) => {
                    size::prefix_within(&id, size::RESPONSE_ID).clone_into(&mut self.id);
                }
                ModelChunk::Tries(tries) => self.tries = tries,
            }
        }
        self.check()
    }

    fn take_call(&mut self, delta: CallDelta) -> Result<(), Broken> {
        let known = self.parts.iter().position(|part| part.index == delta.index);
        if known.is_none() && self.calls.len() >= size::MAX_CALLS {
            return Err(too_large(
                "the number of calls of a response",
                size::MAX_CALLS,
            ));
        }
        let at = known.unwrap_or_else(|| {
            self.parts.push(CallParts {
                index: delta.index,
                argument_bytes: 0,
            });
            self.calls.push(ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
            });
            self.calls.len() - 1
        });
        let (Some(call), Some(part)) = (self.calls.get_mut(at), self.parts.get_mut(at)) else {
            return Ok(());
        };
        if let Some(id) = delta.id {
            call.id = id;
        }
        if let Some(name) = delta.name {
            call.name.push_str(&name);
        }
        if size::stored_len(&call.name) > size::CALL_NAME {
            return Err(too_large("the name of a call", size::CALL_NAME));
        }
        let more = size::stored_len(&delta.arguments);
        part.argument_bytes += more;
        self.argument_bytes += more;
        call.arguments.push_str(&delta.arguments);
        if part.argument_bytes > size::ARGUMENTS {
            return Err(too_large("the arguments of a call", size::ARGUMENTS));
        }
        if self.argument_bytes > size::ALL_ARGUMENTS {
            return Err(too_large("the arguments of all calls", size::ALL_ARGUMENTS));
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Broken> {
        match self.finished {
            None => {
                return Err(ModelError::new(
                    ModelErrorKind::Cut,
                    "the stream ended before the model was done",
                )
                .into());
            }
            Some(FinishReason::Length) => return Err(unfinished(FailureCode::AnswerTooLong)),
            Some(FinishReason::ContentFilter) => {
                return Err(unfinished(FailureCode::ContentFiltered));
            }
            Some(FinishReason::Stop) => {}
        }
        if !self.says_something && self.calls.is_empty() {
            return Err(ModelError::new(
                ModelErrorKind::Empty,
                "a response with neither text nor calls",
            )
            .into());
        }
        self.drop_large_opaque();
        Ok(())
    }

    /// It shares the room of text and arguments, so that every response can be recorded.
    fn drop_large_opaque(&mut self) {
        let Some(opaque) = &self.opaque else { return };
        let bytes = size::stored_len(opaque);
        let room = size::RESPONSE_TEXT + size::ALL_ARGUMENTS;
        if bytes > size::OPAQUE || self.text_bytes + self.argument_bytes + bytes > room {
            tracing::warn!(
                bytes,
                "what a service wants back with its response is too long to be kept"
            );
            self.opaque = None;
        }
    }

    /// Results are matched by id, so every call of a conversation needs its own, whatever ids the service sent. `place`: the
    /// turn and the step of this response.
    pub(crate) fn name_calls(&mut self, (turn, step): (u32, u32), is_used: impl Fn(&str) -> bool) {
        for at in 0..self.calls.len() {
            let (before, rest) = self.calls.split_at_mut(at);
            let Some(call) = rest.first_mut() else { return };
            let taken = |id: &str| before.iter().any(|earlier| earlier.id == id) || is_used(id);
            let own = size::prefix_within(&call.id, size::CALL_NAME / 2);
            if own.is_empty() || taken(own) {
                call.id = format!("call_{turn}_{step}_{at}");
                while taken(&call.id) {
                    call.id.push('_');
                }
            } else if own.len() < call.id.len() {
                call.id = own.to_owned();
            }
        }
    }
}

fn too_large(what: &str, bound: usize) -> Broken {
    ModelError::new(
        ModelErrorKind::TooLarge,
        format!("{what} is over its bound of {bound}"),
    )
    .into()
}

fn unfinished(code: FailureCode) -> Broken {
    Broken {
        code,
        kind: None,
        usage: None,
        detail: "the service ended the answer before the model was done".to_owned(),
    }
}
