//! What the back office writes down, and where.

use baton_handoff::history::Unreadable;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Cursor, Key, Listing, Millis, Record, StoreError, Stored};
use serde::{Deserialize, Serialize};

/// The list of all orders, by time.
pub(super) const ORDERS: &str = "B#ORDERS";

/// The list of all refunds, by time.
pub(super) const REFUNDS: &str = "B#REFUNDS";

/// Where copies of the example orders are, for searches.
pub(super) const EXAMPLES: &str = "B#EXAMPLES";

/// Where the catalogue is.
pub(super) const CATALOGUE: &str = "B#CATALOGUE";

/// The format that this program writes, and the newest that it reads.
const FORMAT: u16 = 1;

/// An order of one item. Never changes; a refund is a record of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The number that the customer is told.
    pub order_id: String,
    /// The item, by which it is refunded.
    pub item_id: String,
    /// The product's name.
    pub product: String,
    /// What was paid, in US cents.
    pub paid_cents: u64,
    /// When, in milliseconds since 1970.
    pub bought_at: Millis,
    /// Where it was ordered; none for an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
}

/// A refund: all that was paid for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The item.
    pub item_id: String,
    /// The product's name.
    pub product: String,
    /// What was paid back, in US cents.
    pub refunded_cents: u64,
    /// Why, as the model put it.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub refunded_at: Millis,
    /// Where it was asked for.
    pub conversation: ConversationId,
}

/// A product that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) price_cents: u64,
}

/// How an action ended, for whoever comes with its key again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    Done(String),
    Rejected(String),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T> {
    /// The entries, the newest first.
    pub entries: Vec<T>,
    /// Those that cannot be read; they hide nothing beside them.
    pub unreadable: Vec<Unreadable>,
    /// Where to go on, when more may follow.
    pub next: Option<Cursor>,
}

pub(super) fn order_key(item_id: &str) -> Key {
    Key::new(format!("B#{item_id}"), "ORDER")
}

/// One place for each item: there is no second refund.
pub(super) fn refund_key(item_id: &str) -> Key {
    Key::new(format!("B#{item_id}"), "REFUND")
}

pub(super) fn effect_key(idempotency_key: &str) -> Key {
    Key::new(format!("B#KEY#{idempotency_key}"), "ENDED")
}

/// Where copies of everybody's orders are, by time, for searches: one query reads the newest, which the list of all orders takes
/// a query of each of its shards and a read of each order for. One partition takes some hundred orders a second; whoever has more
/// has a back office.
pub(super) const RECENT: &str = "B#RECENT";

fn recent_key(order: &Order) -> Key {
    Key::new(RECENT, format!("{:020}#{}", order.bought_at, order.item_id))
}

/// The partition with copies of the orders of one conversation, for searches.
pub(super) fn bought_in(conversation: &ConversationId) -> String {
    format!("B#OF#{conversation}")
}

/// Writes an order, and its copies where searches find it.
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

/// Writes a refund where none is.
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
    Ok(Record {
        format: FORMAT,
        body,
        due_at: None,
        listed: None,
        expires_at: None,
    })
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
