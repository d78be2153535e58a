//! Tools that the client of a turn executes, as a model is offered them, and the check of their calls.
//! Knows one definition at a time; never the turn.

use std::sync::Arc;

use serde_json::Map;
use serde_json::value::to_raw_value;

use super::Team;
use super::arguments::Arguments;
use super::schema::{Schema, usual};
use crate::ports::ToolDefinition;
use crate::record::OfferedTool;

/// The longest name of a tool.
const NAME: usize = 64;

impl Team {
    /// Whether a model may call one of the team's tools or a hand-off by this name.
    fn has_call(&self, name: &str) -> bool {
        let hands_off = |agent: &Arc<super::Agent>| agent.hand_off(name).is_some();
        self.tools.contains_key(name) || self.agents.values().any(hands_off)
    }

    /// The names by which a model calls the client's tools of these names, where these are the team's.
    pub(crate) fn other_names(&self, names: &[&str]) -> Vec<Option<String>> {
        let mut others: Vec<Option<String>> = Vec::with_capacity(names.len());
        for name in names {
            let other = self.has_call(name).then(|| {
                let is_free = |other: &String| {
                    !self.has_call(other)
                        && !names.contains(&other.as_str())
                        && !others.iter().flatten().any(|taken| taken == other)
                };
                let mut other = prefixed("client_", name);
                let mut number = 1;
                while !is_free(&other) {
                    number += 1;
                    other = prefixed(&format!("client{number}_"), name);
                }
                other
            });
            others.push(other);
        }
        others
    }
}

/// Names are ASCII, so any byte ends one.
fn prefixed(prefix: &str, name: &str) -> String {
    let mut name = format!("{prefix}{name}");
    name.truncate(NAME);
    name
}

/// Whether every model service takes this name of a tool.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    name.bytes().all(is_plain) && (1..=NAME).contains(&name.len())
}

impl OfferedTool {
    fn schema(&self) -> Schema {
        Schema::new(usual(self.parameters.clone()))
    }

    /// The tool as a model is offered it.
    pub(crate) fn definition(&self) -> Option<ToolDefinition> {
        Some(ToolDefinition {
            name: self.called().to_owned(),
            description: self.description.clone(),
            // JSON, which can always be written.
            parameters: Arc::from(to_raw_value(&self.schema().for_model()).ok()?),
        })
    }

    /// Whether these arguments fit, as far as the client's schema can be read.
    ///
    /// # Errors
    /// A sentence for the model.
    pub(crate) fn check(&self, arguments: &str) -> Result<(), String> {
        let read = Arguments::read_object(arguments).and_then(|object| {
            let schema = self.schema();
            if schema.compile(&Map::new()).is_err() {
                return Ok(());
            }
            let arguments = Arguments::from_object(object);
            schema.check(arguments.as_value(), "the argument object")
        });
        read.map_err(|complaint| format!("{} was not called: {complaint}.", self.called()))
    }
}
