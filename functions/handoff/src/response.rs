//! One model response, put together from its stream within bounds.

use futures_util::StreamExt;

use crate::failure::FailureCode;
use crate::ports::{
    CallDelta, FinishReason, ModelChunk, ModelError, ModelErrorKind, ModelStream, ToolCall, Usage,
};

/// So that the step and the actions of a response fit one commit.
pub(crate) const MAX_CALLS: usize = 16;

/// The arguments of one call, in bytes.
const MAX_ARGUMENTS: usize = 32 * 1024;

/// The text of one response, in bytes. A record may hold 350 KB, and JSON may escape some of it.
const MAX_TEXT: usize = 128 * 1024;

/// The arguments of all calls of one response, in bytes.
const MAX_ALL_ARGUMENTS: usize = 128 * 1024;

/// A whole response, but for the text: who is handed the pieces has that.
#[derive(Debug, Default)]
pub(crate) struct Response {
    text_bytes: usize,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) usage: Usage,
    indexes: Vec<u32>,
    argument_bytes: usize,
    finished: Option<FinishReason>,
}

/// A response that did not become whole.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) code: FailureCode,
    pub(crate) detail: String,
}

impl From<ModelError> for Broken {
    fn from(error: ModelError) -> Self {
        Self {
            code: error.kind.into(),
            detail: error.to_string(),
        }
    }
}

impl Response {
    /// Reads the stream to its end and hands on every piece of text as it comes.
    pub(crate) async fn read(
        &mut self,
        mut stream: ModelStream,
        mut say: impl FnMut(String),
    ) -> Result<(), Broken> {
        while let Some(chunk) = stream.next().await {
            match chunk? {
                ModelChunk::Text(text) => {
                    self.text_bytes += text.len();
                    if self.text_bytes > MAX_TEXT {
                        return Err(too_large("the text of a response"));
                    }
                    say(text);
                }
                ModelChunk::Call(delta) => self.take_call(delta)?,
                ModelChunk::Finished(reason) => self.finished = Some(reason),
                ModelChunk::Usage(usage) => self.usage = usage,
            }
        }
        self.check()
    }

    fn take_call(&mut self, delta: CallDelta) -> Result<(), Broken> {
        let known = self.indexes.iter().position(|index| *index == delta.index);
        if known.is_none() && self.calls.len() >= MAX_CALLS {
            return Err(too_large("the number of calls of a response"));
        }
        self.argument_bytes += delta.arguments.len();
        let at = known.unwrap_or_else(|| {
            self.indexes.push(delta.index);
            self.calls.push(ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
            });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else {
            return Ok(());
        };
        if let Some(id) = delta.id {
            call.id = id;
        }
        if let Some(name) = delta.name {
            call.name.push_str(&name);
        }
        call.arguments.push_str(&delta.arguments);
        if call.arguments.len() > MAX_ARGUMENTS || self.argument_bytes > MAX_ALL_ARGUMENTS {
            return Err(too_large("the arguments of a call"));
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
        if self.text_bytes == 0 && self.calls.is_empty() {
            return Err(ModelError::new(
                ModelErrorKind::Empty,
                "a response with neither text nor calls",
            )
            .into());
        }
        self.name_calls();
        Ok(())
    }

    /// Results are matched by id, so every call needs one of its own, whatever the service sent.
    fn name_calls(&mut self) {
        for at in 0..self.calls.len() {
            let (before, rest) = self.calls.split_at_mut(at);
            let Some(call) = rest.first_mut() else { return };
            if call.id.is_empty() || before.iter().any(|earlier| earlier.id == call.id) {
                call.id = format!("call_{at}_{}", call.id);
            }
        }
    }
}

fn too_large(what: &str) -> Broken {
    ModelError::new(
        ModelErrorKind::TooLarge,
        format!("{what} is over its bound"),
    )
    .into()
}

fn unfinished(code: FailureCode) -> Broken {
    Broken {
        code,
        detail: "the service ended the answer before the model was done".to_owned(),
    }
}
