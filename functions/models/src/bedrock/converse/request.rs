//! Converse as a wire format: the request.

use std::sync::Arc;

use baton_handoff::ports::{Effort, ModelError, ModelOptions, ModelRequest, ToolDefinition};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::content::{self, CACHE_POINT, CachePoint, WireMessage};
use super::decode::{self, ConverseDecoder};
use crate::envelope::{Envelope, encoded};
use crate::fault::Fault;
use crate::sendable::Sendable;
use crate::wire::{Decoder, Framing, HttpRequest, WireFormat};

/// What the settings say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) max_tokens: u32,
    pub(super) options: ModelOptions,
    /// The model has a cache.
    pub(super) is_cached: bool,
}

/// A model at its address.
#[derive(Debug)]
pub(super) struct Converse {
    envelope: Envelope,
    asking: Asking,
}

impl WireFormat for Converse {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let sendable = Sendable::new(&request.messages);
        let tools = self.envelope.tools(request, &sendable, specifications)?;
        let Asking {
            max_tokens,
            options,
            is_cached,
        } = &self.asking;
        let mark = is_cached.then_some(System::CachePoint(CACHE_POINT));
        let system = [System::Text(&sendable.instructions)]
            .into_iter()
            .chain(mark);
        let body = Body {
            tool_config: tools.as_deref().map(|tools| ToolConfig {
                tools,
                tool_choice: options
                    .must_call(request)
                    .then_some(ToolChoice { any: Empty {} }),
            }),
            system: if sendable.instructions.is_empty() {
                Vec::new()
            } else {
                system.collect()
            },
            inference_config: Inference {
                max_tokens: *max_tokens,
                temperature: options.temperature,
            },
            output_config: options
                .effort
                .and_then(effort)
                .map(|effort| Output { effort }),
            messages: content::messages(&sendable.messages, *is_cached),
        };
        self.envelope.with(&body, request, tools.as_deref())
    }

    fn framing(&self) -> Framing {
        Framing::Own(decode::length)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ConverseDecoder::default())
    }

    fn fault(&self, _: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        let code = headers.get("x-amzn-errortype");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        // `ValidationException:http://internal.amazon.com/…`
        decode::fault(code.split(':').next().unwrap_or_default(), body)
    }
}

impl Converse {
    pub(super) fn new(url: Url, asking: Asking) -> Self {
        Self {
            envelope: Envelope::new(url, "application/vnd.amazon.eventstream"),
            asking,
        }
    }
}

/// The words that the service has.
fn effort(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::None => None,
        Effort::Minimal => Some(Effort::Low.as_str()),
        Effort::Low | Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => {
            Some(effort.as_str())
        }
    }
}

/// The `tools` array.
fn specifications(tools: &[ToolDefinition]) -> Result<Arc<RawValue>, ModelError> {
    let tools: Vec<_> = tools
        .iter()
        .map(|tool| WireTool {
            tool_spec: Specification {
                name: &tool.name,
                description: &tool.description,
                input_schema: Schema {
                    json: &tool.parameters,
                },
            },
        })
        .collect();
    encoded(&tools)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<System<'a>>,
    inference_config: Inference,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Output>,
    messages: Vec<WireMessage<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice>,
}

#[derive(Serialize)]
struct ToolChoice {
    any: Empty,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum System<'a> {
    Text(&'a str),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference {
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Output {
    effort: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireTool<'a> {
    tool_spec: Specification<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Specification<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    json: &'a RawValue,
}
