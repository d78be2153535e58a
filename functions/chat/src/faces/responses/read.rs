//! A response again: read, followed, stopped, and deleted with its conversation.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::event::EventKind;
use baton_handoff::{Conversation, Followed, Role, Seen, StopError, TurnLog};
use bytes::BytesMut;
use http::HeaderMap;
use serde_json::json;
use tokio::time::timeout;

use super::MEDIA_TYPE;
use super::create::{encoder, json as object};
use super::events::Events;
use super::ids::{ResponseId, no_such_response};
use super::object::About;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::{Places, Purpose};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::refusals;
use crate::routes::answers::{begun_by, name_turn, stream_response, uncached};
use crate::routes::input::{Path, Query};
use crate::routes::stream_place;
use crate::stream::Encoder as _;
use crate::stream::formats::is_plain;
use crate::stream::listener;

/// How long a cancelled response is waited for, so that the answer shows its end.
const CANCELLING: Duration = Duration::from_secs(5);

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct Streaming {
    /// The response as server-sent events, from its start and on to its end.
    #[param(required = false)]
    stream: bool,
    /// With `stream`: only events behind the one with this `sequence_number`.
    #[param(required = false)]
    starting_after: u64,
}

/// A response again.
///
/// As it stands; with `stream` its events, on to its end.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/responses/{id}", operation_id = "readResponse", tag = "faces",
    params(("id" = String, Path), Streaming),
    responses(
        (
            status = 200, description = "A `response`, or its events.",
            content((serde_json::Value = "application/json"), (String = "text/event-stream"))
        ),
        refusals::OfStreams,
    ),
))]
pub(crate) async fn read(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let id = ResponseId::parse(&id)?;
    let (conversation, log) = open(&app, &caller, &id).await?;
    let behind = query.number::<u64>("starting_after")?;
    if !wants_stream(&query)? {
        return Ok(object(whole(about(&app, &conversation, &id), &log)));
    }
    let place = stream_place(&places, &caller, &conversation, Purpose::Turn)?;
    let mut events = Events::new(about(&app, &conversation, &id), behind);
    let mut first = BytesMut::new();
    events.open(&mut first);
    let encoder = encoder(events, is_plain(&headers));
    let body = listener::turn(log, id.turn, encoder, None);
    let response = place.hold(stream_response(body, MEDIA_TYPE));
    let mut response = begun_by(first.freeze(), response);
    name_turn(&mut response, conversation.id(), id.turn);
    Ok(response)
}

/// Cancels a response.
///
/// What was said so far stays, accepted actions go on. Twice, or too late, is harmless.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/responses/{id}/cancel", operation_id = "cancelResponse", tag = "faces",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The `response` as it stands, mostly `cancelled`.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    let id = ResponseId::parse(&id)?;
    let (conversation, log) = open(&app, &caller, &id).await?;
    match conversation.stop(id.turn).await {
        Ok(()) => {}
        Err(StopError::NotFound) => return Err(no_such_response()),
        Err(StopError::Store(error)) => return Err(error.into()),
    }
    // It may take longer: the client reads it again.
    let _late = timeout(CANCELLING, log.ended()).await;
    Ok(object(whole(about(&app, &conversation, &id), &log)))
}

/// Deletes a response, if it is all there is of its conversation.
///
/// Single answers of a conversation stay: later ones build on them.
#[cfg_attr(test, utoipa::path(
    delete, path = "/v1/responses/{id}", operation_id = "deleteResponse", tag = "faces",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Deleted.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    let id = ResponseId::parse(&id)?;
    let conversation = caller.open(&app, &id.conversation)?;
    let pulse = conversation.pulse().await?.ok_or_else(no_such_response)?;
    let turns = pulse.erased_below.max(1)..pulse.next_turn;
    if !turns.contains(&id.turn) {
        return Err(no_such_response());
    }
    if turns.len() > 1 {
        return Err(ApiError::bad_request(
            "later answers build on this one: only the whole conversation can be deleted",
        ));
    }
    conversation.erase().await?;
    let deleted = json!({ "id": id.to_string(), "object": "response", "deleted": true });
    Ok(uncached(Json(deleted)))
}

/// A response as it stands, for a request that said nothing further.
pub(super) async fn again(
    conversation: &Conversation,
    id: ResponseId,
    created_at: u64,
    streams: bool,
) -> Result<Response, ApiError> {
    let Followed::Log(log) = conversation.follow(id.turn, None).await? else {
        return Err(no_such_response());
    };
    let turn = id.turn;
    let mut events = Events::new(
        About {
            id,
            created_at,
            previous: None,
            background: false,
        },
        None,
    );
    let mut response = if streams {
        let mut sent = BytesMut::new();
        events.open(&mut sent);
        read_into(&mut events, &mut sent, &log);
        stream_response(sent.freeze().into(), MEDIA_TYPE)
    } else {
        read_into(&mut events, &mut BytesMut::new(), &log);
        object(events.object())
    };
    name_turn(&mut response, conversation.id(), turn);
    Ok(response)
}

fn wants_stream(query: &Query) -> Result<bool, ApiError> {
    match query.text("stream")? {
        None | Some("false" | "False") => Ok(false),
        Some("true" | "True") => Ok(true),
        Some(_) => Err(ApiError::bad_request("stream must be true or false")),
    }
}

async fn open(
    app: &App,
    caller: &Caller,
    id: &ResponseId,
) -> Result<(Conversation, Arc<TurnLog>), ApiError> {
    let conversation = caller.open(app, &id.conversation)?;
    match conversation.follow(id.turn, None).await? {
        Followed::Log(log) => Ok((conversation, log)),
        Followed::NothingLeft(_) | Followed::NoSuchTurn => Err(no_such_response()),
    }
}

fn about(app: &App, conversation: &Conversation, id: &ResponseId) -> About {
    About {
        id: ResponseId {
            conversation: conversation.id().clone(),
            turn: id.turn,
        },
        // Until the turn says when it was accepted.
        created_at: app.engine.now() / 1000,
        previous: None,
        background: false,
    }
}

/// The object of what there is of a turn.
pub(super) fn whole(about: About, log: &TurnLog) -> String {
    let mut events = Events::new(about, None);
    read_into(&mut events, &mut BytesMut::new(), log);
    events.object()
}

fn read_into(events: &mut Events, out: &mut BytesMut, log: &TurnLog) {
    log.read_now(Seen::default(), |unread| {
        unread.for_each(|event| {
            // Of a stream, not of the turn.
            if event.kind != EventKind::TurnContinues {
                events.event(out, event);
            }
        });
    });
}
