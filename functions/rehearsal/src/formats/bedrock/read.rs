//! A Converse request: read and checked as strictly as the service does for Claude. Knows nothing of the answer.

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

const NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    messages: Vec<RawMessage>,
    #[serde(default)]
    system: Vec<RawSystem>,
    inference_config: Option<RawInference>,
    tool_config: Option<RawTools>,
    additional_model_request_fields: Option<Value>,
}

#[derive(Deserialize)]
struct RawMessage {
    role: String,
    content: Vec<RawBlock>,
}

/// Each block has one key, which says what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawBlock {
    Text(String),
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: String,
        name: String,
        input: Map<String, Value>,
    },
    #[serde(rename_all = "camelCase")]
    ToolResult {
        tool_use_id: String,
        content: Vec<RawResult>,
    },
    #[serde(rename_all = "camelCase")]
    ReasoningContent {
        reasoning_text: RawThought,
    },
    CachePoint {},
}

#[derive(Deserialize)]
struct RawThought {
    text: String,
    #[serde(default)]
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawResult {
    Text(String),
    Json(Value),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawSystem {
    Text(String),
    CachePoint {},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInference {
    max_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTools {
    tools: Vec<RawTool>,
    tool_choice: Option<RawChoice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawTool {
    #[serde(rename_all = "camelCase")]
    ToolSpec {
        name: String,
        description: Option<String>,
        input_schema: RawSchema,
    },
    CachePoint {},
}

#[derive(Deserialize)]
struct RawSchema {
    json: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawChoice {
    Auto {},
    Any {},
    Tool { name: String },
}

pub(super) fn parse(asked: &Asked<'_>) -> Result<Conversation, ApiError> {
    let malformed = |error: serde_json::Error| ApiError::bad(error.to_string());
    let whole: Value = serde_json::from_slice(asked.body).map_err(malformed)?;
    let caches = count(&whole, "cachePoint") > 0;
    let raw = Raw::deserialize(whole).map_err(malformed)?;
    let (path, _) = asked.target.split_once('?').unwrap_or((asked.target, ""));
    let model = path.rsplit('/').nth(1).unwrap_or_default().to_owned();
    let (tools, choice) = tools(raw.tool_config)?;
    let max_tokens = raw.inference_config.and_then(|config| config.max_tokens);
    if max_tokens == Some(0) {
        let message = "Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater \
                       than or equal to 1";
        return Err(ApiError::bad(message));
    }
    let thinking = raw.additional_model_request_fields.unwrap_or_default();
    let thinking = ["/thinking/type", "/reasoning_config/type"].map(|path| thinking.pointer(path));
    let thinking = thinking.into_iter().flatten().next();
    let thinking = thinking.and_then(Value::as_str);
    let thoughts = match thinking {
        Some("enabled" | "adaptive") => Thoughts::Shown,
        Some(_) | None => Thoughts::Off,
    };
    let rules = Rules {
        thoughts_return: thinking == Some("enabled"),
        alternates: true,
        results_first: true,
        declares: true,
        is_blank: |text| text.trim().is_empty(),
        is_sealed: |thought, before| seal(before, &thought.text) == thought.seal,
    };
    let turns = raw.messages.into_iter().enumerate().map(turn);
    let turns = turns.collect::<Result<_, _>>()?;
    let streams = path.ends_with("/converse-stream");
    Ok(Conversation {
        messages: turns::messages(system(raw.system)?, turns, &tools, &rules)
            .map_err(refuse::slip)?,
        model,
        tools,
        choice,
        parallel_calls: true,
        max_tokens: max_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        delivery: if streams {
            Delivery::Streamed { usage: true }
        } else {
            Delivery::Whole
        },
        thoughts,
        caches,
    })
}

fn system(raw: Vec<RawSystem>) -> Result<Vec<Message>, ApiError> {
    let texts = raw.into_iter().filter_map(|block| match block {
        RawSystem::Text(text) if text.trim().is_empty() => {
            Some(Err(ApiError::invalid("system", "The text field is blank.")))
        }
        RawSystem::Text(text) => Some(Ok(text)),
        RawSystem::CachePoint {} => None,
    });
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let text = (!texts.is_empty()).then(|| texts.join("\n"));
    Ok(text.map(Message::System).into_iter().collect())
}

fn turn((at, raw): (usize, RawMessage)) -> Result<Turn, ApiError> {
    let role = match raw.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let message = format!(
                "Value '{other}' at 'messages.{at}.role' failed to satisfy constraint: Member must satisfy enum value set: \
                 [user, assistant]"
            );
            return Err(ApiError::bad(message));
        }
    };
    let blocks = raw.content.into_iter().enumerate();
    let blocks = blocks.filter_map(|(n, raw)| block(&format!("messages.{at}.content.{n}"), raw));
    Ok(Turn {
        role,
        blocks: blocks.collect::<Result<_, _>>()?,
    })
}

/// Nothing for a mark of the cache.
fn block(param: &str, raw: RawBlock) -> Option<Result<Block, ApiError>> {
    Some(Ok(match raw {
        RawBlock::CachePoint {} => return None,
        RawBlock::Text(text) => Block::Text(text),
        RawBlock::ReasoningContent { reasoning_text } => Block::Thought(Thought {
            text: reasoning_text.text,
            seal: reasoning_text.signature,
        }),
        RawBlock::ToolUse {
            tool_use_id: id,
            name,
            input,
        } => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            let is_id = (1..=NAME_CHARS_MAX).contains(&id.len()) && id.chars().all(fits);
            if !is_id || !is_name(&name, NAME_CHARS_MAX) {
                return Some(Err(bad_name(&format!("{param}.toolUse"), &name)));
            }
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
        } => {
            let is_blank =
                |part: &RawResult| matches!(part, RawResult::Text(text) if text.trim().is_empty());
            if content.iter().any(is_blank) {
                let message = "The text field in the ToolResultContentBlock object is blank. Add text to the text field, and \
                               try again.";
                return Some(Err(ApiError::invalid(param, message)));
            }
            let texts = content.into_iter().map(|part| match part {
                RawResult::Text(text) => text,
                RawResult::Json(value) => value.to_string(),
            });
            Block::Result(tool_use_id, texts.collect::<Vec<_>>().join("\n"))
        }
    }))
}

fn bad_name(param: &str, name: &str) -> ApiError {
    ApiError::bad(format!(
        "Value '{name}' at '{param}' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         [a-zA-Z0-9_-]+, with length less than or equal to {NAME_CHARS_MAX}"
    ))
}

fn tools(raw: Option<RawTools>) -> Result<(Vec<Tool>, ToolChoice), ApiError> {
    let Some(raw) = raw else {
        return Ok((Vec::new(), ToolChoice::Auto));
    };
    let tools = raw.tools.into_iter().enumerate().filter_map(|(at, raw)| {
        let (name, description, schema) = match raw {
            RawTool::CachePoint {} => return None,
            RawTool::ToolSpec {
                name,
                description,
                input_schema,
            } => (name, description, input_schema.json),
        };
        let param = format!("toolConfig.tools.{at}.toolSpec");
        if !is_name(&name, NAME_CHARS_MAX) {
            return Some(Err(bad_name(&format!("{param}.name"), &name)));
        }
        if description.as_ref().is_some_and(String::is_empty) {
            let message = "Member must have length greater than or equal to 1";
            return Some(Err(ApiError::invalid(
                format!("{param}.description"),
                message,
            )));
        }
        if !schema::is_object(&schema) {
            let message = format!(
                "The value at {param}.inputSchema.json.type must be one of the following: object."
            );
            return Some(Err(ApiError::bad(message)));
        }
        Some(Ok(Tool {
            name,
            description: description.unwrap_or_default(),
            parameters: schema,
        }))
    });
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    if tools.is_empty() {
        let message = "Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or \
                       equal to 1";
        return Err(ApiError::bad(message));
    }
    let choice = match raw.tool_choice {
        None | Some(RawChoice::Auto {}) => ToolChoice::Auto,
        Some(RawChoice::Any {}) => ToolChoice::Required,
        Some(RawChoice::Tool { name }) => {
            ToolChoice::named(&name, &tools).map_err(ApiError::bad)?
        }
    };
    Ok((tools, choice))
}
