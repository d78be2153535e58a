//! What is kept of a request for a response. Fields that are not here are ignored: most are a model's, and the team file has them.

use std::collections::BTreeMap;

use baton_handoff::ids::ConversationId;
use baton_handoff::{Client, ClientTool};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::ids::ResponseId;
use super::input::Input;
use crate::edge::error::ApiError;
use crate::routes::parse_conversation;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) input: Input,
    pub(super) previous_response_id: Option<String>,
    conversation: Option<Named>,
    pub(super) stream: Option<bool>,
    pub(super) background: Option<bool>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    metadata: Option<BTreeMap<String, Value>>,
    text: Option<Text>,
    prompt: Option<IgnoredAny>,
}

/// A conversation: its id, or an object with it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Object { id: String },
}

#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
}

/// A word, or the tool that must be called.
#[derive(Deserialize)]
#[serde(untagged)]
enum ToolChoice {
    Word(String),
    Tool(IgnoredAny),
}

#[derive(Deserialize)]
struct Text {
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
}

/// What a response goes on with.
pub(super) enum GoesOn {
    /// Nothing: a new conversation.
    New,
    Conversation(ConversationId),
    Response(ResponseId),
}

impl GoesOn {
    pub(super) fn conversation(&self) -> Option<&ConversationId> {
        match self {
            Self::New => None,
            Self::Conversation(name) => Some(name),
            Self::Response(response) => Some(&response.conversation),
        }
    }
}

impl Asked {
    /// Refuses what a client would take for granted and not get.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let format = self.text.as_ref().and_then(|text| text.format.as_ref());
        let refusal = if format.is_some_and(|format| format.kind != "text") {
            "answers are text: text.format is not supported"
        } else if self.prompt.is_some() {
            "prompt is not supported: the team file has the instructions"
        } else {
            return self.metadata.as_ref().map_or(Ok(()), check_metadata);
        };
        Err(ApiError::bad_request(refusal))
    }

    pub(super) fn goes_on(&self) -> Result<GoesOn, ApiError> {
        match (&self.previous_response_id, &self.conversation) {
            (Some(_), Some(_)) => Err(ApiError::bad_request(
                "previous_response_id and conversation exclude each other",
            )),
            (Some(previous), None) => Ok(GoesOn::Response(ResponseId::parse(previous)?)),
            (None, Some(Named::Id(id) | Named::Object { id })) => {
                parse_conversation(id).map(GoesOn::Conversation)
            }
            (None, None) => Ok(GoesOn::New),
        }
    }

    /// The client's tools, and results of their calls.
    pub(super) fn client(&self) -> Result<Client, ApiError> {
        let offered = match &self.tool_choice {
            Some(ToolChoice::Word(word)) if word == "none" => false,
            Some(ToolChoice::Word(word)) if word == "auto" => true,
            Some(ToolChoice::Word(_) | ToolChoice::Tool(_)) => {
                return Err(ApiError::bad_request(
                    "tool_choice must be \"auto\" or \"none\": no tool can be forced",
                ));
            }
            None => true,
        };
        let tools = self.tools.iter().flatten().filter(|_| offered);
        Ok(Client {
            tools: tools.map(Tool::of_client).collect::<Result<_, _>>()?,
            results: self.input.results.clone(),
        })
    }
}

impl Tool {
    fn of_client(&self) -> Result<ClientTool, ApiError> {
        let (true, Some(name)) = (self.kind == "function", &self.name) else {
            return Err(ApiError::bad_request(
                "tools must be functions: other kinds are not supported",
            ));
        };
        let parameters = self.parameters.clone().filter(Value::is_object);
        Ok(ClientTool {
            name: name.clone(),
            description: self.description.clone().unwrap_or_default(),
            parameters: parameters.unwrap_or_else(|| Value::Object(Map::new())),
        })
    }
}

/// Checks what OpenAI allows. It is not kept.
pub(super) fn check_metadata(metadata: &BTreeMap<String, Value>) -> Result<(), ApiError> {
    let fits = |(key, value): (&String, &Value)| {
        let value = value.as_str();
        key.chars().count() <= 64 && value.is_some_and(|value| value.chars().count() <= 512)
    };
    if metadata.len() <= 16 && metadata.iter().all(fits) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "metadata must be at most 16 texts of 512 characters, under keys of 64",
    ))
}

/// A request for a response. Fields that are not named here are ignored.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = ResponseRequest)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Document {
    /// A text, or items as in OpenAI's reference: what stands behind the last answer counts.
    input: Value,
    /// The last response of its conversation: there are no branches.
    previous_response_id: Option<String>,
    /// A conversation, instead of a response.
    conversation: Option<Value>,
    stream: Option<bool>,
    background: Option<bool>,
    /// Functions that the client executes, for callers who may bring some.
    tools: Option<Vec<Value>>,
}
