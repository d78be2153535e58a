//! The team: agents, tools and hand-offs that one deployment serves, read from a file.
//! Knows the text of that file only; never the disk, the environment or a model.

mod arguments;
mod http;
mod schema;
mod tool;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

pub use arguments::{Arguments, MAX_ARGUMENT_BYTES};
pub use http::{HeaderValueSource, HttpBody, HttpCall, HttpMethod, UrlPart, UrlTemplate};
pub use tool::{Amount, Approval, BACK_OFFICE, Runs, Tool, ToolKind};

/// Agents, tools and hand-offs that were checked as a whole: every name in here leads somewhere.
#[derive(Debug)]
pub struct Team {
    /// What customers are told they talk to.
    pub name: String,
    /// The agent that takes new conversations, and those whose agent is gone.
    pub entry: AgentName,
    /// How far a turn may go.
    pub limits: Limits,
    /// What a customer may be offered to begin with.
    pub first_questions: Vec<String>,
    agents: BTreeMap<String, Arc<Agent>>,
    tools: BTreeMap<String, Arc<Tool>>,
}

/// The name of an agent of some team: `[A-Za-z0-9_-]`, at most 64 of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AgentName(Arc<str>);

/// Instructions, and what they may be carried out with.
#[derive(Debug)]
pub struct Agent {
    /// Unique in the team, shown to customers.
    pub name: String,
    /// What the model is told to be and to do.
    pub instructions: String,
    /// What the agent may call.
    pub tools: Vec<Arc<Tool>>,
    /// To whom the agent may give the conversation.
    pub hand_offs: Vec<HandOff>,
    /// Tools and hand-offs as the `tools` array of an OpenAI request, serialised once.
    ///
    /// `[]` for an agent without any; services refuse an empty array, so the field is left out then.
    pub tool_definitions: Arc<RawValue>,
}

/// A call by which an agent makes another one active. Its arguments are ignored: it has no parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOff {
    /// The name that the model calls. Two agents may use one name for different targets.
    pub tool: String,
    /// The agent that becomes active.
    pub to: String,
    /// What the model is told about when to use it.
    pub description: String,
}

/// How far a turn may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Model responses in one turn.
    pub steps: u32,
    /// Hand-offs in one turn.
    pub hand_offs: u32,
    /// Size of the history that a model is sent, in tokens.
    pub window_tokens: usize,
    /// Turns of the history that a model is sent.
    pub window_turns: usize,
    /// How long a turn waits for the result of an action before the model is told that it is pending.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 12,
            hand_offs: 6,
            window_tokens: 8000,
            window_turns: 20,
            // Well under the 30 s read time-out of usual clients, so that "pending" still reaches them.
            patience: Duration::from_secs(10),
        }
    }
}

impl Team {
    /// The agent of this name.
    pub fn agent(&self, name: &str) -> Option<&Arc<Agent>> {
        self.agents.get(name)
    }

    /// The agent that takes new conversations.
    #[expect(clippy::expect_used, reason = "no team is made without its entry agent")]
    pub fn entry_agent(&self) -> &Arc<Agent> {
        self.agents.get(&*self.entry).expect("the entry agent is in the team")
    }

    /// All agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.values()
    }

    /// The tool of this name; hand-offs are no tools.
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// All tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.values()
    }
}

impl Agent {
    /// The hand-off that this agent calls by this name.
    pub fn hand_off(&self, tool: &str) -> Option<&HandOff> {
        self.hand_offs.iter().find(|hand_off| hand_off.tool == tool)
    }

    /// The tool that this agent may call by this name.
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

impl Deref for AgentName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AgentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
