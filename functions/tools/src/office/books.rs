//! The records of the back office, and their keys.

use baton_handoff::Owner;
use baton_handoff::history::Unreadable;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, Cursor, Key, Listing, Millis, Record, StoreError, Stored};
use serde::{Deserialize, Serialize};

use super::reach::{Buyer, Reach};

/// The list of a tenant's orders, by time.
pub(super) fn orders_of(tenant: &str) -> String {
    format!("{tenant}/orders")
}

/// The list of a tenant's refunds, by time.
pub(super) fn refunds_of(tenant: &str) -> String {
    format!("{tenant}/refunds")
}

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
    /// The conversation's owner. Orders of earlier releases have none.
    #[serde(default = "Owner::none", skip_serializing_if = "Owner::is_none")]
    pub owner: Owner,
}

impl Order {
    /// The buyer; none of an example, which every buyer has.
    pub(super) fn buyer(&self) -> Option<Buyer> {
        let conversation = self.conversation.as_ref()?;
        Some(Buyer::of(&self.owner, conversation))
    }
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
    /// The conversation's owner. Refunds of earlier releases have none.
    #[serde(default = "Owner::none", skip_serializing_if = "Owner::is_none")]
    pub owner: Owner,
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

/// Every buyer has the example orders under the same numbers, and so has a key of its own for the refund of each.
pub(super) fn example_refund_key(buyer: &Buyer, item_id: &str) -> Key {
    Key::new(refunded_by(buyer), item_id)
}

/// The partition with a buyer's refunds of examples.
pub(super) fn refunded_by(buyer: &Buyer) -> String {
    format!("B#REFUNDED#{buyer}")
}

/// The keys of which one has a record if the order was refunded: see [`shows_refund`].
pub(super) fn refund_keys(order: &Order, reach: &Reach) -> Vec<Key> {
    let item_id = order.item_id.as_str();
    let mut keys = vec![refund_key(item_id)];
    if order.buyer().is_none() {
        keys.extend(
            reach
                .buyers()
                .map(|buyer| example_refund_key(buyer, item_id)),
        );
    }
    keys
}

/// The keys where refunds of an item may be, for an erasure.
pub(super) fn all_refund_keys(item_id: &str, is_example: bool, reach: &Reach) -> Vec<Key> {
    let examples = reach.buyers().filter(|_| is_example);
    let examples = examples.map(|buyer| example_refund_key(buyer, item_id));
    std::iter::once(refund_key(item_id))
        .chain(examples)
        .collect()
}

/// Whether this record at one of the order's [`refund_keys`] is the order's refund. Earlier releases refunded an example once for
/// all customers: that refund belongs to its own buyer alone.
pub(super) fn shows_refund(
    stored: &Stored,
    order: &Order,
    reach: &Reach,
) -> Result<bool, StoreError> {
    if order.buyer().is_some() || stored.key != refund_key(&order.item_id) {
        return Ok(true);
    }
    let refund: Refund = read(stored)?;
    let buyer = Buyer::of(&refund.owner, &refund.conversation);
    Ok(reach.buyers().any(|reached| *reached == buyer))
}

pub(super) fn effect_key(idempotency_key: &str) -> Key {
    Key::new(format!("B#KEY#{idempotency_key}"), "ENDED")
}

/// The partition with copies of a buyer's orders, for searches.
pub(super) fn bought_by(buyer: &Buyer) -> String {
    format!("B#OF#{buyer}")
}

/// The prefix of the copies by time. Copies of earlier releases have the item's id alone.
pub(super) const BY_TIME: &str = "#";

/// The prefix of the copies of earlier releases, which knew no owners.
pub(super) const BY_ITEM: &str = "item_";

fn copy_key(buyer: &Buyer, order: &Order) -> Key {
    let sort = format!("{BY_TIME}{:020}#{}", order.bought_at, order.item_id);
    Key::new(bought_by(buyer), sort)
}

/// The keys of an order's copies for searches, of this release and of earlier ones.
pub(super) fn copy_keys(order: &Order) -> Vec<Key> {
    let keys = |buyer: Buyer| {
        let earlier = Key::new(bought_by(&buyer), order.item_id.as_str());
        [copy_key(&buyer, order), earlier]
    };
    order.buyer().map(keys).into_iter().flatten().collect()
}

/// The prefix of erased orders among those of an owner: no search reads them.
const ACCOUNT: &str = "ACCOUNT#";

/// Keeps an order whose words were erased among those of its owner. Without an owner nobody could ask for it.
pub(super) fn account(order: &Order) -> Result<Option<Change>, StoreError> {
    let Some(buyer) = order.buyer().filter(|_| !order.owner.is_none()) else {
        return Ok(None);
    };
    let sort = format!("{ACCOUNT}{:020}#{}", order.bought_at, order.item_id);
    let key = Key::new(bought_by(&buyer), sort);
    Ok(Some(Change::Create(key, record(order)?)))
}

/// Writes an order, and its copy for searches.
pub(super) fn add_order(order: &Order) -> Result<Vec<Change>, StoreError> {
    let copy = record(order)?;
    let listed = Some(Listing {
        group: orders_of(order.owner.tenant()),
        rank: order.bought_at,
    });
    let original = Record {
        listed,
        ..copy.clone()
    };
    let mut changes = vec![Change::Create(order_key(&order.item_id), original)];
    if let Some(buyer) = order.buyer() {
        changes.push(Change::Create(copy_key(&buyer, order), copy));
    }
    Ok(changes)
}

/// Writes the refund of an order, unless it has one. An example is refunded for all buyers that are the same customer, so that
/// signing in does not give it back.
pub(super) fn add_refund(
    refund: &Refund,
    order: &Order,
    reach: &Reach,
) -> Result<Vec<Change>, StoreError> {
    let copy = record(refund)?;
    let listed = Some(Listing {
        group: refunds_of(refund.owner.tenant()),
        rank: refund.refunded_at,
    });
    let original = Record {
        listed,
        ..copy.clone()
    };
    let item_id = order.item_id.as_str();
    if order.buyer().is_some() {
        return Ok(vec![Change::Create(refund_key(item_id), original)]);
    }
    let copies = reach.others.iter();
    let copies = copies.map(|other| example_refund_key(other, item_id));
    let copies = copies.map(|key| Change::Create(key, copy.clone()));
    let own = example_refund_key(&reach.own, item_id);
    Ok([Change::Create(own, original)]
        .into_iter()
        .chain(copies)
        .collect())
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
