//! The operator's view of the embedded back office: orders and refunds, newest first.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use baton_handoff::ports::Cursor;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversations::uncached;
use super::parse_query;
use crate::error::ApiError;
use crate::router::App;

const ENTRIES: usize = 50;
const MOST_ENTRIES: usize = 200;

#[derive(Deserialize)]
struct Query {
    after: Option<String>,
    limit: Option<usize>,
}

impl Query {
    fn read(query: Option<String>) -> Result<(Option<Cursor>, usize), ApiError> {
        let Self { after, limit } = parse_query(query)?;
        Ok((
            after.map(Cursor),
            limit.unwrap_or(ENTRIES).clamp(1, MOST_ENTRIES),
        ))
    }
}

pub(crate) async fn orders(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    app.exposure.check_operator(&headers)?;
    let (after, limit) = Query::read(query)?;
    let page = app.office.orders(after.as_ref(), limit).await?;
    let orders: Vec<Value> = page
        .entries
        .iter()
        .map(|order| {
            json!({
                "order_id": order.order_id,
                "item_id": order.item_id,
                "product": order.product,
                "paid_cents": order.paid_cents,
                "bought_at": order.bought_at,
                "conversation": order.conversation,
            })
        })
        .collect();
    Ok(uncached(Json(
        json!({ "orders": orders, "next": page.next.map(|cursor| cursor.0) }),
    )))
}

pub(crate) async fn refunds(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    app.exposure.check_operator(&headers)?;
    let (after, limit) = Query::read(query)?;
    let page = app.office.refunds(after.as_ref(), limit).await?;
    let refunds: Vec<Value> = page
        .entries
        .iter()
        .map(|refund| {
            json!({
                "item_id": refund.item_id,
                "product": refund.product,
                "refunded_cents": refund.refunded_cents,
                "reason": refund.reason,
                "refunded_at": refund.refunded_at,
                "conversation": refund.conversation,
            })
        })
        .collect();
    Ok(uncached(Json(
        json!({ "refunds": refunds, "next": page.next.map(|cursor| cursor.0) }),
    )))
}
