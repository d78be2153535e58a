//! What a developer asks for: the phrases in the crate's documentation, and a sample of Markdown.

use serde_json::{Value, json};

use crate::reply::{Called, Reply};

use super::scene::{Moment, Scene};
use super::words::Words;
use super::{LOOK_UP_ITEM, anyone};

const LONG_WORDS_MAX: usize = 10_000;
/// What a response may hold in the clients that this is made for.
const CALLS_MAX: usize = 16;
const LONG_TEXT: &[&str] = &[
    "The",
    "anvil",
    "falls",
    "and",
    "the",
    "roadrunner",
    "runs",
    "on.",
    "Beep",
    "beep.",
];

const MARKDOWN: &str = "\
Here is a **sample of Markdown**, with *everything* that a page should show.

1. An anvil, 500 kg
2. Rocket skates, one pair
   - the left one
   - the right one

| Product | Weight | Survivors |
| --- | ---: | :---: |
| Anvil | 500 kg | 0 |
| Dehydrated boulder | 2 g | 1 |

```rust
fn main() {
    let speed = \"beep beep\".len() * 100;
    println!(\"{speed} km/h\"); // <b>not bold</b>
}
```

> More about `anvils` at [the catalogue](https://example.com/catalogue?page=1&sort=weight).";

/// The answer to a developer's phrase, or to the results of one.
pub(super) fn reply(scene: &Scene<'_>) -> Option<Reply> {
    let said = scene.said();
    let phrase = said.find("rehearse:").and_then(|at| said.get(at..));
    match (scene.moment, phrase) {
        (Moment::Results, Some(_)) => Some(anyone::tell_results(scene)),
        (Moment::Spoken, Some(phrase)) if !scene.acted_since_spoken() => rehearse(scene, phrase),
        (Moment::Spoken, None) if asks_for_sample(said) && !scene.acted_since_spoken() => {
            Some(Reply::says(MARKDOWN))
        }
        (Moment::Spoken | Moment::Noted, _) | (Moment::Results, None) => None,
    }
}

fn asks_for_sample(said: &str) -> bool {
    let words = Words::of(said);
    words.any(&["show*", "sample*", "example*", "demo*"])
        && words.any(&["markdown", "code", "table*"])
}

fn rehearse(scene: &Scene<'_>, phrase: &str) -> Option<Reply> {
    let (first, _) = phrase.split_once('\n').unwrap_or((phrase, ""));
    let command = first.trim_start_matches("rehearse:").trim();
    if let Some(count) = command.strip_prefix("long") {
        let count = count
            .trim()
            .parse()
            .ok()
            .filter(|count| *count <= LONG_WORDS_MAX);
        return Some(count.map_or_else(
            || {
                Reply::says(format!(
                    "I can say up to {LONG_WORDS_MAX} words: rehearse: long 500"
                ))
            },
            long,
        ));
    }
    if command.starts_with("two lookups") {
        let queries = ["anvil", "rocket skates"];
        let calls =
            queries.map(|query| (LOOK_UP_ITEM, json!({ "search_query": query }).to_string()));
        return Some(calls_of(scene, calls.to_vec()));
    }
    let calls: Vec<_> = phrase
        .lines()
        .filter_map(call_line)
        .take(CALLS_MAX)
        .collect();
    (!calls.is_empty()).then(|| calls_of(scene, calls))
}

fn long(count: usize) -> Reply {
    let words: Vec<&str> = LONG_TEXT.iter().copied().cycle().take(count).collect();
    Reply::says(words.join(" "))
}

/// `rehearse: call NAME ARGUMENTS`
fn call_line(line: &str) -> Option<(&str, String)> {
    let call = line
        .trim()
        .strip_prefix("rehearse:")?
        .trim()
        .strip_prefix("call ")?
        .trim();
    let (name, arguments) = call.split_once(char::is_whitespace).unwrap_or((call, "{}"));
    Some((name, arguments.trim().to_owned()))
}

fn calls_of(scene: &Scene<'_>, calls: Vec<(&str, String)>) -> Reply {
    if let Some((missing, _)) = calls.iter().find(|(name, _)| scene.tool(name).is_none()) {
        return Reply::says(format!("I have no tool `{missing}`, so I call nothing."));
    }
    let calls = calls.into_iter().map(|(name, arguments)| Called {
        name: name.to_owned(),
        arguments,
    });
    Reply {
        calls: calls.collect(),
        ..Reply::default()
    }
}

/// One line of Markdown for each field of a result.
pub(super) fn as_list(value: &Value) -> String {
    let Value::Object(fields) = value else {
        return format!("- {value}");
    };
    let lines = fields.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("- **{name}**: {text}"),
        None => format!("- **{name}**: {value}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
