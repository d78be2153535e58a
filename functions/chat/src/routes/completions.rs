//! `POST /chat/completions`: takes a message and streams the answer.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::ids::{ConversationId, MessageId};
use baton_handoff::text::is_blank;
use baton_handoff::{Accepted, Bound, Overlap, Submission};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;

use super::answers::{insert, name_turn, stream_response, uncached};
use super::input::read_object;
use super::turn_reference;
use crate::app::App;
use crate::auth::asking::Asking;
use crate::edge::bounds::{Places, Purpose, StreamPlace};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
#[cfg(test)]
use crate::openapi::{refusals, streams, values};
use crate::stream::Format;
use crate::stream::formats::negotiate;
use crate::stream::listener;

/// The first turn of a conversation: numbers are never used twice.
const FIRST_TURN: u32 = 1;

/// A message, in bytes.
const MAX_MESSAGE: usize = 32 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a customer says.
#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Message))]
struct Said {
    /// What the customer says; not blank, at most 32 KiB.
    #[cfg_attr(test, schema(min_length = 1))]
    message: String,
    /// Without one a new conversation is made.
    #[cfg_attr(test, schema(value_type = Option<values::ConversationId>))]
    conversation_id: Option<ConversationId>,
    /// Sent again with the same id, a message is answered by the same turn, never by a second one. Without it, a message that a
    /// proxy repeats on a broken connection is a second message.
    #[cfg_attr(test, schema(value_type = Option<values::MessageId>))]
    message_id: Option<MessageId>,
    /// When a turn of the conversation is still running: wait for it in order; be refused with 409; or stop it, keep what it
    /// said, stop those that wait, and go on with this message.
    #[cfg_attr(test, schema(default = "queue"))]
    overlap: Option<OnOverlap>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Overlap, rename_all = "snake_case"))]
enum OnOverlap {
    Queue,
    Reject,
    Interrupt,
}

impl TryFrom<String> for OnOverlap {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "queue" => Ok(Self::Queue),
            "reject" => Ok(Self::Reject),
            "interrupt" => Ok(Self::Interrupt),
            _ => Err("must be \"queue\", \"reject\" or \"interrupt\""),
        }
    }
}

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its shape is read")]
struct Headers {
    /// The message's id for clients that keep it in a header; `message_id` in the body is stronger. Quotes around it are taken
    /// off.
    #[param(rename = "Idempotency-Key", value_type = values::MessageId, required = false)]
    idempotency_key: MessageId,
    /// With `respond-async` the answer is 202 at once and the turn is read at `Location`.
    #[param(rename = "Prefer", required = false)]
    prefer: String,
    /// With `plain` each response comes as a whole, once it is recorded, and nothing is taken back. `text/plain` means that too.
    #[param(rename = "X-Baton-Client", required = false)]
    client: String,
}

/// Says something and streams the answer.
///
/// The message is recorded before the first byte is sent. A client that leaves does not stop the turn: it can be followed. The
/// format goes by `Accept`: `text/event-stream`, `text/plain`, else `application/x-ndjson`.
#[cfg_attr(test, utoipa::path(
    post, path = "/chat/completions", operation_id = "say", tag = "chat",
    params(Headers),
    request_body(
        content = Said, description = "At most 256 KiB: a message of 32 KiB fits, however it is escaped.",
        examples(
            ("first" = (
                summary = "A new conversation",
                value = json!({"message": "My rocket-powered unicycle exploded."})
            )),
            ("safe" = (
                summary = "Safe to send again",
                value = json!({"conversation_id": "c1", "message": "Refund it, please.", "message_id": "m7"})
            )),
        )
    ),
    responses(
        (status = 200, response = streams::TurnStream),
        (
            status = 202, description = "Recorded; the turn runs without a listener.",
            headers(
                ("Location" = values::TurnEvents, description = "Where the turn's events are."),
                ("X-Conversation-Id" = values::ConversationId, description = "The conversation, also when it was made by this request. Always sent."),
                ("X-Turn" = values::TurnNumber, description = "The turn that took the message. Always sent."),
                ("Preference-Applied" = String, description = "`respond-async`"),
            )
        ),
        (status = 400, response = refusals::BadRequest),
        (
            status = 409, body = Error,
            description = "A turn of the conversation is running and `overlap` is `reject`. Nothing was recorded.",
            headers(("Location" = values::TurnEvents, description = "Where the running turn's events are."))
        ),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let format = negotiate(&parts.headers);
    let asking = Asking::of(&app, &mut parts).await?;
    let counted = asking.counted();
    counted.count(&app.engine, Bound::MessagesOwner, Bound::MessagesAddress)?;
    let said: Said = read_object(&parts.headers, body).await?;
    check_message(&said.message)?;
    let name = said.conversation_id.as_ref();
    let caller = asking.caller(&app, &parts, name)?;
    let counted = caller.counted();
    let (by_owner, by_address) = (Bound::ConversationsOwner, Bound::ConversationsAddress);
    let begins = counted.would_fit(&app.engine, by_owner, by_address);
    let opened = match (name, begins) {
        (None, begins) => {
            begins?;
            app.engine.begin(caller.principal())
        }
        (Some(name), Ok(())) => caller.open(&app, name)?,
        (Some(name), Err(over)) => caller.open(&app, name)?.not_begun_over(over),
    };
    let opened = opened.with_claims(caller.claims());
    let conversation = opened.id();
    // Read also where the body is stronger: a wrong one is a client's mistake all the same.
    let key = idempotency_key(&parts.headers)?;
    let background = prefers_async(&parts.headers);
    let submission = Submission {
        message: said.message,
        message_id: said.message_id.or(key),
        overlap: match said.overlap {
            None | Some(OnOverlap::Queue) => Overlap::Queue,
            Some(OnOverlap::Reject) => Overlap::Reject,
            Some(OnOverlap::Interrupt) => Overlap::Interrupt,
        },
        background,
        ..Submission::default()
    };
    let turn = places.turn(counted.address)?;
    let stream = if background {
        None
    } else {
        Some(places.stream(Purpose::Turn, &opened.party(), counted.address)?)
    };
    let accepted = opened.submit(submission).await.map_err(|refusal| {
        ApiError::from_refusal(&refusal, |turn| turn_reference(conversation, turn))
    })?;
    turn.hold(&accepted, background);
    if accepted.turn == FIRST_TURN {
        // Another one that came at the same time may have taken the last place. The message is recorded all the same.
        let _over = counted.count(&app.engine, by_owner, by_address);
    }
    let mut response = answer(accepted, conversation, format, stream);
    caller.remember(&mut response);
    Ok(response)
}

/// The stream of an accepted turn, which has this place; or its address.
pub(super) fn answer(
    accepted: Accepted,
    conversation: &ConversationId,
    format: &Format,
    place: Option<StreamPlace>,
) -> Response {
    let turn = accepted.turn;
    let mut response = if let Some(place) = place {
        let body = listener::turn(accepted.log, turn, (format.encoder)(conversation), None);
        place.hold(stream_response(body, format))
    } else {
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
    };
    name_turn(&mut response, conversation, turn);
    response
}

fn check_message(message: &str) -> Result<(), ApiError> {
    if is_blank(message) {
        return Err(ApiError::bad_request("message is empty"));
    }
    if message.len() > MAX_MESSAGE {
        let detail = format!("message is over {MAX_MESSAGE} bytes");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<MessageId>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    // The draft standard writes the key as a quoted string; most clients send it bare.
    let key = value.to_str().unwrap_or_default().trim_matches('"');
    MessageId::parse(key)
        .map(Some)
        .map_err(|error| ApiError::bad_request(format!("Idempotency-Key {error}")))
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
