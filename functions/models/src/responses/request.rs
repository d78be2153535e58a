//! Responses as a wire format: the request.

use std::sync::Arc;

use baton_handoff::ports::{ModelError, ModelOptions, ModelRequest, ToolDefinition};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::decode::ResponsesDecoder;
use super::input::Input;
use crate::chat::fault;
use crate::envelope::{EVENTS, Envelope, encoded};
use crate::fault::Fault;
use crate::limits::OutputLimit;
use crate::refused::Refused;
use crate::sendable::{Said, Sendable};
use crate::wire::{Decoder, HttpRequest, Target, WireFormat};

/// The fields that a request can do without.
const OPTIONAL: &[&str] = &[
    "include",
    "prompt_cache_key",
    "parallel_tool_calls",
    "temperature",
    "reasoning",
    "tool_choice",
    "encrypted_content",
];

/// Responses at one address.
#[derive(Debug)]
pub(super) struct Responses {
    envelope: Envelope,
    model: String,
    output_limit: Option<OutputLimit>,
    options: ModelOptions,
    refused: Refused,
}

impl Responses {
    pub(super) fn new(url: Url, target: &Target<'_>) -> Self {
        Self {
            envelope: Envelope::new(url, EVENTS),
            model: target.model.to_owned(),
            output_limit: target.output_limit,
            options: target.options,
            refused: Refused::none_of(OPTIONAL),
        }
    }
}

impl WireFormat for Responses {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        let takes = |field: &str| self.refused.takes(field);
        let list = Sendable::new(&request.messages);
        let tools = self.envelope.tools(request, &list, functions)?;
        let options = &self.options;
        let body = Body {
            model: &self.model,
            instructions: &list.instructions,
            tools: tools.as_deref(),
            tool_choice: (options.must_call(request) && takes("tool_choice")).then_some("required"),
            parallel_tool_calls: options
                .parallel_tool_calls
                .filter(|_| !request.tools.is_empty() && takes("parallel_tool_calls")),
            input: Input {
                messages: &list.messages,
                opaque: takes("encrypted_content"),
            },
            store: false,
            stream: true,
            include: takes("include").then_some(&["reasoning.encrypted_content"]),
            prompt_cache_key: takes("prompt_cache_key").then(|| cache_key(&list)),
            max_output_tokens: self.output_limit.map(OutputLimit::tokens),
            temperature: options.temperature.filter(|_| takes("temperature")),
            reasoning: options
                .effort
                .filter(|_| takes("reasoning"))
                .map(|effort| Reasoning {
                    effort: effort.as_str(),
                }),
        };
        self.envelope.with(&body, request, tools.as_deref())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ResponsesDecoder::default())
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        fault::read(body)
    }

    fn concedes(&self, fault: &Fault) -> bool {
        self.refused.remember(fault).is_some()
    }
}

/// The same for all requests of a conversation, as long as its beginning stays: they go to the machine that has it in its cache.
fn cache_key(list: &Sendable<'_>) -> String {
    let first = list.messages.iter().find_map(|said| match said {
        Said::User(text) => Some(&**text),
        Said::Assistant { .. } | Said::Results(_) => None,
    });
    let texts = [&*list.instructions, first.unwrap_or_default()];
    let bytes = texts.iter().flat_map(|text| text.bytes());
    // FNV-1a: the same in every process.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("baton-{hash:016x}")
}

/// The `tools` array.
fn functions(tools: &[ToolDefinition]) -> Result<Arc<RawValue>, ModelError> {
    let functions: Vec<_> = tools
        .iter()
        .map(|tool| Tool {
            kind: "function",
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
            strict: false,
        })
        .collect();
    encoded(&functions)
}

/// What stays the same stands first.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instructions: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    input: Input<'a>,
    store: bool,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<&'static [&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
}

#[derive(Serialize)]
struct Reasoning {
    effort: &'static str,
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    description: &'a str,
    parameters: &'a RawValue,
    /// The service's own default rewrites the schema and makes every argument required.
    strict: bool,
}
