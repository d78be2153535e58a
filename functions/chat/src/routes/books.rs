//! The operator's view of the embedded back office: orders and refunds, newest first.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use baton_handoff::Role;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Cursor, Millis};
use baton_tools::office::{Order, Refund};
use serde::Serialize;

use super::operator::{Entries, Operator, Paging, Round, page, page_of};
use crate::app::App;
use crate::auth::caller::must;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::{refusals, values};
use crate::stream::budget::Budget;

/// Orders in the embedded back office, newest first.
#[cfg_attr(test, utoipa::path(
    get, path = "/orders", operation_id = "listOrders", tag = "operators",
    params(Paging),
    responses(
        (status = 200, description = "A part of the list.", body = OrderPage),
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn orders(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Operator(operator): Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    must(&operator, Role::See)?;
    let (office, tenant) = (&app.office, &operator.tenant);
    let read = |after: Option<String>, limit| async move {
        let orders = office
            .orders(tenant, after.map(Cursor).as_ref(), limit)
            .await?;
        Ok(Round {
            values: orders.entries.into_iter().map(OrderEntry::from).collect(),
            unreadable: orders.unreadable,
            next: orders.next.map(|cursor| cursor.0),
        })
    };
    page::<OrderPage, _>(&budget, || Entries::gather(&paging, read)).await
}

/// Refunds in the embedded back office, newest first.
#[cfg_attr(test, utoipa::path(
    get, path = "/refunds", operation_id = "listRefunds", tag = "operators",
    params(Paging),
    responses(
        (status = 200, description = "A part of the list.", body = RefundPage),
        refusals::OfReads,
    ),
    security(("operator" = [])),
))]
pub(crate) async fn refunds(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    Operator(operator): Operator,
    paging: Paging,
) -> Result<Response, ApiError> {
    must(&operator, Role::See)?;
    let (office, tenant) = (&app.office, &operator.tenant);
    let read = |after: Option<String>, limit| async move {
        let refunds = office
            .refunds(tenant, after.map(Cursor).as_ref(), limit)
            .await?;
        Ok(Round {
            values: refunds.entries.into_iter().map(RefundEntry::from).collect(),
            unreadable: refunds.unreadable,
            next: refunds.next.map(|cursor| cursor.0),
        })
    };
    page::<RefundPage, _>(&budget, || Entries::gather(&paging, read)).await
}

/// An order as operators see it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Order))]
struct OrderEntry {
    order_id: String,
    /// What a refund names.
    item_id: String,
    product: String,
    /// US cents.
    paid_cents: u64,
    #[cfg_attr(test, schema(value_type = values::Milliseconds))]
    bought_at: Millis,
    /// Null for an example order.
    #[cfg_attr(test, schema(value_type = Option<values::ConversationId>, required = true))]
    conversation: Option<ConversationId>,
}

impl From<Order> for OrderEntry {
    fn from(order: Order) -> Self {
        Self {
            order_id: order.order_id,
            item_id: order.item_id,
            product: order.product,
            paid_cents: order.paid_cents,
            bought_at: order.bought_at,
            conversation: order.conversation,
        }
    }
}

/// A refund as operators see it.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Refund))]
struct RefundEntry {
    item_id: String,
    product: String,
    /// US cents.
    refunded_cents: u64,
    reason: String,
    #[cfg_attr(test, schema(value_type = values::Milliseconds))]
    refunded_at: Millis,
    #[cfg_attr(test, schema(value_type = values::ConversationId))]
    conversation: ConversationId,
}

impl From<Refund> for RefundEntry {
    fn from(refund: Refund) -> Self {
        Self {
            item_id: refund.item_id,
            product: refund.product,
            refunded_cents: refund.refunded_cents,
            reason: refund.reason,
            refunded_at: refund.refunded_at,
            conversation: refund.conversation,
        }
    }
}

page_of! {
    /// A part of the list of orders.
    OrderPage { orders: OrderEntry }
}

page_of! {
    /// A part of the list of refunds.
    RefundPage { refunds: RefundEntry }
}
