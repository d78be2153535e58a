//! A Messages request: read and checked as strictly as the service does. Knows nothing of the answer.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::refuse;
use crate::conversation::{
    Call, Conversation, Delivery, Message, Thought, Thoughts, Tool, ToolChoice, is_name,
};
use crate::error::ApiError;
use crate::formats::turns::{self, Block, Role, Rules, Turn};
use crate::formats::{Asked, count, schema};
use crate::hash::seal;

const TOOL_NAME_CHARS_MAX: usize = 128;
const ID_CHARS_MAX: usize = 64;
const CACHE_MARKS_MAX: usize = 4;
const THINKING_TOKENS_MIN: u64 = 1024;

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(deny_unknown_fields)]
struct Raw {
    model: String,
    max_tokens: Option<u64>,
    messages: Vec<RawMessage>,
    system: Option<Value>,
    #[serde(default)]
    tools: Vec<RawTool>,
    tool_choice: Option<RawChoice>,
    stream: Option<bool>,
    thinking: Option<RawThinking>,
    temperature: Option<f64>,
    cache_control: Option<Value>,
    container: Option<Value>,
    context_management: Option<Value>,
    diagnostics: Option<Value>,
    inference_geo: Option<Value>,
    metadata: Option<Value>,
    output_config: Option<Value>,
    service_tier: Option<Value>,
    speed: Option<Value>,
    stop_sequences: Option<Value>,
    top_k: Option<Value>,
    top_p: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMessage {
    role: String,
    content: Value,
}

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum RawBlock {
    Text {
        text: String,
        cache_control: Option<Value>,
        citations: Option<Value>,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Map<String, Value>,
        cache_control: Option<Value>,
        caller: Option<Value>,
    },
    ToolResult {
        tool_use_id: String,
        content: Option<Value>,
        is_error: Option<bool>,
        cache_control: Option<Value>,
    },
}

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(deny_unknown_fields)]
struct RawTool {
    name: String,
    description: Option<String>,
    input_schema: Value,
    r#type: Option<String>,
    cache_control: Option<Value>,
    strict: Option<bool>,
    eager_input_streaming: Option<bool>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum RawChoice {
    Auto {
        disable_parallel_tool_use: Option<bool>,
    },
    Any {
        disable_parallel_tool_use: Option<bool>,
    },
    Tool {
        name: String,
        disable_parallel_tool_use: Option<bool>,
    },
    None {},
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum RawThinking {
    Enabled {
        budget_tokens: u64,
        display: Option<String>,
    },
    Adaptive {
        display: Option<String>,
    },
    Disabled {},
}

pub(super) fn parse(asked: &Asked<'_>) -> Result<Conversation, ApiError> {
    if (asked.header)("anthropic-version").is_none() {
        return Err(ApiError::invalid("anthropic-version", "header is required"));
    }
    let whole: Value = serde_json::from_slice(asked.body)
        .map_err(|error| ApiError::bad(format!("The request body is not valid JSON: {error}")))?;
    let cache_marks = count(&whole, "cache_control");
    if cache_marks > CACHE_MARKS_MAX {
        return Err(ApiError::bad(format!(
            "A maximum of {CACHE_MARKS_MAX} blocks with cache_control may be provided. Found {cache_marks}."
        )));
    }
    let raw = Raw::deserialize(whole).map_err(|error| ApiError::bad(error.to_string()))?;
    let max_tokens = raw.max_tokens;
    let max_tokens = max_tokens.ok_or_else(|| ApiError::invalid("max_tokens", "Field required"))?;
    if raw.model.is_empty() || max_tokens == 0 {
        let message = "Input should be greater than or equal to 1";
        return Err(ApiError::invalid("max_tokens", message));
    }
    let tools = raw.tools.into_iter().enumerate().map(tool);
    let tools: Vec<Tool> = tools.collect::<Result<_, _>>()?;
    let (choice, single) = choice(raw.tool_choice, &tools)?;
    // Where the model decides itself whether to think, its calls may come back without.
    let thoughts_return = matches!(raw.thinking, Some(RawThinking::Enabled { .. }));
    let thoughts = thoughts(raw.thinking, max_tokens)?;
    let forces = matches!(choice, ToolChoice::Required | ToolChoice::Named(_));
    if thoughts != Thoughts::Off && forces {
        return Err(ApiError::bad(
            "Thinking may not be enabled when tool_choice forces tool use.",
        ));
    }
    let is_tempered = raw
        .temperature
        .is_some_and(|degree| (degree - 1.0).abs() > 1e-9);
    if thoughts != Thoughts::Off && is_tempered {
        return Err(ApiError::bad(
            "`temperature` may only be set to 1 when thinking is enabled.",
        ));
    }
    let rules = Rules {
        thoughts_return,
        alternates: false,
        results_first: true,
        declares: true,
        is_blank: |text| text.trim().is_empty(),
        is_sealed: |thought, before| seal(before, &thought.text) == thought.seal,
    };
    let turns = raw.messages.into_iter().enumerate().map(turn);
    let turns = turns.collect::<Result<_, _>>()?;
    Ok(Conversation {
        messages: turns::messages(system(raw.system)?, turns, &tools, &rules)
            .map_err(refuse::slip)?,
        model: raw.model,
        tools,
        choice,
        parallel_calls: !single,
        max_tokens: Some(usize::try_from(max_tokens).unwrap_or(usize::MAX)),
        delivery: match raw.stream {
            Some(true) => Delivery::Streamed { usage: true },
            Some(false) | None => Delivery::Whole,
        },
        thoughts,
        caches: cache_marks > 0,
    })
}

fn system(raw: Option<Value>) -> Result<Vec<Message>, ApiError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let blocks = blocks("system", raw)?.into_iter();
    let texts = blocks.map(|block| match block {
        RawBlock::Text { text, .. } if !text.trim().is_empty() => Ok(text),
        RawBlock::Text { .. }
        | RawBlock::Thinking { .. }
        | RawBlock::ToolUse { .. }
        | RawBlock::ToolResult { .. } => Err(ApiError::invalid(
            "system",
            "text content blocks must be non-empty",
        )),
    });
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    Ok(vec![Message::System(texts.join("\n"))])
}

/// A string is one text.
fn blocks(param: &str, content: Value) -> Result<Vec<RawBlock>, ApiError> {
    if let Value::String(text) = content {
        return Ok(vec![RawBlock::Text {
            text,
            cache_control: None,
            citations: None,
        }]);
    }
    Vec::deserialize(content).map_err(|error| ApiError::invalid(param, error.to_string()))
}

fn turn((at, raw): (usize, RawMessage)) -> Result<Turn, ApiError> {
    let role = match raw.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let message = format!(
                "Unexpected role \"{other}\". The Messages API accepts a top-level `system` parameter, not \"system\" as an \
                 input message role."
            );
            return Err(ApiError::invalid("messages", message));
        }
    };
    let param = format!("messages.{at}.content");
    let blocks = blocks(&param, raw.content)?.into_iter();
    let blocks = blocks
        .map(|raw| block(&param, raw))
        .collect::<Result<_, _>>()?;
    Ok(Turn { role, blocks })
}

fn block(param: &str, raw: RawBlock) -> Result<Block, ApiError> {
    Ok(match raw {
        RawBlock::Text { text, .. } => Block::Text(text),
        RawBlock::Thinking {
            thinking,
            signature,
        } => Block::Thought(Thought {
            text: thinking,
            seal: signature,
        }),
        RawBlock::ToolUse {
            id, name, input, ..
        } => {
            check_name(&format!("{param}.tool_use.id"), &id, ID_CHARS_MAX)?;
            check_name(
                &format!("{param}.tool_use.name"),
                &name,
                TOOL_NAME_CHARS_MAX,
            )?;
            let arguments = Value::Object(input).to_string();
            Block::Call(Call {
                id,
                name,
                arguments,
            })
        }
        RawBlock::ToolResult {
            tool_use_id,
            content,
            ..
        } => Block::Result(tool_use_id, result(param, content)?),
    })
}

fn result(param: &str, content: Option<Value>) -> Result<String, ApiError> {
    let Some(content) = content else {
        return Ok(String::new());
    };
    if let Value::String(text) = content {
        return Ok(text);
    }
    let param = format!("{param}.tool_result.content");
    let texts = blocks(&param, content)?
        .into_iter()
        .map(|block| match block {
            RawBlock::Text { text, .. } if !text.is_empty() => Ok(text),
            RawBlock::Text { .. }
            | RawBlock::Thinking { .. }
            | RawBlock::ToolUse { .. }
            | RawBlock::ToolResult { .. } => Err(ApiError::invalid(
                param.as_str(),
                "text content blocks must be non-empty",
            )),
        });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn check_name(param: &str, name: &str, chars_max: usize) -> Result<(), ApiError> {
    if is_name(name, chars_max) {
        return Ok(());
    }
    let pattern = format!("String should match pattern '^[a-zA-Z0-9_-]{{1,{chars_max}}}$'");
    Err(ApiError::invalid(param, pattern))
}

fn tool((at, raw): (usize, RawTool)) -> Result<Tool, ApiError> {
    let param = format!("tools.{at}.custom");
    check_name(&format!("{param}.name"), &raw.name, TOOL_NAME_CHARS_MAX)?;
    if raw.r#type.is_some_and(|kind| kind != "custom") {
        let message = "only tools of the type `custom` are known";
        return Err(ApiError::invalid(format!("tools.{at}.type"), message));
    }
    if !schema::is_object(&raw.input_schema) {
        let message = "Input should be 'object'";
        return Err(ApiError::invalid(
            format!("{param}.input_schema.type"),
            message,
        ));
    }
    Ok(Tool {
        name: raw.name,
        description: raw.description.unwrap_or_default(),
        parameters: raw.input_schema,
    })
}

/// The choice, and whether it allows one call only.
fn choice(raw: Option<RawChoice>, tools: &[Tool]) -> Result<(ToolChoice, bool), ApiError> {
    let (choice, single) = match raw {
        None => return Ok((ToolChoice::Auto, false)),
        Some(RawChoice::None {}) => return Ok((ToolChoice::Forbidden, false)),
        Some(RawChoice::Auto {
            disable_parallel_tool_use,
        }) => (ToolChoice::Auto, disable_parallel_tool_use),
        Some(RawChoice::Any {
            disable_parallel_tool_use,
        }) => (ToolChoice::Required, disable_parallel_tool_use),
        Some(RawChoice::Tool {
            name,
            disable_parallel_tool_use,
        }) => {
            let choice = ToolChoice::named(&name, tools);
            let choice = choice.map_err(|message| ApiError::invalid("tool_choice", message))?;
            (choice, disable_parallel_tool_use)
        }
    };
    if tools.is_empty() {
        let message = "may only be specified while providing tools";
        return Err(ApiError::invalid("tool_choice", message));
    }
    Ok((choice, single.unwrap_or(false)))
}

fn thoughts(raw: Option<RawThinking>, max_tokens: u64) -> Result<Thoughts, ApiError> {
    let display = match raw {
        None | Some(RawThinking::Disabled {}) => return Ok(Thoughts::Off),
        Some(RawThinking::Adaptive { display }) => display,
        Some(RawThinking::Enabled {
            budget_tokens,
            display,
        }) => {
            if budget_tokens < THINKING_TOKENS_MIN || budget_tokens >= max_tokens {
                return Err(ApiError::invalid(
                    "thinking.enabled.budget_tokens",
                    "must be at least 1024 and less than `max_tokens`",
                ));
            }
            display
        }
    };
    Ok(match display.as_deref() {
        Some("omitted") => Thoughts::Sealed,
        Some(_) | None => Thoughts::Shown,
    })
}
