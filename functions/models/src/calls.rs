//! Tells the calls of one response apart, by whatever a service gives to tell them by.

use baton_handoff::ports::{CallDelta, ModelError, ModelErrorKind};

use crate::settings::Bounds;
use crate::wire::CallPart;

/// The calls so far, in the order in which they began: that order is the port's index.
#[derive(Debug)]
pub(crate) struct Calls {
    open: Vec<OpenCall>,
    bound: usize,
    bytes_bound: usize,
}

#[derive(Debug)]
struct OpenCall {
    service_index: Option<u32>,
    id: String,
    argument_bytes: usize,
}

impl Calls {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            open: Vec::new(),
            bound: bounds.calls,
            bytes_bound: bounds.arguments,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The part as the port wants it; none if it brings nothing.
    pub(crate) fn take(&mut self, part: CallPart) -> Result<Option<CallDelta>, ModelError> {
        let known = self.position(&part);
        let function = part.function.unwrap_or_default();
        let arguments = function.arguments.unwrap_or_default();
        let (position, opened) = match known {
            Some(position) => (position, None),
            None => (
                self.open.len(),
                Some(self.open(part.index, part.id, function.name)?),
            ),
        };
        self.count(position, arguments.len())?;
        if opened.is_none() && arguments.is_empty() {
            return Ok(None);
        }
        let (id, name) = opened.unzip();
        // The bound on calls keeps this far from u32's end.
        let index = u32::try_from(position).unwrap_or(u32::MAX);
        Ok(Some(CallDelta {
            index,
            id,
            name,
            arguments,
        }))
    }

    /// Which call a part continues. OpenAI counts calls by `index` and gives `id` and `name` once. Ollama has sent several
    /// complete calls under index 0, others send no index at all. vLLM has given every part a new id: so a new id is a new
    /// call only when a name comes with it.
    fn position(&self, part: &CallPart) -> Option<usize> {
        let id = part.id.as_deref().filter(|id| !id.is_empty());
        let named = part
            .function
            .as_ref()
            .and_then(|function| function.name.as_deref())
            .is_some_and(|name| !name.is_empty());
        let same_id = |call: &OpenCall| id.is_none_or(|id| call.id == id);
        match part.index {
            Some(index) => {
                let of_index = |call: &OpenCall| call.service_index == Some(index);
                self.open
                    .iter()
                    .rposition(|call| of_index(call) && (!named || same_id(call)))
            }
            None if id.is_some() && named => self.open.iter().position(same_id),
            None if named => None,
            None => self
                .open
                .iter()
                .rposition(same_id)
                .or_else(|| self.open.len().checked_sub(1)),
        }
    }

    fn open(
        &mut self,
        index: Option<u32>,
        id: Option<String>,
        name: Option<String>,
    ) -> Result<(String, String), ModelError> {
        if self.open.len() == self.bound {
            return Err(too_large(format!(
                "the response has more than {} calls",
                self.bound
            )));
        }
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(ModelError::new(
                ModelErrorKind::BadStream,
                "a call has no name",
            ));
        };
        let id = self.unique(id.unwrap_or_default());
        if id.len().max(name.len()) > self.bytes_bound {
            return Err(too_large(format!(
                "a call's id or name has more than {} bytes",
                self.bytes_bound
            )));
        }
        self.open.push(OpenCall {
            service_index: index,
            id: id.clone(),
            argument_bytes: 0,
        });
        Ok((id, name))
    }

    /// The next request pairs calls and results by id, so there has to be one and only one of each.
    fn unique(&self, id: String) -> String {
        let taken = |id: &str| id.is_empty() || self.open.iter().any(|call| call.id == id);
        if !taken(&id) {
            return id;
        }
        let base = if id.is_empty() { "call" } else { &id };
        let numbered = (self.open.len()..).map(|number| format!("{base}_{number}"));
        numbered
            .take(self.bound + 1)
            .find(|id| !taken(id))
            .unwrap_or(id)
    }

    fn count(&mut self, position: usize, bytes: usize) -> Result<(), ModelError> {
        let Some(call) = self.open.get_mut(position) else {
            return Ok(());
        };
        call.argument_bytes += bytes;
        if call.argument_bytes > self.bytes_bound {
            return Err(too_large(format!(
                "a call's arguments have more than {} bytes",
                self.bytes_bound
            )));
        }
        Ok(())
    }
}

fn too_large(detail: String) -> ModelError {
    ModelError::new(ModelErrorKind::TooLarge, detail)
}
