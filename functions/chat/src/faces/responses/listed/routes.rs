//! The routes of a conversation's items.

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Json};
use baton_handoff::ids::TurnNumber;
use baton_handoff::{Conversation, View};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Listed, items};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::Places;
use crate::edge::error::ApiError;
use crate::faces::body::Bodies;
use crate::faces::door::{Knock, Words};
use crate::faces::responses::conversations::{made_at, no_such_conversation};
use crate::faces::responses::create::behind_last;
use crate::faces::responses::ids::{self, ItemId};
use crate::faces::responses::input::Input;
use crate::faces::responses::items::users_message;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::routes::answers::{json_page, uncached, written};
use crate::routes::input::{Path, Query};
use crate::routes::{open, parse_conversation};
use crate::stream::budget::Budget;

/// Items of one page.
const USUAL: usize = 20;
const MOST: usize = 100;

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its shape is read")]
struct Paging {
    /// Only items behind this one, in the order of the list.
    #[param(required = false)]
    after: String,
    /// How many items at most; more than 100 are taken for 100.
    #[param(required = false, minimum = 1, default = 20)]
    limit: usize,
    /// `asc`: the oldest first; `desc`: the newest.
    #[param(required = false, default = "desc")]
    order: String,
}

/// The items of a conversation.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/conversations/{id}/items", operation_id = "listItems", tag = "faces",
    params(("id" = values::ConversationId, Path), Paging),
    responses(
        (status = 200, description = "A `list` of items.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    let ascending = match query.text("order")? {
        Some("asc") => true,
        None | Some("desc") => false,
        Some(_) => return Err(ApiError::bad_request("order must be asc or desc")),
    };
    let after = query.text("after")?.map(|raw| {
        let id = ItemId::parse(raw);
        id.ok_or_else(|| ApiError::bad_request("after is not the id of an item"))
    });
    let after = after.transpose()?;
    let limit: Option<std::num::NonZero<usize>> = query.number("limit")?;
    let limit = limit.map_or(USUAL, |limit| limit.get().min(MOST));
    let is_made = made_at(&id).is_some();
    let conversation = &conversation;
    let make = || async move {
        let all = if ascending {
            oldest(conversation, after, limit).await?
        } else {
            newest(conversation, after, limit).await?
        };
        let all = match all {
            Some(all) => all,
            None if is_made => Vec::new(),
            None => return Err(no_such_conversation()),
        };
        written(&page(all, limit))
    };
    json_page(&budget, make).await
}

fn page(mut all: Vec<Listed>, limit: usize) -> Value {
    let has_more = all.len() > limit;
    all.truncate(limit);
    let data: Vec<_> = all.into_iter().map(|listed| listed.item).collect();
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    json!({
        "object": "list",
        "first_id": id(data.first()),
        "last_id": id(data.last()),
        "has_more": has_more,
        "data": data,
    })
}

/// Where an item stands among the others: the customer's message is the first of its turn.
fn rank(at: ItemId) -> (TurnNumber, usize) {
    (at.turn, at.place.map_or(0, |place| place + 1))
}

/// More than `limit` items, if there are, newest first. None: there is no such conversation.
async fn newest(
    conversation: &Conversation,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Option<Vec<Listed>>, ApiError> {
    let mut before = after.map(|after| after.turn.saturating_add(1));
    let mut all = Vec::new();
    loop {
        let page = conversation.history(before, limit, View::Customer).await?;
        let Some(page) = page else {
            return Ok(None);
        };
        let mut read = items(&page.items);
        read.reverse();
        read.retain(|listed| after.is_none_or(|after| rank(listed.at) < rank(after)));
        all.append(&mut read);
        before = page.before;
        if all.len() > limit || before.is_none() {
            return Ok(Some(all));
        }
    }
}

/// The same, oldest first.
async fn oldest(
    conversation: &Conversation,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Option<Vec<Listed>>, ApiError> {
    let Some(pulse) = conversation.pulse().await? else {
        return Ok(None);
    };
    if pulse.is_empty() {
        return Ok(None);
    }
    let first = after
        .map_or(0, |after| after.turn)
        .max(pulse.erased_below)
        .max(1);
    let turns = TurnNumber::try_from(limit).unwrap_or(TurnNumber::MAX);
    let mut from = first;
    let mut all = Vec::new();
    while from < pulse.next_turn && all.len() <= limit {
        // A turn has an item at least, mostly more.
        let until = from.saturating_add(turns).min(pulse.next_turn);
        let mut before = Some(until);
        let mut pieces = Vec::new();
        while let Some(turn) = before.filter(|before| *before > from) {
            let count = usize::try_from(turn - from).unwrap_or(usize::MAX);
            let page = conversation
                .history(Some(turn), count, View::Customer)
                .await?;
            let Some(page) = page else {
                return Ok(None);
            };
            before = page.before;
            pieces.push(page.items);
        }
        for piece in pieces.into_iter().rev() {
            let mut read = items(&piece);
            read.retain(|listed| after.is_none_or(|after| rank(listed.at) > rank(after)));
            all.append(&mut read);
        }
        from = until;
    }
    Ok(Some(all))
}

#[derive(Deserialize)]
struct Said {
    items: Vec<Value>,
}

/// Items of the customer.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[schema(as = ItemsRequest)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Document {
    /// One message of the user.
    items: Vec<Value>,
}

/// Says a message.
///
/// As an item of the customer; the answer is made without a listener.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/conversations/{id}/items", operation_id = "addItems", tag = "faces",
    params(("id" = values::ConversationId, Path)),
    request_body(content = Document, description = "At most 4 MB."),
    responses(
        (status = 200, description = "A `list` of the items.", body = Object),
        (status = 400, response = refusals::BadRequest),
        (status = 404, response = refusals::NotFound),
        (status = 422, response = refusals::MessageIdReused),
        (status = 429, response = refusals::OverBound),
        (status = 500, response = refusals::Internal),
        (status = 503, response = refusals::Unavailable),
    ),
))]
pub(crate) async fn add(
    State(app): State<App>,
    Extension(places): Extension<Places>,
    Extension(bodies): Extension<Bodies>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    use crate::faces::door::Id;

    let (parts, body) = request.into_parts();
    let knock = Knock::at(app, places, parts).await?;
    let name = parse_conversation(&id)?;
    let said: Said = bodies.read(knock.headers(), body).await?;
    let message = users(said.items)?;
    let id = match knock.idempotency_key()? {
        Some(key) => Id::Given(key),
        None => behind_last(&knock, &name, &message).await?,
    };
    let words = Words {
        background: true,
        ..Words::new(Some(name), message.clone(), id)
    };
    let answer = knock.say(words).await?;
    let turn = answer.turn();
    let item = users_message(&ids::users_message(turn), &message);
    let at = ItemId { turn, place: None };
    let listed = page(vec![Listed { at, item }], 1);
    Ok(answer.respond(uncached(Json(listed))))
}

/// The text of the one message.
fn users(mut items: Vec<Value>) -> Result<String, ApiError> {
    let refused = || {
        ApiError::bad_request(
            "items must be one message of the user: answers are made here, and one is made for each message",
        )
    };
    let is_users = |item: &Value| {
        item["role"] == "user" && item.get("type").is_none_or(|kind| kind == "message")
    };
    match (items.pop(), items.pop()) {
        (Some(item), None) if is_users(&item) => {
            let input = serde_json::from_value::<Input>(json!([item]));
            input.map_err(|_| refused())?.message()
        }
        _ => Err(refused()),
    }
}

/// One item.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/conversations/{id}/items/{item}", operation_id = "readItem", tag = "faces",
    params(("id" = values::ConversationId, Path), ("item" = String, Path)),
    responses(
        (status = 200, description = "The item.", body = Object),
        refusals::OfReads,
    ),
))]
pub(crate) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path((id, item)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    find(&conversation, &item)
        .await
        .map(|item| uncached(Json(item)))
}

/// Refused: what was said stays as it was.
#[cfg_attr(test, utoipa::path(
    delete, path = "/v1/conversations/{id}/items/{item}", operation_id = "deleteItem", tag = "faces",
    params(("id" = values::ConversationId, Path), ("item" = String, Path)),
    responses(refusals::OfReads),
))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((id, item)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let conversation = open(&app, &caller, &id)?;
    find(&conversation, &item).await?;
    Err(ApiError::bad_request(
        "what was said stays as it was: only the whole conversation can be deleted",
    ))
}

async fn find(conversation: &Conversation, raw: &str) -> Result<Value, ApiError> {
    let no_such = || ApiError::not_found("no such item");
    let id = ItemId::parse(raw).ok_or_else(no_such)?;
    let before = id.turn.checked_add(1);
    let page = conversation.history(before, 1, View::Customer).await?;
    let page = page.ok_or_else(no_such)?;
    let mut found = items(&page.items).into_iter();
    let found = found.find(|listed| listed.at == id);
    found.map(|listed| listed.item).ok_or_else(no_such)
}
