//! The salesman: roadrunners, a product, a ridiculous price, a crazy caveat, the order.

use serde_json::{Value, json};

use crate::reply::Reply;

use super::outcome::{self, Outcome, dollars};
use super::scene::{Moment, Scene};
use super::things::{title, wanted_thing};
use super::words::{Answer, Words};
use super::{EXECUTE_ORDER, anyone, arguments};

const PRODUCTS: &[&str] = &[
    "Anvil",
    "Rocket Skates",
    "Giant Rubber Band",
    "Dehydrated Boulders",
    "Giant Magnet",
    "Portable Hole",
    "Earthquake Pills",
    "Jet-Propelled Pogo Stick",
    "Invisible Paint",
    "Catapult",
];
const PRAISES: &[&str] = &[
    "No coyote has ever complained twice.",
    "It comes nearly assembled, with most of the screws.",
    "It is so good that gravity itself takes a moment to notice.",
];
const PRICES: &[u64] = &[4_999, 12_345, 77_777, 250_000, 1_000_000];
const CAVEATS: &[&str] = &[
    "it must never be used under a full moon, over a canyon, or by anyone who looks down.",
    "delivery is by catapult, and you have to catch it yourself.",
    "it works on Tuesdays only, and you sign that all roadrunners are innocent until caught.",
];
const WISHES: &[&str] = &[
    "buy*",
    "order*",
    "want*",
    "need*",
    "like",
    "how much*",
    "get",
    "purchase*",
];
const CAVEAT: &str = "One small thing: ";
const PRODUCT: &str = "**ACME ";

/// How far the sale is, by what this agent said last.
enum Stage<'a> {
    Opening,
    Asked,
    Pitched { product: &'a str },
    Priced { product: &'a str, price: u64 },
    Warned { product: &'a str, price: u64 },
}

impl<'a> Stage<'a> {
    fn product(&self) -> Option<&'a str> {
        match self {
            Self::Opening | Self::Asked => None,
            Self::Pitched { product }
            | Self::Priced { product, .. }
            | Self::Warned { product, .. } => Some(product),
        }
    }
}

pub(super) fn reply(scene: &Scene<'_>) -> Reply {
    match scene.moment {
        Moment::Results => ordered(scene),
        Moment::Spoken | Moment::Noted => answer(scene),
    }
}

fn ordered(scene: &Scene<'_>) -> Reply {
    let Some((call, result)) = scene
        .results
        .iter()
        .find(|(call, _)| call.name == EXECUTE_ORDER)
    else {
        return anyone::tell_results(scene);
    };
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let product = arguments
        .get("product")
        .and_then(Value::as_str)
        .unwrap_or("product");
    let outcome = outcome::read(result);
    let told = outcome::tell(&format!("your order of the ACME {product}"), &outcome);
    Reply::says(match outcome {
        Outcome::Done(_) => format!("{told} Please look up now and then in the next days."),
        Outcome::Refused(_) | Outcome::Pending | Outcome::NeedsApproval | Outcome::Unknown => told,
    })
}

fn answer(scene: &Scene<'_>) -> Reply {
    let words = Words::of(scene.said());
    let elsewhere = words.is_no_matter_of_sales() || words.asks_for_reception();
    if let Some(back) = scene
        .way_back()
        .filter(|_| elsewhere && !scene.handed_off_since_spoken())
    {
        return Reply::calls(&back.name, &arguments::for_tool(back, &[], scene.said()));
    }
    let stage = scene
        .own_words_since(EXECUTE_ORDER)
        .find_map(stage_of)
        .unwrap_or(Stage::Opening);
    if words.parts() && words.answer() != Answer::Yes {
        return Reply::says("Always a pleasure. May your roadrunners be slow!");
    }
    if let Some(product) = stage.product() {
        let changes_mind = |wanted: &String| words.wants_to_buy() && wanted != product;
        if wanted_in(scene.said()).as_ref().is_some_and(changes_mind) {
            return pitch(scene, Some(product));
        }
    }
    match (stage, words.answer()) {
        (Stage::Opening, _) => open(scene, &words),
        (Stage::Asked, _) => pitch(scene, None),
        (Stage::Pitched { product }, Answer::No) => pitch(scene, Some(product)),
        (Stage::Pitched { product }, Answer::Yes | Answer::Unclear) => price(scene, product),
        (Stage::Priced { product, .. } | Stage::Warned { product, .. }, Answer::No) => {
            pitch(scene, Some(product))
        }
        (Stage::Priced { product, price }, Answer::Unclear) => Reply::says(format!(
            "Everything about the **ACME {product}** is better than you think, only the price stays: **{}**. Do you take it?",
            dollars(price)
        )),
        (Stage::Priced { product, price }, Answer::Yes)
        | (Stage::Warned { product, price }, Answer::Unclear) => warn(scene, product, price),
        (Stage::Warned { product, price }, Answer::Yes) => order(scene, product, price),
    }
}

fn stage_of(text: &str) -> Option<Stage<'_>> {
    let product = text
        .split_once(PRODUCT)
        .and_then(|(_, rest)| rest.split_once("**"))
        .map(|(product, _)| product);
    let price = text.split_once('$').and_then(|(_, rest)| {
        let digits = rest
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == ',')
            .filter(char::is_ascii_digit);
        digits.collect::<String>().parse().ok()
    });
    match (product, price) {
        (Some(product), Some(price)) if text.contains(CAVEAT) => {
            Some(Stage::Warned { product, price })
        }
        (Some(product), Some(price)) => Some(Stage::Priced { product, price }),
        (Some(product), None) => Some(Stage::Pitched { product }),
        (None, _) => (text.contains("roadrunner") && text.contains('?')).then_some(Stage::Asked),
    }
}

fn open(scene: &Scene<'_>, words: &Words) -> Reply {
    let bought_before = scene.last_call(EXECUTE_ORDER).is_some();
    if bought_before || words.tells_of_roadrunners() {
        return pitch(scene, None);
    }
    Reply::says(match wanted(scene) {
        Some(product) => format!(
            "The {} is never a mistake! But tell me first: is a roadrunner giving you trouble?",
            product.to_lowercase()
        ),
        None => "Welcome to ACME sales! Tell me: is a roadrunner giving you trouble?".to_owned(),
    })
}

fn pitch(scene: &Scene<'_>, refused: Option<&str>) -> Reply {
    let praise = scene.pick(PRAISES).copied().unwrap_or_default();
    let wanted = wanted(scene).filter(|wanted| Some(wanted.as_str()) != refused);
    let others = || {
        scene
            .pick(PRODUCTS)
            .filter(|product| Some(**product) != refused)
            .or_else(|| PRODUCTS.first())
    };
    let product = wanted
        .or_else(|| others().map(|product| (*product).to_owned()))
        .unwrap_or_default();
    let opening = if refused.is_some() {
        "Then perhaps"
    } else {
        "I have just the thing:"
    };
    Reply::says(format!(
        "{opening} the {PRODUCT}{product}**. {praise} Shall I tell you what it costs?"
    ))
}

/// The product that the customer named, in this deal.
fn wanted(scene: &Scene<'_>) -> Option<String> {
    let said = scene.customer_since(EXECUTE_ORDER);
    said.iter().rev().find_map(|text| wanted_in(text))
}

fn wanted_in(text: &str) -> Option<String> {
    let words = Words::of(text);
    let named = wanted_thing(text)
        .filter(|_| words.any(WISHES))
        .map(|name| title(&name));
    named.or_else(|| {
        // "anvils" is an anvil; "skates" are the rocket ones.
        let is_named = |product: &&&str| {
            product
                .to_lowercase()
                .split(' ')
                .any(|part| words.any(&[&format!("{part}*")]))
        };
        PRODUCTS
            .iter()
            .find(is_named)
            .map(|product| (*product).to_owned())
    })
}

fn price(scene: &Scene<'_>, product: &str) -> Reply {
    let price = scene.pick(PRICES).copied().map(dollars).unwrap_or_default();
    Reply::says(format!(
        "For you, and only today: the {PRODUCT}{product}** for **{price}**. A bargain! Do you take it?"
    ))
}

fn warn(scene: &Scene<'_>, product: &str, price: u64) -> Reply {
    let caveat = scene.pick(CAVEATS).copied().unwrap_or_default();
    Reply::says(format!(
        "Wonderful! {CAVEAT}{caveat} Shall I order the {PRODUCT}{product}** for {} all the same?",
        dollars(price)
    ))
}

fn order(scene: &Scene<'_>, product: &str, price: u64) -> Reply {
    let Some(tool) = scene.tool(EXECUTE_ORDER) else {
        return Reply::says("I am sorry, I cannot take orders at the moment.");
    };
    let known = [("product", json!(product)), ("price", json!(price))];
    Reply::calls(
        EXECUTE_ORDER,
        &arguments::for_tool(tool, &known, scene.said()),
    )
}
