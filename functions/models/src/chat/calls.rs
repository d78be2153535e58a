//! Separates the calls of one response by everything that services tell them apart with: index, id, name, whole arguments.
//! Keeps them back until the answer is whole, since a name may come in pieces.

use baton_handoff::ports::{ModelError, ModelErrorKind};
use serde_json::{Map, Value};

use super::fields::CallPart;
use crate::answer::Answer;
use crate::sendable;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

/// A call so far.
#[derive(Debug, Default)]
pub(super) struct Call {
    index: Option<u64>,
    pub(super) id: String,
    name: String,
    arguments: String,
    shape: Shape,
    /// What the service wants back with the call.
    pub(super) extra: Map<String, Value>,
}

impl Calls {
    /// Adds the part to its call.
    pub(super) fn take(&mut self, part: CallPart, answer: &Answer) -> Result<(), ModelError> {
        let at = if let Some(at) = self.of(&part) {
            at
        } else {
            answer.room_for_call(self.calls.len())?;
            self.calls.push(self.begun(&part));
            self.calls.len() - 1
        };
        let Some(call) = self.calls.get_mut(at) else {
            return Ok(());
        };
        if call.repeats(&part) {
            return Ok(());
        }
        if let Some(name) = &part.name {
            join_name(&mut call.name, name);
        }
        if let Some(id) = part.id.filter(|_| call.id.is_empty()) {
            call.id = id;
        }
        answer.fits(call.id.len().max(call.name.len()), "id or name")?;
        answer.fits(call.arguments.len() + part.arguments.len(), "arguments")?;
        call.shape.read(&part.arguments);
        call.arguments.push_str(&part.arguments);
        call.extra.extend(part.extra);
        Ok(())
    }

    /// A new call. One that comes without a name has the name of the call whose place it takes.
    fn begun(&self, part: &CallPart) -> Call {
        let same = self.calls.iter().rfind(|call| call.index == part.index);
        let name = match (&part.name, same) {
            (None, Some(same)) if part.index.is_some() => same.name.clone(),
            (Some(_) | None, _) => String::new(),
        };
        Call {
            index: part.index,
            name,
            ..Call::default()
        }
    }

    /// Which call a part continues. OpenAI counts calls by `index` and gives `id` and `name` once. Others send complete calls under
    /// one index, with ids of their own (Ollama) or without (Gemini), or no index at all. vLLM has given every part a new id: so a
    /// new id is a new call only when a name comes with it.
    fn of(&self, part: &CallPart) -> Option<usize> {
        let id = part.id.as_deref();
        let last = self.calls.len().checked_sub(1);
        let Some(index) = part.index else {
            return match (id, &part.name) {
                (Some(id), name) => {
                    let known = self.calls.iter().rposition(|call| call.id == id);
                    known.or(last.filter(|_| name.is_none()))
                }
                (None, Some(_)) => None,
                (None, None) => last,
            };
        };
        let at = self
            .calls
            .iter()
            .rposition(|call| call.index == Some(index))?;
        let call = self.calls.get(at)?;
        (!call.is_another(part)).then_some(at)
    }

    /// The calls, in their order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Call> {
        self.calls.iter()
    }

    /// Adds the calls to the answer, whole.
    pub(super) fn end(&mut self, answer: &mut Answer) -> Result<(), ModelError> {
        for call in std::mem::take(&mut self.calls) {
            if call.name.is_empty() {
                let detail = "a call has no name";
                return Err(ModelError::new(ModelErrorKind::Slip, detail));
            }
            let arguments = sendable::received(call.arguments);
            answer.open_call(call.id, call.name, arguments)?;
        }
        Ok(())
    }

    /// Drops what is no call: nothing was said of it.
    pub(super) fn settle(&mut self) {
        self.calls
            .retain(|call| !call.name.is_empty() || !call.arguments.trim().is_empty());
    }
}

impl Call {
    /// Whether a part under the index of this call begins another one.
    fn is_another(&self, part: &CallPart) -> bool {
        let other_id = !self.id.is_empty() && part.id.as_ref().is_some_and(|id| *id != self.id);
        let named = part.name.is_some();
        if other_id && named {
            return true;
        }
        if self.repeats(part) {
            return false;
        }
        let other_name = part.name.as_ref().is_some_and(|name| *name != self.name);
        let begins = part.arguments.trim_start().starts_with('{');
        self.shape.is_whole() && (begins || other_name)
    }

    /// Whether the part is this whole call once more, as some gateways send it at the end.
    fn repeats(&self, part: &CallPart) -> bool {
        self.shape.is_whole()
            && part.id.as_ref().is_some_and(|id| *id == self.id)
            && part.name.as_ref().is_none_or(|name| *name == self.name)
            && part.arguments == self.arguments
    }
}

/// A name comes once, in pieces, whole in each part, or longer with each part.
fn join_name(name: &mut String, piece: &str) {
    if piece.starts_with(name.as_str()) {
        piece.clone_into(name);
    } else {
        name.push_str(piece);
    }
}

/// How far a JSON object in pieces is: whether its last bracket came.
#[derive(Debug, Default)]
struct Shape {
    depth: usize,
    in_text: bool,
    escaped: bool,
    closed: bool,
}

impl Shape {
    fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed = self.depth == 0;
                }
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.closed && self.depth == 0 && !self.in_text
    }
}
