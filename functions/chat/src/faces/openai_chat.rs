//! OpenAI's Chat Completions: the last user message of the request is said in the conversation that the request names, and the
//! turn is the completion. Source: OpenAI's API reference, "Chat".
//!
//! ```text
//! request: what is kept of the body      messages: of its messages
//! chunks: the stream, an `Encoder`       completion: the whole answer
//! extension: what Baton tells beside the protocol
//! title: the model for titles, which is none
//! ```

mod chunks;
mod completion;
mod extension;
mod messages;
mod request;
mod title;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use baton_handoff::ids::{ConversationId, MessageId};
use serde_json::{Value, json};

use self::chunks::{Chunks, MEDIA_TYPE};
use self::request::{Asked, Completion};
use super::body::Bodies;
use super::door::{Answer, Id, Knock, Words};
use super::whole::End;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::Places;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::refusals;
use crate::routes::answers::uncached;
use crate::routes::input::Path;
use crate::routes::parse_conversation;
use crate::stream::formats::is_plain;
use crate::stream::whole::Whole;

/// The model that is the team.
const TEAM: &str = "baton";

/// The model that names conversations.
const TITLES: &str = "baton-title";

/// Where a conversation's id stands, the strongest first.
const CONVERSATION_HEADERS: [&str; 2] = ["x-conversation-id", "x-openwebui-chat-id"];

/// Chat Completions.
///
/// OpenAI's own protocol, for its clients. The last user message is said in the conversation that `X-Conversation-Id`,
/// `X-OpenWebUI-Chat-Id`, `metadata.conversation_id` or `conversation_id` names; without one in a new conversation, where no action
/// is accepted.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/chat/completions", operation_id = "createChatCompletion", tag = "faces",
    request_body(content = request::Document, description = "At most 4 MB. Of the messages only the last of the user counts, and the results of tools behind it."),
    responses(
        (
            status = 200, description = "A `chat.completion`; with `stream` server-sent events, each a `chat.completion.chunk`, and `[DONE]`.",
            content((Value = "application/json"), (String = "text/event-stream"))
        ),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
        (status = 504, response = refusals::NotYet),
    ),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    Extension(bodies): Extension<Bodies>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let plain = is_plain(&parts.headers);
    let created = app.engine.now() / 1000;
    let knock = Knock::at(app, places, parts).await?;
    let asked: Asked = bodies.read(knock.headers(), body).await?;
    let completion = asked.completion(created);
    if completion.model == TITLES {
        let title = title::of(asked.messages.last_user());
        return Ok(completion::titled(&completion, &title));
    }
    asked.check()?;
    let conversation = conversation(&knock, &asked)?;
    let id = match knock
        .idempotency_key()?
        .map_or_else(|| asked.message_id(), |id| Ok(Some(id)))?
    {
        Some(id) => Id::Given(id),
        None => Id::Derived {
            users: asked.messages.users(),
        },
    };
    let words = words(asked, conversation, id)?;
    let answer = knock.say(words).await?;
    if completion.stream {
        let chunks = Box::new(Chunks::new(&completion, &answer));
        let encoder = if plain { Whole::of(chunks) } else { chunks };
        return Ok(answer.stream(encoder, MEDIA_TYPE));
    }
    whole(completion, answer).await
}

fn words(asked: Asked, conversation: Option<ConversationId>, id: Id) -> Result<Words, ApiError> {
    let client = asked.client(conversation.is_some())?;
    let lookups_only = conversation.is_none();
    let (message, id) = if lookups_only {
        (asked.messages.with_history()?, Id::None)
    } else {
        (asked.messages.newest()?, id)
    };
    Ok(Words {
        client,
        lookups_only,
        ..Words::new(conversation, message, id)
    })
}

async fn whole(completion: Completion, answer: Answer) -> Result<Response, ApiError> {
    let turn = answer.whole().await;
    let response = match turn.end() {
        End::Completed | End::Stopped => completion::whole(&completion, &answer, &turn),
        End::Failed(code) => completion::failed(code),
        End::Continues => super::not_yet().into_response(),
    };
    Ok(answer.respond(response))
}

/// The client's name for the conversation.
fn conversation(knock: &Knock, asked: &Asked) -> Result<Option<ConversationId>, ApiError> {
    let of_header = |name: &str| {
        let value = knock.headers().get(name);
        value.map(|value| value.to_str().unwrap_or("?"))
    };
    let headers = CONVERSATION_HEADERS.into_iter().filter_map(of_header);
    let named = headers.chain(asked.conversations());
    let named = named.map(str::trim).find(|named| !named.is_empty());
    named.map(parse_conversation).transpose()
}

/// The models.
///
/// `baton` is the team, and `baton-title` names conversations. Any other name is answered by the team too.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/models", operation_id = "listModels", tag = "faces",
    responses((status = 200, description = "OpenAI's list of models.", body = Object)),
))]
pub(crate) async fn models(State(app): State<App>, _caller: Caller) -> Response {
    let models = [TEAM, TITLES].map(|id| model_of(&app, id));
    uncached(Json(json!({ "object": "list", "data": models })))
}

/// One model.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/models/{model}", operation_id = "readModel", tag = "faces",
    params(("model" = String, Path)),
    responses(
        (status = 200, description = "OpenAI's description of a model.", body = Object),
        (status = 404, response = refusals::NotFound),
    ),
))]
pub(crate) async fn model(
    State(app): State<App>,
    _caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if [TEAM, TITLES].contains(&id.as_str()) {
        Ok(uncached(Json(model_of(&app, &id))))
    } else {
        Err(ApiError::not_found("no such model"))
    }
}

fn model_of(app: &App, id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": app.engine.team().name })
}

fn parse_message(raw: &str) -> Result<MessageId, ApiError> {
    MessageId::parse(raw)
        .map_err(|error| ApiError::bad_request(format!("metadata.message_id {error}")))
}
