//! Messages as a wire format: the request.

use std::sync::Arc;

use baton_handoff::ports::{Effort, ModelError, ModelOptions, ModelRequest, ToolDefinition};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::content::{self, CACHED, CacheControl, WireMessage};
use super::decode::MessagesDecoder;
use super::fault;
use crate::envelope::{EVENTS, Envelope, encoded};
use crate::fault::Fault;
use crate::sendable::Sendable;
use crate::wire::{Decoder, HttpRequest, WireFormat};

/// The version of the API; there is one.
const VERSION: &str = "2023-06-01";

/// What the settings say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) max_tokens: u32,
    pub(super) options: ModelOptions,
}

/// Messages at one address.
#[derive(Debug)]
pub(super) struct Messages {
    envelope: Envelope,
    model: String,
    asking: Asking,
}

impl WireFormat for Messages {
    /// Tools, instructions, history: the order in which the service caches, and the one in which they change least.
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let sendable = Sendable::new(&request.messages);
        let tools = self.envelope.tools(request, &sendable, tools)?;
        let options = &self.asking.options;
        let must_call = options.must_call(request);
        let thinking = thinking(options.effort).filter(|_| !must_call);
        let body = Body {
            model: &self.model,
            max_tokens: self.asking.max_tokens,
            stream: true,
            tools: tools.as_deref(),
            tool_choice: tools
                .is_some()
                .then(|| tool_choice(must_call, options.parallel_tool_calls))
                .flatten(),
            system: (!sendable.instructions.is_empty()).then(|| {
                [System {
                    kind: "text",
                    text: &sendable.instructions,
                    cache_control: CACHED,
                }]
            }),
            // The service refuses one beside thoughts.
            temperature: options.temperature.filter(|_| thinking.is_none()),
            thinking,
            output_config: effort(options.effort).map(|effort| OutputConfig { effort }),
            messages: content::messages(&sendable.messages),
        };
        self.envelope.with(&body, request, tools.as_deref())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(MessagesDecoder::default())
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        fault::read(body)
    }
}

impl Messages {
    pub(super) fn new(url: Url, model: String, asking: Asking) -> Self {
        Self {
            envelope: Envelope::new(url, EVENTS).header("anthropic-version", VERSION),
            model,
            asking,
        }
    }
}

/// The service decides how long to think, within the effort: newer models refuse a budget, and some of them refuse not to think.
fn thinking(effort: Option<Effort>) -> Option<Thinking> {
    let kind = match effort? {
        Effort::None => "disabled",
        Effort::Minimal
        | Effort::Low
        | Effort::Medium
        | Effort::High
        | Effort::XHigh
        | Effort::Max => "adaptive",
    };
    Some(Thinking { kind })
}

fn effort(effort: Option<Effort>) -> Option<&'static str> {
    match effort? {
        Effort::None => None,
        Effort::Minimal => Some(Effort::Low.as_str()),
        effort @ (Effort::Low | Effort::Medium | Effort::High | Effort::XHigh | Effort::Max) => {
            Some(effort.as_str())
        }
    }
}

fn tool_choice(must_call: bool, parallel: Option<bool>) -> Option<ToolChoice> {
    let one_by_one = parallel == Some(false);
    (must_call || one_by_one).then_some(ToolChoice {
        kind: if must_call { "any" } else { "auto" },
        disable_parallel_tool_use: one_by_one,
    })
}

/// The `tools` array.
fn tools(tools: &[ToolDefinition]) -> Result<Arc<RawValue>, ModelError> {
    let tools: Vec<_> = tools
        .iter()
        .map(|tool| WireTool {
            name: &tool.name,
            description: &tool.description,
            input_schema: &tool.parameters,
        })
        .collect();
    encoded(&tools)
}

#[derive(Serialize)]
struct WireTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a RawValue,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[System<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    messages: Vec<WireMessage<'a>>,
}

#[derive(Serialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
struct System<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    cache_control: CacheControl,
}

#[derive(Serialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct OutputConfig {
    effort: &'static str,
}
