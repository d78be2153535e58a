//! How a model is to answer: what an operator sets once for all requests of a model.
//! Knows the choices; never how a service spells them.

use serde::Deserialize;

use super::{Message, ModelRequest};

/// How a model is to answer. What is not set is left to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelOptions {
    /// How freely it chooses its words: 0 to 2.
    pub temperature: Option<f64>,
    /// How much it thinks first.
    pub effort: Option<Effort>,
    /// Whether it may call several tools in one response.
    pub parallel_tool_calls: Option<bool>,
    /// Whether it may answer without a tool.
    pub tool_choice: Option<ToolChoice>,
}

impl ModelOptions {
    /// Whether the response to this request must call a tool. Only the first response of a turn: a model that must call in every
    /// response never comes to its answer.
    pub fn must_call(&self, request: &ModelRequest) -> bool {
        self.tool_choice == Some(ToolChoice::Required)
            && !request.tools.is_empty()
            && matches!(request.messages.last(), Some(Message::User(_)))
    }
}

/// How much a model thinks before it answers. A service knows some of these and refuses the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// The word that services have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// Whether a model may answer without a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// It decides itself.
    Auto,
    /// The first response of each turn calls a tool: see [`ModelOptions::must_call`].
    Required,
}
