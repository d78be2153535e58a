//! The operator's view of the embedded back office: orders and refunds, newest first.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::ports::Cursor;
use baton_tools::office::{Order, Refund};
use serde_json::{Value, json};

use super::operator::{Entries, Operator, Paging, Round, page};
use crate::budget::Budget;
use crate::error::ApiError;
use crate::router::App;

pub(crate) async fn orders(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let office = &app.office;
    let read = |after: Option<String>, limit| async move {
        let orders = office.orders(after.map(Cursor).as_ref(), limit).await?;
        Ok(Round {
            values: orders.entries.iter().map(order).collect(),
            unreadable: orders.unreadable,
            next: orders.next.map(|cursor| cursor.0),
        })
    };
    page(&budget, "orders", || Entries::gather(&paging, read)).await
}

pub(crate) async fn refunds(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    _operator: Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    let office = &app.office;
    let read = |after: Option<String>, limit| async move {
        let refunds = office.refunds(after.map(Cursor).as_ref(), limit).await?;
        Ok(Round {
            values: refunds.entries.iter().map(refund).collect(),
            unreadable: refunds.unreadable,
            next: refunds.next.map(|cursor| cursor.0),
        })
    };
    page(&budget, "refunds", || Entries::gather(&paging, read)).await
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
