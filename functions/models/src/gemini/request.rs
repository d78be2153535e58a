//! Gemini as a wire format: the request.

use baton_handoff::ports::{Effort, ModelError, ModelOptions, ModelRequest};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::content::{self, Content, Part};
use super::decode::GeminiDecoder;
use super::{fault, schema};
use crate::envelope::{EVENTS, Envelope};
use crate::fault::Fault;
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
    envelope: Envelope,
    generation: Generation,
    /// Before version 3 thoughts have a budget, and calls need no signature.
    is_old: bool,
    options: ModelOptions,
}

impl WireFormat for Gemini {
    /// The service finds by itself what it has in its cache: what changes least stands first.
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let sendable = Sendable::new(&request.messages);
        let tools = self.envelope.tools(request, &sendable, schema::encoded)?;
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
        self.envelope.with(&body, request, tools.as_deref())
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
        let is_old = ["gemini-1", "gemini-2"]
            .iter()
            .any(|old| model.starts_with(old));
        let Asking {
            max_tokens,
            options,
        } = asking;
        Self {
            envelope: Envelope::new(url, EVENTS),
            generation: Generation {
                max_output_tokens: max_tokens,
                temperature: options.temperature,
                thinking_config: options.effort.map(|effort| thinking(effort, is_old)),
            },
            is_old,
            options,
        }
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
