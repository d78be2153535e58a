//! Chat Completions as a wire format: the request, its body written straight from the port's messages.

use std::sync::Arc;

use baton_handoff::ports::{
    Effort, Message, ModelError, ModelErrorKind, ModelOptions, ModelRequest, ToolCall,
    ToolDefinition,
};
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::IgnoredAny;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::decode::ChatDecoder;
use super::fault;
use crate::fault::Fault;
use crate::limits::OutputLimit;
use crate::prepared::Prepared;
use crate::wire::{Decoder, HttpRequest, WireFormat};

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
    url: Url,
    headers: HeaderMap,
    /// Azure takes the model from the address.
    model: Option<String>,
    asking: Asking,
    prepared: Prepared<Arc<RawValue>>,
}

impl WireFormat for Chat {
    fn request(&self, request: &ModelRequest) -> Result<HttpRequest, ModelError> {
        Ok(HttpRequest {
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body(request)?,
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ChatDecoder::default())
    }

    fn fault(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> Fault {
        fault::read(body)
    }
}

impl Chat {
    pub(crate) fn new(url: Url, model: Option<String>, asking: Asking) -> Self {
        let json = HeaderValue::from_static("application/json");
        let events = HeaderValue::from_static("text/event-stream");
        Self {
            url,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json), (ACCEPT, events)]),
            model,
            asking,
            prepared: Prepared::default(),
        }
    }

    fn body(&self, request: &ModelRequest) -> Result<Bytes, ModelError> {
        let (max_tokens, max_completion_tokens) = match self.asking.output_limit {
            None => (None, None),
            Some(OutputLimit::MaxTokens(tokens)) => (Some(tokens), None),
            Some(OutputLimit::MaxCompletionTokens(tokens)) => (None, Some(tokens)),
        };
        let tools = self.tools(&request.tools)?;
        let options = &self.asking.options;
        let body = Body {
            model: self.model.as_deref(),
            messages: Messages(&request.messages),
            tools: tools.as_deref(),
            stream: true,
            stream_options: self.asking.usage.then_some(StreamOptions {
                include_usage: true,
            }),
            max_tokens,
            max_completion_tokens,
            temperature: options.temperature,
            reasoning_effort: options.effort.map(Effort::as_str),
            // Both are refused in a request without tools.
            parallel_tool_calls: options.parallel_tool_calls.filter(|_| tools.is_some()),
            tool_choice: options.must_call(request).then_some("required"),
        };
        let tools_bytes = body.tools.map_or(0, |tools| tools.get().len());
        let mut json = Vec::with_capacity(room(request) + tools_bytes);
        serde_json::to_writer(&mut json, &body).map_err(|_| unwritten())?;
        Ok(json.into())
    }

    /// Services refuse an empty array, so the field is left out.
    fn tools(&self, tools: &Arc<[ToolDefinition]>) -> Result<Option<Arc<RawValue>>, ModelError> {
        if tools.is_empty() {
            return Ok(None);
        }
        self.prepared.get(tools, encoded).map(Some)
    }
}

/// About the size of the request as JSON: a buffer that grows step by step would copy long instructions again and again.
fn room(request: &ModelRequest) -> usize {
    /// The words around a message.
    const AROUND: usize = 64;
    let text = |message: &Message| match message {
        Message::System(text)
        | Message::User(text)
        | Message::Assistant {
            text,
            calls: _,
            opaque: _,
        } => text.len(),
        Message::Tool { call: _, result } => result.len(),
    };
    let messages = request
        .messages
        .iter()
        .map(|message| text(message) + AROUND);
    // Line breaks and quotes are escaped: an eighth more.
    messages.sum::<usize>() * 9 / 8 + 4 * AROUND
}

/// The `tools` array.
fn encoded(tools: &[ToolDefinition]) -> Result<Arc<RawValue>, ModelError> {
    let functions: Vec<_> = tools
        .iter()
        .map(|tool| WireTool {
            kind: "function",
            function: WireDefinition {
                name: &tool.name,
                description: &tool.description,
                parameters: &tool.parameters,
            },
        })
        .collect();
    let array = to_raw_value(&functions).map_err(|_| unwritten())?;
    Ok(Arc::from(array))
}

/// The error's text may quote its input, which is the customer's.
fn unwritten() -> ModelError {
    ModelError::new(
        ModelErrorKind::BadRequest,
        "the request cannot be written as JSON",
    )
}

#[derive(Serialize)]
struct WireTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: WireDefinition<'a>,
}

#[derive(Serialize)]
struct WireDefinition<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a RawValue,
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

struct Messages<'a>(&'a [Message]);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for message in self.0 {
            list.serialize_element(&WireMessage::from(message))?;
        }
        list.end()
    }
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum WireMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Calls::is_empty")]
        tool_calls: Calls<'a>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

impl<'a> From<&'a Message> for WireMessage<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::System(text) => Self::System { content: text },
            Message::User(text) => Self::User { content: text },
            // Null is for calls only: without calls an assistant message must have text, be it empty.
            Message::Assistant {
                text,
                calls,
                opaque: _,
            } => Self::Assistant {
                content: (!text.is_empty() || calls.is_empty()).then_some(text),
                tool_calls: Calls(calls),
            },
            Message::Tool { call, result } => Self::Tool {
                tool_call_id: call,
                content: result,
            },
        }
    }
}

struct Calls<'a>(&'a [ToolCall]);

impl Calls<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|call| WireCall {
            id: &call.id,
            kind: "function",
            function: WireFunction {
                name: &call.name,
                arguments: sendable(&call.arguments),
            },
        }))
    }
}

/// vLLM and Ollama parse the arguments of past calls and answer 400 for ever to a history with malformed ones. The call's
/// result tells the model what was wrong with them, so nothing is lost by `{}`.
fn sendable(arguments: &str) -> &str {
    let is_object = arguments.trim_start().starts_with('{')
        && serde_json::from_str::<IgnoredAny>(arguments).is_ok();
    if is_object { arguments } else { "{}" }
}

#[derive(Serialize)]
struct WireCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: WireFunction<'a>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}
