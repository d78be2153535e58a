//! A language model that answers a list of messages with a stream.

use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call as the model wrote it: arguments are text and may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id for this call; unique within one response, nothing more.
    pub id: String,
    /// The tool's name, which may be unknown to us.
    pub name: String,
    /// The arguments as the model wrote them.
    pub arguments: String,
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Instructions, or a note that the customer did not write.
    System(Arc<str>),
    /// The customer's message.
    User(Arc<str>),
    /// The model's answer; the `Tool` messages right behind it answer its calls.
    Assistant {
        /// The text; may be empty when there are calls.
        text: Arc<str>,
        /// The calls.
        calls: Arc<[ToolCall]>,
        /// What the service that made this message wants back with it, in the words of its wire format: signed thoughts, marks
        /// at calls. Only for the model that made it, and only while nothing before it has changed.
        opaque: Option<Arc<str>>,
    },
    /// The result of one call.
    Tool {
        /// The call's id.
        call: String,
        /// The result.
        result: Arc<str>,
    },
}

/// A tool as a model sees it.
#[derive(Debug, Clone)]
pub struct ToolDefinition {
    /// The name by which the model calls the tool; unique in a request.
    pub name: String,
    /// When to call it and what it does, for the model.
    pub description: String,
    /// The JSON Schema of the arguments, an object, serialised once: every wire format takes it as it is.
    pub parameters: Arc<RawValue>,
}

/// A request to a model. In the messages every call has exactly one result right behind it, and every result has its call.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may call; may be empty. The requests of one agent share one list: a client that has encoded a
    /// list may recognise it by its pointer.
    pub tools: Arc<[ToolDefinition]>,
}

/// A part of a tool call. Parts of several calls may interleave; `index` separates them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDelta {
    /// Which call of the response.
    pub index: u32,
    /// The id; comes with the first part of a call.
    pub id: Option<String>,
    /// The name; comes with the first part of a call.
    pub name: Option<String>,
    /// More of the arguments.
    pub arguments: String,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It finished, with or without calls.
    Stop,
    /// It reached its limit of output tokens.
    Length,
    /// The service's filter cut it.
    ContentFilter,
}

/// Tokens as the service counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Tokens of the request that the service had in its cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Tokens of the request that the service wrote into its cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
}

/// Serde wants a reference here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// All tokens.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.prompt_tokens += more.prompt_tokens;
        self.completion_tokens += more.completion_tokens;
        self.cached_tokens += more.cached_tokens;
        self.cache_write_tokens += more.cache_write_tokens;
    }
}

/// One item of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChunk {
    /// More text; never empty.
    Text(String),
    /// More of a call.
    Call(CallDelta),
    /// The response is complete. Comes exactly once in a whole response, before the stream's end; only `Usage` may follow.
    Finished(FinishReason),
    /// The tokens of this response.
    Usage(Usage),
    /// What the service wants back with this response, see [`Message::Assistant`]; the last one counts. Never shown, never logged.
    Opaque(String),
    /// The same of a service that takes it back behind other words too, and may refuse a request without it.
    OpaqueAnywhere(String),
    /// The service's own id of this response.
    Id(String),
    /// How often the request was sent until it was answered, if more than once.
    Tries(u32),
}

/// The kind of a failure, as far as a program can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// 400 and the like: the service will always refuse this request.
    BadRequest,
    /// 401 or 403: our key is wrong.
    Unauthorized,
    /// 429, still after the retries.
    RateLimited,
    /// 5xx, still after the retries.
    Unavailable,
    /// No server listens at that address, or the name or the TLS handshake failed.
    Unreachable,
    /// No first byte, or silence between two chunks, for too long.
    TimedOut,
    /// The stream ended before the response was complete.
    Cut,
    /// The stream broke the protocol: bad SSE, bad JSON.
    BadStream,
    /// A line, an event, arguments or the whole response exceed their limit.
    TooLarge,
    /// A complete response with neither text nor calls.
    Empty,
    /// The service reported an error inside the stream.
    Reported,
    /// The request is longer than the model takes.
    TooLong,
    /// The service's filter refused the request, for what stands in it.
    Filtered,
    /// The model wrote what its own service could not read, such as a call that is none. Asked again, it may do better.
    Slip,
}

/// A model failure. The detail is for logs; customers see a fixed sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("model {kind:?}: {detail}")]
pub struct ModelError {
    /// The kind of the failure.
    pub kind: ModelErrorKind,
    /// For the log; never contains prompts, answers or keys.
    pub detail: String,
}

impl ModelError {
    /// An error of this kind.
    pub fn new(kind: ModelErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

/// A response while it is being written. An `Err` is the last item. Dropping it closes the connection.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelChunk, ModelError>> + Send>>;

/// The most tokens of one answer, unless set: what most models give.
pub const OUTPUT_TOKENS: u32 = 4_096;

/// A language model service.
pub trait Model: Send + Sync {
    /// The model's name, as its prices are listed. Empty where it has none.
    #[expect(
        clippy::unnecessary_literal_bound,
        reason = "a model that has a name lends it"
    )]
    fn name(&self) -> &str {
        ""
    }

    /// Who serves it, as OpenTelemetry's conventions name providers. Empty where that is not known.
    fn provider(&self) -> &'static str {
        ""
    }

    /// The most tokens that one answer takes: the service is asked for no more.
    fn output_tokens(&self) -> u32 {
        OUTPUT_TOKENS
    }

    /// The model that the team file calls so. The deployment's own model knows the others.
    fn named(&self, name: &str) -> Option<Arc<dyn Model>> {
        let _ = name;
        None
    }

    /// Sends the request; resolves with the response's head. All retries happen before that.
    fn stream(
        self: Arc<Self>,
        request: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>>;
}
