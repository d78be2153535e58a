//! One model response, assembled from its stream within limits.

use futures_util::StreamExt;

use crate::failure::FailureCode;
use crate::ports::{
    CallDelta, FinishReason, ModelChunk, ModelError, ModelErrorKind, ModelStream, ToolCall, Usage,
};
use crate::record::size;

/// A whole response without its text, which the receiver of the pieces has. Sizes are counted as stored.
#[derive(Debug, Default)]
pub(crate) struct Response {
    text_bytes: usize,
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
    /// Reads the stream to its end and passes each piece of text on at once.
    pub(crate) async fn read(
        &mut self,
        mut stream: ModelStream,
        mut say: impl FnMut(String),
    ) -> Result<(), Broken> {
        while let Some(chunk) = stream.next().await {
            match chunk? {
                ModelChunk::Text(text) => {
                    self.text_bytes += size::stored_len(&text);
                    if self.text_bytes > size::RESPONSE_TEXT {
                        return Err(too_large("the text of a response", size::RESPONSE_TEXT));
                    }
                    say(text);
                }
                ModelChunk::Call(delta) => self.take_call(delta)?,
                ModelChunk::Finished(reason) => self.finished = Some(reason),
                ModelChunk::Usage(usage) => self.usage = usage,
                ModelChunk::Opaque(_) | ModelChunk::Id(_) | ModelChunk::Tries(_) => {}
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

    /// Results are matched by id, so every call needs its own, whatever ids the service sent.
    fn name_calls(&mut self) {
        for at in 0..self.calls.len() {
            let (before, rest) = self.calls.split_at_mut(at);
            let Some(call) = rest.first_mut() else { return };
            let taken = |id: &str| before.iter().any(|earlier| earlier.id == id);
            // Half of the limit, so that there is room for the suffix that makes one of 16 ids unique.
            call.id = size::prefix_within(&call.id, size::CALL_NAME / 2).to_owned();
            while call.id.is_empty() || taken(&call.id) {
                call.id = format!("call_{at}_{}", call.id);
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
        detail: "the service ended the answer before the model was done".to_owned(),
    }
}
