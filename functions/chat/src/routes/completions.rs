//! `POST /chat/completions`: takes a message and streams the answer.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::{Accepted, Overlap, Submission};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::conversations::uncached;
use super::input::{read_object, text_field};
use super::{OWNER, turn_reference};
use crate::body;
use crate::encode::Format;
use crate::error::ApiError;
use crate::router::App;

/// A message, in bytes.
const MAX_MESSAGE: usize = 32 * 1024;

/// Headers of a stream, those of the layers around it among them: the map need not grow.
const HEADERS: usize = 12;

pub(crate) const CONVERSATION_HEADER: HeaderName = HeaderName::from_static("x-conversation-id");
pub(crate) const TURN_HEADER: HeaderName = HeaderName::from_static("x-turn");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(crate) async fn create(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let format = Format::negotiate(&parts.headers);
    let fields = read_object(&parts.headers, body).await?;
    let conversation = match id_field(&fields, "conversation_id")? {
        Some(id) => ConversationId::parse(id).map_err(|error| bad_id("conversation_id", error))?,
        None => app.engine.new_conversation(),
    };
    let background = prefers_async(&parts.headers);
    let submission = Submission {
        conversation: conversation.clone(),
        owner: OWNER.to_owned(),
        message: message(&fields)?,
        message_id: message_id(&fields, &parts.headers)?,
        overlap: overlap(&fields)?,
        background,
    };
    let accepted = app.engine.submit(submission).await.map_err(|refusal| {
        ApiError::from_refusal(&refusal, |turn| turn_reference(&conversation, turn))
    })?;
    Ok(answer(accepted, &conversation, format, background))
}

/// The stream of an accepted turn, or where to find it.
pub(super) fn answer(
    accepted: Accepted,
    conversation: &ConversationId,
    format: Format,
    background: bool,
) -> Response {
    let turn = accepted.turn;
    let mut response = if background {
        let mut response = uncached(StatusCode::ACCEPTED);
        insert(
            &mut response,
            header::LOCATION,
            &turn_reference(conversation, turn),
        );
        insert(
            &mut response,
            HeaderName::from_static("preference-applied"),
            "respond-async",
        );
        response
    } else {
        stream_response(
            body::events(accepted.log, conversation.clone(), turn, format, None),
            format,
        )
    };
    name_turn(&mut response, conversation, turn);
    response
}

/// Says which turn of which conversation the answer is about.
pub(super) fn name_turn(response: &mut Response, conversation: &ConversationId, turn: TurnNumber) {
    insert(response, CONVERSATION_HEADER, conversation.as_str());
    insert(response, TURN_HEADER, &turn.to_string());
}

/// A stream that nobody on the way may keep, transform or hold back.
pub(super) fn stream_response(body: Body, format: Format) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    // Ids and paths of ours are plain ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn message(fields: &Map<String, Value>) -> Result<String, ApiError> {
    let message = text_field(fields, "message")?;
    if message.trim().is_empty() {
        return Err(ApiError::bad_request("message is empty"));
    }
    if message.len() > MAX_MESSAGE {
        let detail = format!("message is over {MAX_MESSAGE} bytes");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(message.to_owned())
}

fn id_field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id)),
        Some(_) => Err(ApiError::bad_request(format!("{name} must be a string"))),
    }
}

fn bad_id(name: &str, error: baton_handoff::ids::BadId) -> ApiError {
    ApiError::bad_request(format!("{name} {error}"))
}

fn message_id(
    fields: &Map<String, Value>,
    headers: &HeaderMap,
) -> Result<Option<MessageId>, ApiError> {
    if let Some(id) = id_field(fields, "message_id")? {
        return MessageId::parse(id)
            .map(Some)
            .map_err(|error| bad_id("message_id", error));
    }
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    // The draft standard writes the key as a quoted string; most clients send it bare.
    let key = value.to_str().unwrap_or_default().trim_matches('"');
    MessageId::parse(key)
        .map(Some)
        .map_err(|error| bad_id("Idempotency-Key", error))
}

fn overlap(fields: &Map<String, Value>) -> Result<Overlap, ApiError> {
    match fields.get("overlap") {
        None | Some(Value::Null) => Ok(Overlap::Queue),
        Some(Value::String(word)) if word == "queue" => Ok(Overlap::Queue),
        Some(Value::String(word)) if word == "reject" => Ok(Overlap::Reject),
        Some(Value::String(word)) if word == "interrupt" => Ok(Overlap::Interrupt),
        Some(_) => Err(ApiError::bad_request(
            "overlap must be \"queue\", \"reject\" or \"interrupt\"",
        )),
    }
}

/// RFC 7240, section 4.1. Parameters of a preference, and other preferences, are ignored.
fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok());
    preferences
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next())
        .any(|name| name.trim().eq_ignore_ascii_case("respond-async"))
}
