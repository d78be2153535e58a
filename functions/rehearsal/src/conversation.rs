//! What a client asks of a model: messages, tools, and how to answer. Knows nothing of a wire format.

use serde_json::Value;

use crate::hash::Hash;

/// The end of the id of a call that a thought led to: some services want that thought back with the call.
pub(crate) const THOUGHT_MARK: &str = "_th";

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: ToolChoice,
    pub(crate) parallel_calls: bool,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) delivery: Delivery,
    pub(crate) thoughts: Thoughts,
    /// Whether what was sent before is cheaper.
    pub(crate) caches: bool,
}

impl Conversation {
    /// Of all messages.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Hash::default();
        for message in &self.messages {
            message.add_to(&mut hash);
        }
        hash.finish()
    }

    /// Of all that a thought is bound to: the tools and all messages before it.
    pub(crate) fn bound(&self) -> u64 {
        bound(&self.tools, &self.messages)
    }
}

/// Of tools and messages.
pub(crate) fn bound(tools: &[Tool], messages: &[Message]) -> u64 {
    let mut hash = Hash::default();
    for tool in tools {
        hash.add(&tool.name);
        hash.add(&tool.description);
        hash.add(&tool.parameters.to_string());
    }
    for message in messages {
        hash.add(match message {
            Message::System(_) => "system",
            Message::User(_) => "user",
            Message::Assistant { .. } => "assistant",
            Message::Result { .. } => "result",
        });
        message.add_to(&mut hash);
    }
    hash.finish()
}

#[derive(Debug)]
pub(crate) enum Message {
    /// Instructions, or a note that the customer did not write.
    System(String),
    User(String),
    Assistant {
        text: String,
        calls: Vec<Call>,
        thoughts: Vec<Thought>,
    },
    /// The result of one call.
    Result {
        call_id: String,
        text: String,
    },
}

impl Message {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::System(text)
            | Self::User(text)
            | Self::Assistant { text, .. }
            | Self::Result { text, .. } => text,
        }
    }

    pub(crate) fn calls(&self) -> &[Call] {
        match self {
            Self::Assistant { calls, .. } => calls,
            Self::System(_) | Self::User(_) | Self::Result { .. } => &[],
        }
    }

    fn add_to(&self, hash: &mut Hash) {
        hash.add(self.text());
        for call in self.calls() {
            hash.add(&call.name);
            hash.add(&call.arguments);
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Call {
    /// Whether a thought led to it.
    pub(crate) fn is_thought_out(&self) -> bool {
        self.id.ends_with(THOUGHT_MARK)
    }
}

/// What a model thought, and its service's seal on it.
#[derive(Debug, Clone)]
pub(crate) struct Thought {
    pub(crate) text: String,
    pub(crate) seal: String,
}

/// Whether a model thinks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoughts {
    Off,
    /// Its service sends no word of them, but the seal.
    Sealed,
    Shown,
}

/// A call of the turn that goes on, without the thought that led to it.
pub(crate) fn without_thought(messages: &[Message]) -> Option<&Call> {
    let is_user = |message: &Message| matches!(message, Message::User(_));
    let current = messages.iter().rposition(is_user).unwrap_or(0);
    messages
        .iter()
        .skip(current)
        .find_map(|message| match message {
            Message::Assistant {
                calls, thoughts, ..
            } if thoughts.is_empty() => calls.iter().find(|call| call.is_thought_out()),
            Message::Assistant { .. }
            | Message::System(_)
            | Message::User(_)
            | Message::Result { .. } => None,
        })
}

/// How the answer is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// In formats where the client chooses, `usage` says whether tokens are counted.
    Streamed {
        usage: bool,
    },
}

impl Delivery {
    /// Whether a stream counts tokens.
    pub(crate) fn counts(self) -> bool {
        self == Self::Streamed { usage: true }
    }
}

/// Whether tools may, must or must not be called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    Auto,
    Forbidden,
    Required,
    Named(String),
}

impl ToolChoice {
    /// This tool, if it is offered.
    pub(crate) fn named(name: &str, tools: &[Tool]) -> Result<Self, String> {
        if tools.iter().any(|tool| tool.name == name) {
            return Ok(Self::Named(name.to_owned()));
        }
        Err(format!("There is no tool '{name}' in 'tools'."))
    }
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: String,
    /// A JSON schema of an object.
    pub(crate) parameters: Value,
}

/// Whether it has 1 to this many ASCII letters, digits, underscores and hyphens.
pub(crate) fn is_name(name: &str, chars_max: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= chars_max && name.chars().all(fits)
}
