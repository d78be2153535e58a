//! One answer while a decoder reads it: the port's chunks, in the port's order, within the limits.
//! Knows no wire format and no connection.

use std::collections::VecDeque;

use baton_handoff::ports::{
    CallDelta, FinishReason, ModelChunk, ModelError, ModelErrorKind, Usage,
};

use crate::limits::Bounds;

/// The state of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Text and calls may come.
    Answering,
    /// The response is complete; token counts may come.
    Finished,
    /// The answer is complete.
    Complete,
}

/// The answer so far. Its methods are for decoders; text and calls after the end of the answer are dropped.
#[derive(Debug)]
pub struct Answer {
    phase: Phase,
    /// Chunks that the caller has not taken.
    ready: VecDeque<ModelChunk>,
    bounds: Bounds,
    text_bytes: usize,
    calls: Vec<Call>,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Call {
    id: String,
    argument_bytes: usize,
}

impl Answer {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            phase: Phase::Answering,
            ready: VecDeque::new(),
            bounds: *bounds,
            text_bytes: 0,
            calls: Vec::new(),
            usage: None,
        }
    }

    /// More text; an empty text is ignored.
    pub fn text(&mut self, text: String) -> Result<(), ModelError> {
        if text.is_empty() || self.is_finished() {
            return Ok(());
        }
        self.text_bytes += text.len();
        if self.text_bytes > self.bounds.text {
            let bound = self.bounds.text;
            return Err(too_large(format!("the text has more than {bound} bytes")));
        }
        self.ready.push_back(ModelChunk::Text(text));
        Ok(())
    }

    /// Begins a call, perhaps with its first arguments. Its position is the number of calls before it. An empty or duplicate id
    /// is replaced: the next request pairs calls and results by id.
    pub fn open_call(
        &mut self,
        id: String,
        name: String,
        arguments: String,
    ) -> Result<(), ModelError> {
        if self.is_finished() {
            return Ok(());
        }
        if self.calls.len() == self.bounds.calls {
            let bound = self.bounds.calls;
            return Err(too_large(format!(
                "the response has more than {bound} calls"
            )));
        }
        if name.is_empty() {
            let detail = "a call has no name";
            return Err(ModelError::new(ModelErrorKind::BadStream, detail));
        }
        let id = self.unique(id);
        if id.len().max(name.len()) > self.bounds.arguments {
            let bound = self.bounds.arguments;
            let detail = format!("a call's id or name has more than {bound} bytes");
            return Err(too_large(detail));
        }
        let position = self.calls.len();
        self.calls.push(Call {
            id: id.clone(),
            argument_bytes: 0,
        });
        self.count(position, arguments.len())?;
        self.add(position, Some((id, name)), arguments);
        Ok(())
    }

    /// More arguments of the call at this position; empty ones are ignored.
    pub fn arguments(&mut self, position: usize, arguments: String) -> Result<(), ModelError> {
        if arguments.is_empty() || self.is_finished() {
            return Ok(());
        }
        self.count(position, arguments.len())?;
        self.add(position, None, arguments);
        Ok(())
    }

    /// The ids of the calls, by position.
    pub fn call_ids(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.calls.iter().map(|call| call.id.as_str())
    }

    /// The token counts so far. The caller gets the last ones once, when the answer is complete.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The token counts so far, for formats that bring them in parts.
    pub fn usage_so_far(&self) -> Usage {
        self.usage.unwrap_or_default()
    }

    /// No further token counts will come: the caller need not wait for the answer's end.
    pub fn usage_is_final(&mut self) {
        self.ready.extend(self.usage.take().map(ModelChunk::Usage));
    }

    /// The response is complete; only token counts may follow.
    pub fn finish(&mut self, reason: FinishReason) -> Result<(), ModelError> {
        if self.is_finished() {
            return Ok(());
        }
        if reason == FinishReason::Stop && self.text_bytes == 0 && self.calls.is_empty() {
            return Err(ModelError::new(
                ModelErrorKind::Empty,
                "the model was done before it said anything",
            ));
        }
        self.ready.push_back(ModelChunk::Finished(reason));
        self.phase = Phase::Finished;
        Ok(())
    }

    /// Whether the response is complete.
    pub fn is_finished(&self) -> bool {
        self.phase != Phase::Answering
    }

    /// The service marked the end of the answer.
    pub fn complete(&mut self) -> Result<(), ModelError> {
        if self.phase == Phase::Answering {
            return Err(ModelError::new(
                ModelErrorKind::Cut,
                "the service ended its answer before the model was done",
            ));
        }
        self.usage_is_final();
        self.phase = Phase::Complete;
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    pub(crate) fn take(&mut self) -> Option<ModelChunk> {
        self.ready.pop_front()
    }

    fn unique(&self, id: String) -> String {
        let taken = |id: &str| id.is_empty() || self.calls.iter().any(|call| call.id == id);
        if !taken(&id) {
            return id;
        }
        let base = if id.is_empty() { "call" } else { &id };
        let numbered = (self.calls.len()..).map(|number| format!("{base}_{number}"));
        numbered
            .take(self.bounds.calls + 1)
            .find(|id| !taken(id))
            .unwrap_or(id)
    }

    fn count(&mut self, position: usize, bytes: usize) -> Result<(), ModelError> {
        let Some(call) = self.calls.get_mut(position) else {
            let detail = "arguments came before their call";
            return Err(ModelError::new(ModelErrorKind::BadStream, detail));
        };
        call.argument_bytes += bytes;
        if call.argument_bytes > self.bounds.arguments {
            let bound = self.bounds.arguments;
            let detail = format!("a call's arguments have more than {bound} bytes");
            return Err(too_large(detail));
        }
        Ok(())
    }

    fn add(&mut self, position: usize, opened: Option<(String, String)>, arguments: String) {
        let (id, name) = opened.unzip();
        self.ready.push_back(ModelChunk::Call(CallDelta {
            // The bound on calls keeps this far from u32's end.
            index: u32::try_from(position).unwrap_or(u32::MAX),
            id,
            name,
            arguments,
        }));
    }
}

fn too_large(detail: String) -> ModelError {
    ModelError::new(ModelErrorKind::TooLarge, detail)
}
