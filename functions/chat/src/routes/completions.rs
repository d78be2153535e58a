//! `POST /chat/completions`: takes a message and streams the answer.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::Overlap;
use baton_handoff::ids::{ConversationId, MessageId};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;

use super::answers::{insert, uncached};
use super::input::read_object;
use super::turn_reference;
use crate::app::App;
use crate::edge::bounds::Places;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::edge::error::Error;
use crate::faces::door::{Answer, Id, Knock, Words};
#[cfg(test)]
use crate::openapi::{refusals, streams, values};
use crate::stream::formats::negotiate;

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
    let (parts, body) = request.into_parts();
    let format = negotiate(&parts.headers);
    let knock = Knock::at(app, places, parts).await?;
    let said: Said = read_object(knock.headers(), body).await?;
    // Read also where the body is stronger: a wrong one is a client's mistake all the same.
    let key = knock.idempotency_key()?;
    let id = said.message_id.or(key).map_or(Id::None, Id::Given);
    let background = prefers_async(knock.headers());
    let overlap = match said.overlap {
        None | Some(OnOverlap::Queue) => Overlap::Queue,
        Some(OnOverlap::Reject) => Overlap::Reject,
        Some(OnOverlap::Interrupt) => Overlap::Interrupt,
    };
    let words = Words {
        overlap,
        background,
        ..Words::new(said.conversation_id, said.message, id)
    };
    let answer = knock.say(words).await?;
    Ok(if background {
        accepted(answer)
    } else {
        let encoder = (format.encoder)(answer.conversation().id());
        answer.stream(encoder, format.media_type)
    })
}

/// The address of an accepted turn that has no listener.
fn accepted(answer: Answer) -> Response {
    let mut response = uncached(StatusCode::ACCEPTED);
    let location = turn_reference(answer.conversation().id(), answer.turn());
    insert(&mut response, header::LOCATION, &location);
    insert(
        &mut response,
        HeaderName::from_static("preference-applied"),
        "respond-async",
    );
    answer.respond(response)
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
