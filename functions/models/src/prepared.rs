//! Tool definitions as one wire format writes them, encoded once for each list.
//! Knows lists by their pointers; nothing of any wire format.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use baton_handoff::ports::ToolDefinition;

/// The encoded form of each list of tools. An agent's list is the same in every request, and may have many kilobytes.
#[derive(Debug)]
pub struct Prepared<T> {
    /// As many as lists are alive, so a search from the front is quick. A weak pointer keeps its address from being given to
    /// another list.
    lists: RwLock<Vec<(Weak<[ToolDefinition]>, T)>>,
}

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self {
            lists: RwLock::default(),
        }
    }
}

impl<T: Clone> Prepared<T> {
    /// The encoded form of this list, from now or earlier. A failure is not stored.
    pub fn get<E>(
        &self,
        tools: &Arc<[ToolDefinition]>,
        encode: impl FnOnce(&[ToolDefinition]) -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(known) = self.known(tools) {
            return Ok(known);
        }
        let encoded = encode(tools)?;
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|(list, _)| list.strong_count() > 0);
        lists.push((Arc::downgrade(tools), encoded.clone()));
        Ok(encoded)
    }

    fn known(&self, tools: &Arc<[ToolDefinition]>) -> Option<T> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let of_these =
            |list: &Weak<[ToolDefinition]>| std::ptr::eq(list.as_ptr(), &raw const **tools);
        let (_, encoded) = lists.iter().find(|(list, _)| of_these(list))?;
        Some(encoded.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use serde_json::value::RawValue;

    use super::*;

    fn list(names: &[&str]) -> Arc<[ToolDefinition]> {
        let definition = |name: &&str| ToolDefinition {
            name: (*name).to_owned(),
            description: String::new(),
            parameters: Arc::from(RawValue::from_string("{}".to_owned()).unwrap()),
        };
        names.iter().map(definition).collect()
    }

    #[test]
    fn a_list_is_encoded_once_however_often_it_is_asked_for() {
        let prepared = Prepared::default();
        let encodings = Cell::new(0);
        let get = |tools: &Arc<[ToolDefinition]>| {
            let encoded = prepared.get(tools, |tools| {
                encodings.set(encodings.get() + 1);
                Ok::<_, Infallible>(
                    tools
                        .iter()
                        .map(|tool| tool.name.clone())
                        .collect::<String>(),
                )
            });
            encoded.unwrap()
        };
        let (sales, triage) = (list(&["buy"]), list(&["ask", "give"]));
        for _ in 0..3 {
            assert_eq!(
                (get(&sales).as_str(), get(&triage).as_str()),
                ("buy", "askgive")
            );
        }
        assert_eq!(encodings.get(), 2);
    }

    #[test]
    fn a_list_that_is_gone_is_forgotten_with_the_next_new_one() {
        let prepared = Prepared::default();
        for number in 0..100 {
            let tools = list(&["one"]);
            let encoded = prepared.get(&tools, |_| Ok::<_, Infallible>(number));
            assert_eq!(encoded.unwrap(), number, "another list at the same address");
        }
        assert_eq!(prepared.lists.read().unwrap().len(), 1);
    }
}
