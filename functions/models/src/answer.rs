//! One answer while a decoder reads it: the port's chunks, in the port's order, within the limits.
//! Knows no wire format and no connection.

use std::collections::VecDeque;

use baton_handoff::ports::{
    CallDelta, FinishReason, ModelChunk, ModelError, ModelErrorKind, Usage,
};

use crate::limits::Bounds;
use crate::sendable::is_blank;
use crate::surrogates::Halves;

/// The state of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Text and calls may come.
    Answering,
    /// The service named the reason for the end. Some bring further calls behind it, and most the token counts.
    Finished(FinishReason),
    /// The answer is complete.
    Complete,
}

/// The answer so far. Its methods are for decoders; what comes after [`Answer::complete`] is dropped.
#[derive(Debug)]
pub struct Answer {
    phase: Phase,
    /// Chunks that the caller has not taken.
    ready: VecDeque<ModelChunk>,
    bounds: Bounds,
    text_bytes: usize,
    text_halves: Halves,
    /// White space in front of the first word: alone it is no text.
    blank: String,
    has_text: bool,
    has_id: bool,
    calls: Vec<Call>,
    usage: Option<Usage>,
    opaque: Option<ModelChunk>,
}

#[derive(Debug)]
struct Call {
    id: String,
    argument_bytes: usize,
    halves: Halves,
}

impl Answer {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            phase: Phase::Answering,
            ready: VecDeque::new(),
            bounds: *bounds,
            text_bytes: 0,
            text_halves: Halves::default(),
            blank: String::new(),
            has_text: false,
            has_id: false,
            calls: Vec::new(),
            usage: None,
            opaque: None,
        }
    }

    /// More text; an empty text is ignored, and one of white space alone as long as no word follows.
    pub fn text(&mut self, text: String) -> Result<(), ModelError> {
        if text.is_empty() || self.is_complete() {
            return Ok(());
        }
        self.text_bytes += text.len();
        if self.text_bytes > self.bounds.text {
            let bound = self.bounds.text;
            return Err(too_large(format!("the text has more than {bound} bytes")));
        }
        let text = self.text_halves.join(text);
        self.say(text);
        Ok(())
    }

    fn say(&mut self, text: String) {
        if self.has_text {
            if !text.is_empty() {
                self.ready.push_back(ModelChunk::Text(text));
            }
        } else if is_blank(&text) {
            self.blank.push_str(&text);
        } else {
            self.has_text = true;
            let mut whole = std::mem::take(&mut self.blank);
            whole.push_str(&text);
            self.ready.push_back(ModelChunk::Text(whole));
        }
    }

    /// Begins a call, perhaps with its first arguments. Its position is the number of calls before it. An empty or duplicate id
    /// is replaced: the next request pairs calls and results by id.
    pub fn open_call(
        &mut self,
        id: String,
        name: String,
        arguments: String,
    ) -> Result<(), ModelError> {
        if self.is_complete() {
            return Ok(());
        }
        self.room_for_call(self.calls.len())?;
        if name.is_empty() {
            let detail = "a call has no name";
            return Err(ModelError::new(ModelErrorKind::BadStream, detail));
        }
        let id = self.unique(id);
        self.fits(id.len().max(name.len()), "id or name")?;
        let position = self.calls.len();
        self.calls.push(Call {
            id: id.clone(),
            argument_bytes: 0,
            halves: Halves::default(),
        });
        let arguments = self.count(position, arguments)?;
        self.add(position, Some((id, name)), arguments);
        Ok(())
    }

    /// More arguments of the call at this position; empty ones are ignored.
    pub fn arguments(&mut self, position: usize, arguments: String) -> Result<(), ModelError> {
        if arguments.is_empty() || self.is_complete() {
            return Ok(());
        }
        let arguments = self.count(position, arguments)?;
        self.add(position, None, arguments);
        Ok(())
    }

    /// For decoders that keep calls back until they are whole: whether another one would fit behind this many.
    pub(crate) fn room_for_call(&self, calls: usize) -> Result<(), ModelError> {
        let bound = self.bounds.calls;
        if calls < bound {
            return Ok(());
        }
        let detail = format!("the response has more than {bound} calls");
        Err(too_large(detail))
    }

    /// For decoders that keep calls back: whether this many bytes fit.
    pub(crate) fn fits(&self, bytes: usize, what: &str) -> Result<(), ModelError> {
        let bound = self.bounds.arguments;
        if bytes <= bound {
            return Ok(());
        }
        Err(too_large(format!(
            "a call's {what} have more than {bound} bytes"
        )))
    }

    /// The ids of the calls, by position.
    pub fn call_ids(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.calls.iter().map(|call| call.id.as_str())
    }

    /// The service's id of the response; the first one counts.
    pub fn id(&mut self, id: &str) {
        /// Longer than any service's.
        const ID: usize = 128;
        if !self.has_id && !id.is_empty() && id.len() <= ID {
            self.has_id = true;
            self.ready.push_back(ModelChunk::Id(id.to_owned()));
        }
    }

    /// Whether the response has its id.
    pub fn has_id(&self) -> bool {
        self.has_id
    }

    pub(crate) fn tries(&mut self, tries: u32) {
        if tries > 1 {
            self.ready.push_back(ModelChunk::Tries(tries));
        }
    }

    /// What the service wants back with this response; the last one counts, and one over the bound is not kept. Returns whether it
    /// is.
    pub fn opaque(&mut self, opaque: String) -> bool {
        let fits = opaque.len() <= self.bounds.opaque;
        self.opaque = fits.then_some(ModelChunk::Opaque(opaque));
        fits
    }

    /// The same of a service that takes it back whatever stands before it.
    pub fn opaque_anywhere(&mut self, opaque: String) -> bool {
        let fits = opaque.len() <= self.bounds.opaque;
        self.opaque = fits.then_some(ModelChunk::OpaqueAnywhere(opaque));
        fits
    }

    /// The most bytes of what the service wants back.
    pub fn opaque_bound(&self) -> usize {
        self.bounds.opaque
    }

    /// The token counts so far. The caller gets the last ones once, when the answer is complete.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The token counts so far, for formats that bring them in parts.
    pub fn usage_so_far(&self) -> Usage {
        self.usage.unwrap_or_default()
    }

    /// The service named the reason for the end. Of two reasons the one counts that ended the answer early.
    pub fn finish(&mut self, reason: FinishReason) -> Result<(), ModelError> {
        match self.phase {
            Phase::Answering | Phase::Finished(FinishReason::Stop) => {
                self.phase = Phase::Finished(reason);
                Ok(())
            }
            Phase::Finished(FinishReason::Length | FinishReason::ContentFilter) => Ok(()),
            Phase::Complete => Err(ModelError::new(
                ModelErrorKind::BadStream,
                "an answer ended twice",
            )),
        }
    }

    /// Whether the end of the answer came.
    pub fn is_finished(&self) -> bool {
        self.phase != Phase::Answering
    }

    /// Nothing more will come.
    pub fn complete(&mut self) -> Result<(), ModelError> {
        let reason = match self.phase {
            Phase::Answering => {
                return Err(ModelError::new(
                    ModelErrorKind::Cut,
                    "the service ended its answer before the model was done",
                ));
            }
            Phase::Finished(reason) => reason,
            Phase::Complete => return Ok(()),
        };
        self.end_halves();
        if reason == FinishReason::Stop && !self.has_text && self.calls.is_empty() {
            return Err(ModelError::new(
                ModelErrorKind::Empty,
                "the model was done before it said anything",
            ));
        }
        self.ready.extend(self.opaque.take());
        self.ready.push_back(ModelChunk::Finished(reason));
        self.ready.extend(self.usage.take().map(ModelChunk::Usage));
        self.phase = Phase::Complete;
        Ok(())
    }

    /// The answer failed: what it used counts all the same.
    pub(crate) fn give_up(&mut self) {
        self.ready.extend(self.usage.take().map(ModelChunk::Usage));
    }

    fn end_halves(&mut self) {
        if let Some(end) = self.text_halves.end() {
            self.say(end.to_string());
        }
        for position in 0..self.calls.len() {
            let call = self.calls.get_mut(position);
            if let Some(end) = call.and_then(|call| call.halves.end()) {
                self.add(position, None, end.to_string());
            }
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    /// Whether the caller has taken all there is.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
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

    fn count(&mut self, position: usize, arguments: String) -> Result<String, ModelError> {
        let bound = self.bounds.arguments;
        let Some(call) = self.calls.get_mut(position) else {
            let detail = "arguments came before their call";
            return Err(ModelError::new(ModelErrorKind::BadStream, detail));
        };
        call.argument_bytes += arguments.len();
        if call.argument_bytes > bound {
            let detail = format!("a call's arguments have more than {bound} bytes");
            return Err(too_large(detail));
        }
        Ok(call.halves.join(arguments))
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
