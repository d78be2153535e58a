//! Conversations as people read them: the list, one history, export, erase.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use baton_handoff::event::Position;
use baton_handoff::history::History;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::completions::stream_response;
use super::export::{self, Form};
use super::input::{Path, Query};
use super::operator::{Entries, Operator, Paging, Round, page};
use super::{OWNER, last_position, parse_conversation};
use crate::accept::wanted;
use crate::budget::Budget;
use crate::encode::Format;
use crate::error::ApiError;
use crate::follow;
use crate::router::App;

/// Turns of one page of history.
const TURNS: usize = 50;
const MOST_TURNS: usize = 500;

pub(crate) async fn list(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let engine = &app.engine;
    let read = |after, limit| async move {
        let page = engine.conversations(OWNER, after, limit).await?;
        Ok(Round {
            values: page.conversations.iter().map(|one| json!(one)).collect(),
            unreadable: page.unreadable,
            next: page.next,
        })
    };
    page(&budget, "conversations", || Entries::gather(&paging, read)).await
}

pub(crate) async fn history(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let before: Option<u32> = query.number("before")?;
    let turns: Option<usize> = query.number("turns")?;
    let turns = turns.unwrap_or(TURNS).clamp(1, MOST_TURNS);
    let (engine, conversation) = (&app.engine, &conversation);
    let make = || async move {
        let history = engine.history(conversation, before, turns).await?;
        written(&history.ok_or_else(no_such_conversation)?)
    };
    json_page(&budget, make).await
}

/// What happens in the conversation from now on, or behind a position, turn after turn.
pub(crate) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let after = last_position(&headers, &query)?
        .map(|after| after.parse::<Position>())
        .transpose()
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let pulse = app
        .engine
        .pulse(&conversation)
        .await?
        .filter(|pulse| !pulse.is_empty())
        .ok_or_else(no_such_conversation)?;
    let body = follow::events(app.engine.clone(), conversation, &pulse, after);
    Ok(stream_response(body, Format::Sse))
}

pub(crate) async fn erase(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    app.engine.erase(&conversation).await?;
    Ok(uncached(StatusCode::NO_CONTENT))
}

/// The whole conversation, JSON or readable Markdown by `Accept`.
pub(crate) async fn export(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let form = if wants_markdown(&headers) {
        Form::Markdown
    } else {
        Form::Json
    };
    let body = export::document(app.engine, budget, &conversation, form)
        .await?
        .ok_or_else(no_such_conversation)?;
    let headers = [
        (header::CONTENT_TYPE, form.media_type()),
        (header::VARY, "Accept"),
    ];
    let mut response = uncached((headers, body));
    let name = format!(
        "attachment; filename=\"conversation-{conversation}.{}\"",
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

/// As JSON, for a [`Budget`].
fn written(history: &History) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(history).map_err(|error| {
        tracing::error!(%error, "a history cannot be written as JSON");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the history cannot be written",
        )
    })
}

/// A page that `make` writes as JSON.
pub(super) async fn json_page<F>(
    budget: &Budget,
    make: impl Fn() -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Vec<u8>, ApiError>>,
{
    let make = || {
        let page = make();
        async { page.await.map(|page| (page, ())) }
    };
    let (page, ()) = budget.piece(make).await??;
    let chunks = page.into_iter().map(Ok::<_, Infallible>);
    let headers = [(header::CONTENT_TYPE, "application/json")];
    let body = Body::from_stream(stream::iter(chunks));
    Ok(uncached((headers, body)))
}

pub(super) fn uncached(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}
