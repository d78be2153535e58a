//! A request of `generateContent`: read and checked as strictly as the service does. Knows nothing of the answer.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refuse;
use crate::conversation::{
    Call, Conversation, Delivery, Message, Thought, Thoughts, Tool, ToolChoice,
};
use crate::error::ApiError;
use crate::formats::turns::{self, Block, Role, Rules, Turn};
use crate::formats::{Asked, schema};
use crate::hash::is_seal;

const NAME_CHARS_MAX: usize = 64;
/// What a client may send in place of a seal that it does not have, such as one of another model.
const ANY_SEAL: &str = "skip_thought_signature_validator";
/// The fields of `parameters`, which is no whole JSON schema; for that there is `parametersJsonSchema`.
const SCHEMA_FIELDS: [&str; 23] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
    "additionalProperties",
];

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    contents: Vec<RawContent>,
    #[serde(alias = "system_instruction")]
    system_instruction: Option<RawContent>,
    #[serde(default)]
    tools: Vec<RawTools>,
    #[serde(alias = "tool_config")]
    tool_config: Option<RawToolConfig>,
    #[serde(alias = "generation_config")]
    generation_config: Option<RawGeneration>,
    #[serde(alias = "safety_settings")]
    safety_settings: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContent {
    role: Option<String>,
    #[serde(default)]
    parts: Vec<RawPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPart {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    #[serde(alias = "thought_signature")]
    thought_signature: Option<String>,
    #[serde(alias = "function_call")]
    function_call: Option<RawCall>,
    #[serde(alias = "function_response")]
    function_response: Option<RawResponse>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    id: Option<String>,
    name: String,
    #[serde(default)]
    args: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResponse {
    id: Option<String>,
    name: String,
    response: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTools {
    #[serde(alias = "function_declarations")]
    function_declarations: Vec<RawTool>,
}

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTool {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    #[serde(alias = "parameters_json_schema")]
    parameters_json_schema: Option<Value>,
    behavior: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawToolConfig {
    #[serde(alias = "function_calling_config")]
    function_calling_config: Option<RawCalling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawCalling {
    mode: Option<String>,
    #[serde(default, alias = "allowed_function_names")]
    allowed_function_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGeneration {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(alias = "thinking_config")]
    thinking_config: Option<RawThinking>,
}

#[derive(Deserialize, Default)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawThinking {
    #[serde(default, alias = "include_thoughts")]
    include_thoughts: bool,
    #[serde(alias = "thinking_budget")]
    thinking_budget: Option<i64>,
    #[serde(alias = "thinking_level")]
    thinking_level: Option<String>,
}

pub(super) fn parse(asked: &Asked<'_>) -> Result<Conversation, ApiError> {
    let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
    let called = path.rsplit('/').next().unwrap_or_default();
    let (model, method) = called.rsplit_once(':').unwrap_or((called, ""));
    let delivery = match method {
        "generateContent" => Delivery::Whole,
        "streamGenerateContent" if query.split('&').any(|pair| pair == "alt=sse") => {
            Delivery::Streamed { usage: true }
        }
        "streamGenerateContent" => {
            return Err(ApiError::bad("Streams are written with alt=sse only."));
        }
        _ => return Err(ApiError::NoSuchRoute(format!("POST {path}"))),
    };
    let raw: Raw = serde_json::from_slice(asked.body)
        .map_err(|error| ApiError::bad(format!("Invalid JSON payload received. {error}")))?;
    let tools = raw
        .tools
        .into_iter()
        .flat_map(|tools| tools.function_declarations);
    let tools = tools.enumerate().map(tool).collect::<Result<Vec<_>, _>>()?;
    let choice = choice(raw.tool_config, &tools)?;
    let (max_tokens, thinking) = match raw.generation_config {
        Some(config) => (config.max_output_tokens, config.thinking_config),
        None => (None, None),
    };
    let thinking = thinking.unwrap_or_default();
    let thoughts = match (thinking.thinking_budget, thinking.include_thoughts) {
        (Some(0), _) => Thoughts::Off,
        (Some(_) | None, true) => Thoughts::Shown,
        (Some(_) | None, false) => Thoughts::Sealed,
    };
    let rules = Rules {
        thoughts_return: true,
        alternates: false,
        results_first: false,
        declares: false,
        is_blank: str::is_empty,
        is_sealed: |thought, _| thought.seal == ANY_SEAL || is_seal(&thought.seal),
    };
    let turns = turns(raw.contents)?;
    Ok(Conversation {
        messages: turns::messages(system(raw.system_instruction)?, turns, &tools, &rules)
            .map_err(refuse::slip)?,
        model: model.to_owned(),
        tools,
        choice,
        parallel_calls: true,
        max_tokens: max_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        delivery,
        thoughts,
        caches: true,
    })
}

fn system(raw: Option<RawContent>) -> Result<Vec<Message>, ApiError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let texts: Vec<_> = raw.parts.into_iter().filter_map(|part| part.text).collect();
    if texts.iter().all(String::is_empty) {
        let message = "required oneof field 'data' must have one initialized field";
        return Err(ApiError::invalid(
            "system_instruction.parts[0].data",
            message,
        ));
    }
    Ok(vec![Message::System(texts.join("\n"))])
}

fn turns(raw: Vec<RawContent>) -> Result<Vec<Turn>, ApiError> {
    let mut turns: Vec<Turn> = Vec::new();
    for (at, content) in raw.into_iter().enumerate() {
        let role = match content.role.as_deref() {
            None | Some("user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(other) => {
                let message = format!("Please use a valid role: user, model. Not {other}.");
                return Err(ApiError::bad(message));
            }
        };
        // Calls and results without ids go together by name and order.
        let mut asked: Vec<Call> = turns.last().map_or_else(Vec::new, calls);
        let mut blocks = Vec::new();
        for (n, part) in content.parts.into_iter().enumerate() {
            let seal = part.thought_signature;
            match (part.text, part.function_call, part.function_response) {
                // What was shown of thoughts is not read again.
                (Some(_), None, None) if part.thought => blocks.extend(seal.map(thought)),
                (Some(text), None, None) => {
                    // A seal may come at a part without a word.
                    if !text.is_empty() || seal.is_none() {
                        blocks.push(Block::Text(text));
                    }
                    blocks.extend(seal.map(thought));
                }
                (None, Some(call), None) => {
                    check_name(
                        &format!("contents[{at}].parts[{n}].function_call.name"),
                        &call.name,
                    )?;
                    blocks.extend(seal.map(thought));
                    blocks.push(Block::Call(Call {
                        id: call.id.unwrap_or_else(|| format!("{at}.{n}")),
                        name: call.name,
                        arguments: Value::Object(call.args).to_string(),
                    }));
                }
                (None, None, Some(response)) => {
                    let is_meant = |call: &Call| match &response.id {
                        Some(id) => call.id == *id,
                        None => call.name == response.name,
                    };
                    let call = asked.iter().position(is_meant);
                    let id = call.map_or_else(|| response.name.clone(), |at| asked.remove(at).id);
                    blocks.push(Block::Result(id, text_of(&response.response)));
                }
                _ => {
                    let message = "required oneof field 'data' must have one initialized field";
                    return Err(ApiError::invalid(
                        format!("contents[{at}].parts[{n}].data"),
                        message,
                    ));
                }
            }
        }
        turns.push(Turn { role, blocks });
    }
    Ok(turns)
}

fn calls(turn: &Turn) -> Vec<Call> {
    let calls = turn.blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call.clone()),
        Block::Text(_) | Block::Thought(_) | Block::Result(..) => None,
    });
    calls.collect()
}

fn thought(seal: String) -> Block {
    Block::Thought(Thought {
        text: String::new(),
        seal,
    })
}

/// A result is an object: by custom with the text as `output` or `result`, or it is the result itself.
fn text_of(response: &Map<String, Value>) -> String {
    let mut values = response.values();
    match (values.next(), values.next()) {
        (Some(Value::String(text)), None) => text.clone(),
        _ => Value::Object(response.clone()).to_string(),
    }
}

fn check_name(param: &str, name: &str) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(begins) && name.len() <= NAME_CHARS_MAX && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), \
         dots (.), colons (:), or dashes (-), with a maximum length of {NAME_CHARS_MAX}."
    );
    Err(ApiError::invalid(param, message))
}

fn tool((at, raw): (usize, RawTool)) -> Result<Tool, ApiError> {
    let param = format!("tools[0].function_declarations[{at}]");
    check_name(&format!("{param}.name"), &raw.name)?;
    if raw.parameters.is_some() && raw.parameters_json_schema.is_some() {
        let message = "parameters and parameters_json_schema must not both be set";
        return Err(ApiError::invalid(param, message));
    }
    if let Some(schema) = &raw.parameters {
        check_schema(&format!("{param}.parameters"), schema)?;
    }
    let empty = || json!({ "type": "object", "properties": {} });
    let parameters = raw.parameters.or(raw.parameters_json_schema);
    Ok(Tool {
        name: raw.name,
        description: raw.description.unwrap_or_default(),
        parameters: parameters.map_or_else(empty, schema::lowered),
    })
}

fn check_schema(param: &str, schema: &Value) -> Result<(), ApiError> {
    let fields = schema.as_object().into_iter().flatten();
    let is_unknown = |(name, _): &(&String, &Value)| !SCHEMA_FIELDS.contains(&name.as_str());
    if let Some((name, _)) = fields.clone().find(is_unknown) {
        return Err(ApiError::bad(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{param}': Cannot find field."
        )));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if schema::is_object(schema) && properties.is_some_and(Map::is_empty) {
        let message = "should be non-empty for OBJECT type";
        return Err(ApiError::invalid(format!("{param}.properties"), message));
    }
    for (name, property) in properties.into_iter().flatten() {
        check_schema(&format!("{param}.properties[{name}]"), property)?;
    }
    let items = schema.get("items").into_iter();
    let mut items = items.map(|items| check_schema(&format!("{param}.items"), items));
    items.find(Result::is_err).unwrap_or(Ok(()))
}

fn choice(raw: Option<RawToolConfig>, tools: &[Tool]) -> Result<ToolChoice, ApiError> {
    let Some(calling) = raw.and_then(|config| config.function_calling_config) else {
        return Ok(ToolChoice::Auto);
    };
    match (
        calling.mode.as_deref(),
        calling.allowed_function_names.as_slice(),
    ) {
        (None | Some("MODE_UNSPECIFIED" | "AUTO" | "VALIDATED"), []) => Ok(ToolChoice::Auto),
        (Some("NONE"), []) => Ok(ToolChoice::Forbidden),
        (Some("ANY"), _) if tools.is_empty() => Err(ApiError::bad(
            "Function calling config is set without function_declarations.",
        )),
        (Some("ANY"), [name]) => ToolChoice::named(name, tools).map_err(ApiError::bad),
        (Some("ANY"), _) => Ok(ToolChoice::Required),
        (_, [_, ..]) => Err(ApiError::bad(
            "Allowed function names should only be set when the function calling mode is ANY.",
        )),
        (Some(other), []) => Err(ApiError::bad(format!(
            "Invalid value at 'tool_config.function_calling_config.mode': \"{other}\""
        ))),
    }
}
