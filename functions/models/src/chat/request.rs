//! Chat Completions as a wire format: the request.

use baton_handoff::ports::{Effort, ModelError, ModelOptions, ModelRequest};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::decode::ChatDecoder;
use super::messages::{Extras, Messages};
use super::{fault, tools};
use crate::envelope::{EVENTS, Envelope};
use crate::fault::Fault;
use crate::limits::OutputLimit;
use crate::refused::Refused;
use crate::sendable::Sendable;
use crate::wire::{Decoder, HttpRequest, WireFormat};

/// The names of the limit of output tokens: the one or the other is refused by many services.
const MAX_TOKENS: &str = "max_tokens";
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";
/// Stands for all fields that the service itself wanted back.
const OPAQUE: &[&str] = &["extra_content", "reasoning_details", "thinking_blocks"];
/// The fields that a request can do without.
const OPTIONAL: &[&str] = &[
    "stream_options",
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    "parallel_tool_calls",
    "temperature",
    "reasoning_effort",
    "tool_choice",
    super::opaque::THOUGHTS,
    "extra_content",
    "reasoning_details",
    "thinking_blocks",
];

/// The fields that some services refuse, so that the settings decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) usage: bool,
    pub(crate) output_limit: Option<OutputLimit>,
    pub(crate) options: ModelOptions,
}

/// Chat Completions at one address.
#[derive(Debug)]
pub(crate) struct Chat {
    envelope: Envelope,
    /// Azure takes the model from the address.
    model: Option<String>,
    asking: Asking,
    refused: Refused,
    /// The service is Google's.
    is_google: bool,
}

impl WireFormat for Chat {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let takes = |field: &str| self.refused.takes(field);
        let (max_tokens, max_completion_tokens) = self.limit();
        let list = Sendable::new(&request.messages);
        let encode = |tools: &[_]| tools::encoded(tools, self.is_google);
        let tools = self.envelope.tools(request, &list, encode)?;
        let options = &self.asking.options;
        let extras = Extras {
            opaque: OPAQUE.iter().all(|field| takes(field)),
            thoughts: takes(super::opaque::THOUGHTS),
        };
        let body = Body {
            model: self.model.as_deref(),
            messages: Messages::new(list, extras),
            tools: tools.as_deref(),
            stream: true,
            stream_options: (self.asking.usage && takes("stream_options")).then_some(
                StreamOptions {
                    include_usage: true,
                },
            ),
            max_tokens,
            max_completion_tokens,
            temperature: options.temperature.filter(|_| takes("temperature")),
            reasoning_effort: options
                .effort
                .filter(|_| takes("reasoning_effort"))
                .map(Effort::as_str),
            // Both are refused in a request without tools.
            parallel_tool_calls: options
                .parallel_tool_calls
                .filter(|_| !request.tools.is_empty() && takes("parallel_tool_calls")),
            tool_choice: (options.must_call(request) && takes("tool_choice")).then_some("required"),
        };
        self.envelope.with(&body, request, tools.as_deref())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ChatDecoder::default())
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        fault::read(body)
    }

    fn concedes(&self, fault: &Fault) -> bool {
        // A limit there must be: without one the cost of an answer has no bound.
        self.refused.remember(fault).is_some()
            && (self.refused.takes(MAX_TOKENS) || self.refused.takes(MAX_COMPLETION_TOKENS))
    }
}

impl Chat {
    pub(crate) fn new(url: Url, model: Option<String>, asking: Asking) -> Self {
        let host = url.host_str().unwrap_or_default();
        Self {
            is_google: host.ends_with(".googleapis.com"),
            envelope: Envelope::new(url, EVENTS),
            model,
            asking,
            refused: Refused::none_of(OPTIONAL),
        }
    }

    /// The limit under the name that is set, or under the other one where the service refused that.
    fn limit(&self) -> (Option<u32>, Option<u32>) {
        match self.asking.output_limit {
            None => (None, None),
            Some(OutputLimit::MaxTokens(tokens)) => {
                let old = self.refused.takes(MAX_TOKENS);
                (old.then_some(tokens), (!old).then_some(tokens))
            }
            Some(OutputLimit::MaxCompletionTokens(tokens)) => {
                let new = self.refused.takes(MAX_COMPLETION_TOKENS);
                ((!new).then_some(tokens), new.then_some(tokens))
            }
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: Messages<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}
