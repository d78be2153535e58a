//! Searches orders and catalogue for the thing a customer means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use baton_handoff::ports::{Key, Order as Sorting, Range, StoreError, Stored, ToolRequest};
use baton_handoff::text::visible_line;
use futures_util::future::try_join_all;
use serde_json::{Number, Value, json};

use super::books::{self, BY_ITEM, BY_TIME, CATALOGUE, Order, Product};
use super::reach::{Buyer, Reach};
use super::{BackOffice, acme};

/// The most hits for a model: more would cost tokens and not help.
const MOST_HITS: usize = 10;

/// The newest orders of one buyer that are searched. Examples, and an order whose item is named, are found at any age.
const NEWEST_ORDERS: usize = 100;

/// The most orders of one conversation that are searched of those that an earlier release has written.
const EARLIER_ORDERS: usize = 200;

/// More than the catalogue's records: its products and the marker.
const CATALOGUE_RECORDS: usize = 1_000;

/// Words without meaning for a product.
const SILENT: &[&str] = &[
    "a", "about", "an", "and", "any", "at", "bought", "broke", "broken", "by", "can", "do", "does",
    "for", "from", "have", "i", "id", "in", "is", "it", "item", "like", "me", "my", "not", "of",
    "on", "one", "order", "ordered", "our", "please", "product", "refund", "some", "that", "the",
    "this", "to", "was", "we", "what", "which", "with", "you", "your", "yourself",
];

/// An order or product that matches the words.
struct Hit {
    score: usize,
    what: Found,
}

enum Found {
    Bought { order: Order, refunded: bool },
    Sold(Product),
}

/// All searched records.
struct Searched {
    reach: Reach,
    orders: Vec<Order>,
    products: Vec<Product>,
}

impl BackOffice {
    /// Hits as compact JSON, the best first: `{"items":[…]}`. Two round trips: the searched records, and the refunds among the
    /// hits. One more for a customer that was a visitor before.
    pub(super) async fn look_up(
        &self,
        query: &str,
        request: &ToolRequest,
    ) -> Result<String, StoreError> {
        let words = words_of(query);
        let Searched {
            reach,
            orders,
            products,
        } = self.searched(&words, request).await?;
        let mut hits = Vec::new();
        for order in orders {
            let score = score(&words, &order.product)
                + if words.contains(&order.item_id) {
                    100
                } else {
                    0
                };
            hits.push(Hit {
                score,
                what: Found::Bought {
                    order,
                    refunded: false,
                },
            });
        }
        hits.extend(products.into_iter().map(|product| Hit {
            score: score(&words, &product.name),
            what: Found::Sold(product),
        }));
        // A hit that fits half as well as the best one is a guess.
        let best = hits.iter().map(|hit| hit.score).max().unwrap_or(0);
        hits.retain(|hit| hit.score > 0 && hit.score * 2 > best);
        hits.sort_by_key(Hit::rank);
        hits.truncate(MOST_HITS);
        self.mark_refunded(&mut hits, &reach).await?;
        // Customers usually mean an item that can still be refunded.
        hits.sort_by_key(Hit::rank);
        let items: Vec<Value> = hits.iter().map(Hit::json).collect();
        Ok(json!({ "items": items }).to_string())
    }

    async fn mark_refunded(&self, hits: &mut [Hit], reach: &Reach) -> Result<(), StoreError> {
        let mut bought: Vec<(Vec<Key>, &Order, &mut bool)> = Vec::new();
        for hit in hits {
            match &mut hit.what {
                Found::Bought { order, refunded } => {
                    bought.push((books::refund_keys(order, reach), order, refunded));
                }
                Found::Sold(_) => {}
            }
        }
        if bought.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = bought.iter().flat_map(|(keys, ..)| keys.clone()).collect();
        let mut found = self.store.get_many(&keys).await?.into_iter();
        for (keys, order, refunded) in bought {
            for stored in found.by_ref().take(keys.len()).flatten() {
                let shows = books::shows_refund(&stored, order, reach);
                // A refund that cannot be read is one.
                *refunded |= shows.unwrap_or_else(|error| {
                    tracing::error!(%error, "a refund cannot be read");
                    true
                });
            }
        }
        Ok(())
    }

    /// The orders and products to compare with the words. The result itself shows whether the catalogue is written, which saves a
    /// round trip.
    async fn searched(
        &self,
        words: &BTreeSet<String>,
        request: &ToolRequest,
    ) -> Result<Searched, StoreError> {
        let searched = self.search(words, request).await?;
        if let Some(searched) = searched {
            self.seeded.store(true, Ordering::Relaxed);
            return Ok(searched);
        }
        self.seed().await?;
        let searched = self.search(words, request).await?;
        searched.ok_or_else(|| StoreError::Unavailable("the catalogue is not there".to_owned()))
    }

    /// None until the catalogue is written.
    async fn search(
        &self,
        words: &BTreeSet<String>,
        request: &ToolRequest,
    ) -> Result<Option<Searched>, StoreError> {
        let own = Buyer::of(&request.context.owner, &request.context.conversation);
        let named = words.iter().filter(|word| books::may_be_item(word));
        let named: Vec<Key> = named
            .take(MOST_HITS)
            .map(|id| books::order_key(id))
            .collect();
        let (reach, newest, earlier, catalogue, named) = futures_util::try_join!(
            self.reach(request),
            self.newest(&own),
            self.earlier(&own, request),
            self.range(CATALOGUE, "", Sorting::Ascending, CATALOGUE_RECORDS),
            self.named(&named),
        )?;
        if !catalogue.iter().any(|stored| stored.key == acme::marker()) {
            return Ok(None);
        }
        let others = try_join_all(reach.others.iter().map(|other| self.newest(other))).await?;
        let mut orders = BTreeMap::new();
        let bought = newest.iter().chain(&earlier).chain(&named);
        for stored in bought.chain(others.iter().flatten()) {
            // An unreadable order does not hide the others.
            match books::read::<Order>(stored) {
                Ok(order) if reach.has(&order) => {
                    orders.insert(order.item_id.clone(), order);
                }
                Ok(_out_of_reach) => {}
                Err(error) => tracing::error!(%error, "an order cannot be read"),
            }
        }
        let products = catalogue
            .iter()
            .filter(|stored| stored.key.sort.starts_with(acme::PRODUCT));
        Ok(Some(Searched {
            reach,
            orders: orders.into_values().chain(acme::examples()).collect(),
            products: products.map(books::read).collect::<Result<_, _>>()?,
        }))
    }

    async fn named(&self, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.store.get_many(keys).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn newest(&self, buyer: &Buyer) -> Result<Vec<Stored>, StoreError> {
        let partition = books::bought_by(buyer);
        self.range(&partition, BY_TIME, Sorting::Descending, NEWEST_ORDERS)
            .await
    }

    /// The orders that earlier releases have written for this conversation. They knew no owners.
    async fn earlier(&self, own: &Buyer, request: &ToolRequest) -> Result<Vec<Stored>, StoreError> {
        if !request.context.owner.is_none() {
            return Ok(Vec::new());
        }
        let partition = books::bought_by(own);
        self.range(&partition, BY_ITEM, Sorting::Ascending, EARLIER_ORDERS)
            .await
    }

    async fn range(
        &self,
        partition: &str,
        prefix: &str,
        order: Sorting,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let range = Range {
            partition: partition.to_owned(),
            prefix: prefix.to_owned(),
            after: None,
            order,
            limit,
        };
        Ok(self.store.range(&range).await?.records)
    }
}

impl Hit {
    /// Lowest first: best match, orders before products, not refunded first, examples last, newest first.
    fn rank(&self) -> (usize, bool, bool, bool, u64) {
        let worse = usize::MAX - self.score;
        match &self.what {
            Found::Bought { order, refunded } => {
                let is_example = order.buyer().is_none();
                (
                    worse,
                    false,
                    *refunded,
                    is_example,
                    u64::MAX - order.bought_at,
                )
            }
            Found::Sold(_) => (worse, true, false, false, 0),
        }
    }

    fn json(&self) -> Value {
        match &self.what {
            Found::Bought { order, refunded } => json!({
                "item_id": order.item_id,
                // Orders of earlier releases may have any name.
                "product": visible_line(&order.product),
                "kind": "order",
                "order_id": order.order_id,
                "paid_usd": usd(order.paid_cents),
                "bought_on": date(order.bought_at),
                "refunded": refunded,
            }),
            Found::Sold(product) => json!({
                "item_id": product.id,
                "product": product.name,
                "kind": "product",
                "price_usd": usd(product.price_cents),
            }),
        }
    }
}

/// How well a product's name matches the words: whole words count most, then prefixes, then one typing mistake.
fn score(words: &BTreeSet<String>, product: &str) -> usize {
    let name = words_of(product);
    words
        .iter()
        .map(|word| {
            name.iter()
                .map(|part| likeness(word, part))
                .max()
                .unwrap_or(0)
        })
        .sum()
}

fn likeness(word: &str, part: &str) -> usize {
    let shorter = word.len().min(part.len());
    if word == part {
        4
    } else if shorter >= 4 && (word.starts_with(part) || part.starts_with(word)) {
        3
    } else if shorter >= 5 && differ_by_one(word, part) {
        2
    } else {
        0
    }
}

/// Whether one letter was changed, added or left out.
fn differ_by_one(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (longer, shorter) = if one.len() >= other.len() {
        (&one, &other)
    } else {
        (&other, &one)
    };
    if longer.len() - shorter.len() > 1 {
        return false;
    }
    let same_start = longer
        .iter()
        .zip(shorter)
        .take_while(|(a, b)| a == b)
        .count();
    let same_end = longer
        .iter()
        .rev()
        .zip(shorter.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    same_start + same_end + 1 >= longer.len()
}

/// The meaningful words, in lower case. An item's id is a word.
fn words_of(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty() && !SILENT.contains(word))
        .map(str::to_owned)
        .collect()
}

/// US dollars for a model: 399 or 24.99.
pub(super) fn usd(cents: u64) -> Value {
    if cents.is_multiple_of(100) {
        return json!(cents / 100);
    }
    let dollars = format!("{}.{:02}", cents / 100, cents % 100)
        .parse()
        .unwrap_or_default();
    Number::from_f64(dollars).map_or(Value::Null, Value::Number)
}

/// The day in UTC, as `2026-11-22`. After Howard Hinnant's `civil_from_days`: a year that begins in March ends with its leap
/// day, so that months have a formula.
fn date(moment: u64) -> String {
    let days = moment / 86_400_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_date() {
        for (moment, day) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_709_251_199_999, "2024-02-29"),
            (1_795_305_600_000, "2026-11-22"),
        ] {
            assert_eq!(date(moment), day);
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_one_letter() {
        assert!(differ_by_one("unicycle", "unicicle"));
        assert!(differ_by_one("unicycle", "unicyle"));
        assert!(differ_by_one("unicycle", "unicyclee"));
        assert!(!differ_by_one("unicycle", "tricycle"));
        assert!(!differ_by_one("anvil", "anvils!!"));
    }

    #[test]
    fn amounts_are_shown_in_dollars() {
        assert_eq!(usd(39_900).to_string(), "399");
        assert_eq!(usd(2_499).to_string(), "24.99");
        assert_eq!(usd(5).to_string(), "0.05");
    }
}
