//! A Chat Completions request: parsed once, and checked like the real service does. Knows nothing of the answer.

use serde::Deserialize;
use serde_json::Value;

use super::pairs;
use crate::conversation::{
    Call, Conversation, Delivery, Message, Thought, Thoughts, Tool, ToolChoice, is_name,
};
use crate::error::ApiError;

/// The limits of the real service.
const MESSAGES_MAX: usize = 2048;
const TOOLS_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
struct RawRequest {
    model: Option<String>,
    messages: Option<Vec<RawMessage>>,
    tools: Option<Vec<RawTool>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    reasoning_effort: Option<Value>,
    stream: Option<bool>,
    stream_options: Option<RawStreamOptions>,
}

#[derive(Deserialize)]
struct RawStreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct RawMessage {
    role: String,
    content: Option<RawContent>,
    tool_calls: Option<Vec<RawCall>>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawContent {
    Text(String),
    Parts(Vec<RawPart>),
}

#[derive(Deserialize)]
struct RawPart {
    text: Option<String>,
}

#[derive(Deserialize)]
struct RawCall {
    id: String,
    function: RawFunctionCall,
    extra_content: Option<Value>,
}

#[derive(Deserialize)]
struct RawFunctionCall {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct RawTool {
    r#type: String,
    function: RawFunction,
}

#[derive(Deserialize)]
struct RawFunction {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Value>,
}

/// Parses and checks a body.
pub(super) fn parse(body: &[u8]) -> Result<Conversation, ApiError> {
    let raw: RawRequest = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad(format!("The body is not a chat request: {error}.")))?;
    let model = raw
        .model
        .filter(|model| !model.is_empty())
        .ok_or_else(|| ApiError::invalid("model", "A model must be named."))?;
    if raw.n.is_some_and(|n| n != 1) {
        return Err(ApiError::invalid(
            "n",
            "Only one choice is made: 'n' must be 1.",
        ));
    }
    let tools = tools(raw.tools)?;
    Ok(Conversation {
        model,
        messages: messages(raw.messages)?,
        choice: choice(raw.tool_choice.as_ref(), &tools)?,
        tools,
        parallel_calls: raw.parallel_tool_calls.unwrap_or(true),
        max_tokens: max_tokens(raw.max_completion_tokens.or(raw.max_tokens))?,
        delivery: delivery(raw.stream, raw.stream_options)?,
        thoughts: match raw.reasoning_effort {
            Some(effort) if effort != "none" => Thoughts::Shown,
            Some(_) | None => Thoughts::Off,
        },
        caches: true,
    })
}

/// The same of only the messages of a body; none in a body without messages.
pub(super) fn parse_messages(body: &[u8]) -> Result<Vec<Message>, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        messages: Option<Vec<RawMessage>>,
    }
    let body = serde_json::from_slice::<Body>(body).ok();
    match body.and_then(|body| body.messages) {
        Some(raw) => messages(Some(raw)),
        None => Ok(Vec::new()),
    }
}

fn delivery(stream: Option<bool>, options: Option<RawStreamOptions>) -> Result<Delivery, ApiError> {
    match (stream.unwrap_or(false), options) {
        (true, options) => Ok(Delivery::Streamed {
            usage: options
                .and_then(|options| options.include_usage)
                .unwrap_or(false),
        }),
        (false, None) => Ok(Delivery::Whole),
        (false, Some(_)) => Err(ApiError::invalid(
            "stream_options",
            "'stream_options' is only allowed when 'stream' is true.",
        )),
    }
}

fn max_tokens(tokens: Option<u64>) -> Result<Option<usize>, ApiError> {
    match tokens {
        Some(0) => Err(ApiError::invalid(
            "max_tokens",
            "'max_tokens' must be at least 1.",
        )),
        Some(tokens) => Ok(Some(usize::try_from(tokens).unwrap_or(usize::MAX))),
        None => Ok(None),
    }
}

fn messages(raw: Option<Vec<RawMessage>>) -> Result<Vec<Message>, ApiError> {
    let raw = raw.ok_or_else(|| ApiError::invalid("messages", "'messages' is missing."))?;
    if raw.is_empty() || raw.len() > MESSAGES_MAX {
        return Err(ApiError::invalid(
            "messages",
            format!("There must be 1 to {MESSAGES_MAX} messages."),
        ));
    }
    let messages = raw
        .into_iter()
        .enumerate()
        .map(|(at, raw)| message(at, raw))
        .collect::<Result<Vec<_>, _>>()?;
    pairs::check(&messages)?;
    Ok(messages)
}

fn message(at: usize, raw: RawMessage) -> Result<Message, ApiError> {
    let text = raw.content.map(text);
    let required = |text: Option<String>| {
        text.ok_or_else(|| {
            ApiError::invalid(
                format!("messages.[{at}].content"),
                "'content' must be a string or an array of parts.",
            )
        })
    };
    if raw.role != "assistant" && raw.tool_calls.is_some() {
        let message = "Only messages of the role 'assistant' may have 'tool_calls'.";
        return Err(ApiError::invalid(
            format!("messages.[{at}].tool_calls"),
            message,
        ));
    }
    match raw.role.as_str() {
        "system" | "developer" => Ok(Message::System(required(text)?)),
        "user" => Ok(Message::User(required(text)?)),
        "assistant" => assistant(at, text, raw.tool_calls),
        "tool" => {
            let call_id = raw.tool_call_id.ok_or_else(|| {
                ApiError::invalid(
                    format!("messages.[{at}].tool_call_id"),
                    "A tool message must name its call.",
                )
            })?;
            Ok(Message::Result {
                call_id,
                text: required(text)?,
            })
        }
        other => Err(ApiError::invalid(
            format!("messages.[{at}].role"),
            format!("'{other}' is none of 'system', 'developer', 'user', 'assistant' and 'tool'."),
        )),
    }
}

fn assistant(
    at: usize,
    text: Option<String>,
    calls: Option<Vec<RawCall>>,
) -> Result<Message, ApiError> {
    if calls.as_ref().is_some_and(Vec::is_empty) {
        let message = "'tool_calls' must not be empty: leave it out.";
        return Err(ApiError::invalid(
            format!("messages.[{at}].tool_calls"),
            message,
        ));
    }
    if text.is_none() && calls.is_none() {
        let message = "An assistant message must have 'content' or 'tool_calls'.";
        return Err(ApiError::invalid(
            format!("messages.[{at}].content"),
            message,
        ));
    }
    let mut thoughts = Vec::new();
    let calls = calls.unwrap_or_default().into_iter().map(|raw| {
        let RawFunctionCall { name, arguments } = raw.function;
        check_name(&format!("messages.[{at}].tool_calls"), &name)?;
        // Where other services have their signature.
        let seal = raw.extra_content.as_ref();
        let seal = seal.and_then(|extra| extra.pointer("/google/thought_signature")?.as_str());
        thoughts.extend(seal.map(|seal| Thought {
            text: String::new(),
            seal: seal.to_owned(),
        }));
        Ok(Call {
            id: raw.id,
            name,
            arguments,
        })
    });
    let calls = calls.collect::<Result<_, ApiError>>()?;
    Ok(Message::Assistant {
        text: text.unwrap_or_default(),
        calls,
        thoughts,
    })
}

fn text(content: RawContent) -> String {
    match content {
        RawContent::Text(text) => text,
        RawContent::Parts(parts) => parts
            .into_iter()
            .filter_map(|part| part.text)
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn tools(raw: Option<Vec<RawTool>>) -> Result<Vec<Tool>, ApiError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    if raw.is_empty() || raw.len() > TOOLS_MAX {
        let message = format!("There must be 1 to {TOOLS_MAX} tools, or no 'tools' at all.");
        return Err(ApiError::invalid("tools", message));
    }
    raw.into_iter()
        .enumerate()
        .map(|(at, raw)| tool(at, raw))
        .collect()
}

fn tool(at: usize, raw: RawTool) -> Result<Tool, ApiError> {
    if raw.r#type != "function" {
        return Err(ApiError::invalid(
            format!("tools.[{at}].type"),
            "Only tools of type 'function' are known.",
        ));
    }
    let RawFunction {
        name,
        description,
        parameters,
    } = raw.function;
    check_name(&format!("tools.[{at}].function.name"), &name)?;
    // The service treats a tool without parameters like one with an empty list of them.
    let parameters =
        parameters.unwrap_or_else(|| serde_json::json!({ "type": "object", "properties": {} }));
    if parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err(ApiError::invalid(
            format!("tools.[{at}].function.parameters"),
            format!("The parameters of '{name}' must be a JSON schema of type 'object'."),
        ));
    }
    Ok(Tool {
        name,
        description: description.unwrap_or_default(),
        parameters,
    })
}

fn check_name(param: &str, name: &str) -> Result<(), ApiError> {
    if is_name(name, NAME_CHARS_MAX) {
        return Ok(());
    }
    let message = format!(
        "The function name '{name}' does not match '^[a-zA-Z0-9_-]{{1,{NAME_CHARS_MAX}}}$'."
    );
    Err(ApiError::invalid(param, message))
}

fn choice(raw: Option<&Value>, tools: &[Tool]) -> Result<ToolChoice, ApiError> {
    let Some(raw) = raw else {
        return Ok(ToolChoice::Auto);
    };
    if tools.is_empty() {
        return Err(ApiError::invalid(
            "tool_choice",
            "'tool_choice' is only allowed with 'tools'.",
        ));
    }
    match raw.as_str() {
        Some("auto") => return Ok(ToolChoice::Auto),
        Some("none") => return Ok(ToolChoice::Forbidden),
        Some("required") => return Ok(ToolChoice::Required),
        Some(_) | None => {}
    }
    match raw.pointer("/function/name").and_then(Value::as_str) {
        Some(name) => ToolChoice::named(name, tools)
            .map_err(|message| ApiError::invalid("tool_choice", message)),
        None => Err(ApiError::invalid(
            "tool_choice",
            "'tool_choice' is 'auto', 'none', 'required' or a function.",
        )),
    }
}
