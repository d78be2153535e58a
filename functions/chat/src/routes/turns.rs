//! One turn: its events again, and on to its end.

use axum::extract::State;
use axum::response::Response;
use baton_handoff::event::Position;
use baton_handoff::ids::TurnNumber;
use baton_handoff::{CannotRegenerate, Followed, StopError};
use http::{HeaderMap, StatusCode};

use super::completions::{answer, name_turn, stream_response};
use super::conversations::uncached;
use super::input::{Path, Query};
use super::{last_position, parse_conversation};
use crate::body;
use crate::encode::Format;
use crate::error::ApiError;
use crate::router::App;

/// What was missed, and what comes. 204 when the listener has everything and nothing is left to follow.
pub(crate) async fn events(
    State(app): State<App>,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let turn = parse_turn(&turn)?;
    let after = last_position(&headers, &query)?
        .map(|after| parse_position(&after, turn))
        .transpose()?;
    let format = Format::negotiate(&headers);
    let mut response = match app.engine.follow(&conversation, turn, after).await? {
        Followed::Log(log) => stream_response(
            body::events(log, conversation.clone(), turn, format, after),
            format,
        ),
        Followed::NothingLeft => uncached(StatusCode::NO_CONTENT),
        Followed::NoSuchTurn => return Err(ApiError::not_found("no such turn")),
    };
    name_turn(&mut response, &conversation, turn);
    Ok(response)
}

/// Asks for the end of a turn; asking twice, or too late, is harmless.
pub(crate) async fn stop(
    State(app): State<App>,
    Path((id, turn)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (conversation, turn) = (parse_conversation(&id)?, parse_turn(&turn)?);
    match app.engine.stop(&conversation, turn).await {
        Ok(()) => Ok(uncached(StatusCode::ACCEPTED)),
        Err(StopError::NotFound) => Err(ApiError::not_found("no such turn")),
        Err(StopError::Store(error)) => Err(error.into()),
    }
}

/// The last answer anew, as a stream.
pub(crate) async fn regenerate(
    State(app): State<App>,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (conversation, turn) = (parse_conversation(&id)?, parse_turn(&turn)?);
    match app.engine.regenerate(&conversation, turn).await {
        Ok(accepted) => Ok(answer(
            accepted,
            &conversation,
            Format::negotiate(&headers),
            false,
        )),
        Err(CannotRegenerate::NotFound) => Err(ApiError::not_found("no such turn")),
        Err(error @ (CannotRegenerate::NotTheLast | CannotRegenerate::NoMessage)) => {
            Err(ApiError::new(StatusCode::CONFLICT, error.to_string()))
        }
        Err(CannotRegenerate::Store(error)) => Err(error.into()),
    }
}

fn parse_turn(raw: &str) -> Result<TurnNumber, ApiError> {
    let turn = raw.parse::<TurnNumber>().ok();
    // One turn has one address: neither `01` nor `+1` is another name of the first.
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
