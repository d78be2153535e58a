//! The catalogue of ACME Inc., and the example orders that each of its customers has.

use baton_handoff::Owner;
use baton_handoff::ports::{Change, Key, Millis, StoreError};

use super::books::{self, CATALOGUE, Order, Product};

/// Name, and price in US cents.
const PRODUCTS: [(&str, u64); 25] = [
    ("Anvil, one ton", 29_900),
    ("Artificial rock", 8_900),
    ("Bird seed, iron-filled, 10 lb", 1_495),
    ("Catapult, boulder-sized", 74_900),
    ("Dehydrated boulders, box of 12", 4_950),
    ("Disintegrating pistol", 39_900),
    ("Do-it-yourself tornado kit", 12_900),
    ("Earthquake pills, bottle of 50", 2_499),
    ("Explosive tennis balls, tin of 3", 1_999),
    ("Giant kite kit", 6_900),
    ("Giant magnet, mail-order size", 24_900),
    ("Giant rubber band", 3_995),
    ("Hi-speed tonic", 1_795),
    ("Instant hole, portable", 9_900),
    ("Invisible paint, one gallon", 5_995),
    ("Jet-propelled roller skates", 34_900),
    ("Jet-propelled pogo stick", 32_900),
    ("Leg-muscle vitamins", 2_295),
    ("Painted tunnel, cliff-sized", 15_900),
    ("Roadrunner trap with free bell", 19_900),
    ("Rocket sled, two boosters", 129_900),
    ("Rocket-powered unicycle", 39_900),
    ("Spring-loaded boxing glove", 7_900),
    ("Super outfit, bat-winged", 27_900),
    ("Time-space gun", 99_900),
];

/// Item number, name, price paid in US cents, and when. The catapult costs more than a refund without approval may.
const EXAMPLES: [(&str, &str, u64, Millis); 5] = [
    (
        "132612938",
        "Rocket-powered unicycle",
        39_900,
        1_788_300_000_000,
    ),
    (
        "204417703",
        "Jet-propelled roller skates",
        34_900,
        1_787_500_000_000,
    ),
    (
        "318205561",
        "Catapult, boulder-sized",
        74_900,
        1_786_400_000_000,
    ),
    (
        "427760195",
        "Earthquake pills, bottle of 50",
        2_499,
        1_785_900_000_000,
    ),
    ("590138826", "Giant rubber band", 3_995, 1_784_700_000_000),
];

/// The record that marks all of this as written.
pub(super) fn marker() -> Key {
    Key::new(CATALOGUE, "SEEDED")
}

/// The prefix of a catalogue's sort keys.
pub(super) const PRODUCT: &str = "P#";

/// The example orders, the same for every buyer. They are not read from the store, so no buyer can change those of another.
pub(super) fn examples() -> impl Iterator<Item = Order> {
    EXAMPLES
        .into_iter()
        .map(|(number, product, paid_cents, bought_at)| Order {
            order_id: format!("order_{number}"),
            item_id: format!("item_{number}"),
            product: product.to_owned(),
            paid_cents,
            bought_at,
            conversation: None,
            owner: Owner::none(),
        })
}

/// The example order of an item.
pub(super) fn example(item_id: &str) -> Option<Order> {
    examples().find(|order| order.item_id == item_id)
}

/// Writes everything, once: one commit with its marker. Operators see the examples in the list of orders.
pub(super) fn seed() -> Result<Vec<Change>, StoreError> {
    let mut changes = vec![Change::Create(marker(), books::record(&"seeded")?)];
    for (number, (name, price_cents)) in (1_u32..).zip(PRODUCTS) {
        let id = format!("product_{number:03}");
        let key = Key::new(CATALOGUE, format!("{PRODUCT}{id}"));
        let product = Product {
            id,
            name: name.to_owned(),
            price_cents,
        };
        changes.push(Change::Create(key, books::record(&product)?));
    }
    for order in examples() {
        changes.extend(books::add_order(&order)?);
    }
    Ok(changes)
}
