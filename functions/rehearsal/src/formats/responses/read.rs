//! A Responses request: read and checked as strictly as the service does. Knows nothing of the answer.

use serde::Deserialize;
use serde_json::{Value, json};

use super::items;
use crate::conversation::{Conversation, Delivery, Message, Thoughts, Tool, ToolChoice, is_name};
use crate::error::ApiError;
use crate::formats::schema;

const TOOL_NAME_CHARS_MAX: usize = 64;
const OUTPUT_TOKENS_MIN: u64 = 16;

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(deny_unknown_fields)]
struct Raw {
    model: String,
    input: Value,
    instructions: Option<String>,
    #[serde(default)]
    tools: Vec<RawTool>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    max_output_tokens: Option<u64>,
    stream: Option<bool>,
    reasoning: Option<RawReasoning>,
    previous_response_id: Option<Value>,
    include: Option<Vec<String>>,
    metadata: Option<Value>,
    prompt_cache_key: Option<String>,
    prompt_cache_options: Option<Value>,
    prompt_cache_retention: Option<Value>,
    safety_identifier: Option<String>,
    service_tier: Option<String>,
    store: Option<bool>,
    stream_options: Option<Value>,
    temperature: Option<f64>,
    text: Option<Value>,
    top_p: Option<f64>,
    truncation: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct RawReasoning {
    effort: Option<String>,
    summary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTool {
    r#type: String,
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
}

pub(super) fn parse(body: &[u8]) -> Result<Conversation, ApiError> {
    let raw: Raw = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad(format!("Could not read the request: {error}.")))?;
    if raw.model.is_empty() {
        return Err(ApiError::invalid(
            "model",
            "Missing required parameter: 'model'.",
        ));
    }
    if let Some(Value::String(id)) = raw.previous_response_id {
        return Err(ApiError::Invalid {
            message: format!("Previous response with id '{id}' not found."),
            param: Some("previous_response_id".to_owned()),
            code: Some("previous_response_not_found"),
        });
    }
    if raw
        .max_output_tokens
        .is_some_and(|tokens| tokens < OUTPUT_TOKENS_MIN)
    {
        let message =
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.";
        return Err(ApiError::invalid("max_output_tokens", message));
    }
    let tools = raw.tools.into_iter().enumerate().map(tool);
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    let instructions = raw.instructions.filter(|text| !text.is_empty());
    let system: Vec<_> = instructions.map(Message::System).into_iter().collect();
    Ok(Conversation {
        model: raw.model,
        messages: items::messages(system, raw.input)?,
        choice: choice(raw.tool_choice.as_ref(), &tools)?,
        tools,
        parallel_calls: raw.parallel_tool_calls.unwrap_or(true),
        max_tokens: raw
            .max_output_tokens
            .map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        delivery: match raw.stream {
            Some(true) => Delivery::Streamed { usage: true },
            Some(false) | None => Delivery::Whole,
        },
        thoughts: match raw.reasoning {
            Some(reasoning) if reasoning.effort.as_deref() != Some("none") => {
                match reasoning.summary {
                    Some(_) => Thoughts::Shown,
                    None => Thoughts::Sealed,
                }
            }
            Some(_) | None => Thoughts::Off,
        },
        caches: true,
    })
}

fn tool((at, raw): (usize, RawTool)) -> Result<Tool, ApiError> {
    if raw.r#type != "function" {
        let message = "Only tools of type 'function' are known.";
        return Err(ApiError::invalid(format!("tools[{at}].type"), message));
    }
    if !is_name(&raw.name, TOOL_NAME_CHARS_MAX) {
        let message = format!(
            "Invalid 'tools[{at}].name': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$', of at most {TOOL_NAME_CHARS_MAX} characters."
        );
        return Err(ApiError::invalid(format!("tools[{at}].name"), message));
    }
    let empty = || json!({ "type": "object", "properties": {} });
    let parameters = raw.parameters.unwrap_or_else(empty);
    let bad = |context: &str| ApiError::Invalid {
        message: format!(
            "Invalid schema for function '{}': In context=(), {context}",
            raw.name
        ),
        param: Some(format!("tools[{at}].parameters")),
        code: Some("invalid_function_parameters"),
    };
    if !schema::is_object(&parameters) {
        return Err(bad("schema must be a JSON Schema of 'type: \"object\"'."));
    }
    if raw.strict == Some(true) {
        if parameters.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(bad(
                "'additionalProperties' is required to be supplied and to be false.",
            ));
        }
        let properties = parameters.get("properties").and_then(Value::as_object);
        let required = parameters.get("required").and_then(Value::as_array);
        let is_required =
            |name: &String| required.is_some_and(|names| names.iter().any(|known| known == name));
        if !properties.is_none_or(|properties| properties.keys().all(is_required)) {
            return Err(bad(
                "'required' is required to be supplied and to be an array including every key in properties.",
            ));
        }
    }
    Ok(Tool {
        name: raw.name,
        description: raw.description.unwrap_or_default(),
        parameters,
    })
}

fn choice(raw: Option<&Value>, tools: &[Tool]) -> Result<ToolChoice, ApiError> {
    let Some(raw) = raw else {
        return Ok(ToolChoice::Auto);
    };
    let refused = |message: String| ApiError::invalid("tool_choice", message);
    match (raw.as_str(), raw.get("name").and_then(Value::as_str)) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::Forbidden),
        (Some("required"), _) if !tools.is_empty() => Ok(ToolChoice::Required),
        (None, Some(name)) => ToolChoice::named(name, tools).map_err(refused),
        (Some(_) | None, _) => Err(refused(
            "'tool_choice' is 'auto', 'none', 'required' or a function, and tools are offered."
                .to_owned(),
        )),
    }
}
