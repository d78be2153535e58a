//! One's own conversations as resources.

use baton_handoff::View;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::StoreError;
use rmcp::model::{
    CacheScope, ErrorData, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult,
    Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use crate::app::App;
use crate::auth::caller::Caller;

/// Before the id of a conversation.
const PREFIX: &str = "baton://conversations/";

const JSON: &str = "application/json";

/// Conversations of one page.
const PAGE: usize = 50;

/// The last turns of a conversation that is read.
const TURNS: usize = 50;

pub(super) async fn list(
    app: &App,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let page = app.engine.conversations(caller.principal(), cursor, PAGE);
    let page = page.await.map_err(|error| refusal(&error))?;
    let resources = page.conversations.into_iter().map(|summary| {
        Resource::new(format!("{PREFIX}{}", summary.id), summary.id.to_string())
            .with_title(summary.title)
            .with_mime_type(JSON)
    });
    let mut list = ListResourcesResult::with_all_items(resources.collect())
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private);
    list.next_cursor = page.next;
    Ok(list)
}

pub(super) fn templates() -> ListResourceTemplatesResult {
    let one = ResourceTemplate::new(format!("{PREFIX}{{id}}"), "conversation")
        .with_title("A conversation")
        .with_description("One of the caller's own conversations, its last 50 turns.")
        .with_mime_type(JSON);
    ListResourceTemplatesResult::with_all_items(vec![one])
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private)
}

pub(super) async fn read(
    app: &App,
    caller: &Caller,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let none = || {
        let asked = json!({ "uri": uri });
        ErrorData::resource_not_found("there is no such conversation", Some(asked))
    };
    let id = uri.strip_prefix(PREFIX).ok_or_else(none)?;
    let id = ConversationId::parse(id).map_err(|_| none())?;
    let conversation = caller.open(app, &id).map_err(|_| none())?;
    let history = conversation.history(None, TURNS, View::Customer).await;
    let history = history.map_err(|error| refusal(&error))?.ok_or_else(none)?;
    let text = serde_json::to_string(&history).map_err(|error| {
        tracing::error!(%error, "a history cannot be written as JSON");
        ErrorData::internal_error("the history cannot be written", None)
    })?;
    let contents = ResourceContents::text(text, uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private))
}

fn refusal(error: &StoreError) -> ErrorData {
    match error {
        StoreError::BadCursor => ErrorData::invalid_params(error.to_string(), None),
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "a request failed on the store");
            ErrorData::internal_error("the store cannot be reached right now", None)
        }
        StoreError::Damaged(_) => {
            tracing::error!(%error, "a record cannot be read");
            ErrorData::internal_error("a record of this conversation cannot be read", None)
        }
    }
}
