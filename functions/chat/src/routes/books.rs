//! The operator's view of the embedded back office: orders and refunds, newest first.

use axum::extract::State;
use axum::response::Response;
use baton_backends::office::{Order, Refund};
use baton_handoff::ports::Cursor;
use serde_json::{Value, json};

use super::operator::{Operator, Paging, page};
use crate::error::ApiError;
use crate::router::App;

pub(crate) async fn orders(
    State(app): State<App>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let after = paging.after.map(Cursor);
    let orders = app.office.orders(after.as_ref(), paging.limit).await?;
    let next = orders.next.map(|cursor| cursor.0);
    Ok(page("orders", orders.entries.iter().map(order), next))
}

pub(crate) async fn refunds(
    State(app): State<App>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let after = paging.after.map(Cursor);
    let refunds = app.office.refunds(after.as_ref(), paging.limit).await?;
    let next = refunds.next.map(|cursor| cursor.0);
    Ok(page("refunds", refunds.entries.iter().map(refund), next))
}

fn order(order: &Order) -> Value {
    json!({
        "order_id": order.order_id,
        "item_id": order.item_id,
        "product": order.product,
        "paid_cents": order.paid_cents,
        "bought_at": order.bought_at,
        "conversation": order.conversation,
    })
}

fn refund(refund: &Refund) -> Value {
    json!({
        "item_id": refund.item_id,
        "product": refund.product,
        "refunded_cents": refund.refunded_cents,
        "reason": refund.reason,
        "refunded_at": refund.refunded_at,
        "conversation": refund.conversation,
    })
}
