//! The AI SDK's chats (`useChat` with its default transport): the last message of the request is said in the conversation that is
//! the chat, and the turn is a UI message stream, version 1. Source: AI SDK, "Stream Protocols", and its package `ai`.
//!
//! ```text
//! request: what is kept of the body      messages: of its messages
//! parts: the stream, an `Encoder`
//! ```

mod messages;
mod parts;
mod request;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::{Conversation, Followed, Overlap, Pulse, StopError};
use http::{HeaderName, HeaderValue, StatusCode};

use self::parts::{MEDIA_TYPE, Parts};
use self::request::{Asked, Trigger};
use super::body::Bodies;
use super::door::{Answer, Id, Knock, Words};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::{Places, Purpose};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::routes::answers::{name_turn, stream_response, uncached};
use crate::routes::input::{Path, Query};
use crate::routes::{open, parse_conversation, stream_place};
use crate::stream::Encoder;
use crate::stream::formats::is_plain;
use crate::stream::listener;
use crate::stream::whole::Whole;

/// Says which protocol the stream is of.
const VERSION: HeaderName = HeaderName::from_static("x-vercel-ai-ui-message-stream");

/// The query parameter by which a client says that it knows `reset-step`: the AI SDK's major, from 7 on.
const MAJOR: &str = "v";

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct Major {
    /// The major of the AI SDK. From 7 on text is streamed word by word and taken back by `reset-step`; without it each response
    /// comes as a whole, once it is recorded.
    #[param(required = false)]
    v: u32,
}

/// A message of an AI SDK chat.
///
/// `useChat` with its default transport. The chat's `id` is the conversation, the message's `id` its own, so that a repeat is known
/// as one.
#[cfg_attr(test, utoipa::path(
    post, path = "/api/chat", operation_id = "sayInChat", tag = "faces",
    params(Major),
    request_body(content = request::Document, description = "At most 4 MB. Of the messages only the last counts."),
    responses(
        (status = 200, description = "A UI message stream, version 1.", body = String, content_type = "text/event-stream"),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 409, response = refusals::Conflict),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    Extension(bodies): Extension<Bodies>,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let holds = holds_back(&parts.headers, &query)?;
    let knock = Knock::at(app, places, parts).await?;
    let asked: Asked = bodies.read(knock.headers(), body).await?;
    let name = parse_conversation(&asked.id)?;
    if asked.trigger == Some(Trigger::RegenerateMessage) {
        let turn = asked.message.as_deref().and_then(turn_of);
        let answer = knock
            .again(&name, |pulse| turn.or_else(|| last(pulse)))
            .await?;
        return Ok(stream(answer, None, holds));
    }
    let client = asked.client();
    let has_results = !client.results.is_empty();
    // The results of calls go on with the message that holds them.
    let goes_on = asked.messages.goes_on().map(str::to_owned);
    let said = asked.messages.newest()?;
    let id = match said.id {
        Some(id) => Id::Given(parse_message(&id)?),
        // The calls tell them from others.
        None if has_results => Id::Derived { users: 0 },
        None => Id::None,
    };
    let words = Words {
        client,
        overlap: Overlap::Queue,
        ..Words::new(Some(name), said.text, id)
    };
    let answer = knock.say(words).await?;
    Ok(stream(answer, goes_on, holds))
}

fn parse_message(raw: &str) -> Result<MessageId, ApiError> {
    MessageId::parse(raw).map_err(|error| ApiError::bad_request(format!("a message's id {error}")))
}

/// Whether text is held back until its step is recorded.
fn holds_back(headers: &http::HeaderMap, query: &Query) -> Result<bool, ApiError> {
    let major = query.number::<u32>(MAJOR)?;
    Ok(is_plain(headers) || major.is_none_or(|major| major < 7))
}

fn stream(answer: Answer, goes_on: Option<String>, holds: bool) -> Response {
    let message = goes_on.unwrap_or_else(|| message_id(answer.conversation(), answer.turn()));
    let encoder = encoder(message, holds);
    marked(answer.stream(encoder, MEDIA_TYPE))
}

fn encoder(message: String, holds: bool) -> Box<dyn Encoder> {
    let parts = Box::new(Parts::new(message));
    if holds { Whole::of(parts) } else { parts }
}

fn marked(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from_static("v1"));
    response
}

/// The id of the assistant's message: that of its turn, so that a turn that is read again replaces itself.
fn message_id(conversation: &Conversation, turn: TurnNumber) -> String {
    format!("{}_{turn}", conversation.id())
}

/// The turn of an assistant's message.
fn turn_of(message: &str) -> Option<TurnNumber> {
    let (conversation, turn) = message.rsplit_once('_')?;
    ConversationId::parse(conversation).ok()?;
    turn.parse().ok().filter(|turn| *turn > 0)
}

/// The last turn.
fn last(pulse: &Pulse) -> Option<TurnNumber> {
    pulse.next_turn.checked_sub(1).filter(|turn| *turn > 0)
}

/// The running turn of an AI SDK chat, from its start.
///
/// For `resumeStream`: a stream that was cut is read anew.
#[cfg_attr(test, utoipa::path(
    get, path = "/api/chat/{id}/stream", operation_id = "resumeChat", tag = "faces",
    params(("id" = values::ConversationId, Path), Major),
    responses(
        (status = 200, description = "A UI message stream, version 1.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "No turn runs, or there is no such chat for you."),
        (status = 400, response = refusals::BadRequest),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn resume(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path(id): Path<String>,
    headers: http::HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    refuse_operators(&caller)?;
    let holds = holds_back(&headers, &query)?;
    let conversation = open(&app, &caller, &id)?;
    // A chat resumes when its page opens, also one in which nothing was said yet.
    let nothing = || uncached(StatusCode::NO_CONTENT);
    let pulse = conversation.pulse().await?;
    let Some(turn) = pulse.and_then(|pulse| pulse.open) else {
        return Ok(nothing());
    };
    let Followed::Log(log) = conversation.follow(turn, None).await? else {
        return Ok(nothing());
    };
    let place = stream_place(&places, &caller, &conversation, Purpose::Turn)?;
    let encoder = encoder(message_id(&conversation, turn), holds);
    let body = listener::turn(log, turn, encoder, None);
    let mut response = place.hold(stream_response(body, MEDIA_TYPE));
    name_turn(&mut response, conversation.id(), turn);
    Ok(marked(response))
}

/// Stops the running turn of an AI SDK chat.
///
/// A client that only hangs up stops nothing. What was said is kept; if nothing runs, nothing happens.
#[cfg_attr(test, utoipa::path(
    post, path = "/api/chat/{id}/stop", operation_id = "stopChat", tag = "faces",
    params(("id" = values::ConversationId, Path)),
    responses(
        (status = 202, description = "Asked for, or nothing runs."),
        refusals::OfReads,
    ),
))]
pub(crate) async fn stop(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    refuse_operators(&caller)?;
    let conversation = open(&app, &caller, &id)?;
    let no_such = || ApiError::not_found("no such conversation");
    let pulse = conversation.pulse().await?.ok_or_else(no_such)?;
    if let Some(turn) = pulse.open {
        match conversation.stop(turn).await {
            Ok(()) => {}
            Err(StopError::NotFound) => return Err(no_such()),
            Err(StopError::Store(error)) => return Err(error.into()),
        }
    }
    Ok(uncached(StatusCode::ACCEPTED))
}

/// Chats are customers'.
fn refuse_operators(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_operator() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "an operator does not speak as a customer",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_turn() {
        for (message, turn) in [
            ("c_00_7", Some(7)),
            ("abc_1", Some(1)),
            ("abc_0", None),
            ("abc", None),
            ("_7", None),
            ("abc_x", None),
        ] {
            assert_eq!(turn_of(message), turn, "{message}");
        }
    }
}
