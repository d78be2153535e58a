//! `POST /v1/responses`: takes a message and answers as a response.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::View;
use baton_handoff::history::{Item, Role};
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use bytes::BytesMut;
use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use super::MEDIA_TYPE;
use super::approvals;
use super::events::Events;
use super::ids::{ResponseId, no_such_response};
use super::object::About;
use super::read;
use super::request::{Asked, GoesOn};
use crate::app::App;
use crate::edge::bounds::Places;
use crate::edge::error::ApiError;
use crate::faces::body::Bodies;
use crate::faces::door::{Id, Knock, Words};
#[cfg(test)]
use crate::openapi::refusals;
use crate::routes::answers::{begun_by, uncached};
use crate::stream::Encoder;
use crate::stream::formats::is_plain;
use crate::stream::whole::Whole;

/// Turns of the history that are looked at to find the last message.
const LAST_TURNS: usize = 8;

/// How often an official client has sent a request before.
const RETRIES: &str = "x-stainless-retry-count";

/// Responses.
///
/// OpenAI's own protocol, for its clients. The last user message is said in the conversation that `conversation` or
/// `previous_response_id` names; without one in a new conversation.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/responses", operation_id = "createResponse", tag = "faces",
    request_body(content = super::request::Document, description = "At most 4 MB."),
    responses(
        (
            status = 200, description = "A `response`; with `stream` server-sent events. Where the answer is not over in time, or with `background`, an object with the status `in_progress`, to be read again.",
            content((serde_json::Value = "application/json"), (String = "text/event-stream"))
        ),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
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
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let plain = is_plain(&parts.headers);
    let created_at = app.engine.now() / 1000;
    let knock = Knock::at(app, places, parts).await?;
    let asked: Asked = bodies.read(knock.headers(), body).await?;
    asked.check()?;
    let streams = asked.stream == Some(true);
    let goes_on = asked.goes_on()?;
    let answered = approvals::record(&knock, goes_on.conversation(), &asked.input.approvals);
    if let Some((conversation, id)) = answered.await?.filter(|_| !asked.input.says_something()) {
        // What follows comes in a turn of its own, once it is done.
        return read::again(&conversation, id, created_at, streams).await;
    }
    let background = asked.background == Some(true);
    let words = Words {
        // A stream is a listener, and the turn goes on without it all the same.
        background: background && !streams,
        client: asked.client()?,
        ..words(&knock, &asked, goes_on).await?
    };
    let answer = knock.say(words).await?;
    let about = About {
        id: ResponseId {
            conversation: answer.conversation().id().clone(),
            turn: answer.turn(),
        },
        created_at,
        previous: asked.previous_response_id,
        background,
    };
    let mut events = Events::new(about, None);
    if streams {
        let mut first = BytesMut::new();
        events.open(&mut first);
        let response = answer.stream(encoder(events, plain), MEDIA_TYPE);
        return Ok(begun_by(first.freeze(), response));
    }
    if !background {
        let turn = answer.whole().await;
        let mut unsent = BytesMut::new();
        for event in &turn.events {
            events.event(&mut unsent, event);
            unsent.clear();
        }
    }
    Ok(answer.respond(json(events.object())))
}

pub(super) fn encoder(events: Events, plain: bool) -> Box<dyn Encoder> {
    let events = Box::new(events);
    if plain { Whole::of(events) } else { events }
}

/// An object that was written as JSON.
pub(super) fn json(object: String) -> Response {
    uncached(([(header::CONTENT_TYPE, "application/json")], object))
}

/// What is said where.
async fn words(knock: &Knock, asked: &Asked, goes_on: GoesOn) -> Result<Words, ApiError> {
    let message = asked.input.message()?;
    let key = knock.idempotency_key()?;
    let retried = is_retried(knock.headers());
    let (conversation, id) = match goes_on {
        // It is refused for its name.
        GoesOn::Response(previous) if knock.is_stranger() => {
            (Some(previous.conversation), Id::None)
        }
        GoesOn::Response(previous) => {
            let said = said_in(knock, &previous.conversation).await?;
            let turn = behind(&previous, said.as_ref(), &message)?;
            (Some(previous.conversation), Id::Behind { turn })
        }
        GoesOn::Conversation(name) => {
            let id = behind_last(knock, &name, &message).await?;
            (Some(name), id)
        }
        // A repeat finds its conversation by the key, in the space of its principal.
        GoesOn::New => {
            let key = key.as_ref().filter(|_| !knock.is_stranger());
            (key.and_then(named_by), Id::None)
        }
    };
    // Without a key it may have been said in another conversation, which nobody finds again: nothing is done twice.
    let lookups_only = conversation.is_none() && retried;
    let id = key.map_or(id, Id::Given);
    Ok(Words {
        lookups_only,
        ..Words::new(conversation, message, id)
    })
}

/// The id of a message behind the last one of its conversation.
pub(super) async fn behind_last(
    knock: &Knock,
    name: &ConversationId,
    message: &str,
) -> Result<Id, ApiError> {
    let said = said_in(knock, name).await?.unwrap_or_default();
    let turn = said.last_but(is_retried(knock.headers()), message);
    Ok(Id::Behind { turn })
}

fn is_retried(headers: &HeaderMap) -> bool {
    let count = headers.get(RETRIES).and_then(|count| count.to_str().ok());
    count.is_some_and(|count| count != "0")
}

/// The name of the conversation that a message with this key begins.
fn named_by(key: &MessageId) -> Option<ConversationId> {
    let digest = Sha256::digest(key.as_str());
    let bits = digest.iter().take(16);
    let bits = bits.fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    // It is a valid id.
    ConversationId::parse(&format!("key_{bits:032x}")).ok()
}

/// The last messages of a customer: turn and text.
#[derive(Default)]
struct Said {
    messages: Vec<(TurnNumber, String)>,
    /// The number of the last turn.
    last: TurnNumber,
}

impl Said {
    fn of(items: Vec<Item>) -> Self {
        let mut said = Self::default();
        for item in items {
            match item {
                Item::Message {
                    turn,
                    role: Role::Customer,
                    text,
                    ..
                } => said.messages.push((turn, text)),
                Item::Turn { turn, .. } => said.last = turn,
                Item::Message { .. }
                | Item::ToolCall { .. }
                | Item::HandOff { .. }
                | Item::Action { .. } => {}
            }
        }
        said
    }

    /// The turn of the last message; of the one before it, if a client repeats the last one.
    fn last_but(&self, retried: bool, message: &str) -> TurnNumber {
        let mut messages = self.messages.iter().rev();
        let last = messages.next();
        let is_repeated = retried && last.is_some_and(|(_, text)| text == message);
        let last = if is_repeated { messages.next() } else { last };
        last.map_or(0, |(turn, _)| *turn)
    }
}

/// The messages of a conversation; none if it has not begun, or not for this caller.
async fn said_in(knock: &Knock, name: &ConversationId) -> Result<Option<Said>, ApiError> {
    let Some(conversation) = knock.look(name)? else {
        return Ok(None);
    };
    let history = conversation.history(None, LAST_TURNS, View::Customer);
    Ok(history.await?.map(|history| Said::of(history.items)))
}

/// The turn behind which a message is said: that of a response which nothing was said behind, but for this very message, which a
/// client may repeat.
fn behind(
    previous: &ResponseId,
    said: Option<&Said>,
    message: &str,
) -> Result<TurnNumber, ApiError> {
    let said = said.filter(|said| previous.turn <= said.last);
    let said = said.ok_or_else(no_such_response)?;
    let mut later = said.messages.iter();
    let later = later.find(|(turn, _)| *turn > previous.turn);
    if later.is_some_and(|(_, text)| text != message) {
        return Err(ApiError::bad_request(
            "previous_response_id is not the last response of its conversation: there are no branches",
        ));
    }
    Ok(previous.turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(messages: &[(TurnNumber, &str)], last: TurnNumber) -> Said {
        let messages = messages.iter();
        Said {
            messages: messages
                .map(|(turn, text)| (*turn, (*text).to_owned()))
                .collect(),
            last,
        }
    }

    #[test]
    fn a_message_that_was_lost_on_the_way_back_is_the_same_again() {
        let said = said(&[(1, "hello"), (3, "yes")], 4);
        assert_eq!(said.last_but(false, "yes"), 3, "said twice");
        assert_eq!(said.last_but(true, "yes"), 1, "sent twice");
        assert_eq!(said.last_but(true, "no"), 3, "the first never came");
        assert_eq!(Said::default().last_but(true, "hello"), 0);
    }

    #[test]
    fn a_message_goes_behind_the_last_response_only() {
        let said = said(&[(1, "hello"), (3, "yes")], 4);
        let at = |turn, message| {
            let conversation = ConversationId::parse("c").unwrap();
            let previous = ResponseId { conversation, turn };
            let behind = behind(&previous, Some(&said), message);
            behind.map_err(|error| format!("{error:?}"))
        };
        assert_eq!(at(3, "more"), Ok(3));
        assert_eq!(at(4, "more"), Ok(4), "a late result came meanwhile");
        assert_eq!(at(2, "yes"), Ok(2), "a repeat");
        assert!(at(2, "more").unwrap_err().contains("no branches"));
        assert!(at(5, "more").unwrap_err().contains("no such response"));
    }
}
