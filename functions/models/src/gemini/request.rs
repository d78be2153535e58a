//! Gemini as a wire format: the request.

use std::sync::Arc;

use baton_handoff::ports::{Effort, ModelError, ModelErrorKind, ModelOptions, ModelRequest};
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::content::{self, Content, Part};
use super::decode::GeminiDecoder;
use super::{fault, schema};
use crate::fault::Fault;
use crate::prepared::Prepared;
use crate::sendable::Sendable;
use crate::wire::{Decoder, HttpRequest, WireFormat};

/// What the settings say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) max_tokens: u32,
    pub(super) options: ModelOptions,
}

/// A model at its address.
#[derive(Debug)]
pub(super) struct Gemini {
    url: Url,
    headers: HeaderMap,
    generation: Generation,
    /// Before version 3 thoughts have a budget, and calls need no signature.
    is_old: bool,
    options: ModelOptions,
    prepared: Prepared<Arc<RawValue>>,
}

impl WireFormat for Gemini {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        Ok(HttpRequest {
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body(request)?,
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(GeminiDecoder::default())
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        fault::read(body)
    }
}

impl Gemini {
    pub(super) fn new(url: Url, model: &str, asking: Asking) -> Self {
        let json = HeaderValue::from_static("application/json");
        let events = HeaderValue::from_static("text/event-stream");
        let is_old = ["gemini-1", "gemini-2"]
            .iter()
            .any(|old| model.starts_with(old));
        let Asking {
            max_tokens,
            options,
        } = asking;
        Self {
            url,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json), (ACCEPT, events)]),
            generation: Generation {
                max_output_tokens: max_tokens,
                temperature: options.temperature,
                thinking_config: options.effort.map(|effort| thinking(effort, is_old)),
            },
            is_old,
            options,
            prepared: Prepared::default(),
        }
    }

    /// The service finds by itself what it has in its cache: what changes least stands first.
    fn body(&self, request: &ModelRequest) -> Result<Bytes, ModelError> {
        let sendable = Sendable::new(&request.messages);
        let tools = sendable.tools(&request.tools);
        let tools = if tools.is_empty() {
            None
        } else {
            Some(self.prepared.get(&tools, schema::encoded)?)
        };
        let must_call = self.options.must_call(request) && tools.is_some();
        let body = Body {
            system_instruction: (!sendable.instructions.is_empty()).then(|| Instruction {
                parts: [content::written(&sendable.instructions)],
            }),
            tools: tools.as_deref(),
            tool_config: must_call.then_some(ToolConfig {
                function_calling_config: FunctionCalling { mode: "ANY" },
            }),
            contents: content::contents(&sendable.messages, !self.is_old),
            generation_config: self.generation,
        };
        let json = serde_json::to_vec(&body).map_err(|_| unwritten())?;
        Ok(json.into())
    }
}

/// The budgets are those that Google gives for OpenAI's words.
/// <https://ai.google.dev/gemini-api/docs/openai#thinking>
fn thinking(effort: Effort, is_old: bool) -> Thinking {
    let (level, budget) = match effort {
        Effort::None => ("minimal", 0),
        Effort::Minimal => ("minimal", 1_024),
        Effort::Low => ("low", 1_024),
        Effort::Medium => ("medium", 8_192),
        Effort::High => ("high", 24_576),
        Effort::XHigh | Effort::Max => ("xhigh", 24_576),
    };
    Thinking {
        thinking_level: (!is_old).then_some(level),
        thinking_budget: is_old.then_some(budget),
    }
}

/// The error's text may quote its input, which is the customer's.
pub(super) fn unwritten() -> ModelError {
    ModelError::new(
        ModelErrorKind::BadRequest,
        "the request cannot be written as JSON",
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Instruction<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig>,
    contents: Vec<Content<'a>>,
    generation_config: Generation,
}

#[derive(Serialize)]
struct Instruction<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    function_calling_config: FunctionCalling,
}

#[derive(Serialize)]
struct FunctionCalling {
    mode: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Generation {
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u32>,
}
