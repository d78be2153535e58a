//! The records of the back office, and their keys.

use baton_handoff::history::Unreadable;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Cursor, Key, Listing, Millis, Record, StoreError, Stored};
use serde::{Deserialize, Serialize};

/// The list of all orders, by time.
pub(super) const ORDERS: &str = "default/orders";

/// The list of all refunds, by time.
pub(super) const REFUNDS: &str = "default/refunds";

/// The partition with copies of the example orders, for searches.
pub(super) const EXAMPLES: &str = "B#EXAMPLES";

/// The partition of the catalogue.
pub(super) const CATALOGUE: &str = "B#CATALOGUE";

/// The format that this program writes, and the newest that it reads.
const FORMAT: u16 = 1;

/// An order of one item. Never changes; a refund is a record of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The number that the customer gets.
    pub order_id: String,
    /// The item's number, which a refund names.
    pub item_id: String,
    /// The product's name.
    pub product: String,
    /// The price paid, in US cents.
    pub paid_cents: u64,
    /// The time, in milliseconds since 1970.
    pub bought_at: Millis,
    /// The conversation of the order; none for an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
}

/// A refund: the whole price paid for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The item.
    pub item_id: String,
    /// The product's name.
    pub product: String,
    /// The amount paid back, in US cents.
    pub refunded_cents: u64,
    /// The reason, in the model's words.
    pub reason: String,
    /// The time, in milliseconds since 1970.
    pub refunded_at: Millis,
    /// The conversation of the request.
    pub conversation: ConversationId,
}

/// A product that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) price_cents: u64,
}

/// The outcome of an action, for later attempts with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    Done(String),
    Rejected(String),
}

/// Ids come from models: text that cannot be an id is not looked up.
pub(super) fn may_be_item(item_id: &str) -> bool {
    let plain = item_id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && item_id.starts_with("item_") && item_id.len() <= 64
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T> {
    /// The entries, the newest first.
    pub entries: Vec<T>,
    /// Unreadable entries; they do not hide the others.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page, when more may follow.
    pub next: Option<Cursor>,
}

pub(super) fn order_key(item_id: &str) -> Key {
    Key::new(format!("B#{item_id}"), "ORDER")
}

/// One key for each item, so that there is no second refund.
pub(super) fn refund_key(item_id: &str) -> Key {
    Key::new(format!("B#{item_id}"), "REFUND")
}

pub(super) fn effect_key(idempotency_key: &str) -> Key {
    Key::new(format!("B#KEY#{idempotency_key}"), "ENDED")
}

/// The partition with copies of all orders, by time, for searches: one query reads the newest. The list of all orders would take
/// a query of each of its shards and a read of each order. One partition takes some hundred orders a second; a business above
/// that rate has its own back office.
pub(super) const RECENT: &str = "B#RECENT";

fn recent_key(order: &Order) -> Key {
    Key::new(RECENT, format!("{:020}#{}", order.bought_at, order.item_id))
}

/// The partition with copies of the orders of one conversation, for searches.
pub(super) fn bought_in(conversation: &ConversationId) -> String {
    format!("B#OF#{conversation}")
}

/// Writes an order, and its copies for searches.
pub(super) fn add_order(order: &Order) -> Result<Vec<Change>, StoreError> {
    let copy = record(order)?;
    let item_id = order.item_id.as_str();
    let searched = match &order.conversation {
        None => vec![Key::new(EXAMPLES, item_id)],
        Some(conversation) => vec![
            Key::new(bought_in(conversation), item_id),
            recent_key(order),
        ],
    };
    let listed = Some(Listing {
        group: ORDERS.to_owned(),
        rank: order.bought_at,
    });
    let original = Record {
        listed,
        ..copy.clone()
    };
    let copies = searched
        .into_iter()
        .map(|key| Change::Create(key, copy.clone()));
    Ok([Change::Create(order_key(item_id), original)]
        .into_iter()
        .chain(copies)
        .collect())
}

/// Writes a refund, unless the item has one.
pub(super) fn add_refund(refund: &Refund) -> Result<Change, StoreError> {
    let listed = Some(Listing {
        group: REFUNDS.to_owned(),
        rank: refund.refunded_at,
    });
    Ok(Change::Create(
        refund_key(&refund.item_id),
        Record {
            listed,
            ..record(refund)?
        },
    ))
}

/// An entry as a record of the current format.
pub(super) fn record<T: Serialize>(entry: &T) -> Result<Record, StoreError> {
    let body =
        serde_json::to_string(entry).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Record::new(FORMAT, body))
}

/// The entry of a record.
pub(super) fn read<T: for<'a> Deserialize<'a>>(stored: &Stored) -> Result<T, StoreError> {
    let place = format!("{} {}", stored.key.partition, stored.key.sort);
    let format = stored.record.format;
    if format > FORMAT {
        return Err(StoreError::Damaged(format!(
            "{place} has format {format}, and this program knows formats up to {FORMAT}"
        )));
    }
    serde_json::from_str(&stored.record.body)
        .map_err(|error| StoreError::Damaged(format!("{place}: {error}")))
}
