//! Conversations as people read them: the list, one history, export, erase.

use std::num::NonZero;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::Role;
use baton_handoff::event::Position;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::answers::{json_page, stream_response, uncached, written};
use super::export::{self, Form};
use super::input::{Path, Query};
use super::operator::{Entries, Operator, Paging, Round, page, page_of};
use super::{last_position, open, stream_place};
use crate::app::App;
use crate::auth::caller::{Caller, must};
use crate::edge::accept::wanted;
use crate::edge::bounds::{Places, Purpose};
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, streams, values};
use crate::stream::budget::Budget;
use crate::stream::conversation as stream_of;
use crate::stream::formats::typed;

/// Turns of one page of history.
const TURNS: usize = 50;
const MOST_TURNS: usize = 500;

page_of! {
    /// A part of the list of conversations.
    SummaryPage { conversations: values::Summary }
}

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct Turns {
    /// Only turns before this one: the `before` of the page that was read last.
    #[param(required = false, value_type = values::TurnNumber)]
    before: u32,
    /// How many turns at most; more than 500 are taken for 500. A page ends before that where it has 256 KB of records; a turn
    /// that has more is a page of its own.
    #[param(required = false, minimum = 1, default = 50)]
    turns: usize,
}

/// One's own conversations, newest activity first.
///
/// A customer's are also those that it began as a visitor. Without a credential, where that is allowed, there are none: then the
/// client keeps the ids.
#[cfg_attr(test, utoipa::path(
    get, path = "/conversations", operation_id = "listConversations", tag = "conversations",
    params(Paging),
    responses(
        (status = 200, description = "A part of the list.", body = SummaryPage),
        refusals::OfReads,
    ),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    caller: Caller,
    paging: Paging,
) -> Result<Response, ApiError> {
    let (engine, principal) = (&app.engine, caller.principal());
    let read = |after, limit| async move {
        let page = engine.conversations(principal, after, limit).await?;
        Ok(Round {
            values: page.conversations,
            unreadable: page.unreadable,
            next: page.next,
        })
    };
    page::<SummaryPage, _>(&budget, || Entries::gather(&paging, read)).await
}

/// All conversations of the operator's tenant, the newest first by their begin.
#[cfg_attr(test, utoipa::path(
    get, path = "/desk/conversations", operation_id = "listAllConversations", tag = "operators",
    params(Paging),
    responses(
        (status = 200, description = "A part of the list.", body = SummaryPage),
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn list_all(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Operator(operator): Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    must(&operator, Role::See)?;
    let (engine, tenant) = (&app.engine, &operator.tenant);
    let read = |after, limit| async move {
        let page = engine.conversations_in(tenant, after, limit).await?;
        Ok(Round {
            values: page.conversations,
            unreadable: page.unreadable,
            next: page.next,
        })
    };
    page::<SummaryPage, _>(&budget, || Entries::gather(&paging, read)).await
}

/// The history, its last turns first to be asked for.
#[cfg_attr(test, utoipa::path(
    get, path = "/conversations/{id}", operation_id = "readConversation", tag = "conversations",
    params(("id" = values::ConversationId, Path), Turns),
    responses(
        (status = 200, description = "The turns, oldest first.", body = values::History),
        refusals::OfReads,
    ),
))]
pub(crate) async fn history(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let before: Option<u32> = query.number("before")?;
    let turns: Option<NonZero<usize>> = query.number("turns")?;
    let turns = turns.map_or(TURNS, |turns| turns.get().min(MOST_TURNS));
    let (conversation, view) = (&conversation, caller.view());
    let make = || async move {
        let history = conversation.history(before, turns, view).await?;
        written(&history.ok_or_else(no_such_conversation)?)
    };
    json_page(&budget, make).await
}

/// What happens in a conversation from now on.
///
/// For a second tab: the events of the turn that runs and of those to come, one turn after the other, and between turns the ends
/// of actions and `conversation_deleted`. The end of a turn does not end this stream; `turn_continues` does. What lies behind a
/// position is sent first.
#[cfg_attr(test, utoipa::path(
    get, path = "/conversations/{id}/events", operation_id = "followConversation", tag = "conversations",
    params(("id" = values::ConversationId, Path), super::LastEvent, super::Behind, super::Plain),
    responses(
        (status = 200, response = streams::ConversationStream),
        refusals::OfStreams,
    ),
))]
pub(crate) async fn events(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let after = last_position(&headers, &query)?
        .map(|after| after.parse::<Position>())
        .transpose()
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let place = stream_place(&places, &caller, &conversation, Purpose::Follow)?;
    let pulse = conversation
        .pulse()
        .await?
        .filter(|pulse| !pulse.is_empty())
        .ok_or_else(no_such_conversation)?;
    let format = typed(&headers);
    let body = stream_of::events(app.engine.clone(), conversation, &pulse, after, format);
    Ok(place.hold(stream_response(body, format.media_type)))
}

/// Erases what was said.
///
/// Stops a running turn and makes everything said unreadable at once. Accepted actions go on until they end; orders and refunds
/// stay, they are accounts. The id may be used again and goes on with new turn numbers.
#[cfg_attr(test, utoipa::path(
    delete, path = "/conversations/{id}", operation_id = "eraseConversation", tag = "conversations",
    params(("id" = values::ConversationId, Path)),
    responses(
        (status = 204, description = "Erased."),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn erase(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.must(Role::Administer)?;
    open(&app, &caller, &id)?.erase().await?;
    Ok(uncached(StatusCode::NO_CONTENT))
}

/// The whole conversation as a file.
#[cfg_attr(test, utoipa::path(
    get, path = "/conversations/{id}/export", operation_id = "exportConversation", tag = "conversations",
    params(("id" = values::ConversationId, Path)),
    responses(
        (
            status = 200,
            description = "JSON, or Markdown where `Accept` asks for `text/markdown`. A stream: it is read as fast as it is \
                           taken, and ends in good form also where it cannot go on; then it says so.",
            content((values::History = "application/json"), (values::Markdown = "text/markdown")),
            headers(("Content-Disposition" = String, description = "An attachment with a name."))
        ),
        refusals::OfReads,
    ),
))]
pub(crate) async fn export(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let form = if wants_markdown(&headers) {
        Form::Markdown
    } else {
        Form::Json
    };
    let body = export::document(conversation.clone(), caller.view(), budget, form)
        .await?
        .ok_or_else(no_such_conversation)?;
    let headers = [
        (header::CONTENT_TYPE, form.media_type()),
        (header::VARY, "Accept"),
    ];
    let mut response = uncached((headers, body));
    let name = format!(
        "attachment; filename=\"conversation-{}.{}\"",
        conversation.id(),
        form.ending()
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn wants_markdown(headers: &HeaderMap) -> bool {
    let wanted = wanted(headers, &header::ACCEPT);
    let known = wanted.iter().find_map(|range| match range.as_str() {
        "text/markdown" | "text/*" => Some(true),
        "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    });
    known.unwrap_or(false)
}

fn no_such_conversation() -> ApiError {
    ApiError::not_found("no such conversation")
}
