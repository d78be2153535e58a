//! One answer of the model: thoughts, text, calls, and their token counts. Knows nothing of the transport.

use crate::conversation::{Conversation, Message, Thoughts, Tool, ToolChoice};

/// See the crate's documentation: a token is taken for four bytes.
const BYTES_PER_TOKEN: usize = 4;
/// The tokens of a message besides its text, for its role and frame.
const MESSAGE_TOKENS: usize = 4;

/// The limits of a response in the clients that this is made for.
const CALLS_MAX: usize = 16;

/// From how many tokens on services cache what was sent before, and in which steps.
const CACHED_TOKENS_MIN: usize = 1024;
const CACHED_TOKENS_STEP: usize = 128;

/// The model's thoughts, text and calls.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Empty where it did not think.
    pub(crate) thoughts: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<Called>,
    /// The answer was cut at `max_tokens`.
    pub(crate) cut: bool,
}

/// One call in an answer.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) name: String,
    /// JSON, unless a developer requested something else.
    pub(crate) arguments: String,
}

impl Called {
    pub(crate) fn new(name: &str, arguments: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            arguments: arguments.into(),
        }
    }
}

impl Reply {
    pub(crate) fn says(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// This reply followed by the next one.
    pub(crate) fn and(mut self, next: Self) -> Self {
        if !self.text.is_empty() && !next.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(&next.text);
        self.thoughts.push_str(&next.thoughts);
        self.calls.extend(next.calls);
        self
    }

    /// The reply within the limits that the client set.
    pub(crate) fn permitted(mut self, request: &Conversation) -> Self {
        if request.choice == ToolChoice::Forbidden && !self.calls.is_empty() {
            self.calls.clear();
            if self.text.is_empty() {
                "I would have to look into that first, and I may not at the moment."
                    .clone_into(&mut self.text);
            }
        }
        self.calls
            .truncate(if request.parallel_calls { CALLS_MAX } else { 1 });
        if request.thoughts == Thoughts::Off {
            self.thoughts.clear();
        }
        self.within(request.max_tokens)
    }

    /// The required tool, if no call names it.
    pub(crate) fn demanded<'a>(&self, request: &'a Conversation) -> Option<&'a Tool> {
        let is_called = |tool: &&Tool| self.calls.iter().any(|call| call.name == tool.name);
        let mut tools = request.tools.iter();
        match &request.choice {
            ToolChoice::Auto | ToolChoice::Forbidden => None,
            ToolChoice::Required => tools.next().filter(|_| self.calls.is_empty()),
            ToolChoice::Named(name) => tools.find(|tool| tool.name == *name && !is_called(tool)),
        }
    }

    /// Cuts the text to the tokens that the client allows. Calls come after the text, so a cut loses them.
    fn within(mut self, max_tokens: Option<usize>) -> Self {
        let Some(bytes_max) = max_tokens.map(|tokens| tokens.saturating_mul(BYTES_PER_TOKEN))
        else {
            return self;
        };
        if self.text.len() > bytes_max {
            self.text.truncate(self.text.floor_char_boundary(bytes_max));
            self.calls.clear();
            self.cut = true;
        }
        self
    }

    pub(crate) fn stop(&self) -> Stop {
        match (self.cut, self.calls.is_empty()) {
            (true, _) => Stop::Length,
            (false, true) => Stop::End,
            (false, false) => Stop::Calls,
        }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Calls,
    Length,
    Filtered,
    /// A word that no service has.
    Other(String),
}

/// Token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// All of the request.
    pub(crate) prompt: usize,
    /// Those of the request that were sent before.
    pub(crate) cached: usize,
    /// Those of the request that will be cached from now on, where the client decides that.
    pub(crate) written: usize,
    /// All of the answer.
    pub(crate) completion: usize,
    /// Those of the answer that are thoughts.
    pub(crate) thoughts: usize,
}

impl Usage {
    pub(crate) fn of(request: &Conversation, reply: &Reply) -> Self {
        let tools = request.tools.iter().map(|tool| {
            tokens(tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        });
        let tools = tools.sum::<usize>();
        let prompt = tools + all(&request.messages);
        let calls = reply
            .calls
            .iter()
            .map(|call| tokens(call.name.len() + call.arguments.len()));
        let thoughts = tokens(reply.thoughts.len());
        let completion = thoughts + tokens(reply.text.len()) + calls.sum::<usize>();
        let is_answer = |message: &Message| matches!(message, Message::Assistant { .. });
        let last_answer = request.messages.iter().rposition(is_answer);
        // What the answer before this one was asked with.
        let sent_before = last_answer.and_then(|at| request.messages.get(..at));
        let cacheable = |tokens: usize| {
            if tokens >= CACHED_TOKENS_MIN && request.caches {
                tokens - tokens % CACHED_TOKENS_STEP
            } else {
                0
            }
        };
        let cached = sent_before.map_or(0, |messages| cacheable(tools + all(messages)));
        Self {
            prompt,
            cached,
            written: cacheable(prompt) - cached,
            completion: completion.max(1),
            thoughts,
        }
    }

    pub(crate) fn total(self) -> usize {
        self.prompt + self.completion
    }
}

fn all(messages: &[Message]) -> usize {
    let messages = messages.iter().map(message_bytes).map(tokens);
    messages.map(|tokens| tokens + MESSAGE_TOKENS).sum()
}

fn message_bytes(message: &Message) -> usize {
    let calls = message.calls().iter();
    let calls = calls.map(|call| call.name.len() + call.arguments.len());
    message.text().len() + calls.sum::<usize>()
}

fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}
