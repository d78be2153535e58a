//! What is kept of a chat's request. Fields that are not here are ignored: a page may send its own beside them.

use std::collections::BTreeMap;

use baton_handoff::{Client, ClientTool};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::messages::Messages;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// The chat.
    pub(super) id: String,
    pub(super) messages: Messages,
    pub(super) trigger: Option<Trigger>,
    /// The message to be said anew.
    #[serde(rename = "messageId")]
    pub(super) message: Option<String>,
    /// Tools that the page executes, by name.
    tools: Option<BTreeMap<String, Tool>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Trigger {
    SubmitMessage,
    RegenerateMessage,
}

#[derive(Deserialize)]
struct Tool {
    description: Option<String>,
    #[serde(alias = "inputSchema")]
    parameters: Option<Value>,
}

impl Asked {
    /// The page's tools, and results of their calls.
    pub(super) fn client(&self) -> Client {
        let tools = self.tools.iter().flatten();
        let tools = tools.map(|(name, tool)| ClientTool {
            name: name.clone(),
            description: tool.description.clone().unwrap_or_default(),
            parameters: tool
                .parameters
                .clone()
                .unwrap_or_else(|| Value::Object(Map::new())),
        });
        Client {
            tools: tools.collect(),
            results: self.messages.results(),
        }
    }
}

/// What the default transport of a chat sends.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = ChatRequest)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Document {
    /// The chat, which is the conversation.
    id: String,
    /// UI messages.
    messages: Vec<Value>,
    /// `submit-message` or `regenerate-message`.
    trigger: Option<String>,
    /// With `regenerate-message`: the answer to be said anew. It must be the last one.
    #[schema(rename = "messageId")]
    message_id: Option<String>,
    /// Tools that the page executes: descriptions and schemas by name, for callers who may bring some.
    tools: Option<Value>,
}
