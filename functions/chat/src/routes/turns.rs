//! One turn: its events again, and on to its end.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::event::Position;
use baton_handoff::ids::TurnNumber;
use baton_handoff::{Followed, Role, StopError};
use bytes::BytesMut;
use http::{HeaderMap, StatusCode};

use super::answers::{name_turn, stream_response, uncached};
use super::input::{Path, Query};
use super::{last_position, open, stream_place};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::{Places, Purpose};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
use crate::faces::door::Answer;
#[cfg(test)]
use crate::openapi::{refusals, streams, values};
use crate::stream::formats::negotiate;
use crate::stream::listener::{self, encode_rest};

/// A turn's events again, and on to its end.
///
/// Replays what lies behind the given position, then goes on live. The same formats as the answer to a message.
#[cfg_attr(test, utoipa::path(
    get, path = "/conversations/{id}/turns/{turn}/events", operation_id = "followTurn", tag = "chat",
    params(("id" = values::ConversationId, Path), ("turn" = values::TurnNumber, Path), super::LastEvent, super::Behind, super::Plain),
    responses(
        (status = 200, response = streams::TurnStream),
        (
            status = 204, description = "The turn is over and nothing lies behind the position.",
            headers(
                ("X-Conversation-Id" = values::ConversationId, description = "The conversation. Always sent."),
                ("X-Turn" = values::TurnNumber, description = "The turn. Always sent."),
            )
        ),
        refusals::OfStreams,
    ),
))]
pub(crate) async fn events(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let turn = parse_turn(&turn)?;
    let after = last_position(&headers, &query)?
        .map(|after| parse_position(&after, turn))
        .transpose()?;
    let format = negotiate(&headers);
    let mut encoder = (format.encoder)(conversation.id());
    let place = stream_place(&places, &caller, &conversation, Purpose::Turn)?;
    let mut response = match conversation.follow(turn, after).await? {
        Followed::Log(log) => place.hold(stream_response(
            listener::turn(log, turn, encoder, after),
            format.media_type,
        )),
        Followed::NothingLeft(end) => {
            let mut rest = BytesMut::new();
            if let Some(after) = after {
                encode_rest(&mut *encoder, &mut rest, &end, after);
            }
            if rest.is_empty() {
                uncached(StatusCode::NO_CONTENT)
            } else {
                stream_response(Body::from(rest.freeze()), format.media_type)
            }
        }
        Followed::NoSuchTurn => return Err(ApiError::not_found("no such turn")),
    };
    name_turn(&mut response, conversation.id(), turn);
    Ok(response)
}

/// Stops a turn.
///
/// Asks the instance that runs it; what was said so far is kept, accepted actions go on. Twice, or too late, is harmless.
#[cfg_attr(test, utoipa::path(
    post, path = "/conversations/{id}/turns/{turn}/stop", operation_id = "stopTurn", tag = "chat",
    params(("id" = values::ConversationId, Path), ("turn" = values::TurnNumber, Path)),
    responses(
        (status = 202, description = "Asked for; the turn's stream ends with `turn_stopped`, unless it was over before."),
        refusals::OfReads,
    ),
))]
pub(crate) async fn stop(
    State(app): State<App>,
    caller: Caller,
    Path((id, turn)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    let (conversation, turn) = (open(&app, &caller, &id)?, parse_turn(&turn)?);
    match conversation.stop(turn).await {
        Ok(()) => Ok(uncached(StatusCode::ACCEPTED)),
        Err(StopError::NotFound) => Err(ApiError::not_found("no such turn")),
        Err(StopError::Store(error)) => Err(error.into()),
    }
}

/// Says the last answer anew and streams it.
///
/// A new turn from the same message takes the place of the last one, which is kept. It never makes an action that the old one did
/// not have.
#[cfg_attr(test, utoipa::path(
    post, path = "/conversations/{id}/turns/{turn}/regenerate", operation_id = "regenerateTurn", tag = "chat",
    params(("id" = values::ConversationId, Path), ("turn" = values::TurnNumber, Path), super::Plain),
    responses(
        (status = 200, response = streams::TurnStream),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 409, body = Error, description = "It is not the last turn, it is not over, or it has no message."),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn regenerate(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (conversation, turn) = (open(&app, &caller, &id)?, parse_turn(&turn)?);
    let answer = Answer::again(&app, &places, caller, conversation, turn).await?;
    let format = negotiate(&headers);
    let encoder = (format.encoder)(answer.conversation().id());
    Ok(answer.stream(encoder, format.media_type))
}

fn parse_turn(raw: &str) -> Result<TurnNumber, ApiError> {
    let turn = raw.parse::<TurnNumber>().ok();
    // A turn has one address: neither `01` nor `+1` is another name of the first.
    turn.filter(|turn| turn.to_string() == raw)
        .ok_or_else(|| ApiError::bad_request("a turn is a number"))
}

fn parse_position(raw: &str, turn: u32) -> Result<Position, ApiError> {
    let position: Position = raw
        .parse()
        .map_err(|error| ApiError::bad_request(format!("{error}")))?;
    if position.turn == turn {
        Ok(position)
    } else {
        Err(ApiError::bad_request(
            "that position is one of another turn",
        ))
    }
}
