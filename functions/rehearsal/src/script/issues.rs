//! Issues and repairs: what happened, a fix, and only then a refund.

use serde_json::{Value, json};

use crate::reply::Reply;

use super::outcome::{self, Outcome};
use super::scene::{Moment, Scene};
use super::things::own_thing;
use super::words::{Answer, Words};
use super::{EXECUTE_REFUND, LOOK_UP_ITEM, anyone, arguments};

const FIXES: &[&str] = &[
    "turn it upside down, count to ten, and blow the dust out of the fuse.",
    "loosen every screw by half a turn, and tighten all but one again.",
    "put it in the shade for an hour, far away from cliffs, matches and magnets.",
];
const PROBED: &str = "What exactly happened";
const FIXED: &str = "Please try this first: ";
const OFFERED: &str = "shall I refund";
const WHICH: &str = "Which product is it?";

/// How far the case is, by what this agent said last.
enum Stage {
    Opening,
    Probed,
    /// A fix was proposed, and to a customer who demanded it a refund beside it.
    Fixed {
        offered: bool,
    },
    Offered,
    AskedWhich,
}

pub(super) fn reply(scene: &Scene<'_>) -> Reply {
    match scene.moment {
        Moment::Results => go_on(scene),
        Moment::Spoken | Moment::Noted => answer(scene),
    }
}

fn answer(scene: &Scene<'_>) -> Reply {
    let words = Words::of(scene.said());
    let elsewhere = words.wants_to_buy() || words.asks_for_reception();
    if let Some(back) = scene
        .way_back()
        .filter(|_| elsewhere && !scene.handed_off_since_spoken())
    {
        return Reply::calls(&back.name, &arguments::for_tool(back, &[], scene.said()));
    }
    let stage = scene
        .own_words_since(EXECUTE_REFUND)
        .find_map(stage_of)
        .unwrap_or(Stage::Opening);
    let (demands, answer) = (words.wants_refund(), words.answer());
    match (stage, demands, answer) {
        (Stage::Opening, _, _) => open(scene, &words),
        (Stage::Probed, _, _) => fix(scene, demands),
        (Stage::Fixed { .. } | Stage::Offered, true, _)
        | (Stage::Fixed { offered: true } | Stage::Offered, false, Answer::Yes) => {
            look_up_own_thing(scene)
        }
        (Stage::Offered, false, Answer::No) => Reply::says(
            "Then no refund. I am here if you change your mind, or if anything else is wrong.",
        ),
        (Stage::Fixed { .. }, false, _) | (Stage::Offered, false, Answer::Unclear) => {
            after_fix(scene, &words)
        }
        (Stage::AskedWhich, _, _) => look_up(scene, arguments::query(scene.said())),
    }
}

fn stage_of(text: &str) -> Option<Stage> {
    let has = |mark: &str| text.contains(mark);
    if has(WHICH) {
        Some(Stage::AskedWhich)
    } else if has(FIXED) {
        Some(Stage::Fixed {
            offered: has(OFFERED),
        })
    } else if has(OFFERED) {
        Some(Stage::Offered)
    } else {
        has(PROBED).then_some(Stage::Probed)
    }
}

fn open(scene: &Scene<'_>, words: &Words) -> Reply {
    let refunded_before = scene.last_call(EXECUTE_REFUND).is_some();
    match (refunded_before, words.wants_refund(), words.tells_defect()) {
        // The case is closed, or its refund was refused: who asks again has been through all of it.
        (true, true, _) => look_up_own_thing(scene),
        (true, false, false) => {
            Reply::says("You are welcome. Is there anything else that exploded?")
        }
        (true, false, true) | (false, _, _) => probe(scene),
    }
}

fn probe(scene: &Scene<'_>) -> Reply {
    Reply::says(format!(
        "I am sorry to hear that about your {}! {PROBED}, and what were you doing at the time?",
        called_thing(scene)
    ))
}

fn fix(scene: &Scene<'_>, demands: bool) -> Reply {
    let fix = scene.pick(FIXES).copied().unwrap_or_default();
    Reply::says(if demands {
        format!(
            "I understand. {FIXED}{fix} Or {OFFERED} your {} at once?",
            called_thing(scene)
        )
    } else {
        format!("Thank you, now I see it before me. {FIXED}{fix} Does that help?")
    })
}

fn after_fix(scene: &Scene<'_>, words: &Words) -> Reply {
    let glad = words.answer() == Answer::Yes
        || words.parts()
        || words.any(&["works", "working", "helped"]);
    Reply::says(if glad && words.answer() != Answer::No {
        "I am glad to hear it! ACME stands behind its products, at a safe distance.".to_owned()
    } else {
        format!(
            "Then let us not lose more time: {OFFERED} your {}?",
            called_thing(scene)
        )
    })
}

/// The customer's words for the thing, from what led to this agent on.
fn own(scene: &Scene<'_>) -> Option<String> {
    let case = scene.customer_since(EXECUTE_REFUND);
    case.iter()
        .find_map(|text| own_thing(text))
        .or_else(|| scene.customer_backwards().find_map(own_thing))
}

fn called_thing(scene: &Scene<'_>) -> String {
    own(scene).unwrap_or_else(|| "ACME product".to_owned())
}

fn look_up_own_thing(scene: &Scene<'_>) -> Reply {
    match own(scene) {
        Some(thing) => look_up(scene, &thing),
        None => Reply::says(format!("Of course. {WHICH} Its name is enough.")),
    }
}

fn look_up(scene: &Scene<'_>, query: &str) -> Reply {
    let Some(tool) = scene.tool(LOOK_UP_ITEM) else {
        return Reply::says(
            "I am sorry, I cannot look up items at the moment, and without that I cannot refund one.",
        );
    };
    Reply::calls(
        LOOK_UP_ITEM,
        &arguments::for_tool(tool, &[("search_query", json!(query))], scene.said()),
    )
}

fn go_on(scene: &Scene<'_>) -> Reply {
    let result_of = |name: &str| scene.results.iter().find(|(call, _)| call.name == name);
    if let Some((_, result)) = result_of(EXECUTE_REFUND) {
        let subject = format!("the refund of your {}", refunded_thing(scene));
        return Reply::says(outcome::tell(&subject, &outcome::read(result)));
    }
    match result_of(LOOK_UP_ITEM) {
        Some((call, result)) => refund_found(scene, &call.arguments, result),
        None => anyone::tell_results(scene),
    }
}

/// The thing of the case that has just been closed by a refund.
fn refunded_thing(scene: &Scene<'_>) -> String {
    let query = scene
        .last_call(LOOK_UP_ITEM)
        .and_then(|call| query_of(&call.arguments));
    query.unwrap_or_else(|| called_thing(scene))
}

fn query_of(arguments: &str) -> Option<String> {
    let arguments: Value = serde_json::from_str(arguments).ok()?;
    arguments
        .get("search_query")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn refund_found(scene: &Scene<'_>, arguments: &str, result: &str) -> Reply {
    let query = query_of(arguments).unwrap_or_default();
    if let Outcome::Refused(reason) = outcome::read(result) {
        return Reply::says(format!(
            "I am sorry, I could not look up your {query}: {reason}. {WHICH}"
        ));
    }
    let Some(item_id) = item_id(result, &query) else {
        return Reply::says(format!(
            "I cannot find '{query}' among your orders. {WHICH} Please try other words."
        ));
    };
    let Some(tool) = scene.tool(EXECUTE_REFUND) else {
        return Reply::says(format!(
            "I found it, item **{item_id}**, but I cannot refund it from here."
        ));
    };
    let known = [
        ("item_id", json!(item_id)),
        ("reason", json!(reason(scene))),
    ];
    Reply::calls(
        EXECUTE_REFUND,
        &arguments::for_tool(tool, &known, scene.said()),
    )
}

/// The customer's own words, from the message that told what is wrong.
fn reason<'a>(scene: &Scene<'a>) -> &'a str {
    let case = scene.customer_since(EXECUTE_REFUND);
    let told = case
        .iter()
        .find(|text| Words::of(text).tells_defect())
        .or_else(|| case.first());
    arguments::query(told.copied().unwrap_or("not provided"))
}

/// The id of the item that has most of the query's words, in a result of any shape.
fn item_id(result: &str, query: &str) -> Option<String> {
    let Ok(value) = serde_json::from_str::<Value>(result) else {
        return id_in_text(result);
    };
    if let Value::String(text) = &value {
        return id_in_text(text);
    }
    ["item_id", "id"].iter().find_map(|key| {
        let mut items = Vec::new();
        collect_items(&value, key, &mut items);
        let score = |item: &Value| {
            let words = Words::of(&item.to_string());
            Words::of(query)
                .iter()
                .filter(|word| words.any(&[word]))
                .count()
        };
        let ranked = items.into_iter().map(|(id, item)| (score(item), id));
        // The first of equals: the tool's order is its ranking.
        ranked
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, id)| id)
    })
}

fn collect_items<'a>(value: &'a Value, key: &str, items: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) => {
            items.extend(
                fields
                    .get(key)
                    .and_then(outcome::scalar)
                    .map(|id| (id, value)),
            );
            fields
                .values()
                .for_each(|inner| collect_items(inner, key, items));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|inner| collect_items(inner, key, items)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `item_132612938` in "Found: item_132612938."
fn id_in_text(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    words
        .find(|word| {
            word.contains(|c: char| c.is_ascii_digit()) && word.contains(char::is_alphabetic)
        })
        .map(str::to_owned)
}
