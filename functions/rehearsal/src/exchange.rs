//! One exchange over HTTP, in whichever format the client speaks: read, play, write.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::conversation::{Conversation, Delivery};
use crate::error::ApiError;
use crate::formats::{Asked, Format, Heading};
use crate::parts::Identified;
use crate::quirks::{self, Quirk, Tries};
use crate::server::Settings;
use crate::{player, stream};

/// Answers a request in its own format, or refuses it in that.
pub(crate) fn answer(
    format: Format,
    target: &str,
    headers: &HeaderMap,
    body: Result<&[u8], ApiError>,
    settings: &Settings,
    tries: &Tries,
) -> Response {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let read = body.and_then(|body| {
        let asked = Asked {
            target,
            header: &header,
            body,
        };
        let conversation = (format.wire().read)(&asked)?;
        let quirk = Quirk::of(format, &asked, &conversation)?;
        Ok((conversation, quirk))
    });
    match read {
        Ok((conversation, None)) => respond(format, &conversation, settings),
        Ok((conversation, Some(quirk))) => {
            let reply = player::reply(&settings.scenes, &conversation);
            quirks::respond(quirk, format, &conversation, reply, tries)
        }
        Err(error) => refuse(format, &error),
    }
}

fn respond(format: Format, conversation: &Conversation, settings: &Settings) -> Response {
    let wire = format.wire();
    let reply = player::reply(&settings.scenes, conversation).permitted(conversation);
    let answer = Identified::new(conversation, reply, wire.signs);
    let heading = heading(conversation);
    match conversation.delivery {
        Delivery::Whole => json(StatusCode::OK, &(wire.whole)(&heading, &answer)),
        Delivery::Streamed { .. } => {
            let writer = (wire.writer)(heading, conversation.delivery);
            let parts = answer.parts(wire.interleaves);
            let body = stream::body(writer, parts, settings.word_delay);
            let headers = [(CONTENT_TYPE, wire.media_type), (CACHE_CONTROL, "no-cache")];
            (headers, body).into_response()
        }
    }
}

pub(crate) fn heading(conversation: &Conversation) -> Heading {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Heading {
        id: format!("{:016x}", conversation.hash()),
        created: since.map_or(0, |since| since.as_secs()),
        model: conversation.model.clone(),
    }
}

/// An error in the words of the format's service.
pub(crate) fn refuse(format: Format, error: &ApiError) -> Response {
    let refusal = (format.wire().refusal)(error);
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, &refusal.document);
    if let Some((name, value)) = refusal.header {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A JSON response. Every type passed here can be serialised: none has a map with non-string keys.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
