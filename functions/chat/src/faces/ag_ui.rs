//! AG-UI 1.0: `POST /agui` takes a run and streams its events; `GET /agui/{id}/stream` streams the run that is under way, which
//! the protocol lacks.
//!
//! A thread is a conversation and a run is a turn. Of the history in a request only the last message of the customer counts, or the
//! results behind it; state of clients is never taken. Knows the protocol; never rules about conversations.

mod answers;
mod encoder;
mod input;
mod names;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use baton_handoff::Followed;
use baton_handoff::ids::ConversationId;
use http::StatusCode;
use serde_json::{Value, json};

use self::encoder::Runs;
use self::input::{Cause, Input};
use self::names::Held;
use super::body::Bodies;
use super::door::{Id, Knock, Words};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::{Places, Purpose};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::routes::answers::{begun_by, name_turn, stream_response, uncached};
use crate::routes::input::{Path, Query};
use crate::routes::{open, stream_place};
use crate::stream::{late, listener};

const MEDIA_TYPE: &str = "text/event-stream";

/// The longest id of a run, in bytes. It stands in two events.
const LONGEST_RUN: usize = 256;

/// A refusal, in the form of the event that ends a failed run.
pub(super) fn error(status: StatusCode, sentence: &str) -> Value {
    let code = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "refused",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::CONFLICT => "conflict",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        status if status.is_server_error() => "unavailable",
        _ => "bad_request",
    };
    json!({ "type": "RUN_ERROR", "message": sentence, "code": code })
}

/// What of a run's input is read. The rest is ignored.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its shape is read")]
struct RunAgentInput {
    /// The conversation.
    #[schema(rename = "threadId", value_type = values::ConversationId)]
    thread_id: ConversationId,
    /// Comes back with the run's events; at most 256 bytes.
    #[schema(rename = "runId")]
    run_id: String,
    /// The history. The last message of the customer is said, under its own `id`; or the tool messages behind it are results of the
    /// client's tools.
    messages: Vec<Value>,
    /// Tools that the client executes.
    tools: Option<Vec<Value>>,
    /// Answers to all interrupts that are open.
    resume: Option<Vec<Value>>,
}

/// A run of AG-UI.
///
/// Events of AG-UI 1.0, from `RUN_STARTED` to exactly one of `RUN_FINISHED` and `RUN_ERROR`. Sent again with the same message, it is
/// the same turn.
#[cfg_attr(test, utoipa::path(
    post, path = "/agui", operation_id = "runAgent", tag = "faces",
    request_body(content = RunAgentInput, description = "`RunAgentInput`. At most 4 MiB."),
    responses(
        (
            status = 200, description = "The run's events.", body = String, content_type = "text/event-stream",
            headers(
                ("X-Conversation-Id" = values::ConversationId, description = "The conversation."),
                ("X-Turn" = values::TurnNumber, description = "The turn, where the run is that of a message."),
            )
        ),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        // Open interrupts that `resume` does not answer, a stale answer, or results that are not waited for.
        (status = 409, response = refusals::Conflict),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn run(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    Extension(bodies): Extension<Bodies>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let knock = Knock::at(app.clone(), places, parts).await?;
    let input: Input = bodies.read(knock.headers(), body).await?;
    let run = name_of_run(&input.run_id)?;
    let answers = answers::read(input.resume.unwrap_or_default())?;
    let mut asked = None;
    if let Some(conversation) = knock.look(&input.thread_id)? {
        asked = answers::give(&app, &conversation, &answers).await?;
    }
    let (said, held) = input.messages.take();
    let says_more = said.is_some() && !held.has_more();
    let runs = |held: Held| Runs {
        thread: input.thread_id.clone(),
        run,
        team: app.engine.team().clone(),
        held,
    };
    // A run that answers interrupts and says nothing new goes on with their results.
    if !answers.is_empty() && !says_more {
        let asked = asked.ok_or_else(|| {
            ApiError::new(
                StatusCode::CONFLICT,
                "none of these interrupts is one of this thread",
            )
        })?;
        let entered = knock.enter(&input.thread_id)?;
        let (encoder, opening) = runs(held).of(entered.conversation().id());
        let conversation = entered.conversation().clone();
        let body = late::results(app.engine.clone(), conversation, asked, Box::new(encoder));
        let response = begun_by(opening, stream_response(body, MEDIA_TYPE));
        return Ok(entered.respond(response));
    }
    let mut words = words(input.thread_id.clone(), said)?;
    words.client.tools = input
        .tools
        .unwrap_or_default()
        .into_iter()
        .map(Into::into)
        .collect();
    let answer = knock.say(words).await?;
    let (encoder, opening) = runs(held).of(answer.conversation().id());
    let response = answer.stream(Box::new(encoder), MEDIA_TYPE);
    Ok(begun_by(opening, response))
}

/// What is said, for the door.
fn words(thread: ConversationId, said: Option<Cause>) -> Result<Words, ApiError> {
    Ok(match said {
        None => return Err(ApiError::bad_request("messages has no message of the user")),
        Some(Cause::User { id, users, text }) => {
            let id = id.map_or(Id::Derived { users }, Id::Given);
            Words::new(Some(thread), text, id)
        }
        Some(Cause::Results { users, results }) => {
            let mut words = Words::new(Some(thread), String::new(), Id::Derived { users });
            words.client.results = results;
            words
        }
    })
}

fn name_of_run(run: &str) -> Result<Arc<str>, ApiError> {
    if run.len() > LONGEST_RUN {
        let detail = format!("runId is over {LONGEST_RUN} bytes");
        return Err(ApiError::bad_request(detail));
    }
    Ok(Arc::from(run))
}

/// The run that is under way, from its start.
///
/// Not a part of AG-UI: a client whose stream was cut drops what came of the run and reads it here. It is also where a result that comes
/// later is told.
#[cfg_attr(test, utoipa::path(
    get, path = "/agui/{id}/stream", operation_id = "followRun", tag = "faces",
    params(
        ("id" = values::ConversationId, Path, description = "The thread."),
        ("run" = Option<String>, Query, description = "The `runId` of the events. Without it one is made.")
    ),
    responses(
        (
            status = 200, description = "The run's events.", body = String, content_type = "text/event-stream",
            headers(
                ("X-Conversation-Id" = values::ConversationId, description = "The conversation."),
                ("X-Turn" = values::TurnNumber, description = "The turn."),
            )
        ),
        (status = 204, description = "No run is under way."),
        refusals::OfStreams,
    ),
))]
pub(crate) async fn follow(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let pulse = conversation.pulse().await?;
    let pulse = pulse.filter(|pulse| !pulse.is_empty());
    let pulse = pulse.ok_or_else(|| ApiError::not_found("no such conversation"))?;
    let Some(turn) = pulse.open else {
        return Ok(uncached(StatusCode::NO_CONTENT));
    };
    let run = match query.text("run")? {
        Some(run) => name_of_run(run)?,
        None => Arc::from(format!("turn-{turn}")),
    };
    let place = stream_place(&places, &caller, &conversation, Purpose::Turn)?;
    let Followed::Log(log) = conversation.follow(turn, None).await? else {
        return Ok(uncached(StatusCode::NO_CONTENT));
    };
    let runs = Runs {
        thread: crate::routes::parse_conversation(&id)?,
        run,
        team: app.engine.team().clone(),
        held: Held::default(),
    };
    let (encoder, opening) = runs.of(conversation.id());
    let body = listener::turn(log, turn, Box::new(encoder), None);
    let mut response = place.hold(begun_by(opening, stream_response(body, MEDIA_TYPE)));
    name_turn(&mut response, conversation.id(), turn);
    Ok(response)
}
