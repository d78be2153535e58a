//! What is kept of a request for a completion. Fields that are not here are ignored: most are a model's, and the team file has them.

use baton_handoff::ids::MessageId;
use baton_handoff::{Client, ClientTool};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::messages::Messages;
use super::{TEAM, parse_message};
use crate::edge::error::ApiError;

/// The longest name of a model that is repeated in the answer, in bytes.
const LONGEST_MODEL: usize = 128;

#[derive(Deserialize)]
pub(super) struct Asked {
    model: Option<String>,
    pub(super) messages: Messages,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u64>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    metadata: Option<Metadata>,
    conversation_id: Option<String>,
    modalities: Option<Vec<String>>,
    audio: Option<IgnoredAny>,
    functions: Option<IgnoredAny>,
    response_format: Option<ResponseFormat>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Metadata {
    conversation_id: Option<String>,
    message_id: Option<String>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Tool {
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
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

/// The completion that is asked for.
pub(super) struct Completion {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Seconds since 1970.
    pub(super) created: u64,
}

impl Asked {
    pub(super) fn completion(&self, created: u64) -> Completion {
        let model = self.model.as_deref();
        let model = model.filter(|model| !model.is_empty() && model.len() <= LONGEST_MODEL);
        let options = self.stream_options.as_ref();
        Completion {
            model: model.unwrap_or(TEAM).to_owned(),
            stream: self.stream == Some(true),
            include_usage: options.and_then(|options| options.include_usage) == Some(true),
            created,
        }
    }

    /// Refuses what a client would take for granted and not get.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let has_audio = self.audio.is_some()
            || self
                .modalities
                .iter()
                .flatten()
                .any(|modality| modality != "text");
        let has_format = self
            .response_format
            .as_ref()
            .is_some_and(|format| format.kind != "text");
        let refusal = if self.n.is_some_and(|n| n != 1) {
            "n must be 1: a turn has one answer"
        } else if has_audio {
            "answers are text: audio is not supported"
        } else if self.functions.is_some() {
            "functions is not supported: use tools"
        } else if has_format {
            "answers are text: response_format is not supported"
        } else {
            return Ok(());
        };
        Err(ApiError::bad_request(refusal))
    }

    /// The names of the conversation in the body, the strongest first.
    pub(super) fn conversations(&self) -> impl Iterator<Item = &str> {
        let metadata = self.metadata.as_ref();
        let of_metadata = metadata.and_then(|metadata| metadata.conversation_id.as_deref());
        of_metadata
            .into_iter()
            .chain(self.conversation_id.as_deref())
    }

    pub(super) fn message_id(&self) -> Result<Option<MessageId>, ApiError> {
        let metadata = self.metadata.as_ref();
        let id = metadata.and_then(|metadata| metadata.message_id.as_deref());
        id.map(parse_message).transpose()
    }

    /// The client's tools, and results of their calls.
    pub(super) fn client(&self, has_conversation: bool) -> Result<Client, ApiError> {
        let results = self.messages.results();
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
        let tools: Vec<_> = tools.map(Tool::of_client).collect::<Result<_, _>>()?;
        let brings_some = !tools.is_empty() || !results.is_empty();
        if brings_some && !has_conversation {
            return Err(ApiError::bad_request(
                "tools need a conversation: name it in the header X-Conversation-Id",
            ));
        }
        Ok(Client { tools, results })
    }
}

impl Tool {
    fn of_client(&self) -> Result<ClientTool, ApiError> {
        let Some(function) = &self.function else {
            return Err(ApiError::bad_request(
                "tools must be functions: other kinds are not supported",
            ));
        };
        let parameters = function.parameters.clone();
        Ok(ClientTool {
            name: function.name.clone(),
            description: function.description.clone().unwrap_or_default(),
            parameters: parameters.unwrap_or_else(|| Value::Object(Map::new())),
        })
    }
}

/// A request for a completion. Fields that are not named here are ignored.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = ChatCompletionRequest)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Document {
    /// `baton`, or `baton-title` for the title of a conversation. Any other name is answered like `baton`.
    model: Option<String>,
    /// As in OpenAI's reference. `system` and `developer` messages are ignored.
    messages: Vec<Value>,
    stream: Option<bool>,
    /// Functions that the client executes, for callers who may bring some.
    tools: Option<Vec<Value>>,
    /// `conversation_id` and `message_id` count.
    metadata: Option<Value>,
    conversation_id: Option<String>,
}
