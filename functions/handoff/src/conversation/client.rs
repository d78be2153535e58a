//! What a message brings for tools that the client executes itself: their definitions, and the results of calls that wait for them.

use serde_json::Value;

/// The client's part of a submission. Nothing, for most.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The tools that the model may call in this turn, and the client executes. At most 16, and 16 KB together.
    pub tools: Vec<ClientTool>,
    /// The results of the calls that wait for the client.
    pub results: Vec<ClientResult>,
}

/// A tool that the client executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTool {
    /// The client's name for it: `[A-Za-z0-9_-]`, at most 64 of them; unique among the client's.
    pub name: String,
    /// When to call it and what it does, for the model.
    pub description: String,
    /// The JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// The result of a call that the client was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientResult {
    /// The id of the call, as in [`ClientCalled`](crate::event::ClientCalled).
    pub call: String,
    /// The text for the model.
    pub result: String,
    /// The call failed, and the text says why.
    pub failed: bool,
}
