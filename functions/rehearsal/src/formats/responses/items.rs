//! The items of a request as messages: those that one answer consisted of are one.

use serde::Deserialize;
use serde_json::Value;

use crate::conversation::{Call, Message, Thought, is_name, without_thought};
use crate::error::ApiError;
use crate::hash::is_seal;

const NAME_CHARS_MAX: usize = 64;
const ID_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "fields that the service knows and the script does not use"
)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum RawItem {
    Message {
        id: Option<String>,
        role: String,
        content: Value,
        status: Option<String>,
        phase: Option<String>,
    },
    FunctionCall {
        id: Option<String>,
        call_id: String,
        name: String,
        arguments: String,
        status: Option<String>,
        caller: Option<Value>,
        namespace: Option<Value>,
        r#async: Option<Value>,
    },
    FunctionCallOutput {
        call_id: String,
        output: Value,
        id: Option<String>,
        status: Option<String>,
    },
    Reasoning {
        id: String,
        summary: Vec<RawPart>,
        encrypted_content: Option<String>,
        content: Option<Value>,
        status: Option<String>,
    },
}

#[derive(Deserialize)]
struct RawPart {
    r#type: String,
    #[serde(default)]
    text: String,
}

/// An answer, while its items follow.
#[derive(Default)]
struct Open {
    texts: Vec<String>,
    calls: Vec<Call>,
    thoughts: Vec<Thought>,
    /// The last item is a thought, with this id.
    ends_with: Option<String>,
}

/// The messages behind those of the system.
pub(super) fn messages(system: Vec<Message>, input: Value) -> Result<Vec<Message>, ApiError> {
    let mut messages = system;
    let items = match input {
        Value::String(text) => {
            messages.push(Message::User(text));
            return Ok(messages);
        }
        Value::Array(items) if !items.is_empty() => items,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(ApiError::invalid(
                "input",
                "'input' is a text or a list of items.",
            ));
        }
    };
    let mut open: Option<Open> = None;
    let mut asked: Vec<Call> = Vec::new();
    let mut answered: Vec<String> = Vec::new();
    for (at, raw) in items.into_iter().enumerate() {
        match item(at, raw)? {
            RawItem::Message {
                id, role, content, ..
            } if role == "assistant" => {
                check_id(at, id.as_deref(), "msg")?;
                let text = text(at, content, &["output_text", "refusal"])?;
                open.get_or_insert_default().says(text);
            }
            RawItem::Reasoning {
                id,
                summary,
                encrypted_content,
                ..
            } => {
                check_id(at, Some(&id), "rs")?;
                let seal = seal(&id, encrypted_content)?;
                let texts = summary.into_iter().map(|part| part.text);
                let text = texts.collect::<Vec<_>>().join("\n");
                let open = open.get_or_insert_default();
                open.thoughts.push(Thought { text, seal });
                open.ends_with = Some(id);
            }
            RawItem::FunctionCall {
                id,
                call_id,
                name,
                arguments,
                ..
            } => {
                check_id(at, id.as_deref(), "fc")?;
                let call = call(at, call_id, name, arguments)?;
                if asked.iter().any(|known| known.id == call.id) {
                    let message = format!("Duplicate call_id '{}'.", call.id);
                    return Err(ApiError::invalid(format!("input[{at}].call_id"), message));
                }
                asked.push(call.clone());
                open.get_or_insert_default().calls(call);
            }
            RawItem::FunctionCallOutput {
                call_id, output, ..
            } => {
                if !asked.iter().any(|call| call.id == call_id) {
                    let message = format!(
                        "No tool call found for function call output with call_id {call_id}."
                    );
                    return Err(ApiError::invalid("input", message));
                }
                if answered.contains(&call_id) {
                    let message = format!("The call '{call_id}' has two outputs.");
                    return Err(ApiError::invalid(format!("input[{at}].call_id"), message));
                }
                answered.push(call_id.clone());
                close(&mut open, &mut messages)?;
                let text = text(at, output, &["input_text"])?;
                messages.push(Message::Result { call_id, text });
            }
            RawItem::Message { role, content, .. } => {
                close(&mut open, &mut messages)?;
                let text = text(at, content, &["input_text"])?;
                messages.push(match role.as_str() {
                    "user" => Message::User(text),
                    "system" | "developer" => Message::System(text),
                    other => {
                        let message = format!(
                            "Invalid value: '{other}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
                        );
                        return Err(ApiError::invalid(format!("input[{at}].role"), message));
                    }
                });
            }
        }
    }
    close(&mut open, &mut messages)?;
    if let Some(call) = asked.iter().find(|call| !answered.contains(&call.id)) {
        let message = format!("No tool output found for function call {}.", call.id);
        return Err(ApiError::invalid("input", message));
    }
    if let Some(call) = without_thought(&messages) {
        let message = format!(
            "Item with call_id '{}' of type 'function_call' was provided without its required 'reasoning' item.",
            call.id
        );
        return Err(ApiError::invalid("input", message));
    }
    Ok(messages)
}

impl Open {
    fn says(&mut self, text: String) {
        self.texts.push(text);
        self.ends_with = None;
    }

    fn calls(&mut self, call: Call) {
        self.calls.push(call);
        self.ends_with = None;
    }
}

fn close(open: &mut Option<Open>, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let Some(open) = open.take() else {
        return Ok(());
    };
    if let Some(id) = open.ends_with {
        let message = format!(
            "Item '{id}' of type 'reasoning' was provided without its required following item."
        );
        return Err(ApiError::invalid("input", message));
    }
    messages.push(Message::Assistant {
        text: open.texts.join("\n"),
        calls: open.calls,
        thoughts: open.thoughts,
    });
    Ok(())
}

/// A message may come without its type.
fn item(at: usize, mut raw: Value) -> Result<RawItem, ApiError> {
    if let Some(fields) = raw.as_object_mut() {
        fields.entry("type").or_insert_with(|| "message".into());
    }
    RawItem::deserialize(raw)
        .map_err(|error| ApiError::invalid(format!("input[{at}]"), error.to_string()))
}

fn check_id(at: usize, id: Option<&str>, prefix: &str) -> Result<(), ApiError> {
    let Some(id) = id else { return Ok(()) };
    let param = format!("input[{at}].id");
    if !id.starts_with(prefix) {
        let message =
            format!("Invalid '{param}': '{id}'. Expected an ID that begins with '{prefix}'.");
        return Err(ApiError::invalid(param, message));
    }
    if id.len() > ID_CHARS_MAX {
        let message = format!(
            "Invalid '{param}': string too long. Expected a string with maximum length {ID_CHARS_MAX}."
        );
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

fn call(at: usize, id: String, name: String, arguments: String) -> Result<Call, ApiError> {
    if id.is_empty() || id.len() > ID_CHARS_MAX {
        let param = format!("input[{at}].call_id");
        let message =
            format!("Invalid '{param}': expected a string of 1 to {ID_CHARS_MAX} characters.");
        return Err(ApiError::invalid(param, message));
    }
    if !is_name(&name, NAME_CHARS_MAX) {
        let param = format!("input[{at}].name");
        let message = format!(
            "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        );
        return Err(ApiError::invalid(param, message));
    }
    Ok(Call {
        id,
        name,
        arguments,
    })
}

/// Nothing is stored, so a thought must bring its own content.
fn seal(id: &str, encrypted: Option<String>) -> Result<String, ApiError> {
    let Some(seal) = encrypted else {
        let message = format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to \
             true, or remove this item from your input."
        );
        return Err(ApiError::invalid("input", message));
    };
    if is_seal(&seal) {
        return Ok(seal);
    }
    Err(ApiError::Invalid {
        message: "The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or parsed."
            .to_owned(),
        param: None,
        code: Some("invalid_encrypted_content"),
    })
}

/// A text, or parts of these types.
fn text(at: usize, content: Value, types: &[&str]) -> Result<String, ApiError> {
    if let Value::String(text) = content {
        return Ok(text);
    }
    let parts = Vec::<RawPart>::deserialize(content);
    let parts = parts
        .map_err(|error| ApiError::invalid(format!("input[{at}].content"), error.to_string()))?;
    let mut texts = Vec::new();
    for (n, part) in parts.into_iter().enumerate() {
        if !types.contains(&part.r#type.as_str()) {
            let message = format!(
                "Invalid value: '{}'. Supported values are: '{}'.",
                part.r#type,
                types.join("' and '")
            );
            return Err(ApiError::invalid(
                format!("input[{at}].content[{n}]"),
                message,
            ));
        }
        texts.push(part.text);
    }
    Ok(texts.join("\n"))
}
