//! One answer of the model: text, calls, and their token counts. Knows nothing of the transport.

use serde::Serialize;

use crate::message::Message;
use crate::request::{ChatRequest, Tool, ToolChoice};

/// See the crate's documentation: a token is taken for four bytes.
const BYTES_PER_TOKEN: usize = 4;
/// The tokens of a message besides its text, for its role and frame.
const MESSAGE_TOKENS: usize = 4;

/// The limits of a response in the clients that this is made for.
const CALLS_MAX: usize = 16;

/// The model's text and calls.
#[derive(Debug, Default)]
pub(crate) struct Reply {
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
        self.calls.extend(next.calls);
        self
    }

    /// The reply within the limits that the client set.
    pub(crate) fn permitted(mut self, request: &ChatRequest) -> Self {
        if request.choice == ToolChoice::Forbidden && !self.calls.is_empty() {
            self.calls.clear();
            if self.text.is_empty() {
                "I would have to look into that first, and I may not at the moment."
                    .clone_into(&mut self.text);
            }
        }
        self.calls
            .truncate(if request.parallel_calls { CALLS_MAX } else { 1 });
        self.within(request.max_tokens)
    }

    /// The required tool, if no call names it.
    pub(crate) fn demanded<'a>(&self, request: &'a ChatRequest) -> Option<&'a Tool> {
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

    pub(crate) fn finish_reason(&self) -> &'static str {
        match (self.cut, self.calls.is_empty()) {
            (true, _) => "length",
            (false, true) => "stop",
            (false, false) => "tool_calls",
        }
    }
}

/// Token counts, in the form that the API reports.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
pub(crate) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

impl Usage {
    pub(crate) fn of(request: &ChatRequest, reply: &Reply) -> Self {
        let messages = request
            .messages
            .iter()
            .map(message_bytes)
            .map(tokens)
            .map(|tokens| tokens + MESSAGE_TOKENS);
        let tools = request.tools.iter().map(|tool| {
            tokens(tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        });
        let prompt_tokens = messages.chain(tools).sum::<usize>();
        let calls = reply
            .calls
            .iter()
            .map(|call| tokens(call.name.len() + call.arguments.len()));
        let completion_tokens = (tokens(reply.text.len()) + calls.sum::<usize>()).max(1);
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        }
    }
}

fn message_bytes(message: &Message) -> usize {
    let calls = message.calls().iter();
    let calls = calls.map(|call| call.name.len() + call.arguments.len());
    message.text().len() + calls.sum::<usize>()
}

fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}
