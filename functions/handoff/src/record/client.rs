//! What records hold of tools that the client executes: the offer and the results in a turn, the calls in its last step, and in META
//! which calls wait.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::step::ToolOutcome;
use crate::ids::TurnNumber;
use crate::ports::Millis;

/// How long a conversation waits for the results of its client.
pub(crate) const CLIENT_WAIT: Millis = 24 * 60 * 60 * 1_000;

/// What a turn has of its client. Written with its message, so that every owner of the turn sends a model the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromClient {
    /// The tools that the client executes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<OfferedTool>,
    /// The results that began the turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ClientAnswer>,
}

impl FromClient {
    /// Serde wants a reference here.
    pub(crate) fn is_nothing(&self) -> bool {
        self.tools.is_empty() && self.results.is_empty()
    }

    /// Its bytes: about.
    pub(crate) fn bytes(&self) -> u64 {
        let tools = self.tools.iter().map(|tool| {
            tool.name.len() + tool.description.len() + tool.parameters.to_string().len()
        });
        let results = self.results.iter().map(|answer| answer.result.len());
        tools.chain(results).sum::<usize>() as u64
    }
}

/// A tool that the client of a turn executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedTool {
    /// The client's name for it.
    pub name: String,
    /// The model's name for it, where the team has a tool of the client's name.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub other_name: Option<String>,
    /// For the model.
    pub description: String,
    /// The JSON Schema of the arguments, as the client wrote it.
    pub parameters: Value,
}

impl OfferedTool {
    /// The name that the model calls.
    pub fn called(&self) -> &str {
        self.other_name.as_deref().unwrap_or(&self.name)
    }
}

/// A call that the client executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCall {
    /// The id of the call.
    pub call: String,
    /// The client's name for the tool.
    pub name: String,
}

/// The result of a call that the client executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAnswer {
    /// The id of the call.
    pub call: String,
    /// The client's name for the tool.
    pub name: String,
    /// `ok` or `error`.
    pub outcome: ToolOutcome,
    /// The client's text.
    pub result: String,
    /// How long it took, from the end of the turn that called.
    pub milliseconds: Millis,
}

/// The calls that wait for the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingForClient {
    /// The turn that ended with them.
    pub turn: TurnNumber,
    /// The calls.
    pub calls: Vec<ClientCall>,
    /// Until when results are taken. Milliseconds since 1970.
    pub until: Millis,
}
