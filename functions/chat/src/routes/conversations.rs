//! Conversations as people read them: the list, one history, export, erase.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use baton_handoff::event::Position;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::completions::stream_response;
use super::input::{Path, Query};
use super::operator::{Operator, Paging};
use super::{OWNER, export, last_position, parse_conversation};
use crate::accept::wanted;
use crate::encode::Format;
use crate::error::ApiError;
use crate::follow;
use crate::router::App;

/// Turns of one page of history.
const TURNS: usize = 50;
const MOST_TURNS: usize = 500;

/// Pages of an export: 500 turns each.
const EXPORT_PAGES: usize = 200;

pub(crate) async fn list(
    State(app): State<App>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let page = app
        .engine
        .conversations(OWNER, paging.after, paging.limit)
        .await?;
    Ok(uncached(Json(page)))
}

pub(crate) async fn history(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let before: Option<u32> = query.number("before")?;
    let turns: Option<usize> = query.number("turns")?;
    let turns = turns.unwrap_or(TURNS).clamp(1, MOST_TURNS);
    let history = app.engine.history(&conversation, before, turns).await?;
    Ok(uncached(Json(history.ok_or_else(no_such_conversation)?)))
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
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let conversation = parse_conversation(&id)?;
    let mut history = app
        .engine
        .history(&conversation, None, MOST_TURNS)
        .await?
        .ok_or_else(no_such_conversation)?;
    let mut pages = vec![std::mem::take(&mut history.items)];
    for _ in 0..EXPORT_PAGES {
        let Some(before) = history.before else { break };
        let Some(earlier) = app
            .engine
            .history(&conversation, Some(before), MOST_TURNS)
            .await?
        else {
            break;
        };
        pages.push(earlier.items);
        history.before = earlier.before;
    }
    history.items = pages.into_iter().rev().flatten().collect();
    let (mut response, ending) = if wants_markdown(&headers) {
        let markdown = (
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            export::markdown(&history),
        );
        (uncached(markdown), "md")
    } else {
        (uncached(Json(history)), "json")
    };
    let name = format!("attachment; filename=\"conversation-{conversation}.{ending}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
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

pub(super) fn uncached(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}
