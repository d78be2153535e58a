//! Separates the calls of one response, by the index, id or name from the service.

use baton_handoff::ports::ModelError;

use super::wire::CallPart;
use crate::answer::Answer;

/// The service's index of each call, in the order in which the calls began, as in the answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    indexes: Vec<Option<u32>>,
}

impl Calls {
    /// Adds the part to the answer.
    pub(super) fn take(&mut self, part: CallPart, answer: &mut Answer) -> Result<(), ModelError> {
        let known = self.position(&part, answer);
        let function = part.function.unwrap_or_default();
        let arguments = function.arguments.unwrap_or_default();
        if let Some(position) = known {
            return answer.arguments(position, arguments);
        }
        let (id, name) = (
            part.id.unwrap_or_default(),
            function.name.unwrap_or_default(),
        );
        answer.open_call(id, name, arguments)?;
        self.indexes.push(part.index);
        Ok(())
    }

    /// Which call a part continues. OpenAI counts calls by `index` and gives `id` and `name` once. Ollama has sent several
    /// complete calls under index 0, others send no index at all. vLLM has given every part a new id: so a new id is a new
    /// call only when a name comes with it.
    fn position(&self, part: &CallPart, answer: &Answer) -> Option<usize> {
        let id = part.id.as_deref().filter(|id| !id.is_empty());
        let named = part
            .function
            .as_ref()
            .and_then(|function| function.name.as_deref())
            .is_some_and(|name| !name.is_empty());
        let same_id = |call: &str| id.is_none_or(|id| call == id);
        match part.index {
            Some(index) => {
                let mut calls = self.indexes.iter().zip(answer.call_ids());
                calls.rposition(|(of, call)| *of == Some(index) && (!named || same_id(call)))
            }
            None if id.is_some() && named => answer.call_ids().position(same_id),
            None if named => None,
            None => answer
                .call_ids()
                .rposition(same_id)
                .or_else(|| self.indexes.len().checked_sub(1)),
        }
    }
}
